# SPDX-License-Identifier: Apache-2.0
"""
Hold the one client of a poller: opened once, replaced when it gets old or is refused, closed after its last request.

Opening reads an Airflow connection and credentials, which takes a while and happens in threads; whoever makes a
poller says how. A connection may change while somebody waits for days (keys are rotated), so a client is replaced
every quarter of an hour, beside the old one, and at once when the service does not accept its credentials.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from airflow_provider_workflows.core.clock import Clock
from airflow_provider_workflows.core.messages import setup
from airflow_provider_workflows.exceptions import CredentialsError, WorkflowsApiError, WorkflowsError
from airflow_provider_workflows.polling.loop_log import LoopLog
from airflow_provider_workflows.polling.per_loop import create_detached_task

if TYPE_CHECKING:
    from airflow_provider_workflows.api.client import AsyncWorkflowsClient

log = LoopLog(logging.getLogger(__name__))

#: Makes a client; returns it with what closes it.
OpenClient = Callable[[], Awaitable[tuple["AsyncWorkflowsClient", Callable[[], Awaitable[None]]]]]
#: Tells whether an error of opening, or a refusal of the credentials that were opened, will not pass by itself.
IsLasting = Callable[[Exception], bool]

#: Seconds after which the connection is read again.
RENEW_AFTER = 900.0
#: Seconds until the next attempt where a renewal failed; the old client goes on meanwhile.
RENEW_AGAIN = 60.0
#: Seconds between two replacements of refused clients: a second refusal so soon is not about a rotated key.
REPLACE_AFTER = 300.0
#: Seconds until the next opening where a refusal may pass.
OPEN_AGAIN = 5.0


class OpenedClient:
    """Close a client when it is not wanted any more and its last request is over."""

    def __init__(self, client: AsyncWorkflowsClient, close: Callable[[], Awaitable[None]], *, renew_at: float) -> None:
        self.client = client
        self.renew_at = renew_at
        self._close = close
        self._requests = 0
        self._retired = False
        self._closed = False

    @asynccontextmanager
    async def in_use(self) -> AsyncIterator[AsyncWorkflowsClient]:
        """Keep the client open for as long as the block runs."""
        self._requests += 1
        try:
            yield self.client
        finally:
            self._requests -= 1
            await self._close_if_done()

    async def retire(self) -> None:
        """Close it, now or after the last request."""
        self._retired = True
        await self._close_if_done()

    async def _close_if_done(self) -> None:
        if self._retired and not self._requests and not self._closed:
            self._closed = True
            await self._close()


class ClientSource:
    """
    Provide the client of a poller.

    :param is_lasting: unless given, ``ValueError`` (a bad connection) and this package's own errors are.
    :param on_resend: called with the client and the operation when one attempt becomes two requests.
    """

    def __init__(
        self,
        open_client: OpenClient,
        clock: Clock,
        is_lasting: IsLasting | None = None,
        on_resend: Callable[[AsyncWorkflowsClient, str], None] | None = None,
    ) -> None:
        self.current: OpenedClient | None = None
        self._open_client = open_client
        self._clock = clock
        self._on_resend = on_resend
        self._is_lasting = is_lasting or (lambda error: isinstance(error, (ValueError, WorkflowsError)))
        self._opening = asyncio.Lock()
        self._open_from = 0.0
        self._replace_from = 0.0
        self._renewal: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def ready(self) -> OpenedClient:
        """
        Return the client, opening or renewing it where needed.

        :raises Exception: what opening raised; :meth:`is_lasting` tells what it means.
        """
        async with self._opening:
            current = self.current
            if current is None:
                if (pause := self._open_from - self._clock.monotonic()) > 0:
                    await self._clock.async_sleep(pause)
                self.current = current = await self._open()
        if self._clock.monotonic() >= current.renew_at:
            current.renew_at = math.inf  # by now it is being renewed, for however long that takes
            self._renewal = create_detached_task(self._renew(current))
        return current

    async def _open(self) -> OpenedClient:
        client, close = await self._open_client()
        client = client.without_retries()
        if self._on_resend:
            client.on_resend = functools.partial(self._on_resend, client)
        return OpenedClient(client, close, renew_at=self._clock.monotonic() + RENEW_AFTER)

    async def _renew(self, old: OpenedClient) -> None:
        try:
            renewed = await self._open()
        except Exception as exc:  # noqa: BLE001 - whatever it is, there is a client that still works
            log.warning(setup.connection_not_read(exc))
            old.renew_at = self._clock.monotonic() + RENEW_AGAIN
            return
        if self.current is old:
            self.current, renewed = renewed, old
        self._retire(renewed)  # the old one, or the new one where the old one has been replaced meanwhile

    def is_lasting(self, error: Exception) -> bool:
        """Tell whether an error will not pass by itself."""
        return not (isinstance(error, WorkflowsApiError) and error.retryable) and self._is_lasting(error)

    def replaces(self, refused: OpenedClient, error: Exception) -> bool:
        """
        Tell whether to ask again with a new client, because the credentials of this one were refused.

        Once in a few minutes: a new key is worth a second attempt, a missing permission is not worth a third. More
        often, after pauses, where the refusal may pass.
        """
        if not _is_refusal(error):
            return False
        if refused is not self.current:
            return True
        now = self._clock.monotonic()
        if now >= self._replace_from:
            self._replace_from = now + REPLACE_AFTER
        elif self.is_lasting(error):
            return False
        else:
            self._open_from = now + OPEN_AGAIN
        self.current = None
        self._retire(refused)
        return True

    def _retire(self, client: OpenedClient) -> None:
        task = create_detached_task(client.retire())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close the client."""
        current, self.current = self.current, None
        if current is not None:
            await current.retire()
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)
        await asyncio.gather(*self._closing, return_exceptions=True)


def _is_refusal(error: Exception) -> bool:
    if isinstance(error, WorkflowsApiError):
        # A page of somebody in between may have these numbers as well, and says nothing about the credentials.
        return error.status_code in (401, 403) and not error.retryable
    return isinstance(error, CredentialsError)
