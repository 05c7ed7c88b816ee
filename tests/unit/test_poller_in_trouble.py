# SPDX-License-Identifier: Apache-2.0
"""The shared poller when several things go wrong at the same time, or at the worst moment."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from airflow_provider_workflows.budget import Limits
from tests.polling_world import World, play


class Lines(logging.Logger):
    """Collect what is logged."""

    def __init__(self) -> None:
        super().__init__("lines")
        self.texts: list[str] = []

    def handle(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.texts.append(record.getMessage())


@pytest.mark.parametrize("outage", [0.0, 25.0])
def test_a_deadline_for_the_queue_that_passes_before_the_first_look_counts(outage: float) -> None:
    """A full triggerer or an outage at the beginning does not make a queued execution wait for ever."""

    async def scene(world: World) -> None:
        world.emulator.start("forever")
        fault = world.emulator.fail("*", "unavailable", times=None)
        queued = world.wait(
            world.emulator.start("forever"), "forever", queued_deadline=world.clock.time() - 1 + outage * 0.8
        )
        waiting = asyncio.ensure_future(queued)
        await world.pass_time(outage)
        fault.remove()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 60)
        assert waiting.done()

    play(scene, concurrency_limit=1)


def test_a_deadline_for_the_queue_that_has_passed_is_nothing_to_an_execution_that_has_started() -> None:
    """Nobody looked in time, but it did start."""

    async def scene(world: World) -> None:
        (execution_id,) = world.emulator.add_executions("echo", 1, "ACTIVE")
        waiting = asyncio.ensure_future(world.wait(execution_id, queued_deadline=world.clock.time() - 1))
        await world.pass_time(60)
        world.end([execution_id])
        assert await waiting == "SUCCEEDED"

    play(scene)


@pytest.mark.parametrize("rotated_at", [100, 650])
def test_a_rotated_key_is_read_again_where_lists_are_not_permitted(rotated_at: float) -> None:
    """A role that may not list does not use up the attempt that new credentials get."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", 40, "ACTIVE")
        world.emulator.fail("list", "permission_denied", times=None)
        waits = world.start(ids)
        await world.pass_time(rotated_at)
        opened = world.opened
        world.emulator.fail("*", "unauthenticated", times=None, when=lambda _: world.opened == opened)
        await world.pass_time(40)
        world.end(ids)
        assert await asyncio.wait_for(asyncio.gather(*waits), 30) == ["SUCCEEDED"] * 40
        assert opened == 1

    play(scene)


def test_a_renewal_that_hangs_stops_nobody() -> None:
    """While the connection is read again, for however long, the old client looks."""

    async def scene(world: World) -> None:
        opening = world.open_client

        async def slowly() -> Any:
            if world.opened:
                await world.pass_time(3600)
            return await opening()

        world.open_client = slowly  # type: ignore[method-assign]
        ids = world.emulator.add_executions("echo", 3, "ACTIVE")
        waits = world.start(ids)
        await world.pass_time(910)
        world.end(ids)
        assert await asyncio.wait_for(asyncio.gather(*waits), 11) == ["SUCCEEDED"] * 3
        assert (world.opened, world.closed) == (1, 1)

    play(scene)


def test_a_renewal_takes_no_client_away_from_who_stands_in_line() -> None:
    """With a budget that makes them wait, the looks that a renewal overtakes are sent all the same."""

    async def scene(world: World) -> None:
        world.limits = Limits(120, 1)
        log = Lines()
        ids = world.emulator.add_executions("echo", 60, "ACTIVE")
        world.emulator.add_executions("echo", 30_000)
        waits = world.start(ids, log=log)
        await world.pass_time(1000)
        assert world.opened == 2
        assert not [text for text in log.texts if "failed" in text]
        world.end(ids)
        await asyncio.gather(*waits)

    play(scene)


