# SPDX-License-Identifier: Apache-2.0
"""A log that is read late stops no event loop, and no line is lost for that."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator
from airflow_provider_workflows.polling.loop_log import LoopLog
from airflow_provider_workflows.sensors.executions import WorkflowExecutionSensor
from airflow_provider_workflows.testing import Emulator
from tests.harness import TaskRun, only_event
from tests.log_lines import LogLine, record_logs

pytestmark = pytest.mark.usefixtures("connection")

Task = Callable[..., TaskRun]

#: Real seconds after which a line that stops the loop is written all the same.
GIVE_UP = 5.0


class LateReader:
    """
    Have each line wait until the event loop has done something else, as a full pipe does.

    :param about: only for lines with this text.
    """

    def __init__(self, about: str) -> None:
        self.about = about
        self.waited: list[bool] = []
        self.loop: asyncio.AbstractEventLoop | None = None

    def __call__(self, line: LogLine) -> None:
        """Wait; note whether the loop was free meanwhile."""
        if self.loop is not None and self.about in line.text:
            turned = threading.Event()
            self.loop.call_soon_threadsafe(turned.set)
            self.waited.append(turned.wait(GIVE_UP))

    async def during(self, trigger: Any) -> Any:
        """Run a trigger to its event while the log is read late."""
        self.loop = asyncio.get_running_loop()
        return await only_event(trigger)


def test_lines_of_a_wait_do_not_stop_the_loop(task: Task, emulator: Emulator) -> None:
    """The loop goes on while a line is written; when the event comes, the task's log has it."""
    emulator.settings.concurrency_limit = 1
    emulator.start("sleep", {"seconds": 15})
    execution_id = emulator.start("sleep", {"seconds": 30})
    run = task(
        WorkflowExecutionSensor, workflow_id="sleep", execution_id=execution_id, deferrable=True, poke_interval=1
    )
    run.execute()
    late = LateReader(f"sleep {execution_id[:8]}")
    with record_logs(late) as lines:
        event = asyncio.run(late.during(run.trigger()))
        said = [line.text for line in lines if f": sleep {execution_id[:8]}." in line.text]
    assert event["status"] == "success"
    assert late.waited
    assert all(late.waited)
    assert ["QUEUED" in said[0], "ACTIVE" in said[1]] == [True, True]


def test_the_line_of_a_kill_does_not_stop_the_loop(task: Task) -> None:
    """What came of a kill is in the task's log when ``on_kill`` is over."""
    run = task(WorkflowsCreateExecutionOperator, workflow_id="forever", deferrable=True, wait_for_completion=True)
    run.execute()
    late = LateReader("its task still waits for it")

    async def kill() -> None:
        late.loop = asyncio.get_running_loop()
        await run.trigger().on_kill()

    with record_logs(late) as lines:
        asyncio.run(kill())
        assert [line.level for line in lines if late.about in line.text] == ["info"]
    assert late.waited == [True]


def test_lines_keep_order_context_and_exception(caplog: pytest.LogCaptureFixture) -> None:
    """As if the logger had been called directly."""
    log = LoopLog(logging.getLogger("test_loop_log"))
    who = contextvars.ContextVar("who", default="nobody")
    seen: list[tuple[str, str]] = []

    class Seen(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            seen.append((who.get(), record.getMessage()))
            return True

    async def main() -> None:
        for number in range(50):
            who.set(f"task {number % 2}")
            log.info("line %d", number)
        try:
            raise RuntimeError("what happened")
        except RuntimeError:
            log.exception("it broke")
        await log.written()

    caplog.handler.addFilter(Seen())
    with caplog.at_level(logging.INFO, "test_loop_log"):
        asyncio.run(main())
    assert seen == [*((f"task {number % 2}", f"line {number}") for number in range(50)), ("task 1", "it broke")]
    assert caplog.records[-1].levelname == "ERROR"
    assert "RuntimeError: what happened" in caplog.text


def test_a_logger_that_raises_disturbs_nobody() -> None:
    """The line is lost, whoever logged it goes on, and asyncio has nothing to complain about."""

    class Broken:
        def info(self, *_: object) -> None:
            raise OSError("no disk")

    complaints: list[object] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        log = LoopLog(Broken())
        log.info("a line")
        await log.written()

    asyncio.run(main())
    assert complaints == []
