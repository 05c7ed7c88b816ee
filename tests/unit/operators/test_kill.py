# SPDX-License-Identifier: Apache-2.0
"""A killed task stops its execution; a trigger that merely stops running here does not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from airflow.utils.state import TaskInstanceState

from airflow_provider_workflows.api.cancelling import kill_bound
from airflow_provider_workflows.compat import TaskDeferred, seconds_after_sigterm
from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator
from airflow_provider_workflows.sensors.executions import WorkflowExecutionSensor
from airflow_provider_workflows.testing import Emulator
from airflow_provider_workflows.triggers.executions import WorkflowExecutionTrigger
from airflow_provider_workflows.triggers.kill import _KILLS, AFTER_EVENT
from airflow_provider_workflows.triggers.task_state import MARKED, STOPPED
from tests.harness import AIRFLOW_3, AdvancingClock, TaskRun
from tests.killing import Killed, killing
from tests.log_lines import LogLine

pytestmark = pytest.mark.usefixtures("versioned_connection")

Task = Callable[..., TaskRun]
#: What Airflow 3.3 puts into the cancellation of a trigger whose task a user acted on.
USER_ACTION = "__airflow_user_action__"


@pytest.fixture
def waiting(task: Task, clock: AdvancingClock) -> Callable[..., TaskRun]:
    """Give a function that begins a create that waits in its worker and is killed there, by Airflow."""

    def waiting(**arguments: Any) -> TaskRun:
        run = task(WorkflowsCreateExecutionOperator, workflow_id="forever", wait_for_completion=True, **arguments)

        clock.on_sleep(killing(run, clock))
        return run

    return waiting


def only_state(emulator: Emulator) -> str:
    """Return the state of the only execution."""
    (execution,) = emulator.executions()
    return str(execution["state"])


def test_a_killed_worker_cancels(waiting: Callable[..., TaskRun], emulator: Emulator) -> None:
    """A task that is killed while it waits in its worker stops its execution."""
    with pytest.raises(Killed):
        waiting().execute()
    assert only_state(emulator) == "CANCELLED"


def test_a_killed_worker_leaves_it_running_where_asked(waiting: Callable[..., TaskRun], emulator: Emulator) -> None:
    """With cancel_on_kill=False the execution goes on."""
    with pytest.raises(Killed):
        waiting(cancel_on_kill=False).execute()
    assert only_state(emulator) == "ACTIVE"
    assert emulator.count("cancel") == 0


def test_a_cancel_is_repeated_within_its_bound(waiting: Callable[..., TaskRun], emulator: Emulator) -> None:
    """Passing errors do not keep an execution running."""
    emulator.fail("cancel", "unavailable")
    emulator.fail("cancel", "drop_before")
    with pytest.raises(Killed):
        waiting().execute()
    assert only_state(emulator) == "CANCELLED"


def test_a_cancel_ends_in_a_bounded_time(
    waiting: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock, logs: list[LogLine]
) -> None:
    """A service that does not answer does not hold a kill up, and the log says what may be left."""
    emulator.fail("cancel", "unavailable", times=None)
    began = clock.time()
    with pytest.raises(Killed):
        waiting().execute()
    until_the_kill = clock.slept[0]
    assert clock.time() - began - until_the_kill <= kill_bound(seconds_after_sigterm())
    assert any("may still be going" in line.text and line.level == "error" for line in logs)


@pytest.mark.parametrize("answer", ["error", "ok"])
def test_an_execution_that_is_already_over_is_no_error(
    waiting: Callable[..., TaskRun],
    emulator: Emulator,
    clock: AdvancingClock,
    logs: list[LogLine],
    answer: Literal["error", "ok"],
) -> None:
    """A kill that comes too late is logged as that."""
    emulator.settings.cancel_finished = answer
    run = waiting()

    def end_first() -> None:
        emulator.set_state(emulator.executions()[0]["name"].rpartition("/")[2], "SUCCEEDED")

    clock._plans.insert(0, (1, end_first))
    with pytest.raises(Killed):
        run.execute()
    assert any("was already over when it was to be cancelled" in line.text for line in logs)


def test_a_late_cancel_is_waited_for(waiting: Callable[..., TaskRun], emulator: Emulator) -> None:
    """A service that cancels a moment later leaves nothing that a retry could take for going."""
    emulator.settings.cancel_mode = "late"
    emulator.settings.cancel_delay = 2.0
    with pytest.raises(Killed):
        waiting().execute()
    assert only_state(emulator) == "CANCELLED"


def test_a_kill_between_a_create_and_its_answer(
    task: Task, emulator: Emulator, clock: AdvancingClock, version: str
) -> None:
    """A task that is killed before it knows its execution's name finds it by its label and stops it (v1)."""
    if version == "v1beta":
        pytest.skip("v1beta has no labels")
    run = task(WorkflowsCreateExecutionOperator, workflow_id="forever", wait_for_completion=True)
    emulator.fail("create", "drop_after")

    clock.on_sleep(killing(run, clock))
    with pytest.raises(Killed):
        run.execute()
    assert only_state(emulator) == "CANCELLED"


