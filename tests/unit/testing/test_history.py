# SPDX-License-Identifier: Apache-2.0
"""Step entries, their deletion, and the export of an execution's data: what only v1 has."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_workflows.testing import Callback, Emulator, ManualClock, Step, WorkflowError

if TYPE_CHECKING:
    import requests

    from tests.unit.testing.conftest import Api

NAME = "projects/123456789012/locations/us-central1/workflows/order/executions/{}/stepEntries/{}"
DETAILED = {"executionHistoryLevel": "EXECUTION_HISTORY_DETAILED"}


@pytest.fixture(autouse=True)
def _order(emulator: Emulator) -> None:
    """Register a workflow of three steps."""

    @emulator.workflow("order")
    def order(argument: Any) -> Any:
        yield Step("read", 1.0, type="STEP_ASSIGN", variables={"pieces": [1, 2]})
        yield Step("pay", 2.0, routine="payment")
        yield Step("ship", 4.0)
        if argument:
            raise WorkflowError({"message": argument})
        return "sent"


def entries(answer: requests.Response) -> list[dict[str, Any]]:
    """Return the step entries of an answer."""
    assert answer.status_code == 200, answer.text
    return list(answer.json().get("stepEntries", []))


def steps(answer: requests.Response) -> list[str]:
    """Return the names of the steps in an answer."""
    return [entry["step"] for entry in entries(answer)]


def test_step_entries_follow_the_clock(v1: Api, clock: ManualClock) -> None:
    """The steps that have begun are entries, each with its times, its state, its neighbours and its type."""
    execution_id = v1.created("order")
    assert steps(v1.step_entries("order", execution_id)) == ["read"]
    clock.advance(2)
    assert entries(v1.step_entries("order", execution_id)) == [
        {
            "name": NAME.format(execution_id, 1),
            "entryId": "1",
            "createTime": "2026-01-01T00:00:00Z",
            "updateTime": "2026-01-01T00:00:01Z",
            "routine": "main",
            "step": "read",
            "stepType": "STEP_ASSIGN",
            "state": "STATE_SUCCEEDED",
            "navigationInfo": {"next": "2"},
        },
        {
            "name": NAME.format(execution_id, 2),
            "entryId": "2",
            "createTime": "2026-01-01T00:00:01Z",
            "updateTime": "2026-01-01T00:00:01Z",
            "routine": "payment",
            "step": "pay",
            "stepType": "STEP_CALL",
            "state": "STATE_IN_PROGRESS",
            "navigationInfo": {"previous": "1"},
        },
    ]
    clock.advance(100)
    states = [(entry["state"], entry["updateTime"][-3:]) for entry in entries(v1.step_entries("order", execution_id))]
    assert states == [("STATE_SUCCEEDED", end) for end in ("01Z", "03Z", "07Z")]


def test_last_step_says_how_it_ended(v1: Api, clock: ManualClock) -> None:
    """The step of a failure has the exception's payload; the one of a cancel is cancelled."""
    failed, cancelled = v1.created("order", "no money"), v1.created("order")
    clock.advance(2)
    v1.cancel("order", cancelled)
    clock.advance(5)
    *before, last = entries(v1.step_entries("order", failed))
    assert ({entry["state"] for entry in before}, last["state"]) == ({"STATE_SUCCEEDED"}, "STATE_FAILED")
    assert json.loads(last["exception"]["payload"]) == {"message": "no money"}
    last = entries(v1.step_entries("order", cancelled))[-1]
    assert (last["step"], last["state"], last["updateTime"][:19]) == ("pay", "STATE_CANCELLED", "2026-01-01T00:00:02")


def test_variables_are_in_detailed_history_only(v1: Api, emulator: Emulator) -> None:
    """Variables come with the detailed level, whether the execution or the setting asks, but not in the BASIC view."""
    basic, detailed = v1.created("order"), v1.created("order", **DETAILED)
    data = {"variables": {"pieces": [1, 2]}}
    assert "variableData" not in entries(v1.step_entries("order", basic))[0]
    assert entries(v1.step_entries("order", detailed))[0]["variableData"] == data
    view = {"view": "EXECUTION_ENTRY_VIEW_BASIC"}
    assert "variableData" not in entries(v1.step_entries("order", detailed, **view))[0]
    assert "variableData" not in v1.step_entries("order", detailed, "1", **view).json()
    emulator.settings.history_level = "detailed"
    assert entries(v1.step_entries("order", basic))[0]["variableData"] == data


