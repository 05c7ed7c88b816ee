# SPDX-License-Identifier: Apache-2.0
"""What a DAG gets from the operators: XComs that are the same on every path, the right end, cancel, get and list."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from airflow_provider_workflows.compat import AirflowFailException, TaskDeferred, stores_none
from airflow_provider_workflows.exceptions import ExecutionCancelled, ExecutionFailed, WorkflowsApiError
from airflow_provider_workflows.operators.executions import (
    WorkflowsCancelExecutionOperator,
    WorkflowsCreateExecutionOperator,
    WorkflowsGetExecutionOperator,
    WorkflowsListExecutionsOperator,
)
from airflow_provider_workflows.testing import Emulator, Step, WorkflowError
from tests.harness import AdvancingClock, StateStore, TaskRun
from tests.log_lines import LogLine

Task = Callable[..., TaskRun]

WAIT: dict[str, dict[str, Any]] = {
    "not waiting": {},
    "in the worker": {"wait_for_completion": True},
    "deferred": {"wait_for_completion": True, "deferrable": True},
    "not waiting, deferrable": {"deferrable": True},
}
LINKS = {"_link_WorkflowExecutionLink", "_link_WorkflowLink"}


def execution_of(run: TaskRun) -> str:
    """Return the id of the execution that a task has created."""
    return str(run.xcoms["execution_id"])


def comparable(xcoms: dict[str, Any]) -> dict[str, Any]:
    """Return XComs without what differs between two executions of the same argument: ids, times, our own labels."""
    execution_id = xcoms["execution_id"]
    text = json.dumps(xcoms).replace(execution_id, "ID")
    plain: dict[str, Any] = json.loads(text)
    for field in ("createTime", "startTime", "endTime", "duration"):
        assert plain["return_value"].pop(field, None) is not None or field in ("createTime", "duration")
    plain["return_value"].pop("labels", None)
    return plain


@pytest.mark.usefixtures("versioned_connection")
def test_xcoms_of_a_waiting_task_are_the_same_on_every_path(task: Task, emulator: Emulator) -> None:
    """Waiting in the worker, deferred, and deferred with nothing left to wait for give equal XComs."""
    argument = {"seconds": 25, "result": {"rows": 3, "name": "öä"}}
    worker = task(WorkflowsCreateExecutionOperator, workflow_id="sleep", argument=argument, wait_for_completion=True)
    worker.run()
    deferred = task(WorkflowsCreateExecutionOperator, workflow_id="sleep", argument=argument, **WAIT["deferred"])
    deferred.run()
    assert "deferred" in deferred.states
    at_once = {"result": {"rows": 3, "name": "öä"}, "seconds": 0}
    finished = task(WorkflowsCreateExecutionOperator, workflow_id="sleep", argument=at_once, **WAIT["deferred"])
    finished.run()
    assert finished.states == ["running", "success"]

    assert comparable(worker.xcoms) == comparable(deferred.xcoms)
    expected = comparable(worker.xcoms)
    expected["return_value"]["argument"] = json.dumps(at_once, separators=(",", ":"), ensure_ascii=False)
    assert json.loads(comparable(finished.xcoms)["return_value"].pop("argument")) == at_once
    for xcoms in (expected, left := comparable(finished.xcoms)):
        xcoms["return_value"].pop("argument")
    assert left == expected
    assert worker.xcoms["result"] == {"rows": 3, "name": "öä"}
    assert set(worker.xcoms) == {"return_value", "execution_id", "execution_name", "execution_url", "result", *LINKS}


@pytest.mark.usefixtures("versioned_connection")
@pytest.mark.parametrize("path", WAIT)
def test_xcoms_name_the_execution_in_the_same_form(path: str, task: Task, emulator: Emulator) -> None:
    """Id and name are those of the created execution on all paths, the name with the project as it was requested."""
    run = task(WorkflowsCreateExecutionOperator, workflow_id="sleep", argument={"seconds": 5}, **WAIT[path])
    returned = run.run()
    (stored,) = emulator.executions("sleep")
    execution_id = stored["name"].rpartition("/")[2]
    assert run.xcoms["execution_id"] == execution_id
    parent = "projects/test-project/locations/us-central1/workflows/sleep"
    assert run.xcoms["execution_name"] == f"{parent}/executions/{execution_id}"
    assert run.xcoms["return_value"] == returned
    assert returned["name"] == stored["name"]
    assert ("result" in run.xcoms) == ("wait_for_completion" in WAIT[path] and stores_none())


@pytest.mark.usefixtures("connection")
def test_deferrable_does_not_mean_waiting(task: Task, emulator: Emulator) -> None:
    """Without wait_for_completion a deferrable task does not wait: it says where to wait, never whether."""
    run = task(WorkflowsCreateExecutionOperator, workflow_id="forever", deferrable=True)
    assert run.run()["state"] == "ACTIVE"
    assert run.states == ["running", "success"]
    assert emulator.counts()["get"] == 0


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("path", ["in the worker", "deferred"])
@pytest.mark.parametrize("value", [{"rows": 3, "name": "x"}, [1], "text", None])
def test_result_is_the_decoded_one_with_multiple_outputs(path: str, value: Any, task: Task, emulator: Emulator) -> None:
    """Airflow makes XComs of the returned fields; the one named result is decoded all the same."""
    run = task(
        WorkflowsCreateExecutionOperator, workflow_id="echo", argument=value, multiple_outputs=True, **WAIT[path]
    )
    run.run()
    assert run.xcoms.get("result") == value
    assert run.xcoms["state"] == "SUCCEEDED"
    stored = {**emulator.executions()[0], "result": value}
    assert run.xcoms["return_value"] == stored


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("path", ["in the worker", "deferred"])
@pytest.mark.parametrize("value", [None, False, 0, "", "text", [1, {"a": None}], 1.5, {"x": "ß"}])
def test_result_is_decoded(path: str, value: Any, task: Task) -> None:
    """The XCom result is the JSON value that the workflow returned, also when it is null or false."""
    run = task(WorkflowsCreateExecutionOperator, workflow_id="echo", argument=value, **WAIT[path])
    run.run()
    assert ("result" in run.xcoms) == (value is not None or stores_none())
    assert run.xcoms.get("result") == value
    assert type(run.xcoms.get("result")) is type(value)


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("path", ["in the worker", "deferred"])
def test_xcoms_exist_as_soon_as_the_execution_does(path: str, task: Task, emulator: Emulator) -> None:
    """Ids and links are stored before the first look, so that they survive whatever breaks afterwards."""
    emulator.fail("get", "permission_denied", times=None)
    run = task(WorkflowsCreateExecutionOperator, workflow_id="forever", **WAIT[path])
    with pytest.raises(WorkflowsApiError):
        run.run()
    assert {"execution_id", "execution_name", *LINKS} <= set(run.xcoms)
    assert "return_value" not in run.xcoms


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("path", ["in the worker", "deferred"])
def test_failed_execution_fails_the_task_with_the_reason(path: str, task: Task, emulator: Emulator) -> None:
    """The error names the execution, its state, the service's message, the step and the line."""

    @emulator.workflow("broken")
    def broken(_: Any) -> Any:
        yield Step("fetch", seconds=20)
        raise WorkflowError({"message": "no such bucket", "tags": ["KeyError"]}, line=17)

    run = task(WorkflowsCreateExecutionOperator, workflow_id="broken", **WAIT[path])
    with pytest.raises(ExecutionFailed) as caught:
        run.run()
    error = caught.value
    reason = "no such bucket (KeyError); step fetch of main, line 17; after 20 s; revision "
    assert str(error).startswith(f"FAILED: broken {run.xcoms['execution_id'][:8]}: {reason}")
    assert str(error).endswith(run.xcoms["execution_url"])
    assert error.state == "FAILED"
    assert error.error == {"message": "no such bucket", "tags": ["KeyError"]}
    assert (error.step, error.line) == ("fetch", 17)
    assert error.execution_name == run.xcoms["execution_name"]
    assert "result" not in run.xcoms


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("path", ["in the worker", "deferred"])
def test_cancelled_execution_is_not_retried(path: str, clock: AdvancingClock, emulator: Emulator) -> None:
    """Somebody stopped it on purpose, so the task fails without using its retries."""
    operator = WorkflowsCreateExecutionOperator(task_id="task", workflow_id="forever", **WAIT[path])
    run = TaskRun(operator, clock=clock, retries=2)
    clock.on_sleep(lambda: emulator.set_state(execution_of(run), "CANCELLED"))
    with pytest.raises(AirflowFailException) as caught:
        run.run()
    assert isinstance(caught.value.__cause__, ExecutionCancelled)
    assert str(caught.value).startswith(f"CANCELLED: forever {execution_of(run)[:8]} was stopped on purpose")
    assert run.states[-1] == "failed"


