# SPDX-License-Identifier: Apache-2.0
"""A world for tests of the poller: virtual time, an emulator in the same loop, real HTTP in between."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from google.auth.credentials import AnonymousCredentials

from airflow_provider_workflows.api.client import AsyncWorkflowsClient
from airflow_provider_workflows.api.requests import Call, ExecutionsApi
from airflow_provider_workflows.auth.sessions import make_async_session
from airflow_provider_workflows.core.names import WorkflowName
from airflow_provider_workflows.polling.budget import Limits
from airflow_provider_workflows.polling.shared import shared_poller
from airflow_provider_workflows.testing import DEFAULT_LOCATION, DEFAULT_PROJECT, Emulator
from airflow_provider_workflows.testing.server import serve
from tests import virtual_time


class Lines(logging.Logger):
    """Collect what is logged."""

    def __init__(self) -> None:
        super().__init__("lines")
        self.texts: list[str] = []

    def handle(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.texts.append(record.getMessage())


class SpoiltApi(ExecutionsApi):
    """Break while a list is built, in ways that nobody has thought of."""

    mistakes: list[Exception]

    def list(self, *args: Any, **kwargs: Any) -> Call:
        """Build a list, or raise the next mistake."""
        if self.mistakes:
            raise self.mistakes.pop(0)
        return super().list(*args, **kwargs)


class World:
    """
    Let tests wait for executions and count what that costs.

    :ivar opened: how many clients have been opened.
    :ivar closed: how many of them have been closed.
    :ivar limits: what the budget is set up with.
    :ivar open_errors: raised one after the other by the next openings.
    :ivar mistakes: raised one after the other while the next lists are built.
    """

    def __init__(self, clock: virtual_time.VirtualClock, emulator: Emulator, version: str) -> None:
        self.clock = clock
        self.emulator = emulator
        self.version = version
        self.opened = 0
        self.closed = 0
        self.limits: Limits | None = None
        self.open_errors: list[Exception] = []
        self.mistakes: list[Exception] = []
        self.is_lasting: Callable[[Exception], bool] | None = None

    async def open_client(self) -> tuple[AsyncWorkflowsClient, Callable[[], Awaitable[None]]]:
        """Open a client for the emulator."""
        if self.open_errors:
            raise self.open_errors.pop(0)
        self.opened += 1
        credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]
        session = make_async_session(credentials, timeout=60.0, limit=16)
        api = SpoiltApi(self.version, self.emulator.endpoint)
        api.mistakes = self.mistakes

        async def close() -> None:
            self.closed += 1
            await session.close()

        return AsyncWorkflowsClient(api, session), close

    def joined(self, workflow: str = "echo", key: str = "connection") -> shared_poller:
        """Return what joins the poller of a workflow."""
        name = WorkflowName(DEFAULT_PROJECT, DEFAULT_LOCATION, workflow)
        limits, lasting = self.limits, self.is_lasting
        return shared_poller(key, name, self.open_client, clock=self.clock, limits=limits, is_lasting=lasting)

    async def wait(self, execution_id: str, workflow: str = "echo", poll_interval: float = 10.0, **more: Any) -> str:
        """Wait for the end of an execution."""
        async with self.joined(workflow) as poller:
            return await poller.wait_for_end(execution_id, poll_interval=poll_interval, **more)

    def start(self, execution_ids: Sequence[str], **more: Any) -> list[asyncio.Task[str]]:
        """Wait for many at once, each in a task of its own."""
        return [asyncio.ensure_future(self.wait(execution_id, **more)) for execution_id in execution_ids]

    def end(self, execution_ids: Sequence[str], state: str = "SUCCEEDED") -> None:
        """Have executions end now."""
        for execution_id in execution_ids:
            self.emulator.set_state(execution_id, state)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        await self.clock.async_sleep(seconds)

    def requests(self) -> tuple[int, int]:
        """Return the gets and lists since the last call."""
        counts = self.emulator.counts()
        self.emulator.clear_requests()
        return counts["get"], counts["list"]

    async def requests_of_rounds(self, rounds: int, interval: float = 10.0) -> tuple[int, int]:
        """Return the gets and lists while so many intervals pass."""
        self.requests()
        await self.pass_time(rounds * interval)
        return self.requests()


def play(
    scene: Callable[[World], Coroutine[Any, Any, None]],
    *,
    version: str = "v1",
    real_seconds: float = 60.0,
    **options: Any,
) -> None:
    """Play a scene in a new world; ``options`` are the emulator's settings."""

    async def main(clock: virtual_time.VirtualClock) -> None:
        emulator = Emulator(clock=clock, **options)
        async with serve(emulator):
            await scene(World(clock, emulator, version))

    virtual_time.run(main, seconds=real_seconds)