def test_history_can_be_off(v1: Api, emulator: Emulator) -> None:
    """With `history_level` "none" only executions that ask have step entries."""
    emulator.settings.history_level = "none"
    without, asked = v1.created("order"), v1.created("order", executionHistoryLevel="EXECUTION_HISTORY_BASIC")
    assert v1.step_entries("order", without).json() == {}
    assert steps(v1.step_entries("order", asked)) == ["read"]


def test_one_step_entry(v1: Api, clock: ManualClock) -> None:
    """One entry is what the list shows of it; one that has not begun, or was never there, is 404."""
    execution_id = v1.created("order")
    clock.advance(1)
    (_, second) = entries(v1.step_entries("order", execution_id))
    assert v1.step_entries("order", execution_id, "2").json() == second
    for number in ("3", "0", "02", "x"):
        assert v1.step_entries("order", execution_id, number).status_code == 404
    assert v1.step_entries("order", "nothing", "1").status_code == 404
    assert v1.step_entries("order", "nothing").status_code == 404


def test_pages_and_skip(v1: Api, clock: ManualClock) -> None:
    """Pages follow each other by token; `skip` leaves out entries from where the page begins; the total is of all."""
    execution_id = v1.created("order")
    clock.advance(100)
    first = v1.step_entries("order", execution_id, pageSize=2).json()
    assert (len(first["stepEntries"]), first["totalSize"]) == (2, 3)
    token = {"pageSize": 2, "pageToken": first["nextPageToken"]}
    assert steps(v1.step_entries("order", execution_id, **token)) == ["ship"]
    assert v1.step_entries("order", execution_id, skip=1, **token).json() == {"totalSize": 3}
    skipped = v1.step_entries("order", execution_id, skip=1, pageSize=1)
    assert (steps(skipped), "nextPageToken" in skipped.json()) == (["pay"], True)
    for bad in ({"skip": -1}, {"pageSize": -1}, {"pageSize": 1, "pageToken": first["nextPageToken"]}):
        assert v1.step_entries("order", execution_id, **bad).status_code == 400


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('state="SUCCEEDED"', "read pay"),
        ('state="STATE_IN_PROGRESS"', "ship"),
        ("entryId>=2", "pay ship"),
        ('routine="main" AND step="s*"', "ship"),
        ('createTime>"2026-01-01T00:00:00Z" AND stepType="STEP_CALL"', "pay ship"),
        ('updateTime<="2026-01-01T00:00:01Z"', "read"),
        ("parent=1", ""),
        ("  ", "read pay ship"),
    ],
)
def test_filter(v1: Api, clock: ManualClock, text: str, expected: str) -> None:
    """The documented fields can be filtered by; states as the documents spell them, both ways."""
    execution_id = v1.created("order")
    clock.advance(3)
    answer = v1.step_entries("order", execution_id, filter=text)
    assert (steps(answer), answer.json().get("totalSize", 0)) == (expected.split(), len(expected.split()))


@pytest.mark.parametrize(
    "query", [{"filter": "colour=1"}, {"filter": "entryId=x"}, {"filter": "labels.a=1"}, {"orderBy": "parent"}]
)
def test_bad_filter_and_order(v1: Api, query: dict[str, str]) -> None:
    """What the documents do not name cannot be filtered or ordered by."""
    assert v1.step_entries("order", v1.created("order"), **query).status_code == 400


def test_order(v1: Api, clock: ManualClock) -> None:
    """Entries come by ascending id, or as `orderBy` says."""
    execution_id = v1.created("order")
    clock.advance(3)
    assert steps(v1.step_entries("order", execution_id, orderBy="entryId desc")) == ["ship", "pay", "read"]
    assert steps(v1.step_entries("order", execution_id, orderBy="routine,step desc")) == ["ship", "read", "pay"]


def test_queued_and_plain_executions_have_no_entries(v1: Api, emulator: Emulator) -> None:
    """An execution that has not begun has no step entries, nor has one without steps."""
    assert v1.step_entries("echo", v1.created("echo")).json() == {}
    emulator.settings.concurrency_limit = 0
    assert v1.step_entries("order", v1.created("order")).json() == {}


def test_history_is_deleted(v1: Api, emulator: Emulator, clock: ManualClock) -> None:
    """Deleting the history removes the entries so far, and nothing else; later steps are entries again."""
    execution_id = v1.created("order")
    clock.advance(2)
    assert v1.delete_history("order", execution_id).json() == {}
    assert v1.step_entries("order", execution_id).json() == {}
    clock.advance(2)
    assert steps(v1.step_entries("order", execution_id)) == ["ship"]
    assert v1.get("order", execution_id).json()["status"]["currentSteps"][0]["step"] == "ship"
    emulator.settings.delete_active_history = "error"
    assert v1.delete_history("order", execution_id).json()["error"]["status"] == "FAILED_PRECONDITION"
    clock.advance(100)
    assert v1.delete_history("order", execution_id).json() == {}
    assert v1.step_entries("order", execution_id).json() == {}
    assert v1.delete_history("order", "nothing").status_code == 404


