# SPDX-License-Identifier: Apache-2.0
"""Let users' workflow functions compute beside the server, each in a thread of its own, and only for so long.

A thread cannot be stopped from outside. A function that goes on after its time is left alone: its execution fails, its
thread goes on as a daemon, which costs the process computing time until the function ends or the process does. A
computation in C that never lets go of the interpreter (`sum(itertools.count())`) stops every thread, the server's too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, InvalidStateError
from contextlib import suppress
from typing import Any


class DaemonThreads(Executor):
    """Start a daemon thread for each call, so that neither a child workflow nor the process's end waits for others.

    :param seconds: real time after which a call's future fails with a TimeoutError.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call a function; return the future of its result."""
        future: Future[Any] = Future()
        late = threading.Timer(self._seconds, self._give_up, [future])
        late.daemon = True

        def work() -> None:
            try:
                result = function(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
                with suppress(InvalidStateError):
                    future.set_exception(error)
            else:
                with suppress(InvalidStateError):
                    future.set_result(result)

        future.add_done_callback(lambda _: late.cancel())
        late.start()
        threading.Thread(target=work, name="workflow-function", daemon=True).start()
        return future

    def _give_up(self, future: Future[Any]) -> None:
        with suppress(InvalidStateError):
            future.set_exception(
                TimeoutError(
                    f"the workflow function was still computing after {self._seconds:g} seconds (function_timeout); "
                    "a Step says how long something takes without taking it"
                )
            )
