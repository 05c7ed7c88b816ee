# SPDX-License-Identifier: Apache-2.0
"""Check what the package relies on, whatever the open questions turn out to be."""

from __future__ import annotations

import json
import re
from typing import Any

from airflow_provider_workflows.api.errors import read_error
from airflow_provider_workflows.core.failure import execution_error
from airflow_provider_workflows.core.names import ExecutionName, WorkflowName
from airflow_provider_workflows.polling.lists import FIELDS
from tests.contract.questions import expect, relies
from tests.contract.server import ENDED, Answer, DepartureError, Server
from tests.discovered import check, document

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
_ID = re.compile(r"[A-Za-z0-9_-]+")


@relies("A create answers with an execution that is ACTIVE or QUEUED, and its name ends with an id.")
def created(server: Server) -> None:
    """Hold the answer to a create to what is read of it."""
    execution = server.create("echo", {"a": 1})
    expect(execution.get("state") in {"ACTIVE", "QUEUED"}, f"its state is {execution.get('state')}")
    middle = f"/locations/{server.location}/workflows/{server.workflows['echo']}/executions/"
    expect(middle in execution["name"], "its name is not the workflow's with an id")
    expect(
        _ID.fullmatch(execution["name"].rpartition("/")[2]), "its id has other characters than letters, digits, _, -"
    )


@relies("The project may be written as in the request, whatever a name in an answer says.")
def project_as_requested(server: Server) -> None:
    """Get an execution by the project that the create named, and by the name in the answer."""
    answer = server.create("echo")
    server.until(server.path("echo", answer))
    for name in (server.path("echo", answer), answer["name"]):
        found = server.get(name)
        expect(found.status == 200, f"a get answers {found.described()}")
        expect(found.json["name"] == answer["name"], "the same execution has two names")


@relies("An argument comes back as equal JSON, and a result is JSON text.")
def values(server: Server) -> None:
    """Send values of every kind through a workflow that returns its argument."""
    values_of_each_kind: tuple[Any, ...] = ({"ü": [1, 2.5, True, None, 'a"b\n']}, "text", [], 0, False)
    for value in values_of_each_kind:
        execution = server.ended("echo", value)
        expect(execution["state"] == "SUCCEEDED", f"it ended {execution['state']}")
        expect(json.loads(execution["argument"]) == value, "the argument is another one")
        expect(json.loads(execution["result"]) == value, "the result is another one")


@relies("Without an argument it is null, and a result of null is the text `null`.")
def no_argument(server: Server) -> None:
    """Create without an argument."""
    execution = server.ended("echo")
    expect(json.loads(execution.get("argument", "null")) is None, "the argument is not null")
    expect(execution.get("result") == "null", "the result is not the text null")


@relies("Times are RFC 3339 in UTC, and who has ended has an endTime.")
def times(server: Server) -> None:
    """Look at the times of an execution that has ended."""
    execution = server.ended("echo")
    for key in ("startTime", "endTime", *(["createTime"] if server.version == "v1" else [])):
        expect(_TIME.fullmatch(execution.get(key, "")), f"{key} is not such a time")


@relies("A get is FULL unless BASIC is asked for; a list is BASIC, with name, state and times, without values.")
def views(server: Server) -> None:
    """Compare the views."""
    name = server.start("echo", [1])
    server.until(name)
    server.listed("echo", [name])
    expect({"argument", "result"} <= set(server.get(name).json), "a get without view lacks values")
    for basic in (server.get(name, view="BASIC").json, server.list("echo", pageSize=1).json["executions"][0]):
        expect({"name", "state", "startTime", "endTime"} <= set(basic), "BASIC lacks name, state or times")
        expect(not {"argument", "result", "labels", "error"} & set(basic), "BASIC has values")
    listed = server.list("echo", pageSize=1, view="FULL").json["executions"][0]
    expect({"argument", "result"} <= set(listed), "a FULL list lacks values")


@relies("A list is newest first, and its pages hold each execution once.")
def pages(server: Server) -> None:
    """Read a list of five page by page."""
    made = [server.start("echo", number) for number in range(5)]
    for name in made:
        server.until(name)
    server.listed("echo", made)
    listed: list[str] = []
    token = ""
    while len(listed) < len(made):
        page = server.list("echo", pageSize=2, **({"pageToken": token} if token else {})).json
        expect(len(page["executions"]) <= 2, "a page is larger than it was asked to be")
        listed += [server.path("echo", each) for each in page["executions"]]
        token = page.get("nextPageToken", "")
        expect(token or len(listed) >= len(made), "the pages end early")
    expect(listed[: len(made)] == made[::-1], "the order is another one")


@relies("A pageSize above the largest is taken for the largest.")
def large_page(server: Server) -> None:
    """Ask for a page that is larger than any."""
    answer = server.list("echo", pageSize=20_000)
    expect(answer.status == 200, f"it answers {answer.described()}")


