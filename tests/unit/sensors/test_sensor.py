# SPDX-License-Identifier: Apache-2.0
"""The sensor does the same in each of its modes: what it returns, what it raises, what it skips."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import pytest

from airflow_provider_workflows.compat import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow_provider_workflows.exceptions import (
    ExecutionCancelled,
    ExecutionError,
    ExecutionFailed,
    ExecutionNotFound,
    ExecutionTimeout,
    ExecutionUnavailable,
    PermissionDenied,
)
from airflow_provider_workflows.sensors.executions import WorkflowExecutionSensor
from airflow_provider_workflows.testing import Emulator
from tests.harness import AdvancingClock, TaskRun
from tests.log_lines import LogLine

Task = Callable[..., TaskRun]

MODES: dict[str, dict[str, Any]] = {
    "poke": {"mode": "poke"},
    "reschedule": {"mode": "reschedule"},
    "deferrable": {"deferrable": True},
}
INTERVAL = 30


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Give the arguments of each mode."""
    return MODES[request.param]


@pytest.fixture
def sensor(task: Task) -> Task:
    """Give a function that begins a sensor with a short interval."""

    def sensor(workflow_id: str, execution_id: str, **arguments: Any) -> TaskRun:
        arguments = {"poke_interval": INTERVAL, "timeout": 600, **arguments}
        return task(WorkflowExecutionSensor, workflow_id=workflow_id, execution_id=execution_id, **arguments)

    return sensor


def _xcoms(run: TaskRun) -> dict[str, Any]:
    """Return a sensor's XComs without what differs between two executions of the same workflow."""
    plain: dict[str, Any] = json.loads(json.dumps(run.xcoms).replace(run.xcoms["execution_id"], "ID"))
    for field in ("argument", "createTime", "startTime", "endTime", "duration"):
        plain["return_value"].pop(field, None)
    return plain


@pytest.mark.usefixtures("versioned_connection")
def test_xcoms_are_the_same_on_every_path(sensor: Task, emulator: Emulator) -> None:
    """Poking, rescheduling, deferring and finding it finished at the first look store the same."""
    result = {"rows": [1, 2], "name": "ü"}
    runs = []
    for seconds in (0, 100):
        for arguments in MODES.values():
            started = emulator.start("sleep", {"seconds": seconds, "result": result})
            run = sensor("sleep", started, **arguments)
            returned = run.run()
            assert returned == run.xcoms["return_value"]
            assert run.xcoms["execution_id"] == started
            runs.append(run)
    assert len({json.dumps(_xcoms(run), sort_keys=True) for run in runs}) == 1
    assert runs[0].xcoms["result"] == result
    assert runs[0].xcoms["execution_name"].startswith("projects/test-project/locations/us-central1/workflows/sleep/")
    assert set(runs[0].xcoms) == {
        "return_value",
        "execution_id",
        "execution_name",
        "execution_url",
        "result",
        "_link_WorkflowExecutionLink",
        "_link_WorkflowLink",
    }
    passed = ["running", "success"]
    assert [run.states for run in runs[:3]] == [passed, passed, passed]
    assert [run.states[1] for run in runs[3:]] == ["success", "up_for_reschedule", "deferred"]


# -- one table of ends ------------------------------------------------------------------------------------


def _ended(state: str) -> Callable[[Emulator, AdvancingClock], str]:
    def begin(emulator: Emulator, clock: AdvancingClock) -> str:
        execution_id = emulator.start("forever")
        clock.on_sleep(lambda: emulator.set_state(execution_id, state), number=2)
        return execution_id

    return begin


def _endless(emulator: Emulator, _: AdvancingClock) -> str:
    return emulator.start("forever")


def _gone(emulator: Emulator, clock: AdvancingClock) -> str:
    execution_id = emulator.start("forever")
    clock.on_sleep(lambda: emulator.delete(execution_id), number=2)
    return execution_id


def _forbidden(emulator: Emulator, clock: AdvancingClock) -> str:
    clock.on_sleep(lambda: emulator.fail("get", "permission_denied", times=None), number=2)
    return emulator.start("forever")


def _never_there(_: Emulator, __: AdvancingClock) -> str:
    return "never-there"


