# SPDX-License-Identifier: Apache-2.0
"""The emulator reads and writes JSON as Google's proto3 servers do; batches and discovery documents too."""

from __future__ import annotations

import json
from email import message_from_string
from typing import TYPE_CHECKING, Any

import pytest
import requests
from google.auth.credentials import AnonymousCredentials
from googleapiclient import discovery
from googleapiclient.http import BatchHttpRequest

from airflow_provider_workflows.testing import Emulator, ManualClock, Step
from airflow_provider_workflows.testing.discovery import versions
from tests.discovered import installed

if TYPE_CHECKING:
    from tests.unit.testing.conftest import Api

PARENT = "projects/test-project/locations/us-central1/workflows/echo"


def field(answer: requests.Response) -> str:
    """Return the field that a refusal names."""
    assert answer.status_code == 400, answer.text
    return str(answer.json()["error"]["details"][0]["fieldViolations"][0].get("field", ""))


@pytest.mark.parametrize(("view", "expected"), [("1", False), ("2", True), ("0", True), ("FULL", True)])
def test_enums_by_number_in_queries(api: Api, view: str, expected: bool) -> None:
    """A query may name an enum's value or give its number."""
    execution_id = api.created("echo")
    assert ("argument" in api.get("echo", execution_id, view=view).json()) == expected


@pytest.mark.parametrize("view", ["3", "-1", "1.0", "full", "²", "9" * 20])
def test_numbers_that_are_no_enum_value(api: Api, view: str) -> None:
    """Another number, or a name that is not exactly a value's, is refused."""
    assert field(api.get("echo", api.created("echo"), view=view)) == "view"


def test_enums_by_number_in_bodies(v1: Api) -> None:
    """A body may give the number of an enum's value, which comes back by its name; a boolean is no number."""
    created = v1.create("echo", {"callLogLevel": 3, "execution_history_level": 2}).json()
    assert (created["callLogLevel"], created["executionHistoryLevel"]) == ("LOG_NONE", "EXECUTION_HISTORY_DETAILED")
    assert "callLogLevel" not in v1.create("echo", {"callLogLevel": 0}).json()
    for wrong in (4, -1, True, 1.5, "1"):
        assert field(v1.create("echo", {"callLogLevel": wrong})) == "execution.callLogLevel"


@pytest.mark.parametrize("name", ["alt", "$alt"])
def test_enums_as_numbers_in_answers(v1: Api, emulator: Emulator, name: str) -> None:
    """`$alt=json;enum-encoding=int` has enums answered as numbers, in nested messages, too."""

    @emulator.workflow("steps")
    def steps(argument: Any) -> Any:
        yield Step("one", type="STEP_ASSIGN")

    asked = {name: "json;enum-encoding=int"}
    created = v1.create("steps", {"callLogLevel": "LOG_ALL_CALLS"}, **asked).json()
    execution_id = created["name"].rpartition("/")[2]
    assert (created["state"], created["callLogLevel"]) == (1, 1)
    assert [each["state"] for each in v1.list("steps", **asked).json()["executions"]] == [2]
    (entry,) = v1.step_entries("steps", execution_id, **asked).json()["stepEntries"]
    assert (entry["state"], entry["stepType"]) == (2, 1)
    assert v1.get("steps", execution_id, **{name: "json"}).json()["state"] == "SUCCEEDED"
    for wrong in ("media", "proto", "json;enum-encoding=text", ""):
        assert field(v1.get("steps", execution_id, **{name: wrong})) == "alt"


def test_snake_case_in_queries(v1: Api) -> None:
    """Parameters come in either spelling, and in no third one."""
    for _ in range(3):
        v1.created("echo")
    page = v1.list("echo", page_size=2, order_by="createTime").json()
    assert len(page["executions"]) == 2
    assert len(v1.list("echo", page_size=2, order_by="createTime", page_token=page["nextPageToken"]).json()) == 1
    assert field(v1.list("echo", page_Size=2)) == "page_Size"
    assert field(v1.list("echo", pagesize=2)) == "pagesize"


