# SPDX-License-Identifier: Apache-2.0
"""One deadline through worker, trigger and resume; what is late is cancelled, and fails as late."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_workflows.compat import AirflowSensorTimeout, TaskDeferred
from airflow_provider_workflows.exceptions import ExecutionTimeout, WorkflowsError
from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator
from airflow_provider_workflows.sensors.executions import WorkflowExecutionSensor
from airflow_provider_workflows.testing import Emulator
from tests.harness import AdvancingClock, StateStore, TaskRun

deferring = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
pytestmark = pytest.mark.usefixtures("versioned_connection")

Task = Callable[..., TaskRun]


@pytest.fixture
def create(task: Task) -> Task:
    """Give a function that begins a create that waits for an execution of ten minutes, at most five."""

    def create(**arguments: Any) -> TaskRun:
        given = {
            "workflow_id": "sleep",
            "argument": {"seconds": 600},
            "wait_for_completion": True,
            "poll_interval": 10,
            "execution_timeout": timedelta(minutes=5),
            **arguments,
        }
        return task(WorkflowsCreateExecutionOperator, **given)

    return create


def only_state(emulator: Emulator) -> str:
    """Return the state of the only execution."""
    (execution,) = emulator.executions()
    return str(execution["state"])


@deferring
def test_execution_timeout_cancels_and_fails(
    create: Task, emulator: Emulator, clock: AdvancingClock, deferrable: bool
) -> None:
    """After execution_timeout the execution is stopped and the task fails as late, with the name in the text."""
    began = clock.time()
    run = create(deferrable=deferrable)
    with pytest.raises(
        ExecutionTimeout,
        match=r"^Timed out: sleep \w{8} is still ACTIVE, after `execution_timeout` of 300 s, counted from 20",
    ):
        run.run()
    assert only_state(emulator) == "CANCELLED"
    assert clock.time() - began == pytest.approx(300, abs=15)


@deferring
@pytest.mark.parametrize("fault", ["unavailable", "rate_limited"])
def test_execution_timeout_cancels_when_nothing_can_be_read(
    create: Task, emulator: Emulator, clock: AdvancingClock, deferrable: bool, fault: str
) -> None:
    """Reading and cancelling have quotas of their own: an outage of the one does not leave an execution running."""
    run = create(deferrable=deferrable)
    clock.on_sleep(lambda: emulator.fail("get", fault, times=None), number=3)
    clock.on_sleep(lambda: emulator.fail("list", fault, times=None), number=3)
    with pytest.raises(ExecutionTimeout):
        run.run()
    emulator.clear_faults()
    assert only_state(emulator) == "CANCELLED"


@deferring
def test_an_outage_when_it_ends_loses_nothing(
    create: Task, emulator: Emulator, clock: AdvancingClock, deferrable: bool
) -> None:
    """An execution whose result cannot be fetched at once is waited for on, not failed."""
    run = create(deferrable=deferrable, argument={"seconds": 60, "result": 7}, execution_timeout=None)
    outage = emulator.fail("get", "unavailable", when=lambda request: "fields" not in request.query, times=9)
    if deferrable:
        outage.remove()
        assert isinstance(run.execute(), TaskDeferred)
        event = run.event()
        emulator.fail("get", "unavailable", times=9)
        outcome = run.fire(event)
        while isinstance(outcome, TaskDeferred):
            outcome = run.fire(run.event())
    else:
        run.run()
    assert run.xcoms["result"] == 7


@deferring
def test_a_service_cannot_silence_a_wait(
    create: Task, emulator: Emulator, clock: AdvancingClock, deferrable: bool
) -> None:
    """A Retry-After of a day is not waited out."""
    run = create(deferrable=deferrable, argument={"seconds": 60}, execution_timeout=None)
    began = clock.time()
    clock.on_sleep(lambda: emulator.fail("get", status=503, headers={"Retry-After": "86400"}))
    run.run()
    assert clock.time() - began < 900


@deferring
def test_execution_timeout_leaves_it_running_where_asked(create: Task, emulator: Emulator, deferrable: bool) -> None:
    """With cancel_on_timeout=False the execution goes on without its task."""
    with pytest.raises(ExecutionTimeout):
        create(deferrable=deferrable, cancel_on_timeout=False).run()
    assert only_state(emulator) == "ACTIVE"


@deferring
def test_an_end_at_the_last_moment_counts(
    create: Task, emulator: Emulator, clock: AdvancingClock, deferrable: bool
) -> None:
    """An execution that ended while nobody could look (a frozen worker or triggerer) is a success, not a timeout."""
    run = create(deferrable=deferrable, execution_timeout=timedelta(minutes=11))
    if deferrable:
        assert isinstance(run.execute(), TaskDeferred)
        clock.manual.advance(3600)
        run.fire(run.event())
    else:
        clock.on_sleep(lambda: clock.manual.advance(3600))
        run.run()
    assert run.states[-1] == "success"


def test_a_retry_does_not_get_the_whole_time_again(create: Task, emulator: Emulator, clock: AdvancingClock) -> None:
    """The time counts from the first try that waited for the execution."""
    run = create(deferrable=True, retries=2)
    run.retries, run._max_tries, run.state_store = 2, 2, StateStore()
    began = clock.time()
    assert isinstance(run.execute(), TaskDeferred)
    clock.manual.advance(200)  # the triggerer and the worker die; nobody resumes this try
    with pytest.raises(ExecutionTimeout):
        run.retry().run()
    api_version = {request.version for request in emulator.requests}
    assert api_version in ({"v1"}, {"v1beta"})
    assert emulator.count("create") == 1
    assert clock.time() - began == pytest.approx(300, abs=15)


def test_airflow_2_ends_the_trigger_by_itself(create: Task, emulator: Emulator) -> None:
    """Airflow's own limit for a trigger, which says nothing of the execution, has the same outcome."""
    run = create(deferrable=True)
    run.execute()
    with pytest.raises(ExecutionTimeout):
        run.crash_trigger("Trigger timeout")
    assert only_state(emulator) == "CANCELLED"


