# SPDX-License-Identifier: Apache-2.0
"""Tasks that end in the triggerer, and sensors that begin there: the same outcome with fewer worker processes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

from airflow_provider_workflows.compat import TaskDeferred, XComArg
from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator
from airflow_provider_workflows.sensors.executions import WorkflowExecutionSensor
from airflow_provider_workflows.testing import DEFAULT_LOCATION, DEFAULT_PROJECT, Emulator
from airflow_provider_workflows.triggers.executions import LARGEST_END
from tests.harness import AdvancingClock, TaskRun, make_trigger, through_json

try:
    from airflow.sdk import DAG, Asset
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.datasets import Dataset as Asset  # type: ignore[no-redef]

Task = Callable[..., TaskRun]

AIRFLOW_ENDS_TASKS = hasattr(BaseTrigger, "on_kill")
from_3_3 = pytest.mark.skipif(not AIRFLOW_ENDS_TASKS, reason="tasks end in the triggerer from Airflow 3.3 on")
pytestmark = pytest.mark.usefixtures("versioned_connection")


@pytest.fixture
def wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn the option on."""
    monkeypatch.setenv("AIRFLOW__WORKFLOWS__END_FROM_TRIGGER", "True")


@pytest.fixture
def create(task: Task) -> Task:
    """Give a function that begins a deferrable create of a minute."""

    def create(**arguments: Any) -> TaskRun:
        given = {"workflow_id": "sleep", "argument": {"seconds": 60, "result": {"total": 42}}, **arguments}
        return task(WorkflowsCreateExecutionOperator, wait_for_completion=True, deferrable=True, **given)

    return create


def last_event(trigger: BaseTrigger) -> TriggerEvent:
    """Run a trigger to its only event."""

    async def run() -> list[TriggerEvent]:
        return [event async for event in trigger.run()]

    (event,) = asyncio.run(run())
    return event


def event_of(run: TaskRun) -> TriggerEvent:
    """Defer a task and return the event that its trigger ends with."""
    assert isinstance(run.execute(), TaskDeferred)
    return last_event(run.trigger())


@from_3_3
@pytest.mark.usefixtures("wanted")
def test_a_success_ends_the_task_with_the_xcoms_of_a_worker(create: Task) -> None:
    """What the triggerer stores is what a worker would have stored, links and return value included."""
    run = create()
    event = event_of(run)
    assert isinstance(event, TaskSuccessEvent)
    run.fire({"status": "success", "state": "SUCCEEDED", "execution_name": run.xcoms["execution_name"], "message": ""})
    assert through_json(event.xcoms) == run.xcoms
    assert event.xcoms is not None
    assert event.xcoms["result"] == {"total": 42}


@from_3_3
@pytest.mark.usefixtures("wanted")
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"workflow_id": "fail", "argument": {"seconds": 60}}, id="failed"),
        pytest.param({"argument": {"seconds": 60, "result": "x" * LARGEST_END}}, id="large"),
        pytest.param({"do_xcom_push": False}, id="no-xcoms"),
        pytest.param({"multiple_outputs": True}, id="multiple_outputs"),
        pytest.param({"outlets": [Asset("asset")]}, id="outlets"),
        pytest.param({"post_execute": lambda *_: None}, id="post_execute"),
    ],
)
def test_anything_else_goes_on_in_a_worker(create: Task, arguments: dict[str, Any]) -> None:
    """A failure, a large result, and whatever a worker still has to do resume the task."""
    assert not isinstance(event_of(create(**arguments)), TaskSuccessEvent)


@from_3_3
@pytest.mark.usefixtures("wanted")
@pytest.mark.parametrize(("spare", "ends"), [(0, True), (-1, False)])
def test_an_execution_of_16_384_characters_ends_its_task(
    create: Task, emulator: Emulator, spare: int, ends: bool
) -> None:
    """What docs/waiting.md says may travel through an event does, and one character more does not."""

    def event_with(result: str) -> TriggerEvent:
        run = create(workflow_id="forever", argument=None)
        assert isinstance(run.execute(), TaskDeferred)
        emulator.set_state(run.xcoms["execution_id"], "SUCCEEDED", result=result)
        return last_event(run.trigger())

    small = event_with("")
    assert isinstance(small, TaskSuccessEvent)
    assert small.xcoms is not None
    left = 16_384 - len(json.dumps(small.xcoms["return_value"])) - spare
    assert isinstance(event_with("x" * left), TaskSuccessEvent) is ends


@from_3_3
@pytest.mark.usefixtures("wanted")
def test_a_result_that_cannot_be_fetched_goes_on_in_a_worker(create: Task, emulator: Emulator) -> None:
    """The triggerer does not insist: a worker tries again, with all its patience."""
    run = create()
    assert isinstance(run.execute(), TaskDeferred)
    emulator.fail("get", "unavailable", when=lambda request: "fields" not in request.query, times=None)
    assert not isinstance(last_event(run.trigger()), TaskSuccessEvent)


