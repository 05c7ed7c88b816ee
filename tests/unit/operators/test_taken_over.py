# SPDX-License-Identifier: Apache-2.0
"""
A try that Airflow has given up does no harm to the next one.

When heartbeats are missed, Airflow starts the next try while the process of the old one may still be at work. It
then refuses what the old one writes into the task state store, with 404, and ends it at its next heartbeat.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator
from airflow_provider_workflows.testing import Emulator
from tests.harness import AdvancingClock, StateStore, TaskRun
from tests.killing import Killed
from tests.unit.conftest import Connect


class Refused(Exception):
    """Refuse as Airflow's API server does, through the task's supervisor."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.error = SimpleNamespace(detail={"status_code": status})


class RefusingStore(StateStore):
    """Refuse writes with a status, once that is set."""

    status: int | None = None

    def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
        """Store a value, or refuse."""
        if self.status:
            raise Refused(self.status)
        super().set(key, value)

    def delete(self, key: str) -> None:
        """Forget a value, or refuse."""
        if self.status:
            raise Refused(self.status)
        super().delete(key)


@pytest.fixture
def store() -> RefusingStore:
    """Give the task's state."""
    return RefusingStore()


@pytest.fixture
def begin(connect: Connect, clock: AdvancingClock, store: RefusingStore) -> Callable[..., TaskRun]:
    """Give a function that begins a task which waits in its worker."""

    def begin(workflow_id: str = "sleep") -> TaskRun:
        connect(api_version="v1")
        operator = WorkflowsCreateExecutionOperator(
            task_id="task",
            workflow_id=workflow_id,
            argument={"seconds": 60, "result": "done"},
            wait_for_completion=True,
            retries=3,
        )
        return TaskRun(operator, clock=clock, retries=3, state_store=store)

    return begin


def on_first_sleep(clock: AdvancingClock, act: Callable[[], None]) -> None:
    """End the process at its first wait, after doing something."""

    def end() -> None:
        clock.forget()
        act()
        raise Killed

    clock.on_sleep(end)


def states(emulator: Emulator) -> list[str]:
    """Return the states of all executions, oldest first."""
    return [each["state"] for each in emulator.executions()]


def test_does_not_create(begin: Callable[..., TaskRun], store: RefusingStore, emulator: Emulator) -> None:
    """A try that may not write any more sends no create: the next one has looked already and would not see it."""
    run = begin()
    store.status = 404
    with pytest.raises(Refused):
        run.execute()
    assert emulator.count("create") == 0


def test_does_not_cancel(
    begin: Callable[..., TaskRun], store: RefusingStore, emulator: Emulator, clock: AdvancingClock
) -> None:
    """A try that is killed because another one has taken over leaves the execution to it."""
    run = begin()

    def killed_late() -> None:
        store.status = 404
        run.kill()

    on_first_sleep(clock, killed_late)
    with pytest.raises(Killed):
        run.execute()
    assert states(emulator) == ["ACTIVE"]
    store.status = None
    assert run.retry().run()["state"] == "SUCCEEDED"
    assert emulator.count("create") == 1


@pytest.mark.parametrize("status", [None, 409, 500])
def test_cancels_when_it_is_not_sure(
    begin: Callable[..., TaskRun],
    store: RefusingStore,
    emulator: Emulator,
    clock: AdvancingClock,
    status: int | None,
) -> None:
    """A kill cancels unless Airflow says clearly that another try has taken over."""
    run = begin("forever")

    def killed() -> None:
        store.status = status
        run.kill()

    on_first_sleep(clock, killed)
    with pytest.raises(Killed):
        run.execute()
    assert states(emulator) == ["CANCELLED"]


def test_next_try_looks_beside_the_record(
    begin: Callable[..., TaskRun], store: RefusingStore, emulator: Emulator, clock: AdvancingClock
) -> None:
    """The record names one execution; one that is going and was never recorded is found all the same."""
    run = begin()
    on_first_sleep(clock, lambda: None)
    with pytest.raises(Killed):
        run.execute()
    recorded = dict(store.values)
    emulator.set_state(emulator.executions()[0]["name"].rpartition("/")[2], "FAILED")
    second = run.retry()
    on_first_sleep(clock, lambda: None)
    with pytest.raises(Killed):
        second.execute()
    store.values.clear()
    store.values.update(recorded)
    assert second.retry().run()["state"] == "SUCCEEDED"
    assert states(emulator) == ["FAILED", "SUCCEEDED"]
