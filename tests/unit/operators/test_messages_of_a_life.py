# SPDX-License-Identifier: Apache-2.0
"""What the log of one try of a task says over its whole life: the whole name once, no state again and again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_workflows.compat import AirflowFailException, AirflowSensorTimeout, AirflowSkipException
from airflow_provider_workflows.exceptions import AmbiguousCreate, ExecutionFailed, ExecutionTimeout
from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator
from airflow_provider_workflows.sensors.executions import WorkflowExecutionSensor
from airflow_provider_workflows.testing import Emulator, Step, WorkflowError
from tests.harness import AdvancingClock, StateStore, TaskRun
from tests.killing import Killed, killing
from tests.log_lines import LogLine

pytestmark = pytest.mark.usefixtures("connection")

Begin = Callable[..., TaskRun]
_WHOLE = re.compile(r"projects/[\w-]+/locations/[\w-]+/workflows/[\w-]+/executions/[\w-]+")
PATHS = {"in the worker": {}, "deferred": {"deferrable": True}}


@pytest.fixture(params=PATHS)
def begin(request: pytest.FixtureRequest, clock: AdvancingClock, emulator: Emulator) -> Begin:
    """Give a function that begins a task which creates an execution of a workflow and waits for it on each path."""

    @emulator.workflow("orders")
    def orders(_: Any) -> Any:
        yield Step("take", seconds=20)
        yield Step("charge", seconds=20)
        raise WorkflowError({"message": "no such card", "tags": ["KeyError"]}, line=17)

    def begin(workflow_id: str, **arguments: Any) -> TaskRun:
        operator = WorkflowsCreateExecutionOperator(
            task_id="task",
            workflow_id=workflow_id,
            wait_for_completion=True,
            **{**PATHS[request.param], **arguments},
        )
        return TaskRun(operator, clock=clock, retries=2, state_store=StateStore())

    return begin


def texts(logs: list[LogLine], error: BaseException | None = None) -> Iterator[str]:
    """Yield what a try has said: its lines, and what Airflow shows of its exception, the cause's text included."""
    yield from (line.text.partition(" timestamp=")[0] for line in logs)
    while error is not None:
        yield str(error)
        error = error.__cause__


def assert_well_told(
    run: TaskRun, logs: list[LogLine], error: BaseException | None = None, *, once: tuple[str, ...] = ()
) -> None:
    """Check that the whole name stands there once, with the address, and that the end is not said three times."""
    said = list(texts(logs, error))
    whole = [each for each in said if _WHOLE.search(each)]
    assert len(whole) == 1, said
    assert f"{run.xcoms['execution_name']} {run.xcoms['execution_url']}" in whole[0]
    assert len(_WHOLE.findall(whole[0])) == 1
    for state in ("SUCCEEDED", "FAILED", "CANCELLED"):
        assert sum(state in each for each in said) <= 2, said
    for state in once:
        assert sum(state in each for each in said) == 1, said


def test_a_success(begin: Begin, logs: list[LogLine]) -> None:
    """Created, its states and steps, and how it ended after how long."""
    run = begin("sleep", argument={"seconds": 40})
    run.run()
    assert_well_told(run, logs, once=("SUCCEEDED",))
    brief = f"sleep {run.xcoms['execution_id'][:8]}"
    said = list(texts(logs))
    assert next(each for each in said if each.startswith("Created: ")).startswith(f"Created: {brief}. projects/")
    assert f"SUCCEEDED: {brief} after 40 s." in said


def test_a_failure(begin: Begin, logs: list[LogLine]) -> None:
    """The exception alone says how it ended."""
    run = begin("orders")
    with pytest.raises(ExecutionFailed) as caught:
        run.run()
    assert_well_told(run, logs, caught.value, once=("FAILED",))