def test_a_kill_while_a_retry_looks_back(task: Task, emulator: Emulator, clock: AdvancingClock, version: str) -> None:
    """A retry that is killed before it has attached stops what the try before it left (v1)."""
    if version == "v1beta":
        pytest.skip("v1beta has no labels")
    run = task(WorkflowsCreateExecutionOperator, workflow_id="forever", wait_for_completion=True)

    def die() -> None:
        raise Killed

    clock.on_sleep(die)
    with pytest.raises(Killed):
        run.execute()
    clock.forget()
    run.retry()
    emulator.fail("list", "unavailable")
    clock.on_sleep(killing(run, clock))
    with pytest.raises(Killed):
        run.execute()
    assert only_state(emulator) == "CANCELLED"


def test_a_killed_sensor_cancels_nothing(task: Task, emulator: Emulator) -> None:
    """An execution that somebody else started is not the sensor's to stop."""
    run = task(WorkflowExecutionSensor, workflow_id="forever", execution_id=emulator.start("forever"))
    run.kill()
    assert emulator.count("cancel") == 0


# --- the trigger ----------------------------------------------------------------------------------------------------


class FakeAirflow:
    """Answer a trigger's question about its task, as the database (Airflow 2) or the execution API (3) would."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state: str | None = "deferred"
        self.max_tries = 0
        self.map_index = -1
        self.broken = False
        self.asked = threading.Event()
        self.answers = threading.Event()
        self.answers.set()
        (self._in_airflow_3 if AIRFLOW_3 else self._in_airflow_2)(monkeypatch)

    def _take_time(self) -> None:
        self.asked.set()
        self.answers.wait(60)

    def _in_airflow_3(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from airflow.sdk.execution_time import task_runner

        def send(message: Any) -> Any:
            if not hasattr(message, "map_index"):
                return None  # no question about a task: 3.0 is told what to mask
            self._take_time()
            if self.broken:
                raise RuntimeError("the API server is away")
            suffix = "" if message.map_index in (None, -1) else f"_{message.map_index}"
            return SimpleNamespace(task_states={"run1": {f"task{suffix}": self.state} if self.state else {}})

        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", SimpleNamespace(send=send), raising=False)

    def _in_airflow_2(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from airflow.utils import session

        class Query:
            def filter_by(self, **_: Any) -> Query:
                return self

            def one_or_none(query: Any) -> Any:  # noqa: N805
                self._take_time()
                if self.broken:
                    raise RuntimeError("the database is away")
                return (self.state, self.max_tries) if self.state else None

        class Session:
            def __enter__(self) -> Any:
                return SimpleNamespace(query=lambda *_: Query())

            def __exit__(self, *_: object) -> None:
                pass

        monkeypatch.setattr(session, "create_session", Session)

    def task_instance(self) -> Any:
        """Return what the triggerer gives a trigger."""
        fields = {"dag_id": "dag", "task_id": "task", "run_id": "run1", "map_index": self.map_index, "id": "x"}
        return SimpleNamespace(**fields) if AIRFLOW_3 else SimpleNamespace(**fields, max_tries=0, refresh_from_db=None)


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> FakeAirflow:
    """Give an Airflow that knows the task's state."""
    return FakeAirflow(monkeypatch)


@pytest.fixture
def deferred(task: Task, airflow: FakeAirflow) -> Callable[..., WorkflowExecutionTrigger]:
    """Give a function that defers a create and returns its trigger, as the triggerer has it."""

    def deferred(**arguments: Any) -> WorkflowExecutionTrigger:
        run = task(
            WorkflowsCreateExecutionOperator,
            workflow_id="forever",
            wait_for_completion=True,
            deferrable=True,
            poll_interval=3600,
            **arguments,
        )
        assert isinstance(run.execute(), TaskDeferred)
        trigger: WorkflowExecutionTrigger = run.trigger()
        trigger.task_instance = airflow.task_instance()
        trigger.trigger_id = 7
        return trigger

    return deferred


