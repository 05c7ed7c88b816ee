# SPDX-License-Identifier: Apache-2.0
"""Look at many executions at once: read as many pages of the list as pay, and know what a failed one means."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

from airflow_provider_workflows.core.clock import Clock
from airflow_provider_workflows.core.messages import looks
from airflow_provider_workflows.core.names import WorkflowName
from airflow_provider_workflows.exceptions import (
    ExecutionNotFound,
    PermissionDenied,
    QuotaExceeded,
    WorkflowsApiError,
    WorkflowsError,
)
from airflow_provider_workflows.polling.budget import Budget
from airflow_provider_workflows.polling.loop_log import LoopLog
from airflow_provider_workflows.polling.plan import Prices, next_page_pays
from airflow_provider_workflows.polling.rests import ListRest
from airflow_provider_workflows.polling.source import ClientSource, OpenedClient
from airflow_provider_workflows.polling.watch import Watch
from airflow_provider_workflows.polling.watches import Watches

log = LoopLog(logging.getLogger(__name__))

FIELDS = "nextPageToken,executions(name,state)"


class _Search:
    """
    Keep count of one reading of pages.

    :ivar missing: whom no page has shown yet.
    """

    def __init__(self, missing: list[Watch], began: float) -> None:
        self.missing = missing
        self.read = 0
        self._began = began
        self._fruitless = 0
        self._complete = False

    def goes_on(self, prices: Prices, now: float) -> bool:
        """Tell whether there is another page that pays."""
        if self._complete:
            return False
        places = [watch.place(now) for watch in self.missing]
        return next_page_pays(places, prices, read=self.read, fruitless=self._fruitless)

    def has_read(self, *, complete: bool) -> None:
        """Take note of a page that everybody on it has been told of; ``complete`` where it was the last."""
        still = [watch for watch in self.missing if watch.looked < self._began and watch.waiters]
        self._fruitless = self._fruitless + 1 if len(still) == len(self.missing) else 0
        self.missing = still
        self.read += 1
        self._complete = complete

    def end(self, now: float) -> None:
        """Have those who are missing know within how many pages they were not."""
        for watch in self.missing:
            watch.was_not_within(self.read, now, complete=self._complete)


class Lists:
    """
    Read pages for a poller.

    :ivar rest: when lists, and when nobody, may be asked.
    """

    def __init__(
        self,
        workflow: WorkflowName,
        watches: Watches,
        source: ClientSource,
        budget_of: Callable[[OpenedClient], Budget],
        clock: Clock,
    ) -> None:
        self.rest = ListRest()
        self._workflow = workflow
        self._watches = watches
        self._source = source
        self._budget_of = budget_of
        self._clock = clock

    async def read(self, opened: OpenedClient) -> Sequence[Watch]:
        """Read the pages that pay; return whom they have not shown, for gets, or nobody when a list failed."""
        now, budget = self._clock.monotonic(), self._budget_of(opened)
        jitter = random.random()  # noqa: S311 - spreading load is no secret
        search, page = _Search(self._watches.nearly_due(now), now), None
        while search.goes_on(self._prices(budget), self._clock.monotonic()):
            page = await self._page(opened, budget, page)
            if page is None:
                return ()
            executions = page[1].get("executions") or ()
            await self._watches.saw_page(executions, search.read, self._clock.monotonic(), jitter)
            search.has_read(complete=not page[1].get("nextPageToken"))
        if search.read:
            self.rest.went_well()  # not before: a later page may fail each time
            after = self._clock.monotonic()
            search.end(after)
            price = search.read * budget.price("list")
            self._watches.hurry(price, budget.price("get"), now, after, budget.quick)
        return search.missing

    def _prices(self, budget: Budget) -> Prices:
        resting = self._clock.monotonic() < self.rest.lists_until
        return Prices(
            get=budget.price("get"),
            page=math.inf if resting else budget.price("list"),
            get_wait=budget.expected_wait("get"),
            page_wait=budget.expected_wait("list"),
        )

    async def _page(self, opened: OpenedClient, budget: Budget, after: Any) -> Any:
        """Return the first page, or the one after another; ``None`` where that failed."""
        try:
            async with budget.request("list"):
                return await opened.client.list_page(self._workflow, after, view="BASIC", fields=FIELDS)
        except WorkflowsError as exc:
            await self._failed(opened, exc, first=after is None)
            return None

    async def _failed(self, opened: OpenedClient, error: WorkflowsError, *, first: bool) -> None:
        now = self._clock.monotonic()
        if isinstance(error, (ExecutionNotFound, PermissionDenied)):
            # The gets decide, also about the credentials: a role may have the one permission without the other.
            self.rest.leave_it_to_gets(now)
            return
        if self._source.replaces(opened, error) or isinstance(error, QuotaExceeded):
            return  # the next step asks again: with a new client, or when the budget's pause is over
        # A page token may have become invalid; a bad request at the beginning is bad for ever.
        if not (isinstance(error, WorkflowsApiError) and (error.retryable or not first)):
            await self._watches.fail_in_slices(error)
            return
        pause = self.rest.failed(error, now)
        log.warning(looks.not_listed(self._workflow, error, pause))
