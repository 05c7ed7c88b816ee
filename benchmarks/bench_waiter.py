# SPDX-License-Identifier: Apache-2.0
"""
Wait for many executions in one event loop, as a triggerer does, and measure what it takes.

A program of its own, so that each way of waiting is measured in a fresh process: ``bench_waiter.py SPECIFICATION``
with the fields of :class:`Specification` as JSON. Writes the fields of :class:`Measured` as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from airflow.triggers.base import BaseTrigger

from airflow_provider_workflows.testing import DEFAULT_LOCATION, DEFAULT_PROJECT, RemoteEmulator
from airflow_provider_workflows.triggers.executions import WorkflowExecutionTrigger
from bench_fleet import start_fleet
from bench_triggers import PollingTrigger, SleepingTrigger

#: Seconds between two looks of the stall detector at the clock.
TICK = 0.05
#: So many triggers are started before others get their turn.
BATCH = 100

Started = tuple[str, str, float]
Factory = Callable[[str, str, float], BaseTrigger]


@dataclass
class Specification:
    """
    Say what to wait for, and how.

    :param way: ``polling``, ``sleeping`` or ``shared``.
    :param endpoint: the emulator's.
    :param output: the file for what was measured.
    :param count: executions, spread over ``workflows``, that end ``first`` to ``last`` seconds after their start.
    :param interval: seconds between looks.
    :param foreign: executions of somebody else, newer than all of ours, in the same workflow.
    :param memory_at: seconds after the start when the memory is looked at: all wait, none has ended.
    """

    way: str
    endpoint: str
    output: str
    count: int
    first: float
    last: float
    interval: float = 10.0
    workflows: int = 1
    foreign: int = 0
    memory_at: float = 15.0


@dataclass
class Measured:
    """
    Hold what was measured, seconds and bytes.

    :ivar began: epoch seconds when the first trigger was started.
    :ivar stall: the longest time for which the event loop did not get to the detector.
    :ivar lateness: event minus end of its execution, sorted.
    :ivar events: how many events said what.
    """

    began: float = 0.0
    ended: float = 0.0
    cpu: float = 0.0
    stall: float = 0.0
    memory_per_waiter: float = 0.0
    lateness: list[float] = field(default_factory=list)
    events: dict[str, int] = field(default_factory=dict)
    executions: list[Started] = field(default_factory=list)


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def factory_of(specification: Specification) -> AsyncIterator[Factory]:
    """Provide what makes a trigger for an execution: workflow, id, end."""
    interval = specification.interval
    if specification.way == "sleeping":
        yield lambda _workflow, _execution_id, ends: SleepingTrigger(ends, interval)
    elif specification.way == "polling":
        base = f"{specification.endpoint}/v1/projects/{DEFAULT_PROJECT}/locations/{DEFAULT_LOCATION}/workflows"
        async with aiohttp.ClientSession() as session:
            yield lambda workflow, execution_id, _: PollingTrigger(
                session, f"{base}/{workflow}/executions/{execution_id}?view=BASIC", interval
            )
    else:
        yield lambda workflow, execution_id, _: WorkflowExecutionTrigger(
            DEFAULT_PROJECT,
            DEFAULT_LOCATION,
            workflow,
            execution_id,
            poll_interval=interval,
            deferred_at=time.time(),  # as operators say: the worker has logged already that it waits
        )


class Waits:
    """Run triggers and take note of their events."""

    def __init__(self, measured: Measured) -> None:
        self._measured = measured
        self._events: Counter[str] = Counter()

    async def consume(self, trigger: BaseTrigger, ends: float) -> None:
        """Take the one event of a trigger."""
        async for event in trigger.run():
            self._measured.lateness.append(time.time() - ends)
            payload = event.payload
            self._events[payload if isinstance(payload, str) else f"{payload['state']}"] += 1
            break

    async def all(self, make: Factory, executions: list[Started]) -> None:
        """Start a trigger for each execution and wait for all events."""
        tasks = []
        for index, (workflow, execution_id, ends) in enumerate(executions):
            tasks.append(asyncio.create_task(self.consume(make(workflow, execution_id, ends), ends)))
            if index % BATCH == BATCH - 1:
                await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        self._measured.events = dict(self._events)


async def detect_stalls(measured: Measured) -> None:
    """Sleep for short times and remember by how much the longest was late."""
    while True:
        before = time.perf_counter()
        await asyncio.sleep(TICK)
        measured.stall = max(measured.stall, time.perf_counter() - before - TICK)


async def look_at_memory(measured: Measured, specification: Specification, before: int) -> None:
    """Compare the memory with what it was before, once."""
    await asyncio.sleep(specification.memory_at)
    measured.memory_per_waiter = (resident_bytes() - before) / specification.count


@asynccontextmanager
async def background(*coroutines: Any) -> AsyncIterator[None]:
    """Run coroutines as long as the block runs."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def measure(specification: Specification) -> Measured:
    """Wait for all executions; imports and connections are warmed up by one before anything is measured."""
    emulator = RemoteEmulator(specification.endpoint)
    async with factory_of(specification) as make:
        await Waits(Measured()).all(make, start_fleet(emulator, 1, 0, 0, prefix="warm"))
        measured = Measured()
        measured.executions = start_fleet(
            emulator, specification.count, specification.first, specification.last, workflows=specification.workflows
        )
        if specification.foreign:
            emulator.add_executions(measured.executions[0][0], specification.foreign)
        emulator.clear_requests()
        gc.collect()
        memory = resident_bytes()
        async with background(detect_stalls(measured), look_at_memory(measured, specification, memory)):
            measured.began, cpu = time.time(), time.process_time()
            await Waits(measured).all(make, measured.executions)
            measured.cpu, measured.ended = time.process_time() - cpu, time.time()
    measured.lateness.sort()
    return measured


def main() -> int:
    """Measure and write the result."""
    specification = Specification(**json.loads(sys.argv[1]))
    measured = asyncio.run(measure(specification))
    Path(specification.output).write_text(json.dumps(asdict(measured)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
