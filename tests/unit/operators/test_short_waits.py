# SPDX-License-Identifier: Apache-2.0
"""The first seconds of a deferrable task, in its worker; and the first of its trigger, which the scheduler needs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_workflows.compat import AirflowSensorTimeout, TaskDeferred
from airflow_provider_workflows.core.clock import Clock, Timer
from airflow_provider_workflows.exceptions import ExecutionTimeout
from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator
from airflow_provider_workflows.operators.options import DEFER_AFTER, RESUME_AFTER
from airflow_provider_workflows.sensors.executions import WorkflowExecutionSensor
from airflow_provider_workflows.testing import Emulator
from tests.harness import AdvancingClock, TaskRun, make_trigger, only_event

pytestmark = pytest.mark.usefixtures("connection")

Begin = Callable[..., TaskRun]
both = pytest.mark.parametrize("begin", ["create", "sensor"], indirect=True)


class Killed(BaseException):
    """Stand for the end of a task's process."""


@pytest.fixture
def begin(request: pytest.FixtureRequest, task: Callable[..., TaskRun], emulator: Emulator) -> Begin:
    """Give a function that begins a deferrable task which waits for an execution of so many seconds."""

    def create(seconds: float, **more: Any) -> TaskRun:
        given = {"workflow_id": "sleep", "argument": {"seconds": seconds}, "wait_for_completion": True, **more}
        return task(WorkflowsCreateExecutionOperator, deferrable=True, **given)

    def sensor(seconds: float, **more: Any) -> TaskRun:
        execution_id = emulator.start("sleep", {"seconds": seconds})
        return task(WorkflowExecutionSensor, workflow_id="sleep", execution_id=execution_id, deferrable=True, **more)

    return {"create": create, "sensor": sensor}[getattr(request, "param", "create")]


@both
@pytest.mark.parametrize("seconds", [0.5, 2.0, 4.5])
def test_a_short_execution_needs_no_triggerer(begin: Begin, clock: AdvancingClock, seconds: float) -> None:
    """What ends within defer_after is waited for in the worker, and its end is seen within a second."""
    run, began = begin(seconds), clock.time()
    assert run.execute()["state"] == "SUCCEEDED"
    assert not run.deferrals
    assert clock.time() - began - seconds < 1.1


@both
def test_a_longer_one_is_deferred_in_time(begin: Begin, clock: AdvancingClock) -> None:
    """After defer_after the worker is given back, and the trigger knows when the execution began."""
    run, began = begin(60), clock.time()
    assert isinstance(run.execute(), TaskDeferred)
    assert clock.time() - began == pytest.approx(DEFER_AFTER, abs=0.5)
    assert run.deferral.kwargs["started_at"] == pytest.approx(began, abs=0.5)