def test_steps_are_logged_on_both_paths(begin: Begin, logs: list[LogLine]) -> None:
    """A wait in a worker says at which step the execution is, as one in the triggerer does."""
    run = begin("orders")
    with pytest.raises(ExecutionFailed):
        run.run()
    brief = f"orders {run.xcoms['execution_id'][:8]}"
    said = [each for each in texts(logs) if each.startswith("Step ")]
    assert [*dict.fromkeys(said)] == [f"Step take: {brief}, in main.", f"Step charge: {brief}, in main."]


def test_a_cancelled_one(begin: Begin, emulator: Emulator, clock: AdvancingClock, logs: list[LogLine]) -> None:
    """What Airflow is told is short; its cause explains."""
    run = begin("forever")
    clock.on_sleep(lambda: emulator.set_state(run.xcoms["execution_id"], "CANCELLED"))
    with pytest.raises(AirflowFailException) as caught:
        run.run()
    assert_well_told(run, logs, caught.value)
    assert len(str(caught.value)) < 100


def test_a_time_out(begin: Begin, logs: list[LogLine]) -> None:
    """It says which parameter, how many seconds, and counted from when."""
    run = begin("forever", execution_timeout=600)
    with pytest.raises(ExecutionTimeout, match=r"`execution_timeout` of 600 s, counted from 2026-01-01T00:00:00Z"):
        run.run()
    assert_well_told(run, logs)


def test_a_kill(begin: Begin, clock: AdvancingClock, logs: list[LogLine]) -> None:
    """What became of the execution is said in brief."""
    run = begin("forever", deferrable=False)

    clock.on_sleep(killing(run, clock), number=3)
    with pytest.raises(Killed):
        run.execute()
    assert_well_told(run, logs, once=("CANCELLED",))


def test_a_retry_that_attaches(begin: Begin, emulator: Emulator, logs: list[LogLine]) -> None:
    """It says what it goes on with, with the whole name: its own log has no other."""
    run = begin("forever", deferrable=True)
    run.execute()
    logs.clear()
    run.retry()
    run.execute()
    assert_well_told(run, logs)
    brief = f"forever {run.xcoms['execution_id'][:8]}"
    assert any(each.startswith(f"ACTIVE: {brief} of an earlier try; going on with it. ") for each in texts(logs))
    assert emulator.count("create") == 1


def test_a_retry_that_creates_anew(begin: Begin, logs: list[LogLine]) -> None:
    """It says why."""
    run = begin("orders")
    with pytest.raises(ExecutionFailed):
        run.run()
    earlier = run.xcoms["execution_id"]
    logs.clear()
    run.retry()
    with pytest.raises(ExecutionFailed) as caught:
        run.run()
    assert run.xcoms["execution_id"] != earlier
    assert_well_told(run, logs, caught.value)
    assert f"Creating anew: the earlier one FAILED: orders {earlier[:8]}." in texts(logs)


def test_a_clear_creates_anew(begin: Begin, logs: list[LogLine]) -> None:
    """A cleared task says what it leaves alone."""
    run = begin("sleep", argument={"seconds": 5})
    run.run()
    earlier = run.xcoms["execution_id"]
    run.clear().run()
    reason = "is from before this task was cleared or changed."
    assert f"Creating anew: sleep {earlier[:8]}, SUCCEEDED, {reason}" in texts(logs)


def test_an_ambiguous_create_that_is_found(begin: Begin, emulator: Emulator, logs: list[LogLine]) -> None:
    """What the lost answer was about has its name when it is found."""
    emulator.fail("create", "drop_after")
    run = begin("sleep", argument={"seconds": 40})
    run.run()
    assert_well_told(run, logs, once=("SUCCEEDED",))


def test_an_ambiguous_create_that_cannot_be_told(
    begin: Begin, connect: Callable[..., None], emulator: Emulator, logs: list[LogLine]
) -> None:
    """Without labels it is said once by us and once by what Airflow raises, and no more."""
    connect(api_version="v1beta")
    emulator.fail("create", "drop_after", times=None)
    with pytest.raises(AirflowFailException) as caught:
        begin("sleep").run()
    assert isinstance(caught.value.__cause__, AmbiguousCreate)
    said = list(texts(logs, caught.value))
    assert sum("may exist" in each for each in said) == 2
    assert said[-1].startswith("Unclear create of sleep: an execution may exist: the create got no clear answer (")


