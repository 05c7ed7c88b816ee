# SPDX-License-Identifier: Apache-2.0
"""
Find the executions of one task instance by their labels.

**How.** The syntax of label filters is not confirmed for this service, nor that it heeds one. So a filter is only
trusted as long as it shows nothing but what was asked for; where it is refused, shows nothing or shows anything else,
the newest executions are read with their labels and compared here. By the time of their creation, because what is
queued has not started, and comes last in an order by start.

**How far back.** One rule: to the moment before which nobody whose creates are looked for can have sent one, less
:data:`LOOK_BACK_MARGIN`. That moment is

* for this try's own creates: when this try began;
* for those of any try: when the DAG run began. After a clear there is none, because clearing a task of a finished
  run moves the run's beginning, and what is to be stopped is older. Then :data:`MAX_SCANNED` is the only end.

**How long.** How soon a list shows a new execution is not documented; :data:`SETTLE` says for how long one that is
not there yet is looked for. It is counted in pauses and never in clock times, which differ from machine to machine.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.core.execution import Execution, created_at, execution_id_of
from airflow_provider_workflows.core.messages import retries
from airflow_provider_workflows.core.names import WorkflowName
from airflow_provider_workflows.durable.identity import ATTEMPT, TASK_KEY, TaskIdentity, label_of
from airflow_provider_workflows.exceptions import WorkflowsApiError

if TYPE_CHECKING:
    from typing_extensions import Self

    from airflow_provider_workflows.api.client import WorkflowsClient

#: Seconds before each look for an execution whose create got no clear answer. A request may be on its way, or taken
#: and not listed yet; nothing is documented, so the looks reach well over the time of a slow request.
SETTLE = (1.0, 2.0, 4.0, 8.0)
#: Executions that began so many seconds too early still count: the service's clock and Airflow's differ.
LOOK_BACK_MARGIN = 120.0
#: Executions read at most where no filter helps: 20 FULL pages.
MAX_SCANNED = 2000


class TaskSearch:
    """
    Search a workflow for the executions of a task instance; for one try, which begins when this is made. v1 only.

    :param client: talks to the API; its clock is the one waited on.
    :param identity: the task instance.
    :param log: the task's log.
    """

    def __init__(self, client: WorkflowsClient, workflow: WorkflowName, identity: TaskIdentity, log: Any) -> None:
        self._client = client
        self._workflow = workflow
        self._task_key = identity.key
        self._log = log
        self._try_began = client.clock.time()
        self._task_began = 0.0 if identity.generation else identity.began_at
        self._until = math.inf

    def within(self, seconds: float, client: WorkflowsClient) -> Self:
        """Return the same search, by a client, for what must be over in a bounded time: later it begins nothing."""
        bounded = copy.copy(self)
        bounded._client = client.within(seconds)  # noqa: SLF001
        bounded._until = client.clock.monotonic() + seconds  # noqa: SLF001
        return bounded

    def of_any_try(self, awaited: Callable[[Execution], bool] | None = None) -> list[Execution]:
        """
        Find what any try made.

        :param awaited: tells an execution that may exist and not be listed yet, so that it is looked for again.
        """
        return self._looked(self._task_began, awaited or (lambda _: True), (0.0, *SETTLE) if awaited else (0.0,))

    def of_attempts(self, attempts: Collection[str | None], awaited: str | None = None) -> list[Execution]:
        """
        Find what these single requests of this try made.

        :param awaited: the one of them that may have made an execution which is not listed yet.
        """
        pauses = (0.0, *SETTLE) if awaited else (0.0,)
        found = self._looked(self._try_began, lambda each: label_of(each, ATTEMPT) == awaited, pauses)
        return [each for each in found if label_of(each, ATTEMPT) in attempts]

    def settle(self, attempt: str) -> Execution | None:
        """Look for what a request of this try made, until it is found or surely was never made."""
        found = self._looked(self._try_began, lambda each: label_of(each, ATTEMPT) == attempt, SETTLE)
        return next((each for each in found if label_of(each, ATTEMPT) == attempt), None)

    def _looked(
        self, began: float, is_awaited: Callable[[Execution], bool], pauses: Iterable[float]
    ) -> list[Execution]:
        """Look after each pause, until what is awaited is among what is found or the time is over."""
        clock, found = self._client.clock, list[Execution]()
        for pause in pauses:
            if clock.monotonic() + pause >= self._until:
                break
            if pause:
                clock.sleep(pause)
            found = self._find(began)
            if any(map(is_awaited, found)):
                break
        return found

    def _find(self, began: float) -> list[Execution]:
        """Find what was created since then: through the filter, or else by reading the newest."""
        oldest = datetime.fromtimestamp(max(0.0, began - LOOK_BACK_MARGIN), timezone.utc)
        mine = self._filtered() or [each for each in self._newest(oldest) if self._is_mine(each)]
        return list({execution_id_of(each): each for each in mine}.values())  # pages may overlap while others create

    def _is_mine(self, execution: Execution) -> bool:
        return label_of(execution, TASK_KEY) == self._task_key

    def _filtered(self) -> list[Execution]:
        """Find through the filter; nothing where it is refused or not heeded."""
        query = f'labels.{TASK_KEY}="{self._task_key}"'
        try:
            found = list(itertools.takewhile(self._is_mine, self._list(filter=query, limit=MAX_SCANNED)))
        except WorkflowsApiError as exc:
            if exc.status_code != 400:
                raise
            self._log.info(retries.filter_refused(self._workflow))
            return []
        return found

    def _newest(self, oldest: datetime) -> Iterator[Execution]:
        """Read the newest executions, whosever they are; in the service's own order where it refuses ours."""
        try:
            yield from self._read(self._list(order_by="createTime desc"), oldest)
        except WorkflowsApiError as exc:
            if exc.status_code != 400:
                raise
            self._log.info(retries.order_refused(self._workflow))
            yield from self._read(self._list(), oldest)

    def _list(self, **query: Any) -> Iterator[Execution]:
        return self._client.list(self._workflow, view="FULL", **query)

    def _read(self, executions: Iterable[Execution], oldest: datetime) -> Iterator[Execution]:
        """Read back to a moment, to the bound, or until the time is over."""
        for number, execution in enumerate(executions):
            if created_at(execution) < oldest:
                return
            if number >= MAX_SCANNED or self._client.clock.monotonic() >= self._until:
                self._log.warning(retries.scanned(self._workflow, number))
                return
            yield execution