@pytest.mark.parametrize("change", [{"workflow_id": "echo"}, {"location": "europe-west1"}], ids=str)
def test_a_task_that_was_edited_while_deferred_stops_its_own(
    create: Task, emulator: Emulator, change: dict[str, str]
) -> None:
    """A late trigger that Airflow ended belongs to the execution it waited for, wherever the DAG file points now."""
    run = create(deferrable=True, location="us-central1")
    assert isinstance(run.execute(), TaskDeferred)
    run.task = create(deferrable=True, **{"location": "us-central1", **change}).task
    with pytest.raises(ExecutionTimeout):
        run.crash_trigger("Trigger timeout")
    assert only_state(emulator) == "CANCELLED"


def test_a_task_whose_xcoms_are_gone_says_what_it_misses(create: Task, emulator: Emulator) -> None:
    """Nothing says which execution it waited for, so none is cancelled, and the error says what may still be going."""
    run = create(deferrable=True)
    run.execute()
    run.xcoms.clear()
    with pytest.raises(WorkflowsError, match="its XCom `execution_name` is missing"):
        run.crash_trigger("it broke")
    assert only_state(emulator) == "ACTIVE"


@pytest.mark.parametrize(("ahead", "late"), [(50, True), (70, False)])
def test_the_triggerers_clock_may_be_a_minute_ahead(
    create: Task, emulator: Emulator, clock: AdvancingClock, ahead: float, late: bool
) -> None:
    """A trigger that saw the deadline pass a little early is believed; one whose clock is wrong is asked again."""
    run = create(deferrable=True)
    run.execute()
    clock.manual.advance(300 - ahead)
    (execution,) = emulator.executions()
    event = {"status": "timeout", "state": "ACTIVE", "execution_name": execution["name"], "message": "too late"}
    if late:
        with pytest.raises(ExecutionTimeout):
            run.fire(event)
    else:
        assert isinstance(run.fire(event), TaskDeferred)
    assert only_state(emulator) == ("CANCELLED" if late else "ACTIVE")


