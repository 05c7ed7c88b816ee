# SPDX-License-Identifier: Apache-2.0
"""A kill in a worker has the time that Airflow gives it, whatever hangs: the cancel leaves first, the rest follows."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_workflows.api.cancelling import CANCEL_BOUND, kill_bound
from airflow_provider_workflows.compat import TaskDeferred, conf, seconds_after_sigterm
from airflow_provider_workflows.durable.recording import TaskKilled
from airflow_provider_workflows.exceptions import ExecutionTimeout
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsHook
from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator
from airflow_provider_workflows.testing import Emulator
from processes import wait_until
from tests.harness import AIRFLOW_3, AdvancingClock, StateStore, TaskRun
from tests.killing import Killed
from tests.log_lines import LogLine

pytestmark = pytest.mark.usefixtures("connection")

Task = Callable[..., TaskRun]


class Interrupted(StateStore):
    """
    Do something when a task talks to Airflow, as a kill comes at any moment; then hang where Airflow does.

    :ivar on_get: called with each read.
    :ivar on_set: called with each write.
    :ivar released: until when it hangs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.on_get: Callable[[str], None] = lambda _: None
        self.on_set: Callable[[Any], None] = lambda _: None
        self.released = threading.Event()
        self.released.set()

    def get(self, key: str, default: Any = None) -> Any:
        """Read."""
        self.on_get(key)
        return super().get(key, default)

    def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
        """Write."""
        self.on_set(value)
        super().set(key, value, retention=retention)

    def delete(self, key: str) -> None:
        """Forget, or hang."""
        self.released.wait(60)
        super().delete(key)


@pytest.fixture
def store() -> Iterator[Interrupted]:
    """Give the task's state store, which hangs no longer than its test."""
    store = Interrupted()
    yield store
    store.released.set()


@pytest.fixture
def run(task: Task, store: Interrupted) -> TaskRun:
    """Give a task that waits for ever in its worker."""
    run = task(WorkflowsCreateExecutionOperator, workflow_id="forever", wait_for_completion=True)
    run.state_store = store
    return run


def only_state(emulator: Emulator) -> str:
    """Return the state of the only execution."""
    (execution,) = emulator.executions()
    return str(execution["state"])


def kill(run: TaskRun) -> None:
    """Kill the task in its process, which ends with that."""
    run.kill()
    raise Killed


def test_airflows_own_time_is_what_counts() -> None:
    """Airflow 3 ends a process 5 s after SIGTERM, whatever is configured; a kill takes four fifths of what there is."""
    assert seconds_after_sigterm() == (5.0 if AIRFLOW_3 else conf.getfloat("core", "killed_task_cleanup_time"))
    assert [kill_bound(given) for given in (5.0, 10.0, 60.0)] == [4.0, 8.0, CANCEL_BOUND]


def test_a_store_that_hangs_does_not_hold_the_cancel_up(
    run: TaskRun, store: Interrupted, clock: AdvancingClock, emulator: Emulator
) -> None:
    """The first request to cancel leaves within a second, though Airflow does not say whose the task is."""
    store.released.clear()
    began: list[float] = []

    def killed() -> None:
        clock.forget()
        began.append(time.monotonic())
        kill(run)

    clock.on_sleep(killed)
    with pytest.raises(Killed):
        run.execute()
    assert time.monotonic() - began[0] < 1.0
    assert only_state(emulator) == "CANCELLED"


@pytest.mark.parametrize("refusal", [{"kind": "unavailable"}, {"status": 409}, {"status": 429}], ids=str)
def test_a_service_that_refuses_gets_no_more_than_that_time(
    run: TaskRun, clock: AdvancingClock, emulator: Emulator, logs: list[LogLine], refusal: dict[str, Any]
) -> None:
    """Attempts, and looks at what is refused as over, have one time together; what is not known is said first."""
    emulator.fail("cancel", times=None, **refusal)
    began: list[float] = []

    def killed() -> None:
        clock.forget()
        began.append(clock.time())
        emulator.fail("get", "unavailable", times=None)
        kill(run)

    clock.on_sleep(killed)
    with pytest.raises(Killed):
        run.execute()
    assert clock.time() - began[0] <= kill_bound(seconds_after_sigterm())
    about = [line.text for line in logs if "cancel" in line.text and "forever" in line.text]
    assert "is to be cancelled, and may still be going" in about[0]
    assert about[-1].startswith("Not cancelled: forever ")
    assert "may still be going" in about[-1]