@pytest.mark.usefixtures("connection")
def test_resuming_twice_does_the_same_twice(task: Task, emulator: Emulator) -> None:
    """A stale event that comes a second time gives the same return value, and starts nothing."""
    run = task(WorkflowsCreateExecutionOperator, workflow_id="sleep", argument={"seconds": 30}, **WAIT["deferred"])
    assert isinstance(run.execute(), TaskDeferred)
    event = run.event()
    assert run.fire(event) == run.fire(event)
    assert emulator.count("create") == 1


@pytest.mark.usefixtures("connection")
def test_deferral_stores_neither_argument_nor_result(task: Task) -> None:
    """What Airflow stores of a deferral names the execution and holds numbers, nothing of its content."""
    argument = {"seconds": 30, "result": "private-result", "token": "private-argument"}
    run = task(WorkflowsCreateExecutionOperator, workflow_id="sleep", argument=argument, **WAIT["deferred"])
    run.run()
    stored = json.dumps([vars(deferral) for deferral in run.deferrals], default=str)
    assert execution_of(run) in stored
    assert "private" not in stored


@pytest.mark.usefixtures("connection")
def test_transient_errors_while_waiting_are_waited_out(task: Task, emulator: Emulator) -> None:
    """Errors that pass do not fail a waiting task, whether it waits in the worker or in the triggerer."""
    for path in ("in the worker", "deferred"):
        for kind in ("unavailable", "rate_limited", "html", "not_json", "drop_before"):
            emulator.fail("get", kind)
        run = task(WorkflowsCreateExecutionOperator, workflow_id="sleep", argument={"seconds": 5}, **WAIT[path])
        assert run.run()["state"] == "SUCCEEDED"
    assert emulator.count("create") == 2


