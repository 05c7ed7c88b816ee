# SPDX-License-Identifier: Apache-2.0
"""The shared poller after failures: openings and lists rest apart, outages do not add up, each is told of once."""

from __future__ import annotations

import asyncio

import pytest

from tests.log_lines import LogLine
from tests.polling_world import Lines, World, play


def test_an_opening_that_fails_once_is_soon_tried_again_whatever_lists_met_before() -> None:
    """Old failures of lists do not make a single failure to open a client expensive."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", 40, "ACTIVE")
        world.emulator.fail("list", "unavailable", times=None)
        waits = world.start(ids)
        await world.pass_time(200)
        world.end(ids[1:])
        await asyncio.gather(*waits[1:])
        world.open_errors = [OSError("the database is away")]
        world.emulator.fail("*", "unauthenticated", times=1)
        await world.pass_time(11)
        assert not world.open_errors
        world.end(ids[:1])
        assert await asyncio.wait_for(waits[0], 11) == "SUCCEEDED"

    play(scene)


def test_openings_that_failed_one_after_the_other_do_not_add_up() -> None:
    """An opening that went well ends an outage, also where nobody reads lists."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", 1, "ACTIVE")
        (wait,) = world.start(ids)
        for outages in range(1, 9):
            await world.pass_time(310)
            world.open_errors = [OSError("the database is away")]
            world.emulator.fail("*", "unauthenticated", times=1)
            await world.pass_time(13)
            assert world.opened == 1 + outages
        world.end(ids)
        assert await wait == "SUCCEEDED"

    play(scene)


def test_separate_outages_of_lists_do_not_add_up() -> None:
    """A single failure long after two others is repeated as a list, not left to forty gets."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", 40, "ACTIVE")
        waits = world.start(ids)
        await world.pass_time(35)
        for failures in (2, 1, 2):
            world.emulator.fail("list", "unavailable", times=failures)
            gets, lists = await world.requests_of_rounds(3)
            assert (gets, lists >= failures + 2) == (0, True)
        world.end(ids)
        assert await asyncio.gather(*waits) == ["SUCCEEDED"] * 40

    play(scene)


def test_an_outage_is_told_of_once_in_the_log_of_a_wait() -> None:
    """Of looks that fail one after the other only the first is logged, and the next outage is news again."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", 1, "ACTIVE")
        log = Lines()
        (wait,) = world.start(ids, log=log)
        await world.pass_time(15)
        for outages in (1, 2):
            outage = world.emulator.fail("get", "unavailable", times=None)
            await world.pass_time(120)
            outage.remove()
            await world.pass_time(120)
            assert len([text for text in log.texts if text.startswith("Not seen: ")]) == outages
        world.end(ids)
        assert await wait == "SUCCEEDED"

    play(scene)


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_a_list_that_is_older_than_the_start_is_no_reason_to_time_out(version: str) -> None:
    """Seen ACTIVE by a get, an execution that a list still calls QUEUED has left the queue in time."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", 1, "ACTIVE")
        (wait,) = world.start(ids, queued_deadline=world.clock.time() + 20)
        await world.pass_time(15)
        others = world.emulator.add_executions("echo", 40, "ACTIVE")
        waits = world.start(others)
        name = world.emulator.execution(ids[0])["name"]
        stale = f'{{"executions": [{{"name": "{name}", "state": "QUEUED"}}]}}'
        fault = world.emulator.fail("list", status=200, body=stale, content_type="application/json", times=None)
        lists = (await world.requests_of_rounds(4))[1]
        assert lists
        assert not wait.done()
        fault.remove()
        world.end([*ids, *others])
        assert await asyncio.gather(wait, *waits) == ["SUCCEEDED"] * 41

    play(scene, version=version)


def test_rests_are_told_of_in_the_log_of_the_process(logs: list[LogLine]) -> None:
    """Each failed opening and list says for how long it rests and why."""

    async def scene(world: World) -> None:
        world.open_errors = [OSError("the database is away")]
        ids = world.emulator.add_executions("echo", 40, "ACTIVE")
        waits = world.start(ids)
        world.emulator.fail("list", "unavailable")
        await world.pass_time(20)
        world.end(ids)
        await asyncio.gather(*waits)

    play(scene)
    told = [line.text for line in logs if line.level == "warning"]
    assert len([text for text in told if text.startswith("No client: ") and "the database is away" in text]) == 1
    assert len([text for text in told if text.startswith("Not listed: ")]) == 1