@pytest.mark.parametrize(("size", "number"), [("", 3), ("0", 3), ("2", 2), ("-1", 400), ("1.5", 400), ("x", 400)])
def test_page_sizes(api: Api, size: str, number: int) -> None:
    """A page size is a whole number of 32 bits; none, 0 and an empty one are the default."""
    for _ in range(3):
        api.created("echo")
    answer = api.list("echo", pageSize=size)
    assert number in (answer.status_code, len(answer.json().get("executions", [])))
    assert field(api.list("echo", pageSize=str(2**31))) == "page_size"


@pytest.mark.parametrize(
    ("seconds", "end"),
    [
        (1.0, "2026-01-01T00:00:01Z"),
        (1.5, "2026-01-01T00:00:01.500Z"),
        (1.000025, "2026-01-01T00:00:01.000025Z"),
        (1.000000001, "2026-01-01T00:00:01.000000001Z"),
    ],
)
def test_fractions_have_as_many_digits_as_they_need(v1: Api, clock: ManualClock, seconds: float, end: str) -> None:
    """Times and durations have 0, 3, 6 or 9 digits after the point."""
    execution_id = v1.created("sleep", {"seconds": seconds})
    clock.advance(2)
    ended = v1.get("sleep", execution_id).json()
    assert (ended["endTime"], ended["duration"]) == (end, f"{end[18:-1]}s")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"argument": "\ud800"}, "execution.argument"),
        ({"labels": {"a": "\udfff"}}, "execution.labels"),
        ({"startTime": "today"}, "execution.startTime"),
        ({"state": "PAUSED"}, "execution.state"),
        ({"error": []}, "execution.error"),
        ({"error": {"colour": 1}}, "execution.error"),
        ({"status": {"currentSteps": {}}}, "execution.status.currentSteps"),
    ],
)
def test_bodies_are_checked_to_their_depth(v1: Api, body: Any, where: str) -> None:
    """Also a field that is ignored must be one, of its type; text must be Unicode."""
    assert field(v1.create("echo", body)) == where


def test_int64_and_null(v1: Api) -> None:
    """64-bit numbers come as text or number, and null is absent."""
    for line in ("12", 12, None):
        trace = {"elements": [{"position": {"line": line}}]}
        assert v1.create("echo", {"error": {"stackTrace": trace}, "labels": None}).status_code == 200
    trace = {"elements": [{"position": {"line": "x"}}]}
    assert field(v1.create("echo", {"error": {"stackTrace": trace}})).endswith("elements[0].position.line")


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 50_000, b'{"argument": NaN}', b"\xff"])
def test_bodies_that_are_no_json(api: Api, body: bytes) -> None:
    """What is nested too deeply, or is no JSON, is a 400 like any other."""
    assert "Invalid JSON payload" in api.create("echo", body).json()["error"]["message"]
    assert field(api.create("echo", {"argument": "[" * 50_000})) == "execution.argument"


@pytest.mark.parametrize("text", ["(" * 3000, "NOT " * 1000 + "state=ACTIVE", "createTime>9999-12-31T23:59:59-23:59"])
def test_monstrous_filters(v1: Api, text: str) -> None:
    """A filter that is nested too deeply or has an impossible time is a 400."""
    answer = v1.list("echo", filter=text)
    assert answer.status_code in (200, 400)
    assert "\n" not in answer.text


def test_body_that_is_too_large(v1: Api) -> None:
    """A body beyond all limits is refused in the envelope, too."""
    assert v1.create("echo", b" " * (17 * 1024 * 1024)).json()["error"]["code"] == 413


def test_documents_are_those_of_the_client_library() -> None:
    """The emulator's discovery documents are google-api-python-client's, as far as it has the same revision."""
    for name, version in versions().items():
        if installed(name)["revision"] >= version.document["revision"]:
            assert installed(name) == version.document, f"copy google-api-python-client's {name} to testing/documents"


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_client_built_from_the_emulator_s_own_document(emulator: Emulator, version: str) -> None:
    """A client that reads the discovery document from the emulator talks to the emulator."""
    service = discovery.build(
        "workflowexecutions",
        version,
        discoveryServiceUrl=f"{emulator.endpoint}/$discovery/rest?version={{apiVersion}}",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        static_discovery=False,
        cache_discovery=False,
    )
    executions = service.projects().locations().workflows().executions()
    assert executions.create(parent=PARENT, body={}).execute()["state"] == "ACTIVE"
    assert emulator.count("create") == 1
    service.close()