# -- cancel, get, list ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("versioned_connection")
@pytest.mark.parametrize("finished", ["error", "ok"])
def test_cancel(finished: Any, task: Task, emulator: Emulator) -> None:
    """A running execution is cancelled; one that is over is returned as it ended, whatever the service answers."""
    emulator.settings.cancel_finished = finished
    running = emulator.start("forever")
    run = task(WorkflowsCancelExecutionOperator, workflow_id="forever", execution_id=running)
    assert run.run()["state"] == "CANCELLED"
    assert run.xcoms["execution_id"] == running
    assert emulator.execution(running)["state"] == "CANCELLED"

    done = emulator.start("echo", 5)
    returned = task(WorkflowsCancelExecutionOperator, workflow_id="echo", execution_id=done).run()
    assert (returned["state"], returned["result"]) == ("SUCCEEDED", "5")


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("durable", [True, False])
def test_a_create_is_logged_once(durable: bool, task: Task, logs: list[LogLine]) -> None:
    """One execution, one line: two would look like two executions."""
    task(WorkflowsCreateExecutionOperator, workflow_id="echo", durable=durable).run()
    assert len([line for line in logs if line.text.startswith("Created: echo ")]) == 1


@pytest.mark.usefixtures("connection")
def test_cancel_that_takes_its_time(task: Task, emulator: Emulator) -> None:
    """When the service only begins to cancel, the task returns what it says and does not fail."""
    emulator.settings.cancel_mode = "late"
    running = emulator.start("forever")
    run = task(WorkflowsCancelExecutionOperator, workflow_id="forever", execution_id=running)
    assert run.run()["state"] == "ACTIVE"


