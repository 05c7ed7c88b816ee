# SPDX-License-Identifier: Apache-2.0
"""Show how late the ends of short and long executions are seen, alone and among many others, in virtual time."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Sequence

from airflow_provider_workflows.api.looking import wait_for_end
from airflow_provider_workflows.core.execution import Execution
from airflow_provider_workflows.core.names import ExecutionName, WorkflowName
from airflow_provider_workflows.operators.options import DEFER_AFTER, RESUME_AFTER
from airflow_provider_workflows.testing import DEFAULT_LOCATION, DEFAULT_PROJECT, ManualClock
from airflow_provider_workflows.testing.workflows import Step
from bench_processes import Bench
from bench_report import Check, Section
from tests.harness import AdvancingClock
from tests.polling_world import World, play

INTERVAL = 10.0
DURATIONS = (2.0, 5.0, 15.0, 60.0, 600.0)
OTHERS = (0, 1_000, 10_000)
#: Executions of each duration; alone they come one after the other.
SAMPLES = 9
#: Seconds within which those among others begin.
BEGIN_WITHIN = 30.0
#: Seconds of the earliest event, counted from the deferral, before there was ``resume_after``.
FORMER_RESUME_AFTER = 2.0

LOG = logging.getLogger(__name__)
LOG.setLevel(logging.ERROR)

Lateness = dict[float, list[float]]


def run(bench: Bench) -> Section:
    """Measure all; nothing is waited for in real time."""
    section = Section(
        "lateness",
        "How late an end is seen",
        [
            "others",
            "execution of",
            "rounds of 10 s: p50",
            "longest",
            "looks by age: p50",
            "longest",
            "task goes on: p50",
        ],
    )
    after: Lateness = {}
    for others in OTHERS:
        bench.say(f"lateness among {others:,} others")
        before, after = (measure(others, by_age=by_age) for by_age in (False, True))
        for duration in DURATIONS:
            section.rows.append(row(others, duration, before[duration], after[duration]))
    worst = max(after[60.0])
    section.checks = [
        Check(f"an execution of a minute among {OTHERS[-1]:,} others: longest", worst, INTERVAL + 1, " s")
    ]
    section.notes = NOTES
    return section


def row(others: int, duration: float, before: Sequence[float], after: Sequence[float]) -> list[str]:
    """Return the cells of one duration; the last is when the task may go on, with the options' defaults."""
    resumed = [max(late, first_event() - duration) if duration > DEFER_AFTER else late for late in after]
    spans = [median(before), max(before), median(after), max(after), median(resumed)]
    return [f"{others:,}", f"{duration:,.0f} s", *(f"{span:.1f} s" for span in spans)]


def first_event() -> float:
    """Return the seconds from the beginning of an execution to the first event that may leave its trigger."""
    return DEFER_AFTER + RESUME_AFTER


def median(values: Sequence[float]) -> float:
    """Return the middle one."""
    return sorted(values)[len(values) // 2]


def measure(others: int, *, by_age: bool) -> Lateness:
    """Return by how many seconds the ends of executions were seen late."""
    late: Lateness = defaultdict(list)
    in_worker = [duration for duration in DURATIONS if by_age and duration <= DEFER_AFTER]
    for duration in in_worker:
        late[duration] = [in_a_worker(duration) for _ in range(SAMPLES)]
    deferred = [duration for duration in DURATIONS if duration not in in_worker]
    if others:
        samples = [duration for duration in deferred for _ in range(SAMPLES)]
        add(late, in_a_triggerer(samples, others, by_age=by_age))
    else:
        for duration in deferred * SAMPLES:
            add(late, in_a_triggerer([duration], 0, by_age=by_age))
    return late


def add(late: Lateness, measured: Sequence[tuple[float, float]]) -> None:
    """Sort what was measured by duration."""
    for duration, seconds in measured:
        late[duration].append(seconds)


def in_a_worker(duration: float) -> float:
    """Wait as a worker does."""
    clock = AdvancingClock(ManualClock())
    began = clock.time()
    start = clock.now().isoformat()
    name = ExecutionName(WorkflowName(DEFAULT_PROJECT, DEFAULT_LOCATION, "timed"), "one")

    def look() -> Execution:
        return {"state": "SUCCEEDED" if clock.time() >= began + duration else "ACTIVE", "startTime": start}

    wait_for_end(look, name, clock=clock, log=LOG, poll_interval=INTERVAL)
    return clock.time() - began - duration


def in_a_triggerer(durations: Sequence[float], others: int, *, by_age: bool) -> list[tuple[float, float]]:
    """Wait as triggers do: after the deferral, together with others whose executions are old and go on."""
    late: list[tuple[float, float]] = []

    async def scene(world: World) -> None:
        @world.emulator.workflow("echo")
        def timed(seconds: float) -> object:
            yield Step("work", seconds=seconds)

        crowd = world.start(world.emulator.add_executions("echo", others, "ACTIVE")) if others else []
        await world.pass_time(2 * INTERVAL if others else 0.0)
        dice = random.Random(1)

        async def one(duration: float) -> None:
            await world.pass_time(dice.uniform(0.0, BEGIN_WITHIN))
            began = world.clock.time()
            execution = world.emulator.start("echo", duration)
            if by_age:
                await world.pass_time(DEFER_AFTER)
                await world.wait(execution, poll_interval=INTERVAL, started_at=began)
            else:
                await world.wait(execution, poll_interval=INTERVAL)
                await world.pass_time(began + FORMER_RESUME_AFTER - world.clock.time())
            late.append((duration, world.clock.time() - began - duration))

        await asyncio.gather(*(one(duration) for duration in durations))
        for wait in crowd:
            wait.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)

    play(scene, real_seconds=1800.0)
    return late


NOTES = [
    f"""In virtual time: clocks jump, requests go over HTTP to the emulator in the same process. {SAMPLES} executions
    of each duration; alone, or all of them among so many others that are waited for, are old and go on;
    `poll_interval` is {INTERVAL:.0f} s, limits are the defaults. *Rounds* is what was before: deferred at once, looked
    at every `poll_interval`. *Looks by age* is what is: in the worker for the first {DEFER_AFTER:.0f} s, then in the
    triggerer.""",
    f"""*Task goes on* has the wait for the scheduler in it: no event leaves a trigger before {RESUME_AFTER:.0f} s
    after the deferral (`[workflows] resume_after`), because Airflow may fail a task that is resumed earlier. The
    start of a worker comes to both.""",
]
