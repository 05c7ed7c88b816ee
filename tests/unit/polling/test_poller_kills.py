# SPDX-License-Identifier: Apache-2.0
"""Kills in the triggerer: the cancels of many, of what is over, and of what cannot be reached."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from airflow_provider_workflows.polling.budget import Limits
from tests.polling_world import Lines, World, play


async def kill(world: World, execution_id: str, log: Any = None) -> bool:
    """Cancel an execution as the trigger of a killed task does."""
    async with world.joined() as poller:
        return await poller.cancel(execution_id, log or Lines())


@pytest.mark.parametrize("delay", [0.0, 15.0])
def test_many_kills_keep_to_the_budget(delay: float) -> None:
    """Hundreds of kills at once are cancelled and confirmed by shared looks, not by a get a second each."""

    async def scene(world: World) -> None:
        world.emulator.settings.cancel_mode = "late"
        world.emulator.settings.cancel_delay = delay
        ids = world.emulator.add_executions("echo", 300, "ACTIVE")

        assert all(await asyncio.gather(*(kill(world, execution_id) for execution_id in ids)))
        counts = world.emulator.counts()
        assert counts["cancel"] == 300
        assert counts["get"] + counts["list"] <= 300  # a get a second for each would be thousands

    play(scene)


def test_a_kill_is_sent_when_its_client_can_be_opened_again() -> None:
    """An Airflow that is away for a moment must not leave an execution running."""

    async def scene(world: World) -> None:
        world.open_errors = [OSError("the database is away") for _ in range(3)]
        (execution_id,) = world.emulator.add_executions("echo", 1, "ACTIVE")
        assert await kill(world, execution_id)
        assert world.emulator.execution(execution_id)["state"] == "CANCELLED"

    play(scene)


def test_a_kill_that_is_not_to_be_done_is_logged_in_a_bounded_time() -> None:
    """When nothing helps, the task's log says that the execution may still be going."""

    async def scene(world: World) -> None:
        log = Lines()
        world.open_errors = [OSError("the database is away") for _ in range(50)]
        (execution_id,) = world.emulator.add_executions("echo", 1, "ACTIVE")
        began = world.clock.time()
        assert not await kill(world, execution_id, log)
        assert world.clock.time() - began <= 21
        assert [execution_id[:8] in text and "may still be going" in text for text in log.texts] == [True]

    play(scene)


def test_kills_of_what_is_over_keep_to_the_budget() -> None:
    """Whether an execution that refuses its cancel is over is seen by looks that are counted like all others."""

    async def scene(world: World) -> None:
        world.limits = Limits(60, 12)
        ids = world.emulator.add_executions("echo", 90, "ACTIVE")
        world.emulator.workflow("second")(lambda _: None)
        others = world.emulator.add_executions("second", 60, "ACTIVE")
        world.emulator.fail("list", "permission_denied", times=None)
        waits = world.start(others, workflow="second", poll_interval=1.0)
        await world.pass_time(60)
        world.end(ids)
        world.emulator.clear_requests()
        await asyncio.gather(*(kill(world, execution_id) for execution_id in ids))
        times = [request.time for request in world.emulator.requests if request.operation == "get"]
        assert max(sum(1 for other in times if at <= other < at + 60) for at in times) <= 60
        world.end(others)
        await asyncio.gather(*waits)

    play(scene)


def test_a_kill_of_what_is_over_says_so() -> None:
    """A refused cancel of an execution that has ended is no failure."""

    async def scene(world: World) -> None:
        log = Lines()
        (execution_id,) = world.emulator.add_executions("echo", 1, "ACTIVE")
        world.end([execution_id])
        assert await kill(world, execution_id, log)
        assert [
            text.startswith("SUCCEEDED: ") and text.endswith("was already over when it was to be cancelled.")
            for text in log.texts
        ] == [True]

    play(scene)


def test_a_refused_cancel_of_what_goes_on_is_a_failure() -> None:
    """A refusal is only believed to mean "already over" when a look shows that."""

    async def scene(world: World) -> None:
        log = Lines()
        (execution_id,) = world.emulator.add_executions("echo", 1, "ACTIVE")
        world.emulator.fail("cancel", status=409)
        assert not await kill(world, execution_id, log)
        assert log.texts[-1].startswith("Not cancelled: ")
        assert "may still be going" in log.texts[-1]

    play(scene)


def test_a_kill_without_permission_does_not_use_up_the_attempt_that_new_credentials_get() -> None:
    """A role that may look but not cancel ends no other wait when a key is rotated afterwards."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", 40, "ACTIVE")
        world.emulator.fail("cancel", "permission_denied", times=None)
        waits = world.start(ids)
        await world.pass_time(100)
        assert not await kill(world, ids[0])
        await world.pass_time(100)
        opened = world.opened
        world.emulator.fail("*", "unauthenticated", times=None, when=lambda _: world.opened == opened)
        await world.pass_time(40)
        world.end(ids)
        assert await asyncio.gather(*waits) == ["SUCCEEDED"] * 40
        assert opened == 1

    play(scene)


@pytest.mark.parametrize("why", ["an opening that hangs", "a pause of the budget"])
def test_a_kill_that_has_to_wait_is_logged_in_time_and_sent_all_the_same(why: str) -> None:
    """Before Airflow gives up on the kill, the task's log says that the execution may still be going."""

    async def scene(world: World) -> None:
        log = Lines()
        (execution_id,) = world.emulator.add_executions("echo", 1, "ACTIVE")
        opening = world.open_client

        async def slowly() -> Any:
            await world.pass_time(300)
            return await opening()

        if why == "an opening that hangs":
            world.open_client = slowly  # type: ignore[method-assign]
        else:
            world.emulator.fail("get", status=429, headers={"Retry-After": "300"}, times=1)
        world.start([execution_id])
        await world.pass_time(1)

        killing = asyncio.ensure_future(kill(world, execution_id, log))
        await world.pass_time(25)
        assert [execution_id[:8] in text and "may still be going" in text for text in log.texts] == [True]
        assert await killing
        assert log.texts[-1].startswith("CANCELLED: ")

    play(scene)


def test_a_kill_that_is_done_is_not_said_to_be_late() -> None:
    """Once the cancel has been sent, no line says that it could not be, however long the triggerer lives."""

    async def scene(world: World) -> None:
        log = Lines()
        ended, alive = world.emulator.add_executions("echo", 2, "ACTIVE")
        wait = world.start([alive])
        assert await kill(world, ended, log)
        await world.pass_time(120)
        assert [text.startswith("CANCELLED: ") for text in log.texts] == [True]
        world.end([alive])
        await asyncio.gather(*wait)

    play(scene)


def test_what_became_of_a_cancel_is_logged_whatever_the_looks_meet() -> None:
    """When the connection turns out to be bad while the cancel is confirmed, the log has the last that is known."""

    async def scene(world: World) -> None:
        log = Lines()
        world.emulator.settings.cancel_mode = "late"
        world.emulator.settings.cancel_delay = 100
        (execution_id,) = world.emulator.add_executions("echo", 1, "ACTIVE")
        world.emulator.fail("get", "unauthenticated", times=None)
        opening = world.open_client

        async def once() -> Any:
            if world.opened:
                raise ValueError("a bad connection")
            return await opening()

        world.open_client = once  # type: ignore[method-assign]
        assert not await kill(world, execution_id, log)
        assert [
            text.startswith("ACTIVE: ") and text.endswith("was asked to cancel and has not ended yet.")
            for text in log.texts
        ] == [True]

    play(scene)
