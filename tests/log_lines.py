# SPDX-License-Identifier: Apache-2.0
"""Collect log lines on every supported Airflow: 3 logs through structlog, 2 through the standard library."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

AIRFLOW_3 = int(version("apache-airflow").split(".")[0]) >= 3


@dataclass(frozen=True)
class LogLine:
    """Hold one log line as it would be shown, its traceback included; ``level`` is ``info``, ``warning`` or worse."""

    level: str
    text: str


class _StandardLog(logging.Handler):
    """Collect what goes through the standard library's loggers."""

    def __init__(self, take: Callable[[LogLine], None]) -> None:
        super().__init__(logging.INFO)
        self._take = take
        self._last: logging.LogRecord | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record is not self._last:  # several loggers may hand the same one over
            self._last = record
            self._take(LogLine(record.levelname.lower(), self.format(record)))


@contextmanager
def record_logs(write: Callable[[LogLine], None] | None = None) -> Iterator[list[LogLine]]:
    """
    Collect all log lines at INFO and above: of Airflow 3's structlog, of Airflow 2's logging, of libraries.

    :param write: called before a line is collected, by the thread that logs it.
    """
    lines: list[LogLine] = []

    def take(line: LogLine) -> None:
        if write is not None:
            write(line)
        lines.append(line)

    handler = _StandardLog(take)
    # In a task's process, Airflow 2 does not pass a task's lines on to the root logger.
    loggers = [logging.getLogger(name) for name in (None, "airflow.task")]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        with _structured_log(take) if AIRFLOW_3 else nullcontext():
            yield lines
    finally:
        for logger in loggers:
            logger.removeHandler(handler)


@contextmanager
def _structured_log(take: Callable[[LogLine], None]) -> Iterator[None]:
    """Listen to structlog, before its renderer; the list is changed in place, because loggers hold it."""
    import structlog

    def listen(_: Any, method: str, event: Any) -> Any:
        shown = [str(event.get("event")), *(f"{key}={value}" for key, value in event.items() if key != "event")]
        if caught := event.get("exc_info"):
            error = caught if isinstance(caught, tuple) else sys.exc_info()
            shown.extend(traceback.format_exception(*error))
        take(LogLine(str(event.get("level", method)), " ".join(shown)))
        return event

    processors: list[Any] = structlog.get_config()["processors"]
    processors.insert(len(processors) - 1, listen)
    try:
        yield
    finally:
        processors.remove(listen)