@both
def test_defer_after_may_be_0(begin: Begin, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then one look decides."""
    monkeypatch.setenv("AIRFLOW__WORKFLOWS__DEFER_AFTER", "0")
    run = begin(60)
    assert isinstance(run.execute(), TaskDeferred)
    assert emulator.count("get") == 1


@both
@pytest.mark.parametrize(("option", "seconds"), [(None, RESUME_AFTER), ("40", 40.0), ("0", 0.0)])
def test_no_event_comes_before_the_scheduler_is_ready(
    begin: Begin, clock: AdvancingClock, monkeypatch: pytest.MonkeyPatch, option: str | None, seconds: float
) -> None:
    """A trigger whose execution ends right after the deferral keeps that to itself for resume_after."""
    if option is not None:
        monkeypatch.setenv("AIRFLOW__WORKFLOWS__RESUME_AFTER", option)
    run = begin(7)
    run.execute()
    deferred = clock.time()
    assert run.event()["state"] == "SUCCEEDED"
    assert clock.time() - deferred == pytest.approx(max(seconds, 2.0), abs=1.5)


def test_a_trigger_that_starts_again_long_after_waits_no_more(begin: Begin, clock: AdvancingClock) -> None:
    """A deferral that is past by any clock needs no time: a restarted triggerer has thousands of them."""
    run = begin(300)
    run.execute()
    clock.manual.advance(3600)
    began = clock.time()
    assert run.event()["state"] == "SUCCEEDED"
    assert clock.time() - began < 2.0


@both
@pytest.mark.parametrize(("limit", "late"), [(3, 3.0), (18, 18.0), (40, 40.0)])
def test_a_deadline_is_kept_wherever_it_passes(
    begin: Begin, clock: AdvancingClock, request: pytest.FixtureRequest, limit: float, late: float
) -> None:
    """In the worker's first seconds, while no event may leave a trigger, and later; the task fails alike."""
    sensor = "sensor" in request.node.name
    run = begin(10**6, **({"timeout": limit} if sensor else {"execution_timeout": limit}))
    began = clock.time()
    with pytest.raises(AirflowSensorTimeout if sensor else ExecutionTimeout):
        run.run()
    assert clock.time() - began == pytest.approx(late, abs=1.5)
    assert bool(run.deferrals) == (limit > DEFER_AFTER + RESUME_AFTER)


def test_a_kill_in_the_first_seconds_cancels(begin: Begin, clock: AdvancingClock, emulator: Emulator) -> None:
    """As it does in any worker that waits."""
    run = begin(10**6)

    def kill() -> None:
        clock.forget()
        run.kill()
        raise Killed

    clock.on_sleep(kill, number=2)
    with pytest.raises(Killed):
        run.execute()
    assert [each["state"] for each in emulator.executions()] == ["CANCELLED"]


def test_looks_follow_the_age_in_the_triggerer(begin: Begin, clock: AdvancingClock, emulator: Emulator) -> None:
    """Executions of any length are seen to end within a tenth of it, far more often than in fixed rounds."""
    run, began = begin(60, poll_interval=30), clock.time()
    assert run.run()["state"] == "SUCCEEDED"
    assert clock.time() - began - 60 < 7.0
    assert emulator.count("get") + emulator.count("list") < 40


@pytest.mark.parametrize("seconds", [3.5, 15.5, 60.5])
def test_looks_follow_the_age_in_the_worker(
    task: Callable[..., TaskRun], clock: AdvancingClock, emulator: Emulator, seconds: float
) -> None:
    """A task that waits in its worker sees the end within a second, or a tenth of what the execution took."""
    given: dict[str, Any] = {"workflow_id": "sleep", "argument": {"seconds": seconds}, "wait_for_completion": True}
    run, began = task(WorkflowsCreateExecutionOperator, deferrable=False, poll_interval=30, **given), clock.time()
    assert run.run()["state"] == "SUCCEEDED"
    assert clock.time() - began - seconds < max(1.1, 0.11 * seconds) + 0.1
    assert emulator.count("get") < 40


# --- what has to be right before anything is started ---------------------------------------------------------------

OPTIONS = ["defer_after", "resume_after", "end_from_trigger", "get_requests_per_minute", "list_requests_per_minute"]


@both
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("value", ["-1", "nan", "soon"])
def test_options_are_checked_before_anything_is_started(
    begin: Begin, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, option: str, value: str
) -> None:
    """An option that waiting could not work with is named before the first request, and starts nothing."""
    from airflow_provider_workflows.hooks import pollers

    pollers._limits.cache_clear()
    monkeypatch.setenv(f"AIRFLOW__WORKFLOWS__{option.upper()}", value)
    run = begin(60)
    with pytest.raises(Exception, match=option):
        run.execute()
    assert not emulator.requests
    pollers._limits.cache_clear()


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 0, "5", timedelta(0)], ids=str)
@pytest.mark.parametrize("parameter", ["poll_interval", "execution_timeout", "queued_timeout"])
def test_spans_are_checked_before_anything_is_started(
    begin: Begin, emulator: Emulator, parameter: str, value: Any
) -> None:
    """Nor does a span without an end, or that is none."""
    with pytest.raises(ValueError, match=parameter):
        begin(60, **{parameter: value}).execute()
    assert not emulator.requests