#: What happens, and the end without an option, with soft_fail and with never_fail; ``None`` is success.
SKIPPED = AirflowSkipException
ENDS: dict[str, tuple[Callable[[Emulator, AdvancingClock], str], Any, Any, Any]] = {
    "succeeded": (_ended("SUCCEEDED"), None, None, None),
    "failed": (_ended("FAILED"), ExecutionFailed, ExecutionFailed, SKIPPED),
    "unavailable": (_ended("UNAVAILABLE"), ExecutionUnavailable, ExecutionUnavailable, SKIPPED),
    "cancelled": (_ended("CANCELLED"), AirflowFailException, AirflowFailException, SKIPPED),
    "too late": (_endless, AirflowSensorTimeout, SKIPPED, AirflowSensorTimeout),
    "gone": (_gone, ExecutionNotFound, ExecutionNotFound, SKIPPED),
    "never there": (_never_there, ExecutionNotFound, ExecutionNotFound, SKIPPED),
    "forbidden": (_forbidden, PermissionDenied, PermissionDenied, SKIPPED),
}


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("option", ["", "soft_fail", "never_fail"])
@pytest.mark.parametrize("end", ENDS)
def test_end(
    end: str,
    option: str,
    mode: dict[str, Any],
    sensor: Task,
    emulator: Emulator,
    clock: AdvancingClock,
    request: pytest.FixtureRequest,
) -> None:
    """Each end is the same success, failure or skip in each mode: soft_fail hides nothing but that it is late."""
    begin, *outcomes = ENDS[end]
    expected = outcomes[["", "soft_fail", "never_fail"].index(option)]
    run = sensor("forever", begin(emulator, clock), **mode, **({option: True} if option else {}))
    if expected is None:
        assert run.run()["state"] == "SUCCEEDED"
        return
    with pytest.raises(expected) as caught:
        run.run()
    assert type(caught.value) is expected
    assert run.states[-1] == ("skipped" if expected is SKIPPED else "failed")
    assert emulator.count("cancel") == 0


@pytest.mark.usefixtures("connection")
def test_cancelled_execution_names_its_cause(
    mode: dict[str, Any], sensor: Task, emulator: Emulator, clock: AdvancingClock
) -> None:
    """Airflow's own exception, which stops retries, is raised from ours, which has the details."""
    run = sensor("forever", _ended("CANCELLED")(emulator, clock), **mode)
    with pytest.raises(AirflowFailException) as caught:
        run.run()
    assert isinstance(caught.value.__cause__, ExecutionCancelled)
    assert caught.value.__cause__.execution_name == run.xcoms["execution_name"]


@pytest.mark.usefixtures("connection")
def test_timeout_of_a_deferred_sensor_names_the_execution(
    sensor: Task, emulator: Emulator, clock: AdvancingClock
) -> None:
    """The deferred sensor's timeout comes when it is due, and says what was waited for and its last state."""
    began = clock.time()
    run = sensor("forever", emulator.start("forever"), deferrable=True)
    with pytest.raises(AirflowSensorTimeout, match="ACTIVE") as caught:
        run.run()
    assert isinstance(caught.value.__cause__, ExecutionTimeout)
    late = (
        f"Timed out: forever {run.xcoms['execution_id'][:8]} is still ACTIVE, after `timeout` of 600 s, counted from 20"
    )
    assert str(caught.value).startswith(late)
    assert caught.value.__cause__.execution_name == run.xcoms["execution_name"]
    assert 600 <= clock.time() - began <= 600 + 2 * INTERVAL
    assert run.deferrals[-1].event["status"] == "timeout"


@pytest.mark.usefixtures("connection")
def test_timeout_of_what_was_never_seen_says_so(sensor: Task, emulator: Emulator) -> None:
    """A deferred sensor whose looks have all failed says that it knows no state, and shows no "None"."""
    execution_id = emulator.start("forever")
    emulator.fail("get", "unavailable", times=None)
    emulator.fail("list", "unavailable", times=None)
    with pytest.raises(AirflowSensorTimeout) as caught:
        sensor("forever", execution_id, deferrable=True).run()
    assert str(caught.value).startswith(f"Timed out: forever {execution_id[:8]}, state not known, after `timeout` of")
    assert isinstance(caught.value.__cause__, ExecutionTimeout)
    assert caught.value.__cause__.state is None


@pytest.mark.usefixtures("versioned_connection")
@pytest.mark.parametrize("kind", ["unavailable", "rate_limited", "html", "not_json", "drop_before", "internal"])
def test_passing_errors_are_waited_out(
    kind: str, mode: dict[str, Any], sensor: Task, emulator: Emulator, clock: AdvancingClock
) -> None:
    """An error that passes, however often before the timeout, does not fail the sensor in any mode."""
    execution_id = emulator.start("sleep", {"seconds": 400})
    clock.on_sleep(lambda: emulator.fail("get", kind, times=5))
    assert sensor("sleep", execution_id, **mode).run()["state"] == "SUCCEEDED"