@pytest.mark.usefixtures("connection")
def test_cancel_of_nothing_fails(task: Task) -> None:
    """An execution that does not exist cannot be cancelled: that is an error, not success."""
    with pytest.raises(WorkflowsApiError, match="404"):
        task(WorkflowsCancelExecutionOperator, workflow_id="echo", execution_id="nobody").run()


@pytest.mark.usefixtures("connection")
def test_refused_cancel_of_a_running_execution_fails(task: Task, emulator: Emulator) -> None:
    """A refusal is only believed to mean "already over" when the execution is."""
    running = emulator.start("forever")
    emulator.fail("cancel", status=409)
    with pytest.raises(WorkflowsApiError, match="409"):
        task(WorkflowsCancelExecutionOperator, workflow_id="forever", execution_id=running).run()


@pytest.mark.usefixtures("versioned_connection")
@pytest.mark.parametrize(("view", "full"), [("FULL", True), ("BASIC", False)])
def test_get(view: str, full: bool, task: Task, emulator: Emulator) -> None:
    """The view decides whether argument and result are there."""
    done = emulator.start("echo", {"a": 1})
    returned = task(WorkflowsGetExecutionOperator, workflow_id="echo", execution_id=done, view=view).run()
    assert returned["state"] == "SUCCEEDED"
    assert ("result" in returned, "argument" in returned) == (full, full)


@pytest.mark.usefixtures("connection")
def test_unknown_view_is_refused(task: Task, emulator: Emulator) -> None:
    """A view that does not exist is an error that names the others."""
    with pytest.raises(ValueError, match="view must be one of BASIC, FULL"):
        task(WorkflowsGetExecutionOperator, workflow_id="echo", execution_id="e", view="ALL").run()
    assert emulator.requests == []


@pytest.mark.usefixtures("versioned_connection")
def test_list(task: Task, emulator: Emulator) -> None:
    """All executions of the workflow come back, newest first, over as many pages as there are."""
    emulator.settings.page_limit = 3
    ids = emulator.add_executions("echo", 8)
    emulator.start("forever")
    listed = task(WorkflowsListExecutionsOperator, workflow_id="echo").run()
    assert [each["name"].rpartition("/")[2] for each in listed] == ids[::-1]
    assert emulator.count("list") == 3


@pytest.mark.usefixtures("versioned_connection")
@pytest.mark.parametrize(("limit", "requests"), [(0, 0), (2, 1), (3, 1), (4, 2), (100, 3)])
def test_list_limit(limit: int, requests: int, task: Task, emulator: Emulator) -> None:
    """No more than `limit` come back, and no page is fetched that is not needed."""
    emulator.settings.page_limit = 3
    ids = emulator.add_executions("echo", 8)
    listed = task(WorkflowsListExecutionsOperator, workflow_id="echo", limit=limit).run()
    assert [each["name"].rpartition("/")[2] for each in listed] == ids[::-1][:limit]
    assert emulator.count("list") == requests


@pytest.mark.usefixtures("versioned_connection")
@pytest.mark.parametrize("as_text", [True, False])
def test_list_since(as_text: bool, task: Task, emulator: Emulator, clock: AdvancingClock) -> None:
    """start_date_filter keeps what started since then, on both versions, and does not read on after it."""
    emulator.settings.page_limit = 5
    noon = clock.now()
    ids = emulator.add_executions("echo", 30, start=clock.time() - 20 * 60, interval=60)
    since: Any = noon - timedelta(minutes=3)
    listed = task(
        WorkflowsListExecutionsOperator,
        workflow_id="echo",
        start_date_filter=since.isoformat() if as_text else since,
    ).run()
    # Starts every minute from -20 to +9: those from -3 on are the last 13.
    assert [each["name"].rpartition("/")[2] for each in listed] == ids[::-1][:13]
    assert emulator.count("list") == 3


