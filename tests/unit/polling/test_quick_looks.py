# SPDX-License-Identifier: Apache-2.0
"""Young executions are looked at more often by all who wait together, within a tenth of the budget."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_workflows.testing.workflows import Step
from tests.polling_world import World, play

INTERVAL = 10.0


def work_for(world: World) -> None:
    """Have the workflow ``echo`` take as many seconds as it is told."""

    @world.emulator.workflow("echo")
    def work(seconds: float) -> object:
        yield Step("work", seconds=seconds)


async def leave(waits: list[asyncio.Task[str]]) -> None:
    """Cancel all waits."""
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)


@pytest.mark.parametrize("seconds", [6.0, 15.0, 40.0])
@pytest.mark.parametrize("others", [0, 1000])
def test_a_short_execution_is_seen_to_end_soon(seconds: float, others: int) -> None:
    """Also among many others that are old: each look comes a tenth of its age after the one before."""

    async def scene(world: World) -> None:
        work_for(world)
        crowd = world.start(world.emulator.add_executions("echo", others, "ACTIVE"))
        await world.pass_time(15.0)
        began = world.clock.time()
        await world.wait(world.emulator.start("echo", seconds), started_at=began)
        assert world.clock.time() - began - seconds < max(1.0, 0.1 * seconds) + 0.3
        await leave(crowd)

    play(scene)


@pytest.mark.parametrize("count", [1, 20, 1000, 3000])
def test_quick_looks_stay_below_a_tenth_of_the_budget(count: int) -> None:
    """In their first minute young executions cost a tenth of the limits more than old ones, however many they are."""
    spent: list[float] = []

    async def scene(world: World, *, young: bool) -> None:
        ids = world.emulator.add_executions("echo", count, "ACTIVE")
        waits = world.start(ids, started_at=world.clock.time() if young else None)
        await world.pass_time(60.0)
        gets, lists = world.requests()
        spent.append(gets / 3000 + lists / 600)
        await leave(waits)

    play(lambda world: scene(world, young=False))
    play(lambda world: scene(world, young=True))
    old, young = spent
    assert old < young < old + 0.1


def test_an_execution_of_unknown_age_has_rounds() -> None:
    """Where nobody knows how old it is, it is looked at every interval."""

    async def scene(world: World) -> None:
        waits = world.start(world.emulator.add_executions("echo", 1, "ACTIVE"))
        await world.pass_time(60.0)
        assert sum(world.requests()) <= 8
        await leave(waits)

    play(scene)


def test_who_knows_the_age_shares_it() -> None:
    """Two wait for one execution; it is as young as the one says that knows it."""

    async def scene(world: World) -> None:
        work_for(world)
        execution_id, began = world.emulator.start("echo", 15.0), world.clock.time()
        await asyncio.gather(world.wait(execution_id), world.wait(execution_id, started_at=began))
        assert world.clock.time() - began - 15.0 < 1.8

    play(scene)
