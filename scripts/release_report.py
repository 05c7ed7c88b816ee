# SPDX-License-Identifier: Apache-2.0
"""Run the parts of a check one after the other, show each command and its time, and end with an account."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


class Failed(Exception):
    """A part found something."""


class FallsShort(Exception):
    """Nothing is wrong, and a part is not what it should be: it could not be done here, say. That is no pass."""


def say(text: str) -> None:
    """Print lines at once."""
    print("\n".join(f"[release] {line}" for line in text.splitlines()), flush=True)


class Report:
    """Hold what became of each part."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._rows: list[tuple[str, str, float]] = []

    def part(self, title: str, work: Callable[..., None], *given: Any) -> bool:
        """Run a part and note what came of it; return whether nothing failed."""
        began, result = time.monotonic(), "passed"
        say(f"=== {title}")
        try:
            work(*given)
        except Failed as exc:
            result = "FAILED"
            say(f"FAILED: {exc}")
        except FallsShort as exc:
            result = f"FALLS SHORT: {exc}"
        seconds = time.monotonic() - began
        say(f"=== {title}: {result} ({seconds:.0f} s)")
        self._rows.append((title, result, seconds))
        return result != "FAILED"

    def close(self) -> int:
        """Print the account; return 0 where all passed, 1 where something failed, 3 where a part falls short."""
        say(f"=== all in {time.monotonic() - self._began:.0f} s:")
        width = max(len(title) for title, _, _ in self._rows)
        for title, result, seconds in self._rows:
            say(f"  {title:{width}}  {seconds:4.0f} s  {result}")
        results = [result for _, result, _ in self._rows]
        if "FAILED" in results:
            return 1
        return 0 if set(results) == {"passed"} else 3


def run(
    *command: str,
    cwd: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    given: str | None = None,
    show: Sequence[str] = (),
) -> str:
    """
    Run a command of this check, shown as it can be typed; return what it prints.

    :param given: what it reads.
    :param show: print the lines that have one of these words, too.
    :raises Failed: when it ends with an error; all that it printed is shown then.
    """
    done = attempt(*command, cwd=cwd, environment=environment, given=given)
    if done.returncode != 0:
        say(done.stdout + done.stderr)
        raise Failed(f"`{Path(command[0]).name} {command[1]} …` ended with {done.returncode}")
    for line in done.stdout.splitlines():
        if any(word in line for word in show):
            say(f"  {line.strip()}")
    return done.stdout


def attempt(
    *command: str, cwd: Path = ROOT, environment: Mapping[str, str] | None = None, given: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command, shown as it can be typed, whatever it ends with; the checkout is nothing that it could import."""
    say(f"$ {shlex.join(each.replace(f'{ROOT}/', '') for each in command)}{' <<< …' if given else ''}")
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        command,
        cwd=cwd,
        env={**inherited, **(environment or {})},
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
