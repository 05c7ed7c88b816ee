# SPDX-License-Identifier: Apache-2.0
"""
Log from an event loop without waiting for whoever reads the log.

A triggerer's log lines go through a pipe to its parent process, which does not read while it stores events in
Airflow's database. When a few hundred triggers end together, the pipe is full for seconds, and a logger that is
called on the event loop stops all triggers for as long. So the lines are written by a thread: one for the whole
process, so that they keep their order.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any


@functools.lru_cache(maxsize=1)
def _writer(_process: int) -> ThreadPoolExecutor:
    """Return the thread that writes; a forked process has none of its parent's threads."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="workflows-log")


class LoopLog:
    """
    Offer a logger's methods to code on an event loop; the lines are the caller's, context variables included.

    A logger that raises loses its line and disturbs nobody.

    :param log: of the standard library or of structlog.
    """

    __slots__ = ("_last", "_log")

    def __init__(self, log: Any) -> None:
        self._log = log
        self._last: asyncio.Future[Any] | None = None

    def info(self, text: str, *args: Any) -> None:
        """Log at INFO."""
        self._put(self._log.info, text, *args)

    def warning(self, text: str, *args: Any) -> None:
        """Log at WARNING."""
        self._put(self._log.warning, text, *args)

    def error(self, text: str, *args: Any) -> None:
        """Log at ERROR."""
        self._put(self._log.error, text, *args)

    def exception(self, text: str, *args: Any) -> None:
        """Log at ERROR with the exception that is being handled."""
        self._put(functools.partial(self._log.error, exc_info=sys.exc_info()), text, *args)

    def _put(self, write: Any, *arguments: Any) -> None:
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()
        self._last = loop.run_in_executor(_writer(os.getpid()), context.run, write, *arguments)
        self._last.add_done_callback(_forget)

    async def written(self) -> None:
        """Wait until all lines so far are written; Airflow closes a task's log when its trigger has ended."""
        if self._last is not None:
            await asyncio.wait({self._last})


def _forget(line: asyncio.Future[Any]) -> None:
    if not line.cancelled():
        line.exception()