async def cancel_while_waiting(trigger: WorkflowExecutionTrigger, emulator: Emulator, message: str | None) -> None:
    """Run a trigger as a triggerer does, until it waits; then cancel it as Airflow 3.3 or an earlier one does."""

    async def run() -> None:
        try:
            async for _ in trigger.run():
                pytest.fail("an event was not expected")
        except asyncio.CancelledError as exc:
            if exc.args and exc.args[0] == USER_ACTION and hasattr(type(trigger).__mro__[1], "on_kill"):
                await trigger.on_kill()
            raise

    from airflow_provider_workflows.core.clock import SYSTEM_CLOCK

    trigger.clock = SYSTEM_CLOCK  # it waits for real until it is cancelled
    looks = emulator.count("get") + emulator.count("list")
    task = asyncio.ensure_future(run())
    while emulator.count("get") + emulator.count("list") == looks:  # noqa: ASYNC110 - it looks in another thread
        await asyncio.sleep(0.001)
    task.cancel(message) if message else task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("state", [*sorted(str(each) for each in STOPPED if each), None])
async def test_a_killed_trigger_cancels(
    deferred: Callable[..., WorkflowExecutionTrigger], emulator: Emulator, airflow: FakeAirflow, state: str | None
) -> None:
    """Marked failed or successful, skipped, cleared or removed: the deferred task's execution is stopped."""
    airflow.state = state
    await cancel_while_waiting(await asyncio.to_thread(deferred), emulator, USER_ACTION)
    assert only_state(emulator) == "CANCELLED"


@pytest.mark.parametrize("message", [USER_ACTION, None], ids=["reassigned", "shutdown"])
@pytest.mark.parametrize("state", sorted(str(each.value) for each in TaskInstanceState if each.value not in STOPPED))
async def test_a_trigger_whose_task_has_moved_on_cancels_nothing(
    deferred: Callable[..., WorkflowExecutionTrigger],
    emulator: Emulator,
    airflow: FakeAirflow,
    state: str,
    message: str | None,
) -> None:
    """A trigger that moved may have fired elsewhere: its task is resumed, retried or deferred again, and waits on."""
    airflow.state = state
    await cancel_while_waiting(await asyncio.to_thread(deferred), emulator, message)
    assert only_state(emulator) == "ACTIVE"
    assert emulator.count("cancel") == 0


@pytest.mark.skipif(AIRFLOW_3, reason="only the database tells")
@pytest.mark.parametrize("state", ["scheduled", "queued", "running", "deferred"])
async def test_a_cleared_task_that_is_on_its_way_again_cancels(
    deferred: Callable[..., WorkflowExecutionTrigger], emulator: Emulator, airflow: FakeAirflow, state: str
) -> None:
    """On Airflow 2 a clear is seen by the tries that it gave, wherever the task is by then."""
    airflow.state, airflow.max_tries = state, 1
    await cancel_while_waiting(await asyncio.to_thread(deferred), emulator, None)
    assert only_state(emulator) == "CANCELLED"


def test_each_state_of_airflow_is_in_the_table() -> None:
    """The states that say that a user stopped the task are this Airflow's, and none of a task on its way is one."""
    going = {"deferred", "queued", "restarting", "running", "scheduled", "up_for_reschedule", "up_for_retry"}
    assert going | MARKED <= {str(each.value) for each in TaskInstanceState}
    assert not going & STOPPED


async def test_an_answer_that_does_not_come_is_not_waited_for(
    deferred: Callable[..., WorkflowExecutionTrigger],
    emulator: Emulator,
    airflow: FakeAirflow,
    monkeypatch: pytest.MonkeyPatch,
    logs: list[LogLine],
) -> None:
    """An Airflow that hangs does not hold a trigger up, and the log says what is not known."""
    monkeypatch.setattr("airflow_provider_workflows.triggers.task_state.SAY_AFTER", 0.05)
    monkeypatch.setattr("airflow_provider_workflows.triggers.task_state.ASK_BOUND", 0.1)
    trigger = await asyncio.to_thread(deferred)
    airflow.answers.clear()
    try:
        await trigger.on_kill()
    finally:
        airflow.answers.set()
    assert only_state(emulator) == "ACTIVE"
    assert [line.level for line in logs if "did not tell" in line.text] == ["warning", "error"]


