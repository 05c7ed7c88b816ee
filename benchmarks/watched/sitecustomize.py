# SPDX-License-Identifier: Apache-2.0
"""
Note what the main thread of a triggerer's runner is doing, so that a blocked event loop can be put down to somebody.

Python imports this module in every process that has this folder on its path; it does something only where
``BENCH_SAMPLES_FILE`` is set, in forked children of ``airflow triggerer``: there a thread looks at the main thread's
stack every ``PERIOD`` seconds, and appends the time whenever this package is on it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from types import FrameType

PERIOD = 0.02
SAMPLES_FILE = "BENCH_SAMPLES_FILE"
PACKAGE = f"{os.sep}airflow_provider_workflows{os.sep}"


def _watch(main: int, path: str) -> None:
    with open(path, "a", encoding="utf-8") as file:  # noqa: PTH123 - pathlib is an import that every process pays for
        while True:
            time.sleep(PERIOD)
            if _is_ours(sys._current_frames().get(main)):  # noqa: SLF001 - the documented way
                file.write(f"{time.time():.3f}\n")
                file.flush()


def _is_ours(frame: FrameType | None) -> bool:
    while frame is not None:
        if PACKAGE in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


def _begin() -> None:
    arguments = (threading.main_thread().ident, os.environ[SAMPLES_FILE])
    threading.Thread(target=_watch, args=arguments, daemon=True).start()


if SAMPLES_FILE in os.environ and "triggerer" in sys.orig_argv:
    os.register_at_fork(after_in_child=_begin)
