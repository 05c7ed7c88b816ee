# SPDX-License-Identifier: Apache-2.0
"""
Run an event loop in which time jumps: waiting costs nothing, so tests of hours take moments.

Whenever nothing is left to do, the loop's time jumps to the next timer. HTTP to a server in the *same* loop works:
on the loopback interface, what one side has sent the other side can read at once, so time stands still while
requests are under way. While a thread of ``run_in_executor`` or ``to_thread`` works, time stands still, too.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from airflow_provider_workflows.core.clock import Clock

Result = TypeVar("Result")

#: Real seconds for which the kernel may take to hand over what was sent.
_GRACE = 0.0003
#: What a turn with nothing but a timer takes: aiohttp 3.10 sets one again for the very moment at which it runs.
_TURN = 1e-9
#: 2026-01-01T00:00:00Z, so that times in failed assertions are easy to read.
EPOCH = 1_767_225_600.0


class _JumpingSelector(selectors.SelectSelector):
    """Let time jump instead of waiting; ``select`` because its timeouts are finer than epoll's milliseconds."""

    loop: VirtualTimeLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is not None and timeout <= 0:
            if not self.loop.has_callbacks():
                self.loop.jump(_TURN)
            return []
        if self.loop.threads_at_work:
            return super().select(None)  # a thread that is done writes to the loop's own pipe
        ready = super().select(_GRACE)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("Everything waits for something that will never happen.")
        self.loop.jump(timeout)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time moves only when there is nothing to do."""

    def __init__(self) -> None:
        self._now = 0.0
        self.threads_at_work = 0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        """Return the virtual time in seconds since the loop was made."""
        return self._now

    def has_callbacks(self) -> bool:
        """Return whether there is something to do now that no timer has asked for."""
        return bool(self._ready)  # type: ignore[attr-defined]  # asyncio's own, in every Python so far

    def jump(self, seconds: float) -> None:
        """Move the time forward; at least by what a float can hold, or a timer would never be reached."""
        self._now = max(self._now + seconds, self._now * (1 + 1e-15))

    def run_in_executor(  # type: ignore[override]  # typeshed's variadic types are newer than Python 3.10
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Have time stand still while a thread works."""
        self.threads_at_work += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _: object) -> None:
        self.threads_at_work -= 1


class VirtualClock(Clock):
    """Tell a virtual loop's time, to our own code and to the emulator."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop
        self._ahead = 0.0

    def time(self) -> float:
        """Return the virtual time in epoch seconds."""
        return EPOCH + self._ahead + self._loop.time()

    def set_forward(self, seconds: float) -> None:
        """Set the clock on the wall forward; what is measured in spans does not notice."""
        self._ahead += seconds

    def monotonic(self) -> float:
        """Return the loop's own time."""
        return self._loop.time()

    def sleep(self, seconds: float) -> None:
        """Refuse: it would block the event loop."""
        raise AssertionError("Nothing may block the event loop.")


def run(main: Callable[[VirtualClock], Coroutine[Any, Any, Result]], *, seconds: float = 60.0) -> Result:
    """
    Run a coroutine function in a virtual loop, handing it the loop's clock.

    :param seconds: real time after which the test has gone wrong.
    """
    loop = VirtualTimeLoop()
    give_up_at = time.monotonic() + seconds

    async def guarded() -> Result:
        task = asyncio.ensure_future(main(VirtualClock(loop)))
        while not task.done():
            if time.monotonic() > give_up_at:
                task.cancel()
            await asyncio.wait({task}, timeout=10.0)
        return task.result()

    try:
        return loop.run_until_complete(guarded())
    finally:
        loop.run_until_complete(_cancel_the_rest())
        loop.threads_at_work += 1  # the one that waits for the others
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


async def _cancel_the_rest() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