@pytest.mark.usefixtures("versioned_connection")
@pytest.mark.parametrize("limit", [0, 4, 100])
def test_list_since_with_a_limit(limit: int, task: Task, emulator: Emulator, clock: AdvancingClock) -> None:
    """`limit` counts what start_date_filter keeps: the newest of it."""
    ids = emulator.add_executions("echo", 10, start=clock.time() - 10 * 60, interval=60)
    since = clock.now() - timedelta(minutes=6)
    listed = task(WorkflowsListExecutionsOperator, workflow_id="echo", start_date_filter=since, limit=limit).run()
    assert [each["name"].rpartition("/")[2] for each in listed] == ids[:3:-1][:limit]


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("bad", ["yesterday", datetime(2026, 1, 1), 5])  # noqa: DTZ001 - no zone is the point
def test_list_since_needs_a_time_with_a_zone(bad: Any, task: Task, emulator: Emulator) -> None:
    """A time that could mean several is refused before any request."""
    with pytest.raises(ValueError, match="start_date_filter must be a datetime with a time zone"):
        task(WorkflowsListExecutionsOperator, workflow_id="echo", start_date_filter=bad).run()
    assert emulator.requests == []


def test_list_filter_and_order(task: Task, connect: Callable[..., None], emulator: Emulator) -> None:
    """On v1 the service filters and orders; on v1beta asking for it is an error that names v1."""
    connect()
    ids = emulator.add_executions("echo", 3)
    emulator.add_executions("echo", 2, state="FAILED")
    arguments: dict[str, Any] = {"filter": 'state="SUCCEEDED"', "order_by": "startTime asc"}
    listed = task(WorkflowsListExecutionsOperator, workflow_id="echo", **arguments).run()
    assert [each["name"].rpartition("/")[2] for each in listed] == ids
    before = len(emulator.requests)
    for name, value in arguments.items():
        with pytest.raises(ValueError, match=f"{name} exists on v1 only"):
            task(WorkflowsListExecutionsOperator, workflow_id="echo", api_version="v1beta", **{name: value}).run()
    assert len(emulator.requests) == before


@pytest.mark.usefixtures("connection")
def test_list_since_with_an_order_of_its_own(task: Task, emulator: Emulator, clock: AdvancingClock) -> None:
    """With another order than newest first, every page is read and each execution judged by itself."""
    ids = emulator.add_executions("echo", 10, start=clock.time() - 10 * 60, interval=60)
    listed = task(
        WorkflowsListExecutionsOperator,
        workflow_id="echo",
        order_by="startTime asc",
        start_date_filter=clock.now() - timedelta(minutes=4),
    ).run()
    assert [each["name"].rpartition("/")[2] for each in listed] == ids[6:]


# -- one execution per task -------------------------------------------------------------------------------


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("store", [True, False])
def test_cleared_task_that_had_succeeded_starts_a_new_execution(
    store: bool, clock: AdvancingClock, emulator: Emulator
) -> None:
    """A user who clears a finished task wants it done again."""
    operator = WorkflowsCreateExecutionOperator(task_id="task", workflow_id="echo", argument=1, **WAIT["deferred"])
    run = TaskRun(operator, clock=clock, state_store=StateStore() if store else None)
    run.run()
    first = execution_of(run)
    clock.manual.advance(60)
    run.clear().run()
    assert execution_of(run) != first
    assert emulator.count("create") == 2


@pytest.mark.usefixtures("connection")
def test_kill_in_the_worker_cancels(task: Task, emulator: Emulator, clock: AdvancingClock) -> None:
    """Killing a task that waits in its worker cancels the execution, once."""
    run = task(WorkflowsCreateExecutionOperator, workflow_id="forever", **WAIT["in the worker"])
    clock.on_sleep(run.kill)
    with pytest.raises(AirflowFailException):
        run.run()
    assert emulator.count("cancel") == 1
    assert emulator.execution(execution_of(run))["state"] == "CANCELLED"


@pytest.mark.usefixtures("connection")
def test_kill_without_cancel_on_kill_leaves_it_running(task: Task, emulator: Emulator) -> None:
    """With cancel_on_kill=False the execution outlives its task."""
    run = task(WorkflowsCreateExecutionOperator, workflow_id="forever", cancel_on_kill=False)
    run.run()
    run.kill()
    assert emulator.count("cancel") == 0
