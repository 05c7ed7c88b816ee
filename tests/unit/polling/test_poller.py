# SPDX-License-Identifier: Apache-2.0
"""The shared poller's contract: who is told what, who may leave when, what errors do."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from typing import Any

import pytest

from airflow_provider_workflows.exceptions import CredentialsError, ExecutionNotFound, PermissionDenied, WorkflowsError
from airflow_provider_workflows.testing.workflows import Step
from tests.polling_world import World, play

TASK = contextvars.ContextVar("TASK", default="nobody")


class TaskLog(logging.Logger):
    """Collect lines together with the task in whose context they were logged."""

    def __init__(self) -> None:
        super().__init__("task", logging.INFO)
        self.lines: list[tuple[str, str]] = []

    def handle(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append((TASK.get(), record.getMessage()))


def test_all_waits_end_with_the_state_of_their_execution() -> None:
    """Everybody who shares a poller hears of the own execution, and one client is opened and closed for all."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", 30, "ACTIVE")
        waits = world.start(ids)
        await world.pass_time(25)
        world.end(ids[:10])
        world.end(ids[10:20], "FAILED")
        world.end(ids[20:], "CANCELLED")
        states = await asyncio.gather(*waits)
        assert states == ["SUCCEEDED"] * 10 + ["FAILED"] * 10 + ["CANCELLED"] * 10
        assert (world.opened, world.closed) == (1, 1)

    play(scene)


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_an_end_is_seen_within_the_interval(version: str) -> None:
    """No wait lasts longer than one interval after the end, whether gets or lists look."""

    async def scene(world: World) -> None:
        for count in (2, 40):
            ids = world.emulator.add_executions("echo", count, "ACTIVE")
            waits = world.start(ids)
            await world.pass_time(33.3)
            world.end(ids)
            ended = world.clock.monotonic()
            await asyncio.gather(*waits)
            assert world.clock.monotonic() - ended <= 10.5

    play(scene, version=version)


def test_leaving_disturbs_nobody() -> None:
    """Cancelling some waits leaves the others, those for the same execution too, as they were."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", 20, "ACTIVE")
        waits = world.start([*ids, *ids])
        await world.pass_time(15)
        for wait in waits[:20:2]:
            wait.cancel()
        await world.pass_time(15)
        world.end(ids)
        results = await asyncio.gather(*waits, return_exceptions=True)
        assert [type(result) for result in results[:20:2]] == [asyncio.CancelledError] * 10
        assert [*results[1:20:2], *results[20:]] == ["SUCCEEDED"] * 30

    play(scene)


def test_nobody_left_means_no_requests() -> None:
    """When the last one has left, nothing is asked any more and the client is closed."""

    async def scene(world: World) -> None:
        waits = world.start(world.emulator.add_executions("echo", 3, "ACTIVE"))
        await world.pass_time(15)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        assert world.closed == 1
        assert await world.requests_of_rounds(10) == (0, 0)

    play(scene)


def test_a_newcomer_after_the_last_one_has_a_poller_of_its_own() -> None:
    """A wait that begins after all others are over works like the first."""

    async def scene(world: World) -> None:
        for _ in range(2):
            (execution_id,) = world.emulator.add_executions("echo", 1, "ACTIVE")
            (wait,) = world.start([execution_id])
            await world.pass_time(12)
            world.end([execution_id])
            assert await wait == "SUCCEEDED"
        assert (world.opened, world.closed) == (2, 2)

    play(scene)


def test_connections_and_workflows_have_pollers_of_their_own() -> None:
    """Only waits with the same connection on the same workflow share a client."""

    async def scene(world: World) -> None:
        async with (
            world.joined("echo") as one,
            world.joined("echo") as same,
            world.joined("sleep") as other,
            world.joined("echo", key="another connection") as stranger,
        ):
            assert one is same
            assert len({one, other, stranger}) == 3

    play(scene)


def test_what_is_logged_belongs_to_the_task_that_waits() -> None:
    """State changes are logged once, in the context of the waiting task; step changes with few waits."""

    async def scene(world: World) -> None:
        @world.emulator.workflow("steps")
        def steps(_: Any) -> Any:
            yield Step("first", seconds=25.0)
            yield Step("second", seconds=25.0)

        log, told = TaskLog(), []
        ids = [world.emulator.start("steps") for _ in range(2)]

        async def wait(task: str, execution_id: str) -> str:
            TASK.set(task)
            return await world.wait(execution_id, "steps", log=log, on_state=lambda state: told.append((task, state)))

        await asyncio.gather(wait("a", ids[0]), wait("b", ids[1]))
        for task, execution_id in zip("ab", ids, strict=True):
            lines = [text for who, text in log.lines if who == task]
            brief = f"steps {execution_id[:8]}"
            assert lines[:2] == [f"QUEUED: {brief}.", f"ACTIVE: {brief}."]
            assert "SUCCEEDED" not in "".join(lines)  # Airflow logs the event, and the task the end
            assert lines.count(f"Step second: {brief}, in main.") == 1
        assert [state for task, state in told if task == "a"] == ["QUEUED", "ACTIVE", "SUCCEEDED"]

    # One goes at a time, so the second is queued; the first is made to be so by the execution before it.
    async def queued(world: World) -> None:
        world.emulator.start("sleep", {"seconds": 15})
        await scene(world)

    play(queued, concurrency_limit=1)


def test_a_broken_logger_hurts_only_its_owner() -> None:
    """An exception in one task's callback ends that wait, not the poller."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", 2, "ACTIVE")

        def broken(_: Any) -> None:
            raise RuntimeError("no disk")

        bad = asyncio.ensure_future(world.wait(ids[0], on_state=broken))
        (good,) = world.start(ids[1:])
        with pytest.raises(RuntimeError, match="no disk"):
            await bad
        world.end(ids)
        assert await good == "SUCCEEDED"

    play(scene)