@pytest.mark.parametrize("span", [5, timedelta(seconds=5)], ids=str)
@pytest.mark.parametrize("deferrable", [False, True])
def test_spans_are_numbers_or_timedeltas(
    task: Callable[..., TaskRun], emulator: Emulator, deferrable: bool, span: Any
) -> None:
    """Everywhere."""
    spans = {"poll_interval": span, "execution_timeout": span * 100, "queued_timeout": span * 100}
    create = {"workflow_id": "sleep", "argument": {"seconds": 60}, "wait_for_completion": True}
    run = task(WorkflowsCreateExecutionOperator, deferrable=deferrable, **create, **spans)
    assert run.run()["state"] == "SUCCEEDED"
    spans = {"poke_interval": span, "execution_timeout": span * 100, "timeout": span * 100}
    sensor = {"workflow_id": "sleep", "execution_id": emulator.start("sleep", {"seconds": 60})}
    assert task(WorkflowExecutionSensor, deferrable=deferrable, **sensor, **spans).run()["state"] == "SUCCEEDED"


@pytest.mark.parametrize("parameter", ["poke_interval", "timeout"])
def test_a_sensor_without_an_end_is_refused(begin: Begin, task: Callable[..., TaskRun], parameter: str) -> None:
    """With a word about which parameter it is."""
    with pytest.raises(ValueError, match=parameter):
        task(WorkflowExecutionSensor, workflow_id="w", execution_id="e", **{parameter: float("inf")})


# --- what a resume needs -------------------------------------------------------------------------------------------


class Ahead(Clock):
    """Tell the time of a triggerer whose clock is ahead of everybody else's."""

    def __init__(self, clock: AdvancingClock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds

    def monotonic(self) -> float:
        """Return what any clock returns."""
        return self._clock.monotonic()

    async def async_sleep(self, seconds: float) -> None:
        """Sleep as on any clock."""
        await self._clock.async_sleep(seconds)

    def call_later(self, seconds: float, callback: Callable[..., Any], *args: Any) -> Timer:
        """Call something as any clock does."""
        return self._clock.call_later(seconds, callback, *args)

    def time(self) -> float:
        """Return a time that is still to come."""
        return self._clock.time() + self._seconds


@both
@pytest.mark.parametrize("ahead", [120.0, 300.0, 7200.0])
def test_a_triggerer_whose_clock_is_ahead_costs_one_resume(
    begin: Begin, clock: AdvancingClock, request: pytest.FixtureRequest, ahead: float
) -> None:
    """It says that the deadline has passed when it has not; the next trigger knows by how much it is wrong."""
    sensor = "sensor" in request.node.name
    run = begin(10**6, **({"timeout": 600} if sensor else {"execution_timeout": 600}))
    began = clock.time()

    def live() -> None:
        outcome: Any = run.execute()
        while isinstance(outcome, TaskDeferred):
            trigger = make_trigger(run.deferral.classpath, run.deferral.kwargs, clock)
            trigger.clock = Ahead(clock, ahead)
            event = asyncio.run(only_event(trigger))
            clock.manual.advance(3)  # Airflow starts a worker
            outcome = run.fire(event)

    with pytest.raises(AirflowSensorTimeout if sensor else ExecutionTimeout):
        live()
    assert len(run.deferrals) == 2
    assert clock.time() - began == pytest.approx(600, abs=60)


@both
def test_deadlines_outlive_airflows_forgetting(
    begin: Begin, clock: AdvancingClock, request: pytest.FixtureRequest
) -> None:
    """``DAG.test()`` gives a resumed task the event alone, and the event has the deadline."""
    sensor = "sensor" in request.node.name
    run = begin(10**6, **({"timeout": 100} if sensor else {"execution_timeout": 100}))
    began = clock.time()

    def live() -> None:
        outcome: Any = run.execute()
        while isinstance(outcome, TaskDeferred):
            run.deferral.next_kwargs.clear()
            outcome = run.fire(run.event())

    with pytest.raises(AirflowSensorTimeout if sensor else ExecutionTimeout):
        live()
    assert clock.time() - began == pytest.approx(100, abs=10)


def test_airflow_2_does_not_end_a_late_task_before_it_is_called(begin: Begin) -> None:
    """It counts execution_timeout from the first start, so a resumed task would not get to cancel anything."""
    run = begin(60, execution_timeout=100)
    run.execute()
    run._new_process()
    run.ti.next_method = "execute_complete"
    run.operator.pre_execute(run.context)
    assert run.operator.execution_timeout is None
