# SPDX-License-Identifier: Apache-2.0
"""What waiting costs: requests, the budget, stalls of the event loop, and how late an end is seen."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

from airflow_provider_workflows import polling
from airflow_provider_workflows.core.clock import SYSTEM_CLOCK
from airflow_provider_workflows.polling.budget import Limits
from airflow_provider_workflows.testing import Emulator
from airflow_provider_workflows.testing.requestlog import LoggedRequest
from airflow_provider_workflows.testing.workflows import Step
from tests import virtual_time
from tests.polling_world import World, play

INTERVAL = 10.0


async def leave(waits: Sequence[asyncio.Task[str]]) -> None:
    """Cancel all waits."""
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)


def most_in_a_minute(times: Sequence[float]) -> int:
    """Return the most requests within sixty seconds, beginning at every tenth of them."""
    return max((sum(1 for other in times if at <= other < at + 60) for at in times[::10]), default=0)


@pytest.mark.parametrize(("version", "pages"), [("v1", 10), ("v1beta", 1)])
def test_ten_thousand_waits_cost_a_few_lists_a_round(version: str, pages: int) -> None:
    """All executions of one workflow are seen with one list per page and round, and no get."""

    async def scene(world: World) -> None:
        waits = world.start(world.emulator.add_executions("echo", 10_000, "ACTIVE"))
        await world.pass_time(2 * INTERVAL)
        gets, lists = await world.requests_of_rounds(10)
        assert gets == 0
        assert lists <= 12 * pages
        await leave(waits)

    play(scene, version=version)


def test_ends_are_seen_in_time() -> None:
    """Of a thousand executions that end at any time, 99 of 100 ends are seen within interval + 1 s."""
    late: list[float] = []

    async def scene(world: World) -> None:
        @world.emulator.workflow("timed")
        def timed(seconds: float) -> object:
            yield Step("work", seconds=seconds)

        async def wait(seconds: float) -> None:
            ends = world.clock.time() + seconds
            await world.wait(world.emulator.start("timed", seconds), "timed")
            late.append(world.clock.time() - ends)

        dice = random.Random(1)
        await asyncio.gather(*(wait(dice.uniform(5, 95)) for _ in range(1000)))
        late.sort()
        assert late[989] <= INTERVAL + 1

    play(scene, page_limit=100)
    assert late[0] >= 0


def test_few_waits_among_very_many_foreign_executions() -> None:
    """With 100,000 newer executions of others, three waits cost three requests a round."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", 3, "ACTIVE")
        world.emulator.add_executions("echo", 100_000)
        waits = world.start(ids)
        await world.pass_time(2 * INTERVAL)
        gets, lists = await world.requests_of_rounds(10)
        assert gets + lists <= 3 * 12
        world.end(ids)
        assert await asyncio.gather(*waits) == ["SUCCEEDED"] * 3

    play(scene)


def test_a_crowd_behind_foreign_executions_is_found_or_left_to_gets() -> None:
    """Searching never costs more than asking for each; what lies too deep is not searched for every round."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", 50, "ACTIVE")
        world.emulator.add_executions("echo", 10_000)
        waits = world.start(ids)
        await world.pass_time(2 * INTERVAL)
        gets, lists = await world.requests_of_rounds(40)
        assert gets + 5 * lists <= 1.25 * 50 * 45
        await leave(waits)

    play(scene, page_limit=100)


def test_a_mixture_gets_pages_for_the_many_and_gets_for_the_old() -> None:
    """Pages are read as far as they show many; the few old ones behind them are got."""

    async def scene(world: World) -> None:
        old = world.emulator.add_executions("echo", 10, "ACTIVE")
        world.emulator.add_executions("echo", 5_000)
        waits = world.start(old + world.emulator.add_executions("echo", 990, "ACTIVE"))
        await world.pass_time(2 * INTERVAL)
        gets, lists = await world.requests_of_rounds(20)
        assert 180 <= gets <= 260
        assert 180 <= lists <= 280
        await leave(waits)

    play(scene, page_limit=100)


def test_executions_pushed_back_by_newer_ones_are_followed() -> None:
    """While others start executions all the time, ours are found on later and later pages."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", 300, "ACTIVE")
        waits = world.start(ids)
        for _ in range(10):
            world.emulator.add_executions("echo", 60)
            await world.pass_time(INTERVAL)
        gets, lists = await world.requests_of_rounds(3)
        assert gets <= 30
        assert lists <= 4 * 10
        world.end(ids)
        await asyncio.wait_for(asyncio.gather(*waits), 11)

    play(scene, page_limit=100)


