# SPDX-License-Identifier: Apache-2.0
"""Say what the shared poller is compared with: per-execution polling as peers do it, and a trigger that only sleeps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

if TYPE_CHECKING:
    import aiohttp

ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED", "UNAVAILABLE"})


class SleepingTrigger(BaseTrigger):
    """
    Sleep an interval at a time until the execution has ended, and ask nobody: the floor that Airflow itself sets.

    :param ends: epoch seconds, or a template for them, which Airflow renders after making the trigger.
    :param interval: seconds.
    :param xcoms: end the task from the triggerer, with these XComs.
    """

    def __init__(self, ends: float | str, interval: float, xcoms: dict[str, Any] | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.ends = ends
        self.interval = interval
        self.xcoms = xcoms

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what rebuilds it."""
        kwargs = {"ends": self.ends, "interval": self.interval, "xcoms": self.xcoms}
        return "bench_triggers.SleepingTrigger", kwargs

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event after the end."""
        ends = float(self.ends)
        while time.time() < ends:  # noqa: ASYNC110 - what is compared with
            await asyncio.sleep(self.interval)
        if self.xcoms is not None:
            yield TaskSuccessEvent(xcoms=self.xcoms)
        else:
            yield TriggerEvent("SUCCEEDED")  # type: ignore[no-untyped-call]


class PollingTrigger(BaseTrigger):
    """
    Get the execution once an interval, for itself alone: the least that polling per execution costs.

    Peers build a client and credentials per trigger and go through a client library; this one shares one bare
    aiohttp session (100 connections) among all and decodes JSON, nothing else.

    :param session: shared by all triggers.
    :param url: of the execution.
    :param interval: seconds.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, interval: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.session = session
        self.url = url
        self.interval = interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what rebuilds it; here only to be a trigger."""
        return "bench_triggers.PollingTrigger", {"url": self.url, "interval": self.interval}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event when a look shows the end."""
        while True:
            async with self.session.get(self.url) as response:
                state = (await response.json())["state"]
            if state in ENDED:
                break
            await asyncio.sleep(self.interval)
        yield TriggerEvent(state)  # type: ignore[no-untyped-call]
