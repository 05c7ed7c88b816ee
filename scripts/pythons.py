# SPDX-License-Identifier: Apache-2.0
"""Find the Pythons of this machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

PYTHONS = ("3.10", "3.11", "3.12", "3.13")


class NoPython(Exception):
    """There is none that could be used."""


def find_python(wanted: str) -> str:
    """
    Return an interpreter: of the wanted version, else of the nearest one that is there.

    ``PYTHON310`` to ``PYTHON313`` in the environment name one that is not found by itself. Each candidate is run: it
    may be a shim that ends with an error.
    """
    number = int(wanted.partition(".")[2])
    for version in sorted(PYTHONS, key=lambda each: abs(int(each.partition(".")[2]) - number)):
        named = os.environ.get(f"PYTHON{version.replace('.', '')}")
        installed = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
        for candidate in [*([named] if named else []), f"python{version}", *map(str, installed)]:
            if version_of(candidate) == version:
                return candidate
    raise NoPython(f"no Python {PYTHONS[0]} to {PYTHONS[-1]} was found")


def version_of(python: str) -> str | None:
    """Return an interpreter's version as ``3.10``, or ``None`` where it does not work."""
    code = "import sys, sqlite3, ssl; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