@relies("`fields` chooses among the fields of get and list.")
def partial_answers(server: Server) -> None:
    """Ask for what a shared wait reads."""
    name = server.start("echo", [1])
    server.listed("echo", [name])
    page = server.list("echo", pageSize=1, view="BASIC", fields=FIELDS)
    expect(page.status == 200, f"it answers {page.described()}")
    expect({"name", "state"} <= set(page.json["executions"][0]), "what was asked for is missing")
    expect(set(page.json["executions"][0]) <= set(re.findall(r"\w+", FIELDS)), "there is more than was asked for")


@relies("A list can be filtered by state.", v1_only=True)
def state_filter(server: Server) -> None:
    """Filter by a state, as Google's documents show it."""
    failed = server.fails("text")
    for role in ("echo", failed):
        name = server.start(role, {"kind": "text"})
        server.until(name)
        server.listed(role, [name])
    for role, state, other in (("echo", "SUCCEEDED", "FAILED"), (failed, "FAILED", "SUCCEEDED")):
        found = server.list(role, filter=f'state="{state}"')
        expect(found.status == 200, f"it answers {found.described()}")
        expect({each["state"] for each in found.json["executions"]} == {state}, "other states are listed, too")
        expect("executions" not in server.list(role, filter=f'state="{other}"').json, "it finds what is not there")


@relies("Labels of a create come back in FULL, beside those of the workflow, which they override.", v1_only=True)
def labels(server: Server) -> None:
    """Create with labels on a workflow that has some of its own: `contract: workflow` and `origin: workflow`."""
    name = server.start("wait", {"seconds": 0}, labels={"contract": "own", "added": ""})
    server.until(name, ENDED | {"ACTIVE"})
    found = server.get(name, view="FULL").json.get("labels", {})
    expect(found.get("contract") == "own", "the execution's label does not override the workflow's")
    expect(found.get("added") == "", "a label with an empty value is missing")
    expect(found.get("origin") == "workflow", "the workflow's label is not inherited")


@relies("A cancelled execution is CANCELLED within the 20 seconds that a kill waits for it.")
def cancelled(server: Server) -> None:
    """Cancel an execution that goes on, and look."""
    name = server.start("wait", {"seconds": 600})
    server.until(name, frozenset({"ACTIVE"}))
    answer = server.cancel(name)
    expect(answer.status == 200, f"the cancel answers {answer.described()}")
    execution, looks = server.until(name)
    expect(execution["state"] == "CANCELLED", f"it ended {execution['state']}")
    expect(looks <= 20, "it took longer")


@relies("Errors are in Google's envelope, and what is missing is a 404.")
def missing(server: Server) -> None:
    """Ask for an execution and for a workflow that are not there."""
    name = f"{server.parent('echo')}/executions/00000000-0000-4000-8000-000000000000"
    nowhere = f"{server.parent('echo')}-none/executions"
    for answer in (server.get(name), server.cancel(name), server.send("POST", nowhere, body={})):
        _expect_error(answer, 404)


@relies(
    "What is wrong with a create is a 400 in Google's envelope: no JSON, an argument that is none, a strange field."
)
def bad_requests(server: Server) -> None:
    """Send bodies that are wrong."""
    path = f"{server.parent('echo')}/executions"
    for body in (b"{", {"argument": "{no json"}, {"noSuchField": 1}, {"argument": {"not": "a text"}}):
        _expect_error(server.send("POST", path, body=body), 400)


def _expect_error(answer: Answer, status: int) -> None:
    expect(answer.status == status, f"it answers {answer.described()}")
    read = read_error(answer.status, answer.headers, answer.content, 0.0)
    expect(read.from_api and read.reason, "the package does not know it for an answer of the API")


@relies("Of a failure the package reads the step that failed, which the first frame of the stack names, and the line.")
def failing_step(server: Server) -> None:
    """Let a subworkflow fail, and read where."""
    role = server.fails("nested")
    execution = server.ended(role, {"kind": "nested"})
    expect(execution["state"] == "FAILED", f"it ended {execution['state']}")
    workflow = WorkflowName(server.project, server.location, server.workflows[role])
    error = execution_error(execution, ExecutionName(workflow, execution["name"].rpartition("/")[2]))
    expect(error.step == "raise_inner", "the step is not read, or is not the innermost")
    expect(isinstance(error.line, int), "the line is not read")


@relies("Answers have the types, formats and enums of the discovery document, and no field that it lacks.")
def documented(server: Server) -> None:
    """Hold answers to Google's document of the version."""
    name = server.start("echo", [1])
    server.until(name)
    server.listed("echo", [name])
    page = server.list("echo", pageSize=2, view="FULL").json
    _expect_documented(server.version, "Execution", server.get(name).json)
    _expect_documented(server.version, "ListExecutionsResponse", page)


def _expect_documented(version: str, kind: str, answer: Any) -> None:
    try:
        check(answer, {"$ref": kind}, document(version), kind)
    except AssertionError as error:
        raise DepartureError(str(error).partition("\n")[0]) from None
