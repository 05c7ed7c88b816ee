# SPDX-License-Identifier: Apache-2.0
"""The budget after 429s, and where connections are dropped: back to its pace in time, and never above its limit."""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import Any

import pytest

from airflow_provider_workflows.exceptions import QuotaExceeded
from airflow_provider_workflows.polling.budget import Budget, Kind, Limits
from airflow_provider_workflows.testing import server
from tests import virtual_time
from tests.polling_world import World, play
from tests.virtual_time import VirtualClock


async def be_refused(world: World, times: int) -> None:
    """Have single requests answered 429, with an answered one after each."""
    for _ in range(times):
        fault = world.emulator.fail("*", "rate_limited", headers={}, times=1)
        while fault.times:
            await world.pass_time(1)
        world.emulator.clear_requests()
        while not world.emulator.requests:
            await world.pass_time(1)


async def leave(waits: list[asyncio.Task[str]]) -> None:
    """Give up all waits."""
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)


def times_of(world: World, operation: str = "get") -> list[float]:
    """Return when requests of a kind have come since the log was cleared."""
    return [request.time for request in world.emulator.requests if request.operation == operation]


def most_in_a_minute(times: list[float]) -> int:
    """Return the most requests within sixty seconds from any of them on."""
    return max(sum(1 for other in times if time <= other < time + 60) for time in times)


@pytest.mark.parametrize("limits", [Limits(60, 12), Limits(10, 2), Limits(1, 1)])
def test_two_minutes_after_429s_small_limits_are_used_up_again(limits: Limits) -> None:
    """A handful of single 429s slows a triggerer with a small limit down for two minutes, not for hours."""

    async def scene(world: World) -> None:
        world.limits = limits
        world.emulator.fail("list", "permission_denied", times=None)
        waits = world.start(world.emulator.add_executions("echo", 20, "ACTIVE"))
        await world.pass_time(60)
        await be_refused(world, 6)
        await world.pass_time(120)
        gets, _ = await world.requests_of_rounds(4, 60)
        assert gets >= 4 * limits.get_requests_per_minute * 0.9 - 1
        await leave(waits)

    play(scene)


def test_ends_are_noticed_soon_after_429s_with_small_limits() -> None:
    """Who waits with a small limit hears of the end in time, although the service has refused some requests."""

    async def scene(world: World) -> None:
        world.limits = Limits(20, 4)
        ids = world.emulator.add_executions("echo", 5, "ACTIVE")
        waits = world.start(ids)
        await world.pass_time(60)
        await be_refused(world, 6)
        world.end(ids)
        assert await asyncio.wait_for(asyncio.gather(*waits), 60) == ["SUCCEEDED"] * 5

    play(scene)


def test_a_service_that_goes_on_refusing_meets_ever_fewer_requests() -> None:
    """Where every third request is refused, the pace falls within a minute or two from hundreds to about ten."""

    async def scene(world: World) -> None:
        world.limits = Limits(600, 120)
        world.emulator.fail("list", "permission_denied", times=None)
        waits = world.start(world.emulator.add_executions("echo", 200, "ACTIVE"))
        await world.pass_time(30)
        gets = 0

        def every_third(_: Any) -> bool:
            nonlocal gets
            gets += 1
            return gets % 3 == 0

        world.emulator.fail("get", "rate_limited", headers={}, times=None, when=every_third)
        minutes = [(await world.requests_of_rounds(1, 60))[0] for _ in range(5)]
        assert minutes[0] <= 60
        assert max(minutes[2:]) <= 20
        await leave(waits)

    play(scene)


