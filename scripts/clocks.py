# SPDX-License-Identifier: Apache-2.0
"""Give a process a wrong clock, with Debian's libfaketime: the time of day is wrong, how fast it passes is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from debian import install

LIBRARIES = Path("/usr/lib")


def _library() -> Iterator[Path]:
    return LIBRARIES.glob("*/faketime/libfaketimeMT.so.1")


@dataclass(frozen=True)
class Clock:
    """
    Say what time it is to a process.

    :param ahead: seconds; negative for a clock that is behind.
    """

    ahead: float = 0.0

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment variables that make it so; none for a right clock."""
        if not self.ahead:
            return {}
        return {
            "LD_PRELOAD": str(next(_library())),
            "FAKETIME": f"{self.ahead:+.0f}s",
            # Timers and sleeps are measured with the monotonic clock; files keep the times that they have.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }


def install_clocks(say: Callable[[str], None]) -> None:
    """Install Debian's package unless it is there."""
    install("faketime", _library, say)