@pytest.mark.usefixtures("connection")
def test_one_look_is_one_small_request(sensor: Task, emulator: Emulator) -> None:
    """While it waits the sensor reads no argument and no result; the whole execution is read once, at its end."""
    run = sensor("sleep", emulator.start("sleep", {"seconds": 100}), mode="poke")
    run.run()
    asked = [request.query.get("fields") for request in emulator.requests if request.operation == "get"]
    assert asked == ["name,state,status,startTime,createTime"] * (len(asked) - 1) + [None]


@pytest.mark.usefixtures("versioned_connection")
def test_a_poke_that_fails_is_one_request(sensor: Task, emulator: Emulator, clock: AdvancingClock) -> None:
    """A rescheduled sensor gives its slot back at once: the next poke is the repetition, no request repeats itself."""
    emulator.fail("get", "unavailable", times=None)
    run = sensor("forever", emulator.start("forever"), mode="reschedule")
    run.execute()
    assert run.states[-1] == "up_for_reschedule"
    assert emulator.count("get") == 1
    assert clock.slept == []


# -- what soft_fail must not hide -------------------------------------------------------------------------


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("deferrable", [False, True])
def test_missing_connection_is_no_skip(deferrable: bool, sensor: Task, emulator: Emulator) -> None:
    """A sensor whose connection does not exist fails, whatever it is told to skip."""
    run = sensor("forever", "e", deferrable=deferrable, soft_fail=True, gcp_conn_id="nowhere")
    with pytest.raises(AirflowNotFoundException):
        run.run()
    assert emulator.requests == []