def test_however_often_the_service_refuses_somebody_is_looked_at_every_half_minute() -> None:
    """A small limit is not divided until nothing is left of it: one request in 30 s goes out in any case."""

    async def scene(world: World) -> None:
        world.limits = Limits(10, 2)
        world.emulator.fail("list", "permission_denied", times=None)
        waits = world.start(world.emulator.add_executions("echo", 20, "ACTIVE"))
        await world.pass_time(30)
        gets = 0

        def every_other(_: Any) -> bool:
            nonlocal gets
            gets += 1
            return gets % 2 == 0

        world.emulator.fail("get", "rate_limited", headers={}, times=None, when=every_other)
        world.emulator.clear_requests()
        await world.pass_time(900)
        times = times_of(world)
        assert max(after - before for before, after in itertools.pairwise(times)) <= 32
        assert len(times) <= 110  # and it is not the whole limit either, which would be 145
        await leave(waits)

    play(scene)


def test_what_was_saved_up_before_a_pause_does_not_go_out_at_once_after_it() -> None:
    """When a get has gone ahead alone, lists follow at half the pace, too, however long none was sent."""

    async def scene(clock: VirtualClock) -> None:
        budget = Budget(Limits(), clock)
        sent: list[float] = []

        async def send(kind: Kind, error: Exception | None = None) -> None:
            async with budget.request(kind):
                if error is not None:
                    raise error
                sent.append(clock.monotonic())

        await clock.async_sleep(100)
        with pytest.raises(QuotaExceeded):
            await send("get", QuotaExceeded("slow down", status_code=429, retryable=True))
        await send("get")
        await asyncio.gather(*(send("list") for _ in range(20)))
        assert sum(1 for time in sent if time < sent[0] + 1) <= 1 + 5

    virtual_time.run(scene)


def test_who_stands_in_line_goes_as_soon_as_the_pace_has_grown() -> None:
    """A request that began to wait at a low pace is not held to it when the pace has recovered meanwhile."""

    async def scene(clock: VirtualClock) -> None:
        budget = Budget(Limits(120, 60_000), clock)

        async def send(kind: Kind, error: Exception | None = None) -> None:
            async with budget.request(kind):
                if error is not None:
                    raise error

        for _ in range(8):
            with pytest.raises(QuotaExceeded):
                await send("list", QuotaExceeded("slow down", status_code=429, retryable=True))
            await send("list")
        began, price = clock.monotonic(), budget.price("get")
        await send("get")
        assert price == pytest.approx(30, rel=0.2)
        assert clock.monotonic() - began < 0.8 * price

    virtual_time.run(scene)


def test_dropped_connections_keep_to_the_limit() -> None:
    """A service that drops connections gets no more requests in a minute than one that answers."""

    async def scene(world: World) -> None:
        world.limits = Limits(60, 12)
        world.emulator.fail("list", "permission_denied", times=None)
        waits = world.start(world.emulator.add_executions("echo", 100, "ACTIVE"))
        await world.pass_time(90)
        world.emulator.clear_requests()
        gets = 0

        def every_other(_: Any) -> bool:
            nonlocal gets
            gets += 1
            return gets % 2 == 1

        world.emulator.fail("get", "drop_before", times=None, when=every_other)
        await world.pass_time(130)
        assert 50 <= most_in_a_minute(times_of(world)) <= 60
        await leave(waits)

    play(scene)


@pytest.mark.parametrize("idle", [3.0, 10.0, 14.0])
def test_idle_connections_that_the_service_closes_cost_no_look(idle: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is closed between two looks is replaced by a new one; nothing fails and nothing is logged."""
    monkeypatch.setattr(server, "_KEEPALIVE_SECONDS", idle)

    async def scene(world: World) -> None:
        lines: list[str] = []

        class Log(logging.Logger):
            def handle(self, record: logging.LogRecord) -> None:
                lines.append(record.getMessage())

        ids = world.emulator.add_executions("echo", 1, "ACTIVE")
        waits = world.start(ids, log=Log("lines"))
        gets, lists = await world.requests_of_rounds(30)
        assert 29 <= gets + lists <= 45
        world.end(ids)
        assert await asyncio.wait_for(asyncio.gather(*waits), 11) == ["SUCCEEDED"]
        assert not [line for line in lines if "failed" in line]

    play(scene)