def test_export(v1: Api) -> None:
    """The export is a JSON text about the execution."""
    execution_id = v1.created("order", **DETAILED)
    data = json.loads(v1.export_data("order", execution_id).json()["data"])
    assert (data["name"].rpartition("/")[2], data["historyLevel"]) == (execution_id, "detailed")
    assert v1.export_data("order", "nothing").status_code == 404


def test_endless_steps(v1: Api, emulator: Emulator, clock: ManualClock) -> None:
    """A step that never ends stays in progress."""

    @emulator.workflow("stuck")
    def stuck(argument: Any) -> Any:
        yield Step("wait", math.inf)

    execution_id = v1.created("stuck")
    clock.advance(1000)
    (entry,) = entries(v1.step_entries("stuck", execution_id))
    assert (entry["state"], entry["navigationInfo"]) == ("STATE_IN_PROGRESS", {})


def test_v1beta_has_none_of_it(v1: Api, v1beta: Api) -> None:
    """The methods of v1 only are unknown paths on v1beta."""
    execution_id = v1.created("order")
    answers = [
        v1beta.step_entries("order", execution_id),
        v1beta.step_entries("order", execution_id, "1"),
        v1beta.callbacks("order", execution_id),
        v1beta.export_data("order", execution_id),
        v1beta.delete_history("order", execution_id),
    ]
    assert {answer.status_code for answer in answers} == {404}


@pytest.fixture
def _approval(emulator: Emulator) -> None:
    """Register a workflow that asks twice."""

    @emulator.workflow("approval")
    def approval(argument: Any) -> Any:
        yield Step("prepare", 1.0)
        first = yield Callback("approve")
        yield Step("record", 2.0)
        second = yield Callback("approve")
        return [first["http_request"]["body"], second["http_request"]["body"]]


@pytest.mark.usefixtures("_approval")
def test_callback_goes_on_with_its_execution(v1: Api, clock: ManualClock) -> None:
    """An execution waits in a callback's step until the URL is called, which counts from then on."""
    execution_id = v1.created("approval")
    assert v1.callbacks("approval", execution_id).json() == {}
    assert v1.call_back("approval", execution_id, "approve").status_code == 404  # its step has not begun
    clock.advance(10)
    execution = v1.get("approval", execution_id).json()
    assert (execution["state"], execution["status"]["currentSteps"][0]["step"]) == ("ACTIVE", "approve")
    (callback,) = v1.callbacks("approval", execution_id).json()["callbacks"]
    assert callback.pop("name").endswith(f"/executions/{execution_id}/callback/approve")
    assert callback == {"method": "POST", "waiters": "1"}
    assert v1.call_back("approval", execution_id, "approve", {"by": "me"}).json() == {}
    clock.advance(1)
    assert v1.get("approval", execution_id).json()["status"]["currentSteps"][0]["step"] == "record"
    clock.advance(1)
    v1.call_back("approval", execution_id, "approve", 2)
    ended = v1.get("approval", execution_id).json()
    assert (ended["result"], ended["endTime"]) == ('[{"by":"me"},2]', "2026-01-01T00:00:12Z")
    assert v1.callbacks("approval", execution_id).json() == {}
    assert v1.call_back("approval", execution_id, "approve").status_code == 404
    types = [(entry["step"], entry["stepType"]) for entry in entries(v1.step_entries("approval", execution_id))]
    assert types[1] == ("approve", "STEP_STD_LIB_CALL")


@pytest.mark.usefixtures("_approval")
def test_early_callback_is_kept(v1: Api, clock: ManualClock) -> None:
    """A request that comes between two waits is an available payload, which the next wait takes at once."""
    execution_id = v1.created("approval")
    clock.advance(1)
    v1.call_back("approval", execution_id, "approve", 1)
    v1.call_back("approval", execution_id, "approve", 2)
    clock.advance(1)
    (callback,) = v1.callbacks("approval", execution_id).json()["callbacks"]
    assert (json.loads(callback["availablePayloads"][0])["http_request"]["body"], "waiters" in callback) == (2, False)
    clock.advance(1)
    ended = v1.get("approval", execution_id).json()
    assert (ended["state"], ended.get("result")) == ("SUCCEEDED", "[1,2]")


