# SPDX-License-Identifier: Apache-2.0
"""
Every state, for everybody who looks at one: poke, trigger, resume and wait ask the same table, so they agree.

One table for all: the states that either version documents and one that nobody knows, and what each means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_workflows.compat import AirflowFailException, TaskDeferred
from airflow_provider_workflows.core.execution import STATES, Verdict, classify, is_ended, is_known
from airflow_provider_workflows.exceptions import (
    ExecutionCancelled,
    ExecutionError,
    ExecutionFailed,
    ExecutionUnavailable,
    WorkflowsError,
)
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsHook
from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator
from airflow_provider_workflows.sensors.executions import WorkflowExecutionSensor
from airflow_provider_workflows.testing import DEFAULT_LOCATION, DEFAULT_PROJECT, Emulator
from airflow_provider_workflows.triggers.executions import WorkflowExecutionTrigger
from tests.harness import AdvancingClock, TaskRun, make_trigger, only_event
from tests.log_lines import LogLine

UNKNOWN = "PAUSED"

#: What each state means to whoever waits with the default sets: goes on, succeeds, or fails with this.
MEANING: dict[str, type[ExecutionError] | Verdict] = {
    "STATE_UNSPECIFIED": Verdict.WAITING,
    "ACTIVE": Verdict.WAITING,
    "QUEUED": Verdict.WAITING,
    "SUCCEEDED": Verdict.SUCCESS,
    "FAILED": ExecutionFailed,
    "CANCELLED": ExecutionCancelled,
    "UNAVAILABLE": ExecutionUnavailable,
    UNKNOWN: Verdict.WAITING,
}
WAITING = [state for state, meaning in MEANING.items() if meaning is Verdict.WAITING]
FAILING = [state for state, meaning in MEANING.items() if isinstance(meaning, type)]

pytestmark = pytest.mark.usefixtures("versioned_connection")

Task = Callable[..., TaskRun]


@pytest.fixture(params=MEANING)
def state(request: pytest.FixtureRequest) -> str:
    """Give each state of the table."""
    return str(request.param)


@pytest.fixture
def execution_id(emulator: Emulator, state: str) -> str:
    """Give an execution that is in the state."""
    started = emulator.start("forever")
    emulator.set_state(started, state, result="done")
    return started


def outcome(call: Callable[[], Any]) -> Any:
    """Return what a call returned, or the exception it raised (Airflow's own stand for the cause)."""
    try:
        return call()
    except AirflowFailException as exc:
        return exc.__cause__
    except ExecutionError as exc:
        return exc


def assert_means(state: str, result: Any, *, waits: Callable[[Any], bool]) -> None:
    """Check the outcome of a look at an execution in a state against the table."""
    meaning = MEANING[state]
    if meaning is Verdict.WAITING:
        assert waits(result)
    elif meaning is Verdict.SUCCESS:
        assert result["state"] == state
    else:
        assert type(result) is meaning
        assert result.state == state
        assert state in str(result)


def end_soon(emulator: Emulator, clock: AdvancingClock, execution_id: str) -> None:
    """Have the execution succeed while the waiter sleeps for the second time."""
    clock.on_sleep(lambda: emulator.set_state(execution_id, "SUCCEEDED"), number=2)


def test_the_table_knows_all_documented_states() -> None:
    """The table of this module covers the package's, so a state that is added there must be added here."""
    assert set(STATES) | {UNKNOWN} == set(MEANING)
    assert not is_known(UNKNOWN)
    for state, meaning in MEANING.items():
        assert is_ended(state) == (meaning is not Verdict.WAITING)


def test_poke(state: str, execution_id: str, task: Task) -> None:
    """One look of the sensor reschedules, returns or fails as the table says."""
    sensor = task(WorkflowExecutionSensor, workflow_id="forever", execution_id=execution_id, mode="reschedule")
    result = outcome(sensor.execute)
    assert_means(state, result, waits=lambda value: type(value).__name__ == "AirflowRescheduleException")


def test_trigger(state: str, execution_id: str, emulator: Emulator, clock: AdvancingClock) -> None:
    """The trigger fires at its first look when the table says that it is over, and looks on when not."""
    end_soon(emulator, clock, execution_id)
    trigger = WorkflowExecutionTrigger(DEFAULT_PROJECT, DEFAULT_LOCATION, "forever", execution_id)
    event = asyncio.run(only_event(make_trigger(*trigger.serialize(), clock)))
    waits = MEANING[state] is Verdict.WAITING
    looks = emulator.count("get") + emulator.count("list")
    assert looks > 2 if waits else looks == 1
    assert event["state"] == ("SUCCEEDED" if waits else state)
    assert event["status"] == ("failed" if state in FAILING else "success")


@pytest.mark.parametrize("status", ["success", "failed", "timeout", "error"])
def test_resume(state: str, status: str, emulator: Emulator, task: Task) -> None:
    """A resumed task believes the service, not the event; only that nobody can look any more is believed."""
    run = task(WorkflowsCreateExecutionOperator, workflow_id="forever", wait_for_completion=True, deferrable=True)
    assert isinstance(run.execute(), TaskDeferred)
    created = emulator.executions("forever")[-1]["name"].rpartition("/")[2]
    emulator.set_state(created, state, result="done")
    name = run.xcoms["execution_name"]
    event = {"status": status, "state": "SUCCEEDED", "execution_name": name, "message": "what the trigger says"}
    if MEANING[state] is Verdict.WAITING and status == "error":
        with pytest.raises(WorkflowsError, match=rf"^{state}: forever {created[:8]} is not waited for") as caught:
            run.fire(event)
        assert caught.value.execution_name == name
        return
    result = outcome(lambda: run.fire(event))
    assert_means(state, result, waits=lambda value: isinstance(value, TaskDeferred))


@pytest.mark.parametrize("operator", ["sensor", "create"])
def test_deferring(state: str, operator: str, emulator: Emulator, task: Task, clock: AdvancingClock) -> None:
    """A deferrable task ends as the table says, whether the state is there at the first look or comes later."""
    if operator == "sensor":
        execution_id = emulator.start("forever")
        emulator.set_state(execution_id, state)
        end_soon(emulator, clock, execution_id)
        run = task(WorkflowExecutionSensor, workflow_id="forever", execution_id=execution_id, deferrable=True)
    else:
        run = task(WorkflowsCreateExecutionOperator, workflow_id="forever", wait_for_completion=True, deferrable=True)
        follow_plan(emulator, clock, state)
    result = outcome(run.run)
    assert_means(state, result, waits=lambda value: value["state"] == "SUCCEEDED")


def follow_plan(emulator: Emulator, clock: AdvancingClock, state: str) -> None:
    """Have the only execution be in a state after the waiter's first sleep, and succeed after its third."""

    def change(wanted: str) -> None:
        emulator.set_state(emulator.executions("forever")[-1]["name"].rpartition("/")[2], wanted)

    clock.on_sleep(lambda: change(state), number=1)
    if MEANING[state] is Verdict.WAITING:
        clock.on_sleep(lambda: change("SUCCEEDED"), number=3)


def test_wait_of_the_operator(state: str, emulator: Emulator, task: Task, clock: AdvancingClock) -> None:
    """A task that waits in its worker ends as the table says."""
    follow_plan(emulator, clock, state)
    run = task(WorkflowsCreateExecutionOperator, workflow_id="forever", wait_for_completion=True)
    result = outcome(run.run)
    assert_means(state, result, waits=lambda value: value["state"] == "SUCCEEDED" and len(clock.slept) == 3)


def test_wait_of_the_hook(
    state: str, execution_id: str, hook: WorkflowExecutionsHook, emulator: Emulator, clock: AdvancingClock
) -> None:
    """The hook's own waiting ends as the table says."""
    end_soon(emulator, clock, execution_id)
    result = outcome(lambda: hook.wait_for_execution("forever", execution_id=execution_id))
    assert_means(state, result, waits=lambda value: value["state"] == "SUCCEEDED" and len(clock.slept) == 2)


@pytest.mark.parametrize("mode", ["poke", "deferrable"])
def test_unknown_state_warns_once(
    mode: str, emulator: Emulator, task: Task, clock: AdvancingClock, logs: list[LogLine]
) -> None:
    """A state that nobody knows is waited out with a single warning, however many looks show it."""
    execution_id = emulator.start("forever")
    emulator.set_state(execution_id, UNKNOWN)
    clock.on_sleep(lambda: emulator.set_state(execution_id, "SUCCEEDED"), number=5)
    arguments = {"deferrable": True} if mode == "deferrable" else {"mode": mode}
    run = task(WorkflowExecutionSensor, workflow_id="forever", execution_id=execution_id, **arguments)
    assert run.run()["state"] == "SUCCEEDED"
    warnings = [line.text for line in logs if line.level == "warning" and UNKNOWN in line.text]
    assert len(warnings) == 1
    assert warnings[0].startswith(f"{UNKNOWN}: forever {execution_id[:8]}: ")


@pytest.mark.parametrize(
    ("state", "success", "failure", "verdict"),
    [
        ("ACTIVE", {"ACTIVE", "SUCCEEDED"}, {"FAILED"}, Verdict.SUCCESS),
        ("CANCELLED", {"CANCELLED"}, {"FAILED"}, Verdict.SUCCESS),
        ("FAILED", {"SUCCEEDED"}, set(), Verdict.FAILED),
        ("SUCCEEDED", {"FAILED"}, {"CANCELLED"}, Verdict.FAILED),
        (UNKNOWN, {"SUCCEEDED"}, {UNKNOWN}, Verdict.FAILED),
        (UNKNOWN, {UNKNOWN}, set(), Verdict.SUCCESS),
        ("QUEUED", {"SUCCEEDED"}, {"QUEUED"}, Verdict.FAILED),
        (None, {"SUCCEEDED"}, {"FAILED"}, Verdict.WAITING),
        ("", {"SUCCEEDED"}, {"FAILED"}, Verdict.WAITING),
    ],
)
def test_own_sets_of_states(state: str | None, success: set[str], failure: set[str], verdict: Verdict) -> None:
    """A waiter's own sets come first; an end that is in neither is a failure, because nothing can follow it."""
    assert classify(state, success, failure) is verdict


@pytest.mark.parametrize("mode", ["poke", "reschedule", "deferrable"])
@pytest.mark.parametrize(
    ("state", "success", "failure", "succeeds"),
    [
        ("ACTIVE", ["ACTIVE", "SUCCEEDED"], ["FAILED"], True),
        ("CANCELLED", ["CANCELLED"], ["FAILED"], True),
        ("SUCCEEDED", ["FAILED"], ["CANCELLED"], False),
        ("ACTIVE", ["SUCCEEDED"], ["ACTIVE"], False),
    ],
)
def test_own_sets_in_every_mode(
    mode: str, state: str, success: list[str], failure: list[str], succeeds: bool, emulator: Emulator, task: Task
) -> None:
    """A sensor with sets of its own decides the same in each of its modes."""
    execution_id = emulator.start("forever")
    emulator.set_state(execution_id, state)
    run = task(
        WorkflowExecutionSensor,
        workflow_id="forever",
        execution_id=execution_id,
        success_states=success,
        failure_states=failure,
        **({"deferrable": True} if mode == "deferrable" else {"mode": mode}),
    )
    result = outcome(run.run)
    assert isinstance(result, dict if succeeds else ExecutionFailed)