def test_different_intervals_share_rounds() -> None:
    """Waits with longer intervals cost nothing beside those with the shortest."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", 90, "ACTIVE")
        waits = [
            asyncio.ensure_future(world.wait(execution_id, poll_interval=(10.0, 25.0, 60.0)[index % 3]))
            for index, execution_id in enumerate(ids)
        ]
        await world.pass_time(2 * INTERVAL)
        gets, lists = await world.requests_of_rounds(30)
        assert (gets, lists <= 36) == (0, True)
        await leave(waits)

    play(scene)


def looks(requests: Sequence[LoggedRequest], ids: dict[str, list[str]]) -> dict[str, list[float]]:
    """Return when each execution was looked at: by a get, or by a list of its workflow."""
    seen: dict[str, list[float]] = defaultdict(list)
    for request in requests:
        parts = request.path.split("/")
        shown = [parts[-1]] if request.operation == "get" else ids[parts[-2]]
        for execution_id in shown:
            seen[execution_id].append(request.time)
    return seen


@pytest.mark.parametrize("interval", [1.0, 10.0])
def test_many_workflows_share_one_budget_and_nobody_starves(interval: float) -> None:
    """1,000 waits on 100 workflows stay within the budget, and everybody is looked at as often as it allows."""
    # Gets alone would take 100 s, lists 50 s, both together 33 s.
    limits, allowed = Limits(600, 120), 1 / (1 / 100 + 1 / 50)

    async def scene(world: World) -> None:
        world.limits = limits
        ids: dict[str, list[str]] = {}
        waits = []
        for number in range(100):
            workflow = f"w{number}"
            world.emulator.workflow(workflow)(lambda _: None)
            ids[workflow] = world.emulator.add_executions(workflow, 10, "ACTIVE")
            waits += world.start(ids[workflow], workflow=workflow, poll_interval=interval)
        await world.pass_time(180)
        requests = world.emulator.requests
        for kind, limit in (("get", 600), ("list", 120)):
            assert most_in_a_minute([each.time for each in requests if each.operation == kind]) <= limit
        gaps = [
            after - before for times in looks(requests, ids).values() for before, after in itertools.pairwise(times)
        ]
        assert len(looks(requests, ids)) == 1000
        assert max(gaps) <= 1.5 * max(allowed, interval)
        await leave(waits)

    play(scene)


@pytest.mark.parametrize("count", [3, 1000])
def test_a_minute_of_429_is_survived_in_peace(count: int) -> None:
    """While the service answers 429, less than a request a second is sent; then everything ends as it should."""

    async def scene(world: World) -> None:
        ids = world.emulator.add_executions("echo", count, "ACTIVE")
        waits = world.start(ids)
        await world.pass_time(15)
        world.requests()
        fault = world.emulator.fail("*", status=429, times=None)
        await world.pass_time(60)
        assert sum(world.requests()) <= 60
        fault.remove()
        world.end(ids)
        assert await asyncio.wait_for(asyncio.gather(*waits), 60) == ["SUCCEEDED"] * count

    play(scene, page_limit=100)


class StallDetector:
    """
    Notice how long the event loop has been kept from its other tasks.

    Time in which this thread was ready and other processes had the cores is not the loop's fault and not counted.
    """

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        """Measure until cancelled."""
        last = self._own_time()
        while True:
            await asyncio.sleep(0)
            now = self._own_time()
            self.longest, last = max(self.longest, now - last), now

    def _own_time(self) -> float:
        """Read the clock and the time that was waited for a core, between which this thread may lose its core."""
        while True:
            waited, now = self._waited(), time.perf_counter()
            if self._waited() == waited:
                return now - waited

    def _waited(self) -> float:
        account = Path("/proc/thread-self/schedstat")
        return int(account.read_text().split()[1]) / 1e9 if account.exists() else 0.0


def test_the_stall_detector_notices_a_stall() -> None:
    """A blocking call shows."""

    async def main() -> float:
        detector = StallDetector()
        task = asyncio.ensure_future(detector.watch())
        await asyncio.sleep(0)
        time.sleep(0.05)  # noqa: ASYNC251 - what is to be noticed
        await asyncio.sleep(0)
        task.cancel()
        return detector.longest

    assert asyncio.run(main()) >= 0.05


@pytest.mark.parametrize(
    ("version", "executions", "waits_for_each"), [("v1", 3000, 1), ("v1beta", 3000, 1), ("v1", 1, 8000)]
)
def test_the_event_loop_is_never_blocked(version: str, executions: int, waits_for_each: int) -> None:
    """Not while a slow connection is opened, nor while pages of thousands are taken in and thousands of waits end."""

    async def rounds(emulator: Emulator, ids: list[str]) -> float:
        world = World(virtual_time.VirtualClock(virtual_time.VirtualTimeLoop()), emulator, version)
        world.clock = SYSTEM_CLOCK  # type: ignore[assignment]
        opening = world.open_client

        async def slowly() -> object:
            await asyncio.to_thread(time.sleep, 0.3)
            return await opening()

        world.open_client = slowly  # type: ignore[method-assign, assignment]
        waits = world.start(ids * waits_for_each, poll_interval=0.2)
        await asyncio.sleep(0.1)  # they have all begun
        detector = StallDetector()
        watching = asyncio.ensure_future(detector.watch())
        await asyncio.sleep(1.5)
        await asyncio.to_thread(world.end, ids)
        await asyncio.gather(*waits)
        watching.cancel()
        return detector.longest

    with Emulator() as emulator:
        # A stall of ours would be there every time; one of a busy machine is not.
        tries = (asyncio.run(rounds(emulator, emulator.add_executions("echo", executions, "ACTIVE"))) for _ in range(4))
        assert any(longest <= 0.25 for longest in tries)


def test_a_poller_knows_nothing_of_airflow() -> None:
    """What polls can be used, and tested, without Airflow."""
    files = Path(polling.__file__).parent.glob("*.py")
    imports = Counter(
        line for file in files for line in file.read_text().splitlines() if line.startswith(("import ", "from "))
    )
    assert not [line for line in imports if line.startswith(("import airflow", "from airflow "))]
    assert not [line for line in imports if line.startswith(("from airflow.", "import airflow."))]
