# SPDX-License-Identifier: Apache-2.0
"""
Give a process a wrong clock: the time of day is wrong, how fast it passes is right.

libfaketime cannot: it either moves the monotonic clock as well, and some waits by it last minutes longer, or makes
every ``time.sleep`` an error.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from debian import ServiceError, install

SOURCE = Path(__file__).with_name("clock_ahead.c")
LIBRARY = Path(tempfile.gettempdir()) / "workflows-clock-ahead.so"


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
        return {"LD_PRELOAD": str(LIBRARY), "CLOCK_AHEAD_SECONDS": f"{self.ahead:.0f}"} if self.ahead else {}


def install_clocks(say: Callable[[str], None]) -> None:
    """Build the library, with Debian's compiler where there is none."""
    install("gcc", lambda: Path("/usr/bin").glob("gcc"), say)
    command = ["gcc", "-shared", "-fPIC", "-O2", "-o", str(LIBRARY), str(SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServiceError(f"{SOURCE.name} cannot be built:\n{done.stderr[-2000:]}")