def test_one_odd_page_ends_nothing() -> None:
    """An entry without a name says nothing about anybody."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", 40, "ACTIVE")
        waits = world.start(ids)
        await world.pass_time(15)
        odd = '{"executions": [{"state": "ACTIVE"}]}'
        world.emulator.fail("list", status=200, body=odd, content_type="application/json", times=1)
        await world.pass_time(20)
        world.end(ids)
        assert await asyncio.wait_for(asyncio.gather(*waits), 15) == ["SUCCEEDED"] * 40

    play(scene)


def test_who_joins_a_poller_that_breaks_is_served() -> None:
    """A mistake in the poller ends the waits of that moment, with an error; who comes then is looked after."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", 600, "ACTIVE")
        (newcomer,) = world.emulator.add_executions("echo", 1, "ACTIVE")
        waits = world.start(ids)
        await world.pass_time(15)
        # What nobody has thought of; the client takes any JSON object for a page.
        world.emulator.fail("list", status=200, body='{"executions": [null]}', content_type="application/json", times=1)

        async def join_at_the_first_error() -> str:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return await world.wait(newcomer)

        late = asyncio.ensure_future(join_at_the_first_error())
        ends = await asyncio.gather(*waits, return_exceptions=True)
        assert {type(end) for end in ends} == {TypeError}
        world.end([newcomer])
        assert await asyncio.wait_for(late, 15) == "SUCCEEDED"

    play(scene)


def test_a_short_interval_is_forgotten_with_its_wait() -> None:
    """Somebody impatient who leaves makes nobody else's looks more frequent."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", 1, "ACTIVE")
        (patient,) = world.start(ids, poll_interval=60.0)
        (impatient,) = world.start(ids, poll_interval=0.5)
        await world.pass_time(10)
        impatient.cancel()
        await world.pass_time(5)
        gets, lists = await world.requests_of_rounds(10, 60)
        assert gets + lists <= 13
        world.end(ids)
        assert await patient == "SUCCEEDED"

    play(scene)


@pytest.mark.parametrize("delay", [0.0, 15.0])
def test_many_kills_keep_to_the_budget(delay: float) -> None:
    """Hundreds of kills at once are cancelled and confirmed by shared looks, not by a get a second each."""

    async def scene(world: World) -> None:
        world.emulator.settings.cancel_mode = "late"
        world.emulator.settings.cancel_delay = delay
        ids = world.emulator.add_executions("echo", 300, "ACTIVE")

        async def kill(execution_id: str) -> bool:
            async with world.joined() as poller:
                return await poller.cancel(execution_id)

        assert all(await asyncio.gather(*(kill(execution_id) for execution_id in ids)))
        counts = world.emulator.counts()
        assert counts["cancel"] == 300
        assert counts["get"] + counts["list"] <= 300  # a get a second for each would be thousands

    play(scene)


def test_a_kill_is_sent_when_its_client_can_be_opened_again() -> None:
    """An Airflow that is away for a moment must not leave an execution running."""

    async def scene(world: World) -> None:
        world.open_errors = [OSError("the database is away") for _ in range(3)]
        (execution_id,) = world.emulator.add_executions("echo", 1, "ACTIVE")
        async with world.joined() as poller:
            assert await poller.cancel(execution_id)
        assert world.emulator.execution(execution_id)["state"] == "CANCELLED"

    play(scene)


def test_a_kill_that_is_not_to_be_done_is_logged_in_a_bounded_time() -> None:
    """When nothing helps, the task's log says that the execution may still be going."""

    async def scene(world: World) -> None:
        log = Lines()
        world.open_errors = [OSError("the database is away") for _ in range(50)]
        (execution_id,) = world.emulator.add_executions("echo", 1, "ACTIVE")
        began = world.clock.time()
        async with world.joined() as poller:
            assert not await poller.cancel(execution_id, log)
        assert world.clock.time() - began <= 21
        assert [execution_id in text and "may still be going" in text for text in log.texts] == [True]

    play(scene)


def test_thousands_who_fetch_their_result_do_not_starve_another_workflow() -> None:
    """Fetching the ends of a big workflow makes nobody on another one wait."""

    async def scene(world: World) -> None:
        world.limits = Limits(600, 120)
        world.emulator.workflow("other")(lambda _: None)
        old = world.emulator.add_executions("other", 1, "ACTIVE")
        world.emulator.add_executions("other", 3000)
        ids = world.emulator.add_executions("echo", 400, "ACTIVE")

        async def wait_and_fetch(execution_id: str) -> None:
            async with world.joined() as poller:
                await poller.wait_for_end(execution_id, poll_interval=10.0)
                await poller.get(execution_id)

        fetches = [asyncio.ensure_future(wait_and_fetch(execution_id)) for execution_id in ids]
        (other,) = world.start(old, workflow="other")
        await world.pass_time(35)
        world.end(ids)
        await world.pass_time(12)
        assert not all(fetch.done() for fetch in fetches)
        world.end(old)
        assert await asyncio.wait_for(other, 12) == "SUCCEEDED"
        await asyncio.gather(*fetches)

    play(scene)