@deferring
def test_queued_timeout_cancels_what_never_starts(
    create: Task, emulator: Emulator, clock: AdvancingClock, deferrable: bool
) -> None:
    """An execution that stays in the backlog for too long is stopped, long before the other deadline."""
    emulator.settings.concurrency_limit = 1
    emulator.start("forever")
    began = clock.time()
    with pytest.raises(
        ExecutionTimeout,
        match=r"^Timed out: sleep \w{8} is still QUEUED, after `queued_timeout` of 60 s, counted from 20",
    ):
        create(deferrable=deferrable, queued_timeout=60).run()
    assert emulator.executions()[-1]["state"] == "CANCELLED"
    assert clock.time() - began == pytest.approx(60, abs=15)


@deferring
def test_queued_timeout_does_not_stop_what_has_started(create: Task, emulator: Emulator, deferrable: bool) -> None:
    """An execution that left the backlog in time has all of its other deadline."""
    run = create(deferrable=deferrable, queued_timeout=timedelta(seconds=60), execution_timeout=timedelta(hours=1))
    assert run.run()["state"] == "SUCCEEDED"


@pytest.mark.parametrize(("parameter", "value"), [("queued_timeout", 0), ("poll_interval", -1), ("poll_interval", "5")])
def test_times_are_checked_before_any_request(create: Task, emulator: Emulator, parameter: str, value: Any) -> None:
    """A time that cannot be is named before anything is created."""
    with pytest.raises(ValueError, match=parameter):
        create(**{parameter: value}).execute()
    assert not emulator.requests


@pytest.mark.parametrize("where", [{"mode": "poke"}, {"mode": "reschedule"}, {"deferrable": True}], ids=str)
def test_the_sensors_timeout_never_cancels(
    task: Task, emulator: Emulator, clock: AdvancingClock, where: dict[str, Any]
) -> None:
    """A late sensor fails as sensors do and leaves the execution to whoever started it."""
    began = clock.time()
    run = task(
        WorkflowExecutionSensor,
        workflow_id="forever",
        execution_id=emulator.start("forever"),
        timeout=120,
        poke_interval=10,
        **where,
    )
    with pytest.raises(AirflowSensorTimeout):
        run.run()
    assert only_state(emulator) == "ACTIVE"
    assert emulator.count("cancel") == 0
    assert clock.time() - began == pytest.approx(120, abs=15)


def test_a_deferred_sensor_has_its_execution_timeout(task: Task, emulator: Emulator, clock: AdvancingClock) -> None:
    """The earlier of the two limits ends a deferred sensor; Airflow 3 itself looks at neither."""
    began = clock.time()
    run = task(
        WorkflowExecutionSensor,
        workflow_id="forever",
        execution_id=emulator.start("forever"),
        timeout=86400,
        execution_timeout=timedelta(seconds=120),
        deferrable=True,
    )
    with pytest.raises(AirflowSensorTimeout):
        run.run()
    assert clock.time() - began == pytest.approx(120, abs=15)


def test_the_sensors_timeout_counts_from_the_first_try(task: Task, emulator: Emulator, clock: AdvancingClock) -> None:
    """Where Airflow keeps state, a retried deferrable sensor goes on with the time it has left."""
    run = task(
        WorkflowExecutionSensor,
        workflow_id="forever",
        execution_id=emulator.start("forever"),
        timeout=120,
        poke_interval=10,
        deferrable=True,
    )
    run.state_store = StateStore()
    began = clock.time()
    run.execute()
    clock.manual.advance(100)
    with pytest.raises(AirflowSensorTimeout):
        run.retry().run()
    assert clock.time() - began == pytest.approx(120, abs=15)


def test_a_cleared_sensor_has_its_whole_timeout_again(task: Task, emulator: Emulator, clock: AdvancingClock) -> None:
    """A clear begins anew: the time that was used up before it does not count, though the state store is kept."""
    run = task(
        WorkflowExecutionSensor,
        workflow_id="sleep",
        execution_id=emulator.start("sleep", {"seconds": 200}),
        timeout=120,
        poke_interval=10,
        deferrable=True,
    )
    run.state_store = StateStore()
    run.execute()
    clock.manual.advance(100)
    assert run.clear().run()["state"] == "SUCCEEDED"
