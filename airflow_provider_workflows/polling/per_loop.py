# SPDX-License-Identifier: Apache-2.0
"""
Keep things per event loop: what was made on one loop must never be used on another.

A forked process gets a copy of its parent's memory, loop objects included, but none of its sockets' state; so the
process is part of the key. Loops are known by the object itself: an id may be given to a new loop after the old one
is gone.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

Key = TypeVar("Key")
Value = TypeVar("Value")


class PerLoop(Generic[Key, Value]):
    """Hold one dict for each event loop of this process."""

    def __init__(self) -> None:
        self._dicts: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[int, dict[Key, Value]]] = WeakKeyDictionary()

    def current(self) -> dict[Key, Value]:
        """Return the dict of the running loop; those of closed loops are forgotten on the way."""
        loop = asyncio.get_running_loop()
        process, values = self._dicts.get(loop, (None, {}))
        if process != os.getpid():
            for other in [other for other in self._dicts if other.is_closed()]:
                del self._dicts[other]
            values = {}
            self._dicts[loop] = (os.getpid(), values)
        return values


def create_detached_task(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Make a task in an empty context, for work that is not its maker's (``context=`` exists from Python 3.11 on)."""
    return contextvars.Context().run(asyncio.get_running_loop().create_task, coroutine)