def test_deadlines_end_a_wait_in_time() -> None:
    """A deadline ends a wait when it passes; one for the queue only counts in the queue."""

    async def scene(world: World) -> None:
        now = world.clock.time()
        active, active_too, _ = [world.emulator.start("forever") for _ in range(3)]
        queued = world.emulator.start("forever")
        ends = asyncio.gather(
            world.wait(active, "forever", deadline=now + 50),
            world.wait(active_too, "forever", deadline=now + 70, queued_deadline=now + 20),
            world.wait(queued, "forever", deadline=now + 90, queued_deadline=now + 30),
            return_exceptions=True,
        )
        await world.pass_time(30.1)
        results = await ends
        assert [type(result) for result in results] == [asyncio.TimeoutError] * 3
        assert world.clock.time() - now == pytest.approx(70, abs=0.5)

    play(scene, concurrency_limit=3)


@pytest.mark.parametrize("kind", ["unavailable", "html", "not_json", "drop_before", "rate_limited"])
@pytest.mark.parametrize("count", [2, 40])
def test_passing_errors_end_nothing(kind: str, count: int) -> None:
    """Five minutes of failures later everybody still waits, and hears of the end."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", count, "ACTIVE")
        waits = world.start(ids)
        await world.pass_time(20)
        fault = world.emulator.fail("*", kind, times=None)
        await world.pass_time(300)
        assert not any(wait.done() for wait in waits)
        fault.remove()
        world.end(ids)
        assert await asyncio.wait_for(asyncio.gather(*waits), 150) == ["SUCCEEDED"] * count

    play(scene)


def test_lists_that_keep_failing_are_left_to_gets() -> None:
    """When only lists fail, gets find the ends."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", 20, "ACTIVE")
        world.emulator.fail("list", "internal", times=None)
        waits = world.start(ids)
        await world.pass_time(30)
        world.end(ids)
        assert await asyncio.wait_for(asyncio.gather(*waits), 30) == ["SUCCEEDED"] * 20

    play(scene)


def test_a_deleted_execution_ends_only_its_own_wait() -> None:
    """An execution that is gone is ExecutionNotFound for its wait; the others go on."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", 20, "ACTIVE")
        waits = world.start(ids)
        await world.pass_time(60)
        world.emulator.delete(ids[7])
        with pytest.raises(ExecutionNotFound, match=f"echo {ids[7][:8]}: 404"):
            await asyncio.wait_for(waits[7], 25)
        assert sum(wait.done() for wait in waits) == 1
        world.end(ids[:7] + ids[8:])
        await asyncio.gather(*waits[:7], *waits[8:])

    play(scene)


@pytest.mark.parametrize("count", [1, 20])
def test_executions_that_become_visible_late_are_not_taken_for_gone(count: int) -> None:
    """Neither get nor list shows a new execution at first; it is waited for all the same."""

    async def scene(world: World) -> None:
        ids = [world.emulator.start("sleep", {"seconds": 45}) for _ in range(count)]
        waits = world.start(ids, workflow="sleep")
        assert await asyncio.gather(*waits) == ["SUCCEEDED"] * count

    play(scene, get_delay=15.0, list_delay=25.0)


@pytest.mark.parametrize(("interval", "end"), [(2.0, 32), (10.0, 41), (100.0, 110)])
@pytest.mark.parametrize("count", [1, 40])
def test_executions_that_are_never_found_end_their_waits_in_time(interval: float, end: float, count: int) -> None:
    """A 404 is believed when it has lasted 30 seconds, not when growing pauses allow to ask again."""

    async def scene(world: World) -> None:
        began = world.clock.monotonic()
        waits = world.start([f"nobody-{number}" for number in range(count)], poll_interval=interval)
        errors = await asyncio.gather(*waits, return_exceptions=True)
        assert {type(error) for error in errors} == {ExecutionNotFound}
        assert 30 <= world.clock.monotonic() - began <= end

    play(scene)


@pytest.mark.parametrize("count", [2, 40])
def test_a_missing_permission_ends_all_waits_after_a_second_try(count: int) -> None:
    """Refused with an old and a new client, every wait ends with an exception of its own."""

    async def scene(world: World) -> None:
        waits = world.start(world.emulator.add_executions("echo", count, "ACTIVE"))
        await world.pass_time(15)
        world.emulator.fail("*", "permission_denied", times=None)
        errors = await asyncio.wait_for(asyncio.gather(*waits, return_exceptions=True), 25)
        assert [type(error) for error in errors] == [PermissionDenied] * count
        assert len({id(error) for error in errors}) == count
        assert (world.opened, world.closed) == (2, 2)

    play(scene)


def test_a_missing_permission_to_list_leaves_it_to_the_gets() -> None:
    """A role that may get and not list costs more requests, and nothing else."""

    async def scene(world: World) -> None:
        world.emulator.fail("list", "permission_denied", times=None)
        ids = world.emulator.add_executions("echo", 40, "ACTIVE")
        waits = world.start(ids)
        await world.pass_time(30)
        world.end(ids)
        assert await asyncio.wait_for(asyncio.gather(*waits), 30) == ["SUCCEEDED"] * 40

    play(scene)


@pytest.mark.parametrize("count", [2, 40])
def test_a_rotated_key_is_read_again(count: int) -> None:
    """Credentials that are not accepted any more are read anew from the connection, once for all."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", count, "ACTIVE")
        waits = world.start(ids)
        await world.pass_time(15)
        world.emulator.fail("*", "unauthenticated", times=None, when=lambda _: world.opened == 1)
        await world.pass_time(30)
        world.end(ids)
        assert await asyncio.gather(*waits) == ["SUCCEEDED"] * count
        assert world.opened == 2

    play(scene)


