# SPDX-License-Identifier: Apache-2.0
"""
Have a client ask an emulator each method of a version, and judge what arrived there and what it read.

A client is a program in `clients/`: it is given the `Prepared` executions as JSON, asks each method that it has, and
prints what came back, by method. A method works where the emulator's log has the client's requests, of this version
and no others, and what the client read of the answers is what is at the emulator.
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from airflow_provider_workflows.testing import DEFAULT_PROJECT, Callback, Emulator, LoggedRequest, Step
from airflow_provider_workflows.testing.discovery import OPERATION_OF, versions

ROOT = Path(__file__).resolve().parents[2]
WORKS, ABSENT = "works", "not offered"
PAGES = "list, all pages"
CROWD, PAGE_SIZE = 5, 2
_OPERATIONS = {name.partition(".")[2]: operation for name, operation in OPERATION_OF.items()} | {PAGES: "list"}

#: How a client asks: each request by itself, after an answer of 503, or in batches.
Way = Literal["plain", "retries", "batch"]


@dataclass(frozen=True)
class Prepared:
    """Name what is there before a client asks, for the client to ask about."""

    endpoint: str
    version: str
    workflows: str
    known: str
    forever: str
    stepped: str
    forgotten: str
    waiting: str


@dataclass(frozen=True)
class Seen:
    """Hold what there was to see at the emulator once the client had ended."""

    prepared: Prepared
    requests: list[LoggedRequest]
    executions: Mapping[str, list[dict[str, Any]]]
    steps: Mapping[str, list[str]]

    def newest(self, workflow: str) -> tuple[str, Any]:
        """Return the id and the argument of a workflow's last execution, the one that the client created."""
        execution = self.executions[workflow][-1]
        return _id(execution), execution["argument"]


def methods(version: str) -> list[str]:
    """Return a version's methods by the ends of their ids, with the list over several pages as one of its own."""
    there = {method.operation for method in versions()[version].methods}
    found = [method for method, operation in _OPERATIONS.items() if operation in there]
    return sorted(found, key=lambda method: list(OPERATION_OF.values()).index(_OPERATIONS[method]))


def ask(command: list[str], way: Way, version: str, folder: Path) -> dict[str, str]:
    """Run a client on an emulator of its own; return by method what came of it."""
    with Emulator() as emulator:
        prepared = _prepare(emulator, version)
        if way == "retries":
            for operation in OPERATION_OF.values():
                emulator.fail(operation, "unavailable", when=lambda request: "pageSize" not in request.query)
            emulator.fail("list", "unavailable", when=lambda request: "pageSize" in request.query)
        answers = _run([*command, json.dumps(asdict(prepared))], folder)
        seen = _look(emulator, prepared)
    had = {"/$discovery/rest", *(_OPERATIONS[method] for method in methods(version))}
    strays = [each.path for each in seen.requests if not {each.operation, each.path} & had]
    if strays:
        raise RuntimeError(f"{version} was asked what it does not have: {strays}")
    return {method: _judge(method, answers.get(method), seen, way) for method in methods(version)}


def _prepare(emulator: Emulator, version: str) -> Prepared:
    @emulator.workflow("stepped")
    def stepped(argument: Any) -> Any:
        yield Step("first")
        yield Step("second")

    @emulator.workflow("approval")
    def approval(argument: Any) -> Any:
        yield Callback("approve")

    emulator.workflow("event")(lambda argument: argument)
    emulator.workflow("crowd")(lambda argument: argument)
    emulator.add_executions("crowd", CROWD)
    begun = [emulator.start("echo", "known"), *map(emulator.start, ("forever", "stepped", "stepped", "approval"))]
    numbered = [emulator.execution(each)["name"] for each in begun]
    names = [re.sub("^projects/[^/]+", f"projects/{DEFAULT_PROJECT}", name) for name in numbered]
    return Prepared(emulator.endpoint, version, names[0].rpartition("/echo/")[0], *names)


