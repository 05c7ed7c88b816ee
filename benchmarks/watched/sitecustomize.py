# SPDX-License-Identifier: Apache-2.0
"""
Note how a triggerer's event loop spends its time, so that a stall of it can be put down to somebody.

Python imports this module in every process that has this folder on its path; it does something only where
``BENCH_NOTES_FILE`` is set, in forked children of ``airflow triggerer``. There it appends lines with four fields to
that file: when something ended (epoch seconds), how long it took, and what it was:

* ``stall`` and seconds: the loop came as late as this to a timer, by the same measure as Airflow's own watchdog,
  whose lines come late themselves when the log is stuck; for so many seconds of that its thread was ready and other
  processes had the cores;
* ``gc`` and the generation: Python collected garbage, which stops all threads;
* ``ours``, ``airflow`` or ``loop``, and a function: what the loop's thread was at when a thread that looks every
  ``PERIOD`` seconds saw it busy. It is this package's turn where that is on the stack, and Airflow's where Airflow
  is, above what runs the loop. The function is the innermost of theirs, logging apart.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
from collections.abc import Callable
from types import CodeType, FrameType

NOTES_FILE = "BENCH_NOTES_FILE"
PERIOD = 0.02
#: Airflow's watchdog: it sleeps so long, and says so when that took longer than the threshold.
TICK, THRESHOLD = 0.1, 0.2
SHORTEST_COLLECTION = 0.01
PACKAGE = f"{os.sep}airflow_provider_workflows{os.sep}"
AIRFLOW = f"{os.sep}airflow{os.sep}"

Note = Callable[[float, str, str], None]


def _begin() -> None:
    """Watch this process's main thread."""
    descriptor = os.open(os.environ[NOTES_FILE], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(seconds: float, what: str, detail: str = "") -> None:
        os.write(descriptor, f"{time.time():.3f}\t{seconds:.3f}\t{what}\t{detail}\n".encode())

    _watch_collections(note)
    _watch_loops(note)
    threading.Thread(target=_look, args=(threading.main_thread().ident, note), daemon=True).start()


def _watch_collections(note: Note) -> None:
    began = 0.0

    def collecting(phase: str, info: dict[str, int]) -> None:
        nonlocal began
        if phase == "start":
            began = time.perf_counter()
        elif (took := time.perf_counter() - began) >= SHORTEST_COLLECTION:
            note(took, "gc", f"generation {info['generation']}")

    gc.callbacks.append(collecting)


def _watch_loops(note: Note) -> None:
    class Policy(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            loop = super().new_event_loop()

            def tick(last: float, waited_before: float) -> None:
                now, waited = time.perf_counter(), _waited()
                if now - last > THRESHOLD:
                    note(now - last, "stall", f"{waited - waited_before:.3f}")
                loop.call_later(TICK, tick, now, waited)

            loop.call_soon(lambda: tick(time.perf_counter(), _waited()))
            return loop

    asyncio.set_event_loop_policy(Policy())


def _waited() -> float:
    """Return the seconds for which this thread has waited for a core so far, where Linux tells."""
    try:
        with open("/proc/thread-self/schedstat", encoding="ascii") as file:  # noqa: PTH123 - every process would pay for pathlib
            return int(file.read().split()[1]) / 1e9
    except OSError:
        return 0.0


def _look(main: int, note: Note) -> None:
    before = time.perf_counter()
    while True:
        time.sleep(PERIOD)
        now = time.perf_counter()
        stack = _stack(sys._current_frames().get(main))  # noqa: SLF001 - the documented way
        if stack and stack[0].co_name != "select":
            note(now - before, _turn(stack), _place(stack))
        before = now


def _stack(frame: FrameType | None) -> list[CodeType]:
    codes = []
    while frame is not None:
        codes.append(frame.f_code)
        frame = frame.f_back
    return codes


def _turn(stack: list[CodeType]) -> str:
    if any(PACKAGE in code.co_filename for code in stack):
        return "ours"
    return "airflow" if _place(stack) else "loop"


def _place(stack: list[CodeType]) -> str:
    for code in stack:
        name = os.path.basename(code.co_filename)  # noqa: PTH119 - as above
        if name == "base_events.py":
            break  # what is below runs the loop
        if name != "structlog.py" and (PACKAGE in code.co_filename or AIRFLOW in code.co_filename):
            return f"{name}:{code.co_name}"
    return ""


if NOTES_FILE in os.environ and "triggerer" in sys.orig_argv:
    os.register_at_fork(after_in_child=_begin)