async def test_an_answer_that_comes_late_cancels(
    deferred: Callable[..., WorkflowExecutionTrigger],
    emulator: Emulator,
    airflow: FakeAirflow,
    monkeypatch: pytest.MonkeyPatch,
    logs: list[LogLine],
) -> None:
    """A kill that a loaded Airflow confirms after half a minute stops the execution; the log says why it takes long."""
    monkeypatch.setattr("airflow_provider_workflows.triggers.task_state.SAY_AFTER", 0.05)
    airflow.state = "failed"
    trigger = await asyncio.to_thread(deferred)
    airflow.answers.clear()
    kill = asyncio.ensure_future(trigger.on_kill())
    for _ in range(5000):  # the question is asked in another thread
        if any("did not tell" in line.text for line in logs):
            break
        await asyncio.sleep(0.01)
    airflow.answers.set()
    await kill
    assert only_state(emulator) == "CANCELLED"


async def test_a_killed_trigger_of_a_mapped_task_cancels(
    deferred: Callable[..., WorkflowExecutionTrigger], emulator: Emulator, airflow: FakeAirflow
) -> None:
    """A mapped task's state comes under another name and counts the same."""
    airflow.map_index, airflow.state = 3, "failed"
    await cancel_while_waiting(await asyncio.to_thread(deferred), emulator, USER_ACTION)
    assert only_state(emulator) == "CANCELLED"


async def test_a_kill_that_is_repeated_cancels(
    deferred: Callable[..., WorkflowExecutionTrigger], emulator: Emulator, airflow: FakeAirflow
) -> None:
    """Airflow cancels a trigger again while its kill is still at work; the execution is stopped all the same."""
    airflow.state = "failed"
    trigger = await asyncio.to_thread(deferred)
    airflow.answers.clear()
    kill = asyncio.ensure_future(trigger.on_kill())
    await asyncio.to_thread(airflow.asked.wait, 60)
    kill.cancel(USER_ACTION)
    with pytest.raises(asyncio.CancelledError):
        await kill
    airflow.answers.set()
    for _ in range(5000):  # the emulator answers in another thread
        if only_state(emulator) == "CANCELLED":
            break
        await asyncio.sleep(0.001)
    assert only_state(emulator) == "CANCELLED"


@pytest.mark.parametrize("message", [USER_ACTION, None], ids=["reassigned", "shutdown"])
async def test_a_moved_or_stopped_trigger_cancels_nothing(
    deferred: Callable[..., WorkflowExecutionTrigger], emulator: Emulator, message: str | None
) -> None:
    """A restart of the triggerer, and a move to another one, leave the execution alone."""
    await cancel_while_waiting(await asyncio.to_thread(deferred), emulator, message)
    assert only_state(emulator) == "ACTIVE"
    assert emulator.count("cancel") == 0


async def test_a_moved_trigger_of_a_mapped_task_cancels_nothing(
    deferred: Callable[..., WorkflowExecutionTrigger], emulator: Emulator, airflow: FakeAirflow
) -> None:
    """A mapped task that still waits is found under its other name, and its execution goes on."""
    airflow.map_index = 3
    await cancel_while_waiting(await asyncio.to_thread(deferred), emulator, USER_ACTION)
    assert only_state(emulator) == "ACTIVE"
    assert emulator.count("cancel") == 0


async def test_without_an_answer_nothing_is_cancelled(
    deferred: Callable[..., WorkflowExecutionTrigger], emulator: Emulator, airflow: FakeAirflow
) -> None:
    """Where Airflow does not tell, the execution goes on: it can still be stopped, and not be brought back."""
    airflow.broken = True
    await cancel_while_waiting(await asyncio.to_thread(deferred), emulator, USER_ACTION)
    assert only_state(emulator) == "ACTIVE"


async def test_dag_test_gives_no_task_and_cancels_nothing(
    deferred: Callable[..., WorkflowExecutionTrigger], emulator: Emulator
) -> None:
    """``DAG.test()`` cancels triggers without a task instance, also after their event."""
    trigger = await asyncio.to_thread(deferred)
    trigger.task_instance = None
    await cancel_while_waiting(trigger, emulator, None)
    assert only_state(emulator) == "ACTIVE"


async def test_cancel_on_kill_off_cancels_nothing(
    deferred: Callable[..., WorkflowExecutionTrigger], emulator: Emulator, airflow: FakeAirflow
) -> None:
    """With cancel_on_kill=False the execution goes on whatever happens to the task."""
    airflow.state = "failed"
    trigger = await asyncio.to_thread(deferred, cancel_on_kill=False)
    await cancel_while_waiting(trigger, emulator, USER_ACTION)
    assert only_state(emulator) == "ACTIVE"


