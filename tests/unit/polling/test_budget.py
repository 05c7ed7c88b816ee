# SPDX-License-Identifier: Apache-2.0
"""The budget: never more than allowed, in order, and quiet when the service asks for it."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_workflows.exceptions import QuotaExceeded, WorkflowsApiError
from airflow_provider_workflows.polling.budget import IN_FLIGHT, Budget, Kind, Limits, shared_budget
from tests import virtual_time
from tests.virtual_time import VirtualClock


async def send(
    budget: Budget, clock: VirtualClock, sent: list[float], kind: Kind = "get", seconds: float = 0.0
) -> None:
    """Send one request that takes so long, and note when."""
    async with budget.request(kind):
        sent.append(clock.monotonic())
        await clock.async_sleep(seconds)


async def refused(budget: Budget, clock: VirtualClock, sent: list[float], retry_after: float | None = None) -> None:
    """Send one request that is answered 429, and note when."""

    async def answered_429() -> None:
        async with budget.request("get"):
            sent.append(clock.monotonic())
            await clock.async_sleep(0.01)
            raise QuotaExceeded("slow down", status_code=429, retryable=True, retry_after=retry_after)

    with pytest.raises(QuotaExceeded):
        await answered_429()


def most_in_a_minute(sent: list[float]) -> int:
    """Return the most requests within sixty seconds from any of them on."""
    return max(sum(1 for other in sent if time <= other < time + 60) for time in sent)


@pytest.mark.parametrize(("limit", "kind"), [(3000, "get"), (600, "list"), (61, "get"), (7, "list")])
def test_no_minute_has_more_requests_than_the_limit(limit: int, kind: Kind) -> None:
    """However many ask at once, no sixty seconds see more of them than configured, and hardly fewer."""

    async def scene(clock: VirtualClock) -> None:
        budget = Budget(Limits(limit, limit), clock)
        sent: list[float] = []
        await asyncio.gather(*(send(budget, clock, sent, kind) for _ in range(int(limit * 1.2) + 2)))
        assert most_in_a_minute(sent) <= limit
        assert sent[-1] < 60 * 1.4 + 60 / limit

    virtual_time.run(scene)


def test_no_minute_sees_more_requests_arrive_when_the_way_becomes_short() -> None:
    """Requests that were long on their way arrive together with later ones, and still keep within the limit."""

    async def scene(clock: VirtualClock) -> None:
        limit = 600
        budget = Budget(Limits(limit, limit), clock)
        arrived: list[float] = []

        async def send_slowly_at_first() -> None:
            async with budget.request("list"):
                await clock.async_sleep(0.9 if clock.monotonic() < 30 else 0.0)
                arrived.append(clock.monotonic())

        await asyncio.gather(*(send_slowly_at_first() for _ in range(1000)))
        assert most_in_a_minute(arrived) <= limit

    virtual_time.run(scene)


def test_first_come_first_served() -> None:
    """Those who wait are let through in the order in which they came, among all pollers."""

    async def scene(clock: VirtualClock) -> None:
        budget = Budget(Limits(60, 60), clock)
        order: list[int] = []

        async def ask(number: int) -> None:
            async with budget.request("get"):
                order.append(number)

        await asyncio.gather(*(ask(number) for number in range(20)))
        assert order == list(range(20))

    virtual_time.run(scene)


def test_gets_and_lists_do_not_wait_for_each_other() -> None:
    """A line of lists leaves the gets alone: their quotas are separate."""

    async def scene(clock: VirtualClock) -> None:
        budget = Budget(Limits(60, 60), clock)
        lists = [asyncio.ensure_future(send(budget, clock, [], "list")) for _ in range(10)]
        await asyncio.sleep(0)
        assert budget.expected_wait("list") > 8
        assert budget.expected_wait("get") == 0
        sent: list[float] = []
        await send(budget, clock, sent)
        assert sent == [0.0]
        await asyncio.gather(*lists)

    virtual_time.run(scene)


def test_requests_in_flight_are_bounded() -> None:
    """A slow service has no more than a handful of requests to answer at a time."""

    async def scene(clock: VirtualClock) -> None:
        budget = Budget(Limits(), clock)
        sent: list[float] = []
        tasks = [asyncio.ensure_future(send(budget, clock, sent, seconds=30.0)) for _ in range(3 * IN_FLIGHT)]
        await clock.async_sleep(20)
        assert len(sent) == IN_FLIGHT
        await asyncio.gather(*tasks)
        assert len(sent) == 3 * IN_FLIGHT

    virtual_time.run(scene)


def test_who_gives_up_in_the_line_costs_nothing() -> None:
    """A cancelled request neither uses up the budget nor holds up those behind it."""

    async def scene(clock: VirtualClock) -> None:
        budget = Budget(Limits(60, 60), clock)
        sent: list[float] = []
        tasks = [asyncio.ensure_future(send(budget, clock, sent)) for _ in range(10)]
        await asyncio.sleep(0)
        for task in tasks[1:9]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert len(sent) == 2
        assert clock.monotonic() < 1.1

    virtual_time.run(scene)


def test_retry_after_stops_everybody() -> None:
    """After a 429 with Retry-After nothing is sent for so long, of either kind."""

    async def scene(clock: VirtualClock) -> None:
        budget = Budget(Limits(), clock)
        sent: list[float] = []
        await refused(budget, clock, sent, retry_after=45.0)
        await asyncio.gather(send(budget, clock, sent), send(budget, clock, sent, "list"))
        assert sent[1:] == [pytest.approx(45.0, abs=0.5)] * 2

    virtual_time.run(scene)


def test_unavailable_with_retry_after_stops_everybody() -> None:
    """A 503 that says when to come back is obeyed like a 429."""

    async def scene(clock: VirtualClock) -> None:
        budget = Budget(Limits(), clock)
        with pytest.raises(WorkflowsApiError):
            async with budget.request("list"):
                raise WorkflowsApiError("later", status_code=503, retryable=True, retry_after=20.0)
        sent: list[float] = []
        await send(budget, clock, sent)
        assert sent[0] >= 20

    virtual_time.run(scene)


def test_pauses_grow_and_one_request_goes_ahead() -> None:
    """While the service keeps answering 429, a minute sees a few attempts, one at a time."""

    async def scene(clock: VirtualClock) -> None:
        budget = Budget(Limits(), clock)
        sent: list[float] = []
        await asyncio.gather(*(refused(budget, clock, sent) for _ in range(IN_FLIGHT + 6)))
        assert sent[:IN_FLIGHT] == [0.0] * IN_FLIGHT
        assert sent[IN_FLIGHT] > 0.4
        pauses = [after - before for before, after in zip(sent[IN_FLIGHT - 1 :], sent[IN_FLIGHT:], strict=False)]
        assert min(pauses) > 0.4
        assert max(pauses) < 31
        assert sent[-1] > 25

    virtual_time.run(scene)


def test_a_late_answer_says_nothing_about_the_service_after_the_pause() -> None:
    """One that was under way before the pause does not let the others follow who wait for the one that goes ahead."""

    async def scene(clock: VirtualClock) -> None:
        budget = Budget(Limits(), clock)
        sent: list[float] = []
        late = asyncio.ensure_future(send(budget, clock, [], seconds=5.0))
        await refused(budget, clock, [])
        await asyncio.gather(late, *(send(budget, clock, sent, seconds=10.0) for _ in range(3)))
        ahead, *others = sent
        assert min(others) >= ahead + 10

    virtual_time.run(scene)


def test_the_pace_recovers_slowly() -> None:
    """After a pause requests follow at half the pace, and at the full pace twenty seconds later."""

    async def scene(clock: VirtualClock) -> None:
        budget = Budget(Limits(), clock)
        full = budget.price("get")
        await refused(budget, clock, [])
        assert budget.price("get") == pytest.approx(2 * full)
        sent: list[float] = []
        await asyncio.gather(*(send(budget, clock, sent) for _ in range(300)))
        assert sum(1 for time in sent if time < sent[0] + 1) <= 30
        assert budget.price("get") > 1.2 * full
        await clock.async_sleep(sent[0] + 20 - clock.monotonic())
        assert budget.price("get") == pytest.approx(full)

    virtual_time.run(scene)


def test_one_budget_for_a_project_and_location() -> None:
    """Whoever asks for the same project, location and endpoint shares one budget, within one event loop."""

    async def ask(clock: VirtualClock) -> list[Budget]:
        limits = Limits()
        places = [("p", "us", "a"), ("p", "us", "a"), ("p", "eu", "a"), ("q", "us", "a"), ("p", "us", "b")]
        return [shared_budget(*place, limits, clock) for place in places]

    budgets = virtual_time.run(ask)
    assert budgets[0] is budgets[1]
    assert len({id(budget) for budget in budgets}) == 4
    assert virtual_time.run(ask)[0] is not budgets[0]


def test_limits_are_checked() -> None:
    """A limit of nothing is an error that names the setting."""
    with pytest.raises(ValueError, match="list_requests_per_minute"):
        Limits(100, 0)
