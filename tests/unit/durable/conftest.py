# SPDX-License-Identifier: Apache-2.0
"""
Begin durable tasks in a setting, and lose their workers.

A *setting* is an API version with or without Airflow's task state store (3.3 and later have one). A killed worker is
a try that is simply never heard of again: the next one begins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from airflow_provider_workflows.compat import AirflowFailException, TaskDeferred
from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator
from airflow_provider_workflows.testing import Emulator
from tests.harness import AdvancingClock, StateStore, TaskRun
from tests.killing import Killed
from tests.unit.conftest import Connect

RETRIES = 3


@dataclass(frozen=True)
class Setting:
    """Say which API version, and whether Airflow keeps state."""

    version: str
    store: bool

    @property
    def remembers(self) -> bool:
        """Tell whether an earlier try's execution can be found: by its labels, or by the record."""
        return self.version == "v1" or self.store

    def __str__(self) -> str:
        return f"{self.version}-{'store' if self.store else 'no-store'}"


@pytest.fixture
def begin(connect: Connect, clock: AdvancingClock) -> Callable[..., TaskRun]:
    """Give a function that begins a task in a setting; the workflow takes a minute unless another is named."""

    def begin(setting: Setting, **arguments: Any) -> TaskRun:
        connect(api_version=setting.version)
        arguments = {
            "workflow_id": "sleep",
            "argument": {"seconds": 60, "result": "done"},
            "wait_for_completion": True,
            "poll_interval": 5,
            "retries": RETRIES,
            **arguments,
        }
        operator = WorkflowsCreateExecutionOperator(task_id="task", **arguments)
        return TaskRun(operator, clock=clock, retries=RETRIES, state_store=StateStore() if setting.store else None)

    return begin


def ids(emulator: Emulator) -> list[str]:
    """Return the ids of all executions, oldest first."""
    return [each["name"].rpartition("/")[2] for each in emulator.executions()]


def states(emulator: Emulator) -> list[str]:
    """Return the states of all executions, oldest first."""
    return [each["state"] for each in emulator.executions()]


def kill_while_waiting(run: TaskRun, clock: AdvancingClock) -> None:
    """Begin a try and kill its worker while it waits; a deferred one is just not resumed."""

    def kill() -> None:
        raise Killed

    clock.on_sleep(kill)
    try:
        outcome = run.execute()
    except Killed:
        return
    assert isinstance(outcome, TaskDeferred)
    clock.forget()


def kill_in_create(run: TaskRun, emulator: Emulator, clock: AdvancingClock) -> None:
    """Begin a try whose worker dies after its create took effect and before the answer is known."""

    def kill() -> None:
        raise Killed

    emulator.fail("create", "drop_after")
    clock.on_sleep(kill)
    # On v1beta nothing is looked for, so there is no sleep to die in; the record is as a dead worker leaves it.
    with pytest.raises((Killed, AirflowFailException)):
        run.execute()
    clock.forget()