@pytest.mark.usefixtures("connection")
def test_connection_that_vanishes_while_deferred_is_no_skip(
    sensor: Task, emulator: Emulator, connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is one that is gone when the triggerer or the resumed task reads it."""
    connect("other")
    execution_id = emulator.start("sleep", {"seconds": 100})
    run = sensor("sleep", execution_id, deferrable=True, soft_fail=True, gcp_conn_id="other")
    assert isinstance(run.execute(), TaskDeferred)
    monkeypatch.delenv("AIRFLOW_CONN_OTHER")
    event = run.event()
    assert (event["status"], "other" in event["message"]) == ("error", True)
    with pytest.raises(AirflowNotFoundException):
        run.fire(event)
    assert run.states[-1] == "failed"


@pytest.mark.usefixtures("connection")
def test_crashed_trigger_is_no_skip(sensor: Task, emulator: Emulator) -> None:
    """A trigger that broke says nothing about the execution: soft_fail does not turn it into a skip."""
    run = sensor("forever", emulator.start("forever"), deferrable=True, soft_fail=True)
    assert isinstance(run.execute(), TaskDeferred)
    with pytest.raises(AirflowException, match="Trigger failure") as caught:
        run.crash_trigger(trace=["Traceback: …"])
    assert not isinstance(caught.value, AirflowSkipException)
    assert run.states[-1] == "failed"


@pytest.mark.usefixtures("connection")
def test_crashed_trigger_does_not_hide_a_success(sensor: Task, emulator: Emulator) -> None:
    """When the trigger broke and the execution has succeeded meanwhile, the sensor has what it waited for."""
    execution_id = emulator.start("forever")
    run = sensor("forever", execution_id, deferrable=True)
    assert isinstance(run.execute(), TaskDeferred)
    emulator.set_state(execution_id, "SUCCEEDED", result=7)
    assert run.crash_trigger()["state"] == "SUCCEEDED"
    assert run.xcoms["result"] == 7


@pytest.mark.usefixtures("connection")
def test_error_of_the_trigger_is_no_skip(sensor: Task, emulator: Emulator) -> None:
    """What the triggerer could not read fails the sensor with the triggerer's reason, soft_fail or not."""
    run = sensor("forever", emulator.start("forever"), deferrable=True, soft_fail=True)
    assert isinstance(run.execute(), TaskDeferred)
    fault = emulator.fail("*", "permission_denied", times=None)
    event = run.event()
    fault.remove()
    assert event["status"] == "error"
    with pytest.raises(Exception, match=r"workflows\.executions\.get") as caught:
        run.fire(event)
    assert not isinstance(caught.value, AirflowSkipException)


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("interval", [0, -5])
def test_bad_interval_is_refused(interval: Any, sensor: Task, emulator: Emulator) -> None:
    """A poke_interval that would be a busy loop is refused when the task is defined or before it defers."""
    with pytest.raises(Exception, match=r"poke_interval"):
        sensor("forever", emulator.start("forever"), deferrable=True, poke_interval=interval).run()


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("way", [{"mode": "poke"}, {"mode": "reschedule"}, {"deferrable": True}], ids=str)
def test_state_that_nobody_has_seen_is_not_told(way: dict[str, Any], sensor: Task, emulator: Emulator) -> None:
    """A sensor that is late without having seen the execution once says so, and names no state."""
    run = sensor("forever", emulator.start("forever"), **way)
    emulator.fail("*", "unavailable", times=None)
    with pytest.raises(AirflowSensorTimeout, match=r"^Timed out: forever \w{8}, state not known, after") as caught:
        run.run()
    assert isinstance(caught.value.__cause__, ExecutionTimeout)
    assert caught.value.__cause__.state is None


@pytest.mark.usefixtures("connection")
def test_error_of_a_trigger_that_has_seen_nothing(sensor: Task, emulator: Emulator) -> None:
    """What the triggerer gave up on and the worker cannot see either is in no state that could be told."""
    run = sensor("forever", emulator.start("forever"), deferrable=True)
    emulator.fail("*", "unavailable", times=None)
    assert isinstance(run.execute(), TaskDeferred)
    event = {"status": "error", "state": None, "message": "why", "execution_name": run.xcoms["execution_name"]}
    with pytest.raises(Exception, match=r"^State not known: forever \w{8} is not waited for any longer"):
        run.fire(event)


@pytest.mark.parametrize("name", ["poke_interval", "timeout"])
@pytest.mark.parametrize("span", [float("inf"), "5", True, -1])
def test_bad_span_of_the_default_arguments_is_refused(span: Any, name: str) -> None:
    """A DAG's default arguments are checked as the sensor's own are; Airflow's error for inf would not say which."""
    with pytest.raises(ValueError, match=f"^{name} must be a finite number of seconds"):
        WorkflowExecutionSensor(task_id="t", execution_id="e", default_args={name: span})


class State(IntEnum):
    """Stand for the client libraries' enumeration of states."""

    ACTIVE = 1
    SUCCEEDED = 2
    FAILED = 3


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("states", [{"success_states": {State.FAILED}, "failure_states": {State.SUCCEEDED}}])
def test_states_of_the_client_libraries_are_taken(
    states: dict[str, Any], deferrable: bool, sensor: Task, emulator: Emulator
) -> None:
    """Members of an enumeration count by their names, and ``None`` is the default."""
    failed = emulator.start("fail", {"message": "expected"})
    assert sensor("fail", failed, deferrable=deferrable, **states).run()["state"] == "FAILED"
    done = emulator.start("echo")
    with pytest.raises(ExecutionError):
        sensor("echo", done, deferrable=deferrable, **states).run()
    assert sensor("echo", done, deferrable=deferrable, success_states=None).run()["state"] == "SUCCEEDED"


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("mode", [{}, {"mode": "reschedule"}, {"deferrable": True}], ids=str)
def test_a_state_on_the_way_counts_when_it_was_seen(
    mode: dict[str, Any], sensor: Task, emulator: Emulator, clock: AdvancingClock
) -> None:
    """Who waits for ACTIVE has seen it, also when the execution has ended before it is fetched as a whole."""
    execution_id = emulator.start("sleep", {"seconds": 3600})

    def end_now(request: Any) -> bool:
        if request.query.get("view") == "FULL" and "fields" not in request.query and looked:
            emulator.set_state(execution_id, "FAILED")
        looked.append(request)
        return False

    looked: list[Any] = []
    emulator.fail("get", "unavailable", when=end_now, times=None)
    run = sensor("sleep", execution_id, success_states={"ACTIVE"}, **mode)
    assert run.run()["name"].endswith(execution_id)


@pytest.mark.usefixtures("connection")
def test_poking_warns_of_nothing(sensor: Task, emulator: Emulator, logs: list[LogLine]) -> None:
    """A sensor that pokes is no call of one task by another."""
    sensor("echo", emulator.start("echo")).run()
    assert not [line for line in logs if "outside" in line.text]
