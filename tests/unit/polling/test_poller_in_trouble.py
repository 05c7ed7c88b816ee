# SPDX-License-Identifier: Apache-2.0
"""The shared poller when several things go wrong at the same time, or at the worst moment."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from airflow_provider_workflows.polling.budget import Limits
from tests.log_lines import LogLine
from tests.polling_world import Lines, World, play


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
        world.mistakes.append(TypeError("what nobody has thought of"))

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


@pytest.mark.parametrize("kind", [{"status": 503}, {"status": 400}, {"drop": "before"}], ids=str)
def test_a_second_page_that_always_fails_leaves_it_to_the_gets(kind: dict[str, Any]) -> None:
    """Who is not on the first page is looked at all the same, and the pages are asked for less and less."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", 150, "ACTIVE")
        world.emulator.fail("list", times=None, when=lambda request: "pageToken" in request.query, **kind)
        waits = world.start(ids)
        await world.pass_time(120)
        world.end(ids)
        world.requests()
        assert await asyncio.wait_for(asyncio.gather(*waits), 30) == ["SUCCEEDED"] * 150
        assert world.requests()[1] <= 12

    play(scene, page_limit=100)


def test_a_renewal_between_two_pages_is_nothing_to_warn_of(logs: list[LogLine]) -> None:
    """The client that reads pages stays open until it has read the last, whatever replaces it meanwhile."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", 250, "ACTIVE")
        opening = world.open_client

        async def until_a_page_has_been_read() -> Any:
            if world.opened:
                world.emulator.clear_requests()
                while not world.emulator.count("list"):  # noqa: ASYNC110 - no time passes
                    await asyncio.sleep(0)
            return await opening()

        world.open_client = until_a_page_has_been_read  # type: ignore[method-assign]
        waits = world.start(ids)
        await world.pass_time(960)
        assert (world.opened, world.closed) == (2, 1)
        world.end(ids)
        await asyncio.gather(*waits)

    play(scene, page_limit=100)
    assert not [line for line in logs if line.level != "info"]


def test_an_empty_page_may_say_null() -> None:
    """Whatever stands for no executions ends nobody's wait."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", 40, "ACTIVE")
        waits = world.start(ids)
        await world.pass_time(15)
        world.emulator.fail("list", status=200, body='{"executions": null}', content_type="application/json", times=1)
        await world.pass_time(20)
        world.end(ids)
        assert await asyncio.wait_for(asyncio.gather(*waits), 15) == ["SUCCEEDED"] * 40

    play(scene)


def test_a_queue_after_a_state_that_says_nothing_has_its_deadline() -> None:
    """STATE_UNSPECIFIED is not the start of an execution, so the deadline for the queue counts."""

    async def scene(world: World) -> None:
        world.emulator.start("forever")
        queued = world.emulator.start("forever")
        name = world.emulator.execution(queued)["name"]
        body = json.dumps({"name": name, "state": "STATE_UNSPECIFIED"})
        world.emulator.fail("get", status=200, body=body, content_type="application/json", times=1)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(world.wait(queued, "forever", queued_deadline=world.clock.time() + 60), 120)
        assert world.clock.monotonic() <= 71

    play(scene, concurrency_limit=1)


def test_a_deadline_holds_when_the_clock_is_set_forward() -> None:
    """After a machine has slept, or its clock was wrong, a deadline that has passed is noticed within minutes."""

    async def scene(world: World) -> None:
        (execution_id,) = world.emulator.add_executions("echo", 1, "ACTIVE")
        waiting = asyncio.ensure_future(world.wait(execution_id, deadline=world.clock.time() + 7200))
        await world.pass_time(60)
        world.clock.set_forward(7200)
        await world.pass_time(310)
        assert isinstance(waiting.exception(), asyncio.TimeoutError)

    play(scene)
