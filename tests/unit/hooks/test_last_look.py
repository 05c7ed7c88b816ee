# SPDX-License-Identifier: Apache-2.0
"""Waiting in either hook ends with the same: what ended within the time is a result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_workflows.exceptions import ExecutionTimeout
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsAsyncHook, WorkflowExecutionsHook
from airflow_provider_workflows.testing import Emulator
from tests.harness import AdvancingClock

Wait = Callable[..., Any]


@pytest.fixture(params=["hook", "async hook"])
def wait(request: pytest.FixtureRequest, clock: AdvancingClock, connection: Any) -> Wait:
    """Give a function that waits with each hook."""
    if request.param == "hook":
        return lambda name, execution_id, timeout, interval=30.0: WorkflowExecutionsHook(
            clock=clock
        ).wait_for_execution(name, execution_id=execution_id, poll_interval=interval, timeout=timeout)

    async def run(name: str, execution_id: str, timeout: Any, interval: Any = 30.0) -> Any:
        async with WorkflowExecutionsAsyncHook(clock=clock) as hook:
            return await hook.wait_for_execution(
                name, execution_id=execution_id, poll_interval=interval, timeout=timeout
            )

    return lambda *args: asyncio.run(run(*args))


def test_what_ended_within_the_time_is_a_result(wait: Wait, emulator: Emulator) -> None:
    """The time is over between two looks; a last one finds the end."""
    assert wait("sleep", emulator.start("sleep", {"seconds": 1}), 3.0)["state"] == "SUCCEEDED"


def test_no_time_is_enough_for_what_is_over(wait: Wait, emulator: Emulator, clock: AdvancingClock) -> None:
    """An execution that is over is a result, however little time there is."""
    execution_id = emulator.start("sleep", {"seconds": 1})
    clock.manual.advance(5)
    assert wait("sleep", execution_id, 0.0)["state"] == "SUCCEEDED"


def test_a_timeout_says_the_last_state(wait: Wait, emulator: Emulator) -> None:
    """Who did not get a result learns how far it was."""
    with pytest.raises(ExecutionTimeout) as caught:
        wait("sleep", emulator.start("sleep", {"seconds": 100}), 2.0)
    assert caught.value.state == "ACTIVE"


def test_spans_may_be_timedeltas(wait: Wait, emulator: Emulator) -> None:
    """In both hooks, as in operators and sensors."""
    execution_id = emulator.start("sleep", {"seconds": 15})
    assert wait("sleep", execution_id, timedelta(minutes=1), timedelta(seconds=10))["state"] == "SUCCEEDED"