def test_discovery_of_what_is_not_there(emulator: Emulator) -> None:
    """Another version's document is a 400, another verb a 405."""
    url = f"{emulator.endpoint}/$discovery/rest"
    assert requests.get(url, params={"version": "v2"}, timeout=10).json()["error"]["code"] == 400
    assert requests.post(url, timeout=10).json()["error"]["code"] == 405


def test_batch_of_googles_client(emulator: Emulator, google: Any) -> None:
    """google-api-python-client's batches are answered, each request by itself, and logged one by one."""
    executions, answers = google("v1"), {}

    def keep(request_id: str, answer: Any, error: Any) -> None:
        answers[request_id] = error.status_code if error else answer.get("state", len(answer.get("executions", [])))

    batch = BatchHttpRequest(callback=keep, batch_uri=f"{emulator.endpoint}/batch")
    batch.add(executions.create(parent=PARENT, body={"argument": "1"}), request_id="create")
    batch.add(executions.get(name=f"{PARENT}/executions/nothing"), request_id="get")
    batch.add(executions.list(parent=PARENT, view="FULL"), request_id="list")
    batch.execute()
    assert answers == {"create": "ACTIVE", "get": 404, "list": 1}
    assert [request.operation for request in emulator.requests] == ["create", "get", "list"]


BATCH = {"Content-Type": "multipart/mixed; boundary=b"}


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "application/json"}, "{}"),
        (BATCH, ""),
        (BATCH, "--b\r\n\r\nnonsense\r\n--b--"),
        (BATCH, "--b\r\n\r\nGET http://elsewhere HTTP/1.1\r\n--b--"),
        (BATCH, "--b\r\n\r\nGET / HTTP/1.1\r\n\r\n" * 1001 + "--b--"),
        ({"Content-Type": "multipart/mixed"}, "--b--"),
    ],
)
def test_what_is_no_batch(emulator: Emulator, headers: dict[str, str], body: str) -> None:
    """What is no batch, or a part that is no request, is a 400."""
    answer = requests.post(f"{emulator.endpoint}/batch", body, headers=headers, timeout=10)
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


def test_batch_without_ids_and_with_faults(emulator: Emulator) -> None:
    """Parts without an id are answered in their order; a fault spoils the part that it fits."""
    part = f"--b\r\nContent-Type: application/http\r\n\r\nGET /v1/{PARENT}/executions\r\n\r\n\r\n"
    emulator.fail("list", "unavailable")
    answer = requests.post(f"{emulator.endpoint}/batch", f"{part}{part}--b--", headers=BATCH, timeout=10)
    message = message_from_string(f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n{answer.text}")
    texts = [str(each.get_payload()) for each in message.get_payload()]  # type: ignore[union-attr]
    assert [text.split(" ")[1] for text in texts] == ["503", "200"]
    assert json.loads(texts[1].replace("\r\n", "\n").partition("\n\n")[2]) == {}


def test_batch_can_be_refused(emulator: Emulator) -> None:
    """With `batch` "refuse" there is no such path."""
    emulator.settings.batch = "refuse"
    answer = requests.post(f"{emulator.endpoint}/batch", b"", headers=BATCH, timeout=10)
    assert (answer.status_code, answer.json()["error"]["status"]) == (404, "NOT_FOUND")


def test_answers_of_unknown_paths_are_in_the_envelope(emulator: Emulator) -> None:
    """Also outside the API, and for the control API's paths by another verb, an error is an envelope."""
    for path in ("/", "/v2", "/emulator/faults", "/emulator/nothing"):
        answer = requests.put(f"{emulator.endpoint}{path}", timeout=10)
        assert answer.json()["error"]["code"] == answer.status_code == 404