def test_a_silent_service_gets_no_more_than_that_time(emulator: Emulator) -> None:
    """Nor do requests without an answer add up: two fit in."""
    fault = emulator.fail("cancel", "slow", times=None)
    began = time.monotonic()
    with WorkflowExecutionsHook() as hook, contextlib.suppress(Exception):
        name = hook.execution("forever", emulator.start("forever"))
        hook.client.within(1.0).cancel(name)
    assert time.monotonic() - began < 1.5
    fault.remove()
    assert emulator.count("cancel") in (1, 2)


def test_a_kill_while_the_execution_is_announced_cancels(
    run: TaskRun, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that is killed while Airflow takes its XComs knows its execution."""
    monkeypatch.setattr("tests.harness.TaskInstance.xcom_push", lambda *_, **__: kill(run))
    with pytest.raises(Killed):
        run.execute()
    assert only_state(emulator) == "CANCELLED"


def test_a_kill_while_the_execution_is_written_down_cancels(
    run: TaskRun, store: Interrupted, emulator: Emulator
) -> None:
    """A task that is killed while Airflow takes the record knows its execution, and searches for nothing."""

    def killed(value: Any) -> None:
        if value.get("execution_id"):
            kill(run)

    store.on_set = killed
    with pytest.raises((Killed, TaskKilled)):
        run.execute()
    assert only_state(emulator) == "CANCELLED"
    assert emulator.count("list") == 0


def test_a_write_that_hangs_does_not_hold_the_cancel_up(run: TaskRun, store: Interrupted, emulator: Emulator) -> None:
    """Where Airflow does not answer in time to what is being written, the kill cancels before it has."""
    states: list[str] = []

    def hangs(value: Any) -> None:
        if value.get("execution_id"):
            began = time.monotonic()
            run.kill()
            assert wait_until(lambda: only_state(emulator) == "CANCELLED", 10.0, interval=0.01)
            assert time.monotonic() - began < 1.5
            states.append(only_state(emulator))

    store.on_set = hangs
    with pytest.raises(TaskKilled):
        run.execute()
    assert states == ["CANCELLED"]
    assert emulator.count("create") == 1


def test_a_task_that_was_killed_starts_nothing(run: TaskRun, store: Interrupted, emulator: Emulator) -> None:
    """Airflow 3 lets a killed task go on until its process is ended: it must not create in these seconds."""

    def killed(_: Any) -> None:
        store.on_set = store.on_get = lambda _: None
        run.kill()

    store.on_get = killed
    with pytest.raises(Exception, match="killed"):
        run.execute()
    store.on_set = killed
    with pytest.raises(Exception, match="killed"):
        run.execute()
    assert [each["state"] for each in emulator.executions()] in ([], ["CANCELLED"])


def deferred(task: Task, **more: Any) -> TaskRun:
    """Begin a task and defer it."""
    given = {"workflow_id": "forever", "wait_for_completion": True, "deferrable": True, **more}
    run = task(WorkflowsCreateExecutionOperator, **given)
    assert isinstance(run.execute(), TaskDeferred)
    return run


def test_a_kill_before_a_resumed_task_is_called_cancels(task: Task, emulator: Emulator) -> None:
    """A kill that comes before Airflow has called the resumed task finds the execution by the task's XCom."""
    run = deferred(task)
    run._new_process()
    run.operator.pre_execute(run.context)
    run.kill()
    assert only_state(emulator) == "CANCELLED"


def test_a_kill_while_a_resumed_task_announces_cancels(
    task: Task, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resumed task knows its execution from the event, before it talks to Airflow or the service."""
    run = deferred(task)
    name = run.xcoms["execution_name"]
    monkeypatch.setattr("tests.harness.TaskInstance.xcom_push", lambda *_, **__: kill(run))
    with pytest.raises(Killed):
        run.fire({"status": "success", "state": "SUCCEEDED", "execution_name": name, "message": ""})
    assert only_state(emulator) == "CANCELLED"


@pytest.mark.parametrize("status", [403, 404, 503])
def test_what_is_late_is_cancelled_though_nobody_may_look(task: Task, emulator: Emulator, status: int) -> None:
    """The last look at a late execution fails, for good or not; reading and cancelling are different permissions."""
    run = deferred(task, execution_timeout=300)
    event = run.event()
    emulator.fail("get", status=status, times=None)
    with pytest.raises(ExecutionTimeout):
        run.fire(event)
    emulator.clear_faults()
    assert only_state(emulator) == "CANCELLED"