async def test_a_cancellation_after_the_event_cancels_nothing(
    deferred: Callable[..., WorkflowExecutionTrigger], emulator: Emulator, airflow: FakeAirflow
) -> None:
    """Once the event is out, the execution is its task's again."""
    trigger = await asyncio.to_thread(deferred)
    emulator.set_state(trigger.execution_id, "SUCCEEDED")
    airflow.state = "failed"
    events = trigger.run()
    await events.__anext__()
    with pytest.raises(asyncio.CancelledError):
        await events.athrow(asyncio.CancelledError())  # type: ignore[attr-defined]
    assert emulator.count("cancel") == 0


async def fire(trigger: WorkflowExecutionTrigger) -> None:
    """Let a trigger find its deadline passed, as one does whose clock is ahead, and do what it does after its event."""
    trigger.deadline = 0.0
    events = [event.payload["status"] async for event in trigger.run()]
    assert events == ["timeout"]
    await after_the_event(trigger)


async def after_the_event(trigger: WorkflowExecutionTrigger) -> None:
    """Let the time pass until a trigger that has ended asks what became of its event."""
    await trigger.clock.async_sleep(AFTER_EVENT)
    await asyncio.gather(*_KILLS)


@pytest.mark.parametrize("state", sorted(map(str, MARKED)))
async def test_a_mark_while_a_timeout_is_on_its_way_cancels(
    deferred: Callable[..., WorkflowExecutionTrigger],
    emulator: Emulator,
    airflow: FakeAirflow,
    logs: list[LogLine],
    state: str | None,
) -> None:
    """Airflow drops the event of a task that was marked meanwhile; its execution is stopped all the same."""
    airflow.state = state
    await fire(await asyncio.to_thread(deferred))
    assert only_state(emulator) == "CANCELLED"
    assert any("cancelled" in line.text.lower() for line in logs)


@pytest.mark.parametrize("state", ["deferred", "queued", "running", "scheduled", "up_for_retry", None])
async def test_a_timeout_that_its_task_takes_cancels_nothing_here(
    deferred: Callable[..., WorkflowExecutionTrigger],
    emulator: Emulator,
    airflow: FakeAirflow,
    logs: list[LogLine],
    state: str | None,
) -> None:
    """Who has been resumed, or is to start anew, decides about the execution; no line says anything of it."""
    airflow.state = state
    await fire(await asyncio.to_thread(deferred))
    assert only_state(emulator) == "ACTIVE"
    assert not any("cancelled" in line.text.lower() for line in logs)


@pytest.mark.parametrize("option", ["cancel_on_kill", "cancel_on_timeout", "success_states"])
async def test_a_task_that_leaves_its_execution_going_on_purpose(
    deferred: Callable[..., WorkflowExecutionTrigger], emulator: Emulator, airflow: FakeAirflow, option: str
) -> None:
    """A task that is over after a timeout may have meant its execution to go on: it does."""
    trigger = await asyncio.to_thread(deferred)
    setattr(trigger, option, ["QUEUED", "SUCCEEDED"] if option == "success_states" else False)
    airflow.state = "failed"
    await fire(trigger)
    assert only_state(emulator) == "ACTIVE"
    assert emulator.count("cancel") == 0


async def test_a_mark_is_heeded_where_the_execution_cannot_be_looked_at(
    deferred: Callable[..., WorkflowExecutionTrigger], emulator: Emulator, airflow: FakeAirflow
) -> None:
    """The look before the cancel only saves a request: the cancel is sent whatever comes of it."""
    trigger = await asyncio.to_thread(deferred)
    airflow.state = "success"
    emulator.fail("get", "permission_denied")
    await fire(trigger)
    assert only_state(emulator) == "CANCELLED"


async def test_an_execution_that_its_late_task_has_cancelled_is_left_alone(
    deferred: Callable[..., WorkflowExecutionTrigger], emulator: Emulator, airflow: FakeAirflow, logs: list[LogLine]
) -> None:
    """The usual timeout: the task has failed and cancelled by the time Airflow is asked, and nothing is said twice."""
    trigger = await asyncio.to_thread(deferred)
    airflow.state = "failed"
    trigger.deadline = 0.0
    async for _ in trigger.run():
        emulator.set_state(trigger.execution_id, "CANCELLED")
    await after_the_event(trigger)
    assert emulator.count("cancel") == 0
    assert not any("over when it was to be" in line.text for line in logs)
