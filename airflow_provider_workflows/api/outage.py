# SPDX-License-Identifier: Apache-2.0
"""Say that nobody can look at an execution: at once, and then less and less often, with how long it has been so."""

from __future__ import annotations

from typing import Any

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


def warn_of_outage(log: Any, name: object, error: Exception, pause: float, lasted: float) -> None:
    """Log that a look failed and will be repeated, and for how many seconds none has gone well."""
    if lasted:
        text = "Nobody could look at %s for %s; asking again in %.0f s: %s"
        log.warning(text, name, _span(lasted), pause, error)
    else:
        log.warning("A look at %s failed and will be repeated in %.0f s: %s", name, pause, error)


def _span(seconds: float) -> str:
    """Say a span of time in the unit that people would take."""
    for unit, size in (("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