@pytest.mark.parametrize("arguments", [{"mode": "poke"}, {"mode": "reschedule"}, {"deferrable": True}], ids=str)
def test_a_sensor(arguments: dict[str, Any], clock: AdvancingClock, emulator: Emulator, logs: list[LogLine]) -> None:
    """It names in whole what it waits for when it begins, and not again when it is rescheduled or resumed."""
    execution_id = emulator.start("sleep", {"seconds": 300})
    sensor = WorkflowExecutionSensor(task_id="task", workflow_id="sleep", execution_id=execution_id, **arguments)
    run = TaskRun(sensor, clock=clock)
    run.run()
    assert_well_told(run, logs, once=("SUCCEEDED", "ACTIVE"))


@pytest.mark.parametrize("soft_fail", [False, True], ids=["failed", "skipped"])
@pytest.mark.parametrize("arguments", [{"mode": "poke"}, {"mode": "reschedule"}, {"deferrable": True}], ids=str)
def test_a_sensor_says_what_it_did_not_live_to_see(
    arguments: dict[str, Any], soft_fail: bool, clock: AdvancingClock, emulator: Emulator
) -> None:
    """A sensor that is late names the execution and the parameter wherever it waits, and also where it is skipped."""
    execution_id = emulator.start("forever")
    sensor = WorkflowExecutionSensor(
        task_id="task", workflow_id="forever", execution_id=execution_id, timeout=600, soft_fail=soft_fail, **arguments
    )
    late = rf"^Timed out: forever {execution_id[:8]} is still ACTIVE, after `timeout` of 600 s"
    with pytest.raises(AirflowSkipException if soft_fail else AirflowSensorTimeout, match=late):
        TaskRun(sensor, clock=clock).run()


@pytest.mark.parametrize("parameter", ["execution_timeout", "queued_timeout"])
def test_a_time_out_says_what_counted_though_it_was_edited(
    parameter: str, clock: AdvancingClock, emulator: Emulator
) -> None:
    """A parameter that is edited while the task is deferred does not change the deadline, nor what is said of it."""
    seconds = [600, 3600]

    def make() -> WorkflowsCreateExecutionOperator:
        edited: dict[str, Any] = {parameter: seconds[0]}
        return WorkflowsCreateExecutionOperator(
            task_id="task", workflow_id="forever", wait_for_completion=True, deferrable=True, **edited
        )

    run = TaskRun(make, clock=clock, state_store=StateStore())
    run.execute()
    if parameter == "queued_timeout":
        emulator.set_state(run.xcoms["execution_id"], "QUEUED")
    event = run.event()
    seconds.pop(0)
    with pytest.raises(ExecutionTimeout, match=rf"`{parameter}` of 600 s, counted from 2026-01-01T00:00:00Z"):
        run.fire(event)


@pytest.mark.parametrize("arguments", [{"mode": "poke"}, {"deferrable": True}], ids=str)
def test_a_sensor_that_is_late(arguments: dict[str, Any], clock: AdvancingClock, emulator: Emulator) -> None:
    """The text names the execution, the parameter and its seconds, wherever the sensor waits."""
    execution_id = emulator.start("forever")
    sensor = WorkflowExecutionSensor(
        task_id="task", workflow_id="forever", execution_id=execution_id, timeout=600, **arguments
    )
    late = rf"^Timed out: forever {execution_id[:8]} is still ACTIVE, after `timeout` of 600 s, counted from 2026"
    with pytest.raises(AirflowSensorTimeout, match=late) as caught:
        TaskRun(sensor, clock=clock).run()
    assert isinstance(caught.value.__cause__, ExecutionTimeout)
