# SPDX-License-Identifier: Apache-2.0
"""
Call the executions methods, sync and async: reads and cancels by the retry policy, a create in one attempt.

Both clients share everything but the send: :class:`ExecutionsApi` builds a :class:`Call`, somebody sends it, the call
decodes the answer.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_workflows.api.cancelling import ended_or_raise, says_already_over
from airflow_provider_workflows.api.history import HistoryApi
from airflow_provider_workflows.api.requests import Call, ExecutionsApi
from airflow_provider_workflows.api.retrying import RetryPolicy
from airflow_provider_workflows.api.transport import send, send_async
from airflow_provider_workflows.core.clock import Clock
from airflow_provider_workflows.core.execution import Execution
from airflow_provider_workflows.core.names import ExecutionName, WorkflowName
from airflow_provider_workflows.core.quoting import quoted
from airflow_provider_workflows.exceptions import WorkflowsApiError

if TYPE_CHECKING:
    from google.auth.transport.requests import AuthorizedSession
    from typing_extensions import Self

    from airflow_provider_workflows.auth.async_session import AsyncSession

#: More repeats than fit into any bounded time.
MANY = 1000
#: The share of a bounded time for which one request in it waits for its answer: there is time for another one.
PATIENCE = 0.4
#: Seconds that a request has at the least, also where it begins at the last moment.
SHORTEST_TIMEOUT = 0.1


def _check_limit(limit: int | None) -> None:
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 0):
        msg = f"limit must be a whole number, 0 or more, or None for all, got {quoted(limit)}."
        raise ValueError(msg)


def _page_size(page_size: int | None, limit: int | None) -> int | None:
    """Ask for no more than is wanted."""
    return page_size if page_size is not None else (limit or None)


class _Client:
    """
    Hold what both clients do alike.

    :param api: what builds the requests.
    :param session: sends them: google-auth's for the sync client, ours for the async one.
    :param timeout: seconds for each request.
    :param retry: the policy for reads and cancel; whoever repeats a create takes it from here.
    """

    def __init__(
        self, api: ExecutionsApi, session: Any, *, timeout: float = 60.0, retry: RetryPolicy | None = None
    ) -> None:
        self.api = api
        self._history = HistoryApi(api)
        self._session = session
        self._timeout = timeout
        self.retry = retry or RetryPolicy()

    @property
    def clock(self) -> Clock:
        """Return the clock that retries wait on."""
        return self.retry.clock

    def without_retries(self) -> Self:
        """Return the same client with single attempts, for whoever repeats anyway."""
        return type(self)(self.api, self._session, timeout=self._timeout, retry=replace(self.retry, retries=0))


class WorkflowsClient(_Client):
    """
    Call the executions methods, blocking.

    Thread-safe as far as ``requests`` sessions are: one client per thread is the rule that needs no thought.
    """

    _session: AuthorizedSession

    def within(self, seconds: float) -> WorkflowsClient:
        """
        Return the same client for what must be over so many seconds from now, however many calls that takes.

        Each call is repeated while there is time, and none waits so long for an answer that no other could follow.
        """
        retry = replace(self.retry, retries=MANY, until=min(self.retry.until, self.clock.monotonic() + seconds))
        return WorkflowsClient(self.api, self._session, timeout=min(self._timeout, PATIENCE * seconds), retry=retry)

    def _attempt(self, call: Call) -> dict[str, Any]:
        timeout = max(SHORTEST_TIMEOUT, min(self._timeout, self.retry.left()))
        return call.decode(send(self._session, call.outgoing, timeout), self.clock.time())

    def _send(self, call: Call) -> dict[str, Any]:
        return self.retry.sync()(self._attempt, call)

    def create(self, workflow: WorkflowName, body: Mapping[str, Any]) -> Execution:
        """
        Make one attempt to create an execution; whether to repeat it is the caller's business.

        :raises AmbiguousCreate: where the answer got lost: an execution may exist.
        """
        return cast("Execution", self._attempt(self.api.create(workflow, body)))

    def get(self, name: ExecutionName, view: str = "FULL", fields: str | None = None) -> Execution:
        """Get an execution; with ``fields`` (which must have ``name``) only those of its fields."""
        return cast("Execution", self._send(self.api.get(name, view, fields)))

    def look(self, name: ExecutionName) -> Execution:
        """Get what a wait has to know of an execution: its state, its step, its times."""
        return self.get(name, "FULL", self.api.look_fields)

    def cancel(self, name: ExecutionName) -> Execution:
        """
        Cancel an execution and return what the service answers, which may still say ACTIVE.

        One that is already over is no error: it is returned as it ended.
        """
        try:
            return cast("Execution", self._send(self.api.cancel(name)))
        except WorkflowsApiError as exc:
            if not says_already_over(exc):
                raise
            return ended_or_raise(self.get(name), exc)

    def list(
        self,
        workflow: WorkflowName,
        *,
        limit: int | None = None,
        page_size: int | None = None,
        on_cut: Callable[[], None] | None = None,
        **query: Any,
    ) -> Iterator[Execution]:
        """
        List executions, newest first unless ``order_by`` says otherwise, over as many pages as are consumed.

        :param on_cut: called when there are more than ``limit``.
        """
        _check_limit(limit)
        call: Call | None = self.api.list(workflow, page_size=_page_size(page_size, limit), **query)
        return self._pages(call, limit, on_cut)

    def _pages(self, call: Call | None, limit: int | None, on_cut: Callable[[], None] | None = None) -> Iterator[Any]:
        left = limit
        while call is not None and left != 0:
            decoded = self._send(call)
            page = decoded.get(call.items, [])
            more = left is not None and len(page) > left
            for item in page[:left]:
                yield item
                left = None if left is None else left - 1
            call = self.api.list_next(call, decoded)
            if left == 0 and on_cut and (more or call is not None):
                on_cut()

    def list_step_entries(
        self, name: ExecutionName, *, limit: int | None = None, page_size: int | None = None, **query: Any
    ) -> Iterator[dict[str, Any]]:
        """List an execution's step entries over as many pages as are consumed (v1)."""
        _check_limit(limit)
        return self._pages(
            self._history.list_step_entries(name, page_size=_page_size(page_size, limit), **query), limit
        )

    def list_callbacks(
        self, name: ExecutionName, *, limit: int | None = None, page_size: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """List the callbacks that an execution has, over as many pages as are consumed (v1)."""
        _check_limit(limit)
        return self._pages(self._history.list_callbacks(name, page_size=_page_size(page_size, limit)), limit)

    def get_step_entry(self, name: ExecutionName, entry_id: int | str) -> dict[str, Any]:
        """Get one step entry (v1)."""
        return self._send(self._history.get_step_entry(name, entry_id))

    def export_data(self, name: ExecutionName) -> str:
        """Export an execution's metadata; returns the JSON text as the service sends it (v1)."""
        return str(self._send(self._history.export_data(name))["data"])

    def delete_execution_history(self, name: ExecutionName) -> None:
        """Delete an execution's step entries (v1)."""
        self._send(self._history.delete_execution_history(name))


class AsyncWorkflowsClient(_Client):
    """
    Call the executions methods without blocking the event loop; errors as in the sync client.

    :ivar on_resend: called with the operation when one attempt is about to become two requests: after a 401, with a
        new token.
    """

    _session: AsyncSession
    on_resend: Callable[[str], None] | None = None

    async def _attempt(self, call: Call) -> dict[str, Any]:
        operation, on_resend = call.outgoing.subject.operation, self.on_resend
        resent = functools.partial(on_resend, operation) if on_resend else None
        answer = await send_async(self._session, call.outgoing, self._timeout, resent)
        return call.decode(answer, self.clock.time())

    async def _send(self, call: Call) -> dict[str, Any]:
        return await self.retry.asynchronous()(self._attempt, call)

    async def create(self, workflow: WorkflowName, body: Mapping[str, Any]) -> Execution:
        """Make one attempt to create an execution; see :meth:`WorkflowsClient.create`."""
        return cast("Execution", await self._attempt(self.api.create(workflow, body)))

    async def get(self, name: ExecutionName, view: str = "FULL", fields: str | None = None) -> Execution:
        """Get an execution; with ``fields`` (which must have ``name``) only those of its fields."""
        return cast("Execution", await self._send(self.api.get(name, view, fields)))

    async def request_cancel(self, name: ExecutionName) -> Execution:
        """Cancel an execution without a look at one whose cancel is refused: :func:`says_already_over` tells why."""
        return cast("Execution", await self._send(self.api.cancel(name)))

    async def cancel(self, name: ExecutionName) -> Execution:
        """Cancel an execution; see :meth:`WorkflowsClient.cancel`."""
        try:
            return await self.request_cancel(name)
        except WorkflowsApiError as exc:
            if not says_already_over(exc):
                raise
            return ended_or_raise(await self.get(name), exc)

    def list(
        self, workflow: WorkflowName, *, limit: int | None = None, page_size: int | None = None, **query: Any
    ) -> AsyncIterator[Execution]:
        """List executions; see :meth:`WorkflowsClient.list`."""
        _check_limit(limit)
        return self._pages(self.api.list(workflow, page_size=_page_size(page_size, limit), **query), limit)

    async def _pages(self, call: Call | None, limit: int | None) -> AsyncIterator[Any]:
        left = limit
        while call is not None and left != 0:
            decoded = await self._send(call)
            for item in decoded.get(call.items, [])[:left]:
                yield item
                left = None if left is None else left - 1
            call = self.api.list_next(call, decoded)

    async def list_page(
        self, workflow: WorkflowName, after: tuple[Call, dict[str, Any]] | None = None, **query: Any
    ) -> Any:
        """
        Get one page, for whoever decides page by page whether the next is worth it.

        :param after: the call and decoded answer of the page before.
        :return: ``(call, decoded)``, or ``None`` where there is no such page.
        """
        call = self.api.list_next(*after) if after else self.api.list(workflow, **query)
        return None if call is None else (call, await self._send(call))

    def list_step_entries(
        self, name: ExecutionName, *, limit: int | None = None, page_size: int | None = None, **query: Any
    ) -> AsyncIterator[dict[str, Any]]:
        """List step entries; see :meth:`WorkflowsClient.list_step_entries`."""
        _check_limit(limit)
        return self._pages(
            self._history.list_step_entries(name, page_size=_page_size(page_size, limit), **query), limit
        )

    def list_callbacks(
        self, name: ExecutionName, *, limit: int | None = None, page_size: int | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """List callbacks; see :meth:`WorkflowsClient.list_callbacks`."""
        _check_limit(limit)
        return self._pages(self._history.list_callbacks(name, page_size=_page_size(page_size, limit)), limit)

    async def get_step_entry(self, name: ExecutionName, entry_id: int | str) -> dict[str, Any]:
        """Get one step entry; see :meth:`WorkflowsClient.get_step_entry`."""
        return await self._send(self._history.get_step_entry(name, entry_id))

    async def export_data(self, name: ExecutionName) -> str:
        """Export an execution's metadata; see :meth:`WorkflowsClient.export_data`."""
        return str((await self._send(self._history.export_data(name)))["data"])

    async def delete_execution_history(self, name: ExecutionName) -> None:
        """Delete an execution's step entries (v1)."""
        await self._send(self._history.delete_execution_history(name))