def test_the_connection_is_read_again_now_and_then() -> None:
    """A changed connection is noticed within a quarter of an hour; a failure to read it changes nothing."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", 2, "ACTIVE")
        waits = world.start(ids)
        await world.pass_time(890)
        assert world.opened == 1
        world.open_errors = [OSError("the database is away")]
        await world.pass_time(120)
        assert (world.opened, world.closed) == (2, 1)
        world.end(ids)
        assert await asyncio.gather(*waits) == ["SUCCEEDED"] * 2

    play(scene)


def test_opening_is_repeated_when_it_failed_for_a_passing_reason() -> None:
    """A database that is away for a moment ends no wait."""

    async def scene(world: World) -> None:
        world.open_errors = [OSError("the database is away") for _ in range(3)]
        ids = world.emulator.add_executions("echo", 2, "SUCCEEDED")
        assert await asyncio.gather(*world.start(ids)) == ["SUCCEEDED"] * 2

    play(scene)


@pytest.mark.parametrize("error", [ValueError("bad extra"), CredentialsError("no key"), LookupError("no connection")])
def test_opening_that_fails_for_good_ends_all_waits(error: Exception) -> None:
    """A bad connection ends every wait with an exception of its own; what Airflow raises is the caller's to judge."""

    async def scene(world: World) -> None:
        world.open_errors = [error]
        world.is_lasting = lambda exc: isinstance(exc, (LookupError, ValueError, WorkflowsError))
        ends = await asyncio.gather(*world.start(["a", "b", "c"]), return_exceptions=True)
        assert [(type(end), str(end)) for end in ends] == [(type(error), str(error))] * 3
        assert len({id(end) for end in ends}) == 3

    play(scene)


def test_a_missing_workflow_is_decided_by_gets() -> None:
    """When the list says that there is no such workflow, each wait ends by its own get after the grace period."""

    async def scene(world: World) -> None:
        begun = world.clock.monotonic()
        ends = await asyncio.gather(*world.start([f"x{n}" for n in range(20)], workflow="gone"), return_exceptions=True)
        assert {type(end) for end in ends} == {ExecutionNotFound}
        assert 30 <= world.clock.monotonic() - begun <= 60

    play(scene)


def test_a_frozen_process_goes_on() -> None:
    """After minutes in which nothing ran, the poller continues and sees what has ended."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", 20, "ACTIVE")
        waits = world.start(ids)
        await world.pass_time(14)
        world.end(ids)
        loop: Any = asyncio.get_running_loop()
        loop.jump(600.0)
        assert await asyncio.wait_for(asyncio.gather(*waits), 15) == ["SUCCEEDED"] * 20

    play(scene)


def test_a_stopped_poller_leaves_nobody_waiting() -> None:
    """When somebody cancels the poller's own task, the waits end with an error instead of never."""

    async def scene(world: World) -> None:
        before = asyncio.all_tasks()
        (wait,) = world.start(world.emulator.add_executions("echo", 1, "ACTIVE"))
        await world.pass_time(15)
        for task in asyncio.all_tasks() - before - {wait}:
            if "Poller._run" in repr(task):
                task.cancel()
        with pytest.raises(WorkflowsError, match=r"^Stopped: the poller of echo"):
            await wait

    play(scene)


def test_bad_arguments_are_errors_at_once() -> None:
    """A bad id and a bad interval are ValueErrors that name the parameter, before anything is asked."""

    async def scene(world: World) -> None:
        with pytest.raises(ValueError, match="execution_id"):
            await world.wait("a/b")
        with pytest.raises(ValueError, match="poll_interval"):
            await world.wait("a", poll_interval=0)
        assert world.opened == 0

    play(scene)
