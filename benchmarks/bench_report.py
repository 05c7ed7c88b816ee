# SPDX-License-Identifier: Apache-2.0
"""Hold what the benchmarks found, print it, and keep it in docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

VERSIONS = (
    "airflow-provider-workflows",
    "apache-airflow",
    "apache-airflow-providers-google",
    "google-api-python-client",
    "google-auth",
    "aiohttp",
)
TITLE = """# Benchmarks

Written by `make bench`, which measures all that stands side by side here in one run; see CONTRIBUTING.md for its
options. A part that was not chosen keeps the figures of its last run. The service is the emulator of this package,
in a process of its own on the same machine; a real service answers later, and costs the waiting process as much.
"""


@dataclass
class Check:
    """
    Compare a figure with what it must not exceed.

    :param value: measured; ``None`` where it could not be, and the text says why.
    """

    text: str
    value: float | None
    limit: float
    unit: str = ""

    @property
    def holds(self) -> bool | None:
        """Tell whether the figure is within its limit; ``None`` where there is no figure."""
        return None if self.value is None else self.value <= self.limit

    def row(self) -> list[str]:
        """Return the cells: what, measured, limit, whether it holds."""
        value = "n/a" if self.value is None else f"{number(self.value)}{self.unit}"
        verdict = {True: "yes", False: "**no**", None: "n/a"}[self.holds]
        return [self.text, value, f"{number(self.limit)}{self.unit}", verdict]


@dataclass
class Section:
    """Hold one part's tables: the figures, what was measured how, and the thresholds."""

    name: str
    title: str
    header: Sequence[str]
    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)

    def markdown(self) -> str:
        """Return the section for the document."""
        parts = [
            f"## {self.title}",
            f"{datetime.now(timezone.utc).date().isoformat()} · {machine()}",
            table(self.header, self.rows),
        ]
        if self.checks:
            parts.append(table(["threshold", "measured", "at most", "holds"], [check.row() for check in self.checks]))
        parts += [" ".join(note.split()) for note in self.notes]
        return "\n\n".join(parts) + "\n"


def number(value: float) -> str:
    """Write a number with three significant digits or as a whole."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table that is also readable as text."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def machine() -> str:
    """Describe the machine without naming it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"


def versions() -> str:
    """Name what was compared."""
    return "Versions: " + ", ".join(f"{name} {version(name)}" for name in VERSIONS) + "."


def write(document: Path, sections: Sequence[Section], order: Sequence[str]) -> None:
    """Put sections into the document, in a fixed order; those not given stay as they are."""
    texts = _kept(document.read_text(encoding="utf-8")) if document.exists() else {}
    texts.update({section.name: section.markdown() for section in sections})
    parts = [f"<!-- {name} -->\n{texts[name]}<!-- end of {name} -->\n" for name in order if name in texts]
    document.parent.mkdir(exist_ok=True)
    document.write_text("\n".join([TITLE + "\n" + versions() + "\n", *parts]), encoding="utf-8")


def _kept(text: str) -> dict[str, str]:
    found = re.findall(r"<!-- (\w+) -->\n(.*?)<!-- end of \1 -->\n", text, flags=re.DOTALL)
    return dict(found)