def test_callback_by_another_method_and_after_its_time(v1: Api, emulator: Emulator, clock: ManualClock) -> None:
    """A callback takes the HTTP method that it names; not called in time, its execution fails."""

    @emulator.workflow("ask")
    def ask(argument: Any) -> Any:
        answer = yield Callback("answer", method="GET", timeout=60)
        return [answer["http_request"]["query"], answer["http_request"]["method"], answer["type"]]

    execution_id, late = v1.created("ask"), v1.created("ask")
    clock.advance(1)
    assert v1.call_back("ask", execution_id, "answer").status_code == 405
    path = f"projects/test-project/locations/us-central1/workflows/ask/executions/{execution_id}/callbacks/answer"
    assert v1.read(path, yes="1").status_code == 200
    assert json.loads(v1.get("ask", execution_id).json()["result"]) == [{"yes": "1"}, "GET", "HTTP"]
    clock.advance(60)
    error = v1.get("ask", late).json()["error"]
    assert json.loads(error["payload"])["tags"] == ["TimeoutError"]
    assert "callback 'answer' within 60 seconds" in error["context"]


def test_callbacks_are_paged_by_id(v1: Api, emulator: Emulator) -> None:
    """Callbacks come by id, 100 to a page; a cancelled execution has none."""

    @emulator.workflow("many")
    def many(argument: Any) -> Any:
        for number in range(3, 0, -1):
            yield Callback(f"c{number}")

    execution_id = v1.created("many")
    v1.call_back("many", execution_id, "c3")
    v1.call_back("many", execution_id, "c2")
    first = v1.callbacks("many", execution_id, pageSize=2).json()
    second = v1.callbacks("many", execution_id, pageSize=2, pageToken=first["nextPageToken"]).json()
    names = [each["name"].rpartition("/")[2] for page in (first, second) for each in page["callbacks"]]
    assert (names, "nextPageToken" in second) == (["c1", "c2", "c3"], False)
    v1.cancel("many", execution_id)
    assert v1.callbacks("many", execution_id).json() == {}


@pytest.mark.parametrize("timeout", [-1.0, math.nan])
def test_callback_of_impossible_timeout(v1: Api, emulator: Emulator, timeout: float) -> None:
    """A callback that gives up before it begins fails the execution and says why."""

    @emulator.workflow("odd")
    def odd(argument: Any) -> Any:
        yield Callback("c", timeout=timeout)

    assert "negative" in v1.get("odd", v1.created("odd")).json()["error"]["payload"]


PUSH = {
    "GCPCloudEventsMode": "CUSTOM_PUBSUB_projects/p/topics/t",
    "message": {
        "data": "eyJhIjoxfQ==",
        "attributes": {"k": "v"},
        "messageId": "7",
        "publishTime": "2026-01-01T00:00:00Z",
    },
    "subscription": "projects/p/subscriptions/s",
    "deliveryAttempt": 2,
}


def test_pubsub_push_starts_an_execution(v1: Api, emulator: Emulator) -> None:
    """A push creates an execution with the event as its argument, and is never queued."""
    created = v1.post_push("echo", PUSH).json()
    event = json.loads(created["argument"])
    assert event["data"] == {"message": PUSH["message"], "subscription": PUSH["subscription"]}
    assert emulator.count("trigger_pubsub_execution") == 1
    emulator.settings.concurrency_limit = 0
    assert v1.post_push("echo", PUSH).status_code == 429


def test_pubsub_mode_may_be_in_the_query(v1: Api) -> None:
    """Pub/Sub itself sends the mode as a query parameter."""
    body = {name: value for name, value in PUSH.items() if name != "GCPCloudEventsMode"}
    assert v1.post_push("echo", body, __GCP_CloudEventsMode="X").status_code == 200


@pytest.mark.parametrize("missing", ["GCPCloudEventsMode", "message", "subscription"])
def test_pubsub_push_must_be_whole(v1: Api, missing: str) -> None:
    """A push without a required field is a 400 that names it."""
    answer = v1.post_push("echo", {name: value for name, value in PUSH.items() if name != missing})
    assert answer.json()["error"]["details"][0]["fieldViolations"][0]["field"] == missing


@pytest.mark.parametrize(
    ("field", "value"), [("data", "%%"), ("attributes", {"a": 1}), ("publishTime", "noon"), ("colour", 1)]
)
def test_pubsub_message_is_checked(v1: Api, field: str, value: Any) -> None:
    """A message with a wrong field is a 400 that names it."""
    answer = v1.post_push("echo", {**PUSH, "message": {**PUSH["message"], field: value}})  # type: ignore[dict-item]
    assert answer.json()["error"]["details"][0]["fieldViolations"][0]["field"].startswith("message")
