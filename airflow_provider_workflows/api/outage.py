# SPDX-License-Identifier: Apache-2.0
"""Say that nobody can look at an execution: at once, and then less and less often, with how long it has been so."""

from __future__ import annotations

from typing import Any

from airflow_provider_workflows.core.messages import looks
from airflow_provider_workflows.core.names import ExecutionName

#: An outage is worth another word after so many seconds, and then each time it has lasted twice as long.
SAY_AGAIN = 60.0


class Outage:
    """Tell when failures in a row are worth a word: at the first, after a minute, after two, four and so on."""

    __slots__ = ("_say_at", "_since")

    def __init__(self) -> None:
        self._since: float | None = None
        self._say_at = 0.0

    def failed(self, now: float) -> float | None:
        """Take note of a failure; return for how many seconds it has been so where that is worth a word."""
        if self._since is None:
            self._since, self._say_at = now, now + SAY_AGAIN
            return 0.0
        if now < self._say_at:
            return None
        lasted = now - self._since
        self._say_at = now + lasted
        return lasted

    def is_over(self) -> None:
        """Begin anew: the next failure is a first one."""
        self._since = None


def warn_of_outage(log: Any, name: ExecutionName, error: Exception, pause: float, lasted: float) -> None:
    """Log that a look failed and will be repeated, and for how many seconds none has gone well."""
    log.warning(looks.not_seen(name, error, pause, lasted))