@from_3_3
@pytest.mark.usefixtures("wanted")
def test_a_success_that_counts_as_failure_goes_on_in_a_worker(task: Task, emulator: Emulator) -> None:
    """What the task's own states call a failure must not end it as a success."""
    run = task(
        WorkflowExecutionSensor,
        workflow_id="sleep",
        execution_id=emulator.start("sleep", {"seconds": 60}),
        success_states={"FAILED"},
        failure_states={"SUCCEEDED"},
        deferrable=True,
    )
    assert not isinstance(event_of(run), TaskSuccessEvent)


def test_off_by_default(create: Task) -> None:
    """Without the option the task goes on in a worker."""
    assert not isinstance(event_of(create()), TaskSuccessEvent)


@pytest.mark.skipif(AIRFLOW_ENDS_TASKS, reason="this Airflow can")
@pytest.mark.usefixtures("wanted")
def test_older_airflow_ignores_the_option(create: Task) -> None:
    """Before 3.3 a task that ends in the triggerer would lose its retries."""
    assert not isinstance(event_of(create()), TaskSuccessEvent)


def sensor(**arguments: Any) -> WorkflowExecutionSensor:
    """Make a sensor that begins in the triggerer."""
    given = {
        "workflow_id": "sleep",
        "execution_id": "e",
        "project_id": DEFAULT_PROJECT,
        "location": DEFAULT_LOCATION,
        **arguments,
    }
    return WorkflowExecutionSensor(task_id="task", start_from_trigger=True, **given)


@pytest.mark.skipif(AIRFLOW_ENDS_TASKS, reason="this Airflow can")
def test_older_airflow_refuses_to_start_from_the_trigger() -> None:
    """Before 3.3 templates would reach the trigger as they are."""
    with pytest.raises(ValueError, match=r"start_from_trigger needs Airflow 3\.3"):
        sensor()


@from_3_3
def test_a_sensor_begins_and_ends_without_a_worker(emulator: Emulator, clock: AdvancingClock) -> None:
    """The trigger that the scheduler makes waits, and ends the task with the sensor's XComs."""
    execution_id = emulator.start("sleep", {"seconds": 60, "result": "done"})
    task = sensor(execution_id=execution_id, timeout=3600)
    arguments = task.start_trigger_args
    assert task.start_from_trigger
    assert arguments is not None
    assert arguments.timeout is not None
    assert arguments.timeout.total_seconds() == 3600
    trigger = make_trigger(arguments.trigger_cls, through_json(arguments.trigger_kwargs), clock)
    event = last_event(trigger)
    assert isinstance(event, TaskSuccessEvent)
    assert event.xcoms is not None
    assert event.xcoms["result"] == "done"
    assert dict(event.xcoms["return_value"])["state"] == "SUCCEEDED"  # type: ignore[arg-type]
    assert event.xcoms["execution_id"] == execution_id


@from_3_3
@pytest.mark.parametrize("error", ["Trigger timeout"])
def test_a_sensor_that_is_late_fails_as_late(task: Task, emulator: Emulator, error: str) -> None:
    """Airflow's own limit for the trigger is the sensor's timeout; no XCom of an earlier step is needed."""
    from airflow_provider_workflows.compat import AirflowSensorTimeout

    run = task(
        WorkflowExecutionSensor,
        workflow_id="forever",
        execution_id=emulator.start("forever"),
        project_id=DEFAULT_PROJECT,
        location=DEFAULT_LOCATION,
        start_from_trigger=True,
    )
    with pytest.raises(AirflowSensorTimeout):
        run.crash_trigger(error)


@from_3_3
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"project_id": None}, "needs project_id"),
        ({"location": None}, "needs location"),
        ({"execution_id": "{{ ti.xcom_pull(task_ids='up') }}"}, "execution_id pulls an XCom.*map_indexes"),
    ],
)
def test_what_would_hang_is_refused(arguments: dict[str, Any], message: str) -> None:
    """What Airflow cannot do for a trigger is an error when the DAG is parsed, with what to do instead."""
    with pytest.raises(ValueError, match=message):
        sensor(**arguments)


@from_3_3
def test_another_tasks_output_is_refused() -> None:
    """Airflow would hand the trigger the text of a reference."""
    with DAG("dag", schedule=None):
        up = WorkflowsCreateExecutionOperator(task_id="up", workflow_id="sleep")
        with pytest.raises(ValueError, match="another task's output"):
            sensor(execution_id=XComArg(up, "execution_id"))


@from_3_3
def test_a_pull_with_map_indexes_is_taken() -> None:
    """The one spelling that Airflow renders in the triggerer."""
    template = "{{ ti.xcom_pull(task_ids='up', key='execution_id', map_indexes=-1) }}"
    arguments = sensor(execution_id=template).start_trigger_args
    assert arguments is not None
    assert (arguments.trigger_kwargs or {})["execution_id"] == template