def _run(command: list[str], folder: Path) -> dict[str, Any]:
    """Run a client without this machine's settings; return its answers by method."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GOOGLE_", "AIRFLOW", "COV"))}
    own = {"AIRFLOW_HOME": str(folder / "airflow"), "PYTHONPATH": str(ROOT)}
    here = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    done = subprocess.run(
        command, env={**kept, **own, **here}, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{Path(command[0]).name} {Path(command[1]).name} failed:\n{done.stderr}")
    answers: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answers


def _look(emulator: Emulator, prepared: Prepared) -> Seen:
    requests = emulator.requests
    emulator.clear_faults()
    executions = {workflow: emulator.executions(workflow) for workflow in ("echo", "crowd", "forever", "event")}
    return Seen(
        prepared,
        requests,
        executions,
        {name: _steps(emulator, name) for name in (prepared.stepped, prepared.forgotten)},
    )


def _steps(emulator: Emulator, name: str) -> list[str]:
    """Return the steps of an execution whose entries are still kept."""
    with urllib.request.urlopen(f"{emulator.endpoint}/v1/{name}/stepEntries") as answer:
        return [entry["step"] for entry in json.load(answer).get("stepEntries", [])]


# --- judging ---------------------------------------------------------------------------------------------------------


def _judge(method: str, answer: Any, seen: Seen, way: Way) -> str:
    """Say what came of a method."""
    asked = _requests_of(method, seen.requests)
    if isinstance(answer, dict) and isinstance(answer.get("error"), str):
        return f"refused: {_quoted(answer['error'])}"
    if answer is None and not asked:
        return ABSENT
    wrong = _wrong_requests(method, asked, seen.prepared.version, way)
    read, there = READ[method](answer), THERE[method](seen)
    if not wrong and read != there:
        wrong = _quoted(f"read {read!r} where there is {there!r}")
    return f"wrong: {wrong}" if wrong else WORKS


def _quoted(text: str) -> str:
    """Return a text as it fits a cell."""
    return re.sub(r"[|\s]+", " ", text)[:100]


def _requests_of(method: str, requests: list[LoggedRequest]) -> list[LoggedRequest]:
    """Return the requests that were for a method; lists over several pages ask for small ones."""
    asked = [each for each in requests if each.operation == _OPERATIONS[method]]
    if _OPERATIONS[method] != "list":
        return asked
    return [each for each in asked if (each.query.get("pageSize") == str(PAGE_SIZE)) == (method == PAGES)]


def _wrong_requests(method: str, asked: list[LoggedRequest], version: str, way: Way) -> str:
    """Say what is wrong with the requests that arrived; nothing where each was right and there were no others."""
    expected = [200] * (math.ceil(CROWD / PAGE_SIZE) if method == PAGES else 1)
    statuses = [each.status for each in asked]
    if statuses != ([503, *expected] if way == "retries" else expected):
        return f"requests answered {statuses}"
    if {each.version for each in asked} != {version}:
        return f"requests of {sorted({each.version for each in asked})}"
    later = ["pageToken" in each.query for each in asked[-len(expected) :]]
    if later != [False, *[True] * (len(expected) - 1)]:
        return "pages asked for without their tokens"
    in_batches = {"mime-version" in each.headers for each in asked}  # what the parts of a batch have
    return "" if in_batches == {way == "batch"} else "not sent in the way that it should be"


def _items(answer: Any, key: str) -> list[Any]:
    """Return the items of a page, or of the list that a client made of pages."""
    found: list[Any] = answer.get(key, []) if isinstance(answer, dict) else answer
    return found


def _id(execution: Mapping[str, Any]) -> str:
    return str(execution["name"]).rpartition("/")[2]


def _ids(answer: Any) -> list[str]:
    return sorted(map(_id, _items(answer, "executions")))


#: What counts of an answer, as each client gives it: the message itself, or a list where it is about a list.
READ: dict[str, Callable[[Any], Any]] = {
    "create": lambda answer: (_id(answer), answer["argument"]),
    "get": lambda answer: (_id(answer), answer["result"]),
    "list": _ids,
    PAGES: _ids,
    "cancel": lambda answer: (_id(answer), answer["state"]),
    "exportData": lambda answer: _id(json.loads(answer["data"] if isinstance(answer, dict) else answer)),
    "deleteExecutionHistory": lambda answer: answer or [],
    "callbacks.list": lambda answer: [each["method"] for each in _items(answer, "callbacks")],
    "stepEntries.list": lambda answer: [each["step"] for each in _items(answer, "stepEntries")],
    "stepEntries.get": lambda answer: answer["step"],
    "triggerPubsubExecution": lambda answer: (_id(answer), answer["argument"]),
}
#: The same at the emulator.
THERE: dict[str, Callable[[Seen], Any]] = {
    "create": lambda seen: seen.newest("echo"),
    "get": lambda seen: (_id({"name": seen.prepared.known}), '"known"'),
    "list": lambda seen: _ids(seen.executions["crowd"]),
    PAGES: lambda seen: _ids(seen.executions["crowd"]),
    "cancel": lambda seen: (_id(seen.executions["forever"][0]), "CANCELLED"),
    "exportData": lambda seen: _id({"name": seen.prepared.stepped}),
    "deleteExecutionHistory": lambda seen: seen.steps[seen.prepared.forgotten],
    "callbacks.list": lambda _: ["POST"],
    "stepEntries.list": lambda seen: seen.steps[seen.prepared.stepped],
    "stepEntries.get": lambda seen: seen.steps[seen.prepared.stepped][0],
    "triggerPubsubExecution": lambda seen: seen.newest("event"),
}
