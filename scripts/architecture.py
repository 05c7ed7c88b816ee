# SPDX-License-Identifier: Apache-2.0
"""
Say which part of the package may import which, and draw it.

The table is what ``tests/unit/test_layers.py`` holds the code to, and what ``make docs`` makes
``docs/images/architecture.svg`` of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "architecture.svg"


@dataclass(frozen=True)
class Part:
    """
    Describe a folder of the package, or a file at its root.

    :ivar below: what it may import of ours beside itself.
    :ivar column: where it stands in the drawing, from the left; its row comes from the arrows. ``None``: not drawn.
    :ivar about: what it is, in the few words that fit in a box.
    """

    below: frozenset[str]
    column: int | None
    about: str


def _part(column: int | None, about: str, below: str = "") -> Part:
    return Part(frozenset(below.split()), column, about)


PARTS: Mapping[str, Part] = {
    "__init__": _part(None, "the version", "provider_info"),
    "sensors": _part(2, "wait for an execution", "compat operators links api core exceptions"),
    "operators": _part(2, "create, cancel, get, list", "compat triggers hooks links durable api core exceptions"),
    "durable": _part(0, "one execution per task", "api core exceptions"),
    "triggers": _part(2, "wait in the triggerer", "compat hooks polling core exceptions"),
    "links": _part(3, "to Google's console", "compat core"),
    "hooks": _part(2, "the API for your own code", "compat polling api auth core exceptions provider_info"),
    "provider_info": _part(1, "what Airflow is told", "auth core __init__"),
    "polling": _part(2, "many waits, few requests", "api core exceptions"),
    "compat": _part(4, "each Airflow's names", ""),
    "api": _part(2, "requests, errors, repeats", "auth core exceptions"),
    "auth": _part(2, "connection, credentials", "core exceptions __init__"),
    "testing": _part(4, "emulator, pytest plugin", "core __init__"),
    "core": _part(2, "pure values", "exceptions"),
    "exceptions": _part(2, "everything that is raised", ""),
}
#: What each part may import.
ARROWS: Mapping[str, frozenset[str]] = {name: part.below for name, part in PARTS.items()}
_DRAWN = {name: part for name, part in PARTS.items() if part.column is not None}

_WIDTH, _HEIGHT, _COLUMN, _ROW, _EDGE = 162, 44, 178, 78, 12


def direct_arrows() -> set[tuple[str, str]]:
    """Return the arrows that no way over a third part stands for; all others would only clutter the drawing."""

    @cache
    def reach(name: str) -> frozenset[str]:
        below = _DRAWN[name].below & _DRAWN.keys()
        return below.union(*map(reach, below))

    return {
        (upper, lower)
        for upper, part in _DRAWN.items()
        for lower in part.below & _DRAWN.keys()
        if not any(lower in reach(other) for other in part.below & _DRAWN.keys())
    }


def rows() -> dict[str, int]:
    """Return the row of each part, 0 at the top: right above what it imports, and below all that import it."""
    arrows = direct_arrows()

    @cache
    def depth(name: str) -> int:
        return max((depth(lower) + 1 for upper, lower in arrows if upper == name), default=0)

    @cache
    def height(name: str) -> int:
        above = [height(upper) - 1 for upper, lower in arrows if lower == name]
        return min(above, default=depth(name))

    top = max(height(name) for name in _DRAWN)
    return {name: top - height(name) for name in _DRAWN}


def _corner(name: str, row: int) -> tuple[int, int]:
    column = _DRAWN[name].column
    assert column is not None
    return _EDGE + column * _COLUMN, _EDGE + row * _ROW


def _line(upper: str, lower: str, at: Mapping[str, int]) -> str:
    """Draw an arrow: straight down its own column, and over to the other one in the gap above it."""
    x, y = _corner(upper, at[upper])
    to_x, to_y = _corner(lower, at[lower])
    half = _WIDTH // 2
    hit = [
        name
        for name, part in _DRAWN.items()
        if part.column == _DRAWN[upper].column and at[upper] < at[name] < at[lower]
    ]
    if hit:
        raise ValueError(f"the arrow from {upper} to {lower} crosses {hit}: give one of them another column")
    turn = to_y - (_ROW - _HEIGHT)
    return f'<path d="M{x + half} {y + _HEIGHT} V{turn} L{to_x + half} {to_y - 2}"/>'


def _box(name: str, row: int) -> str:
    x, y = _corner(name, row)
    middle = x + _WIDTH // 2
    return (
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>'
        f'<text x="{middle}" y="{y + 18}" class="name">{escape(name)}</text>'
        f'<text x="{middle}" y="{y + 35}">{escape(_DRAWN[name].about)}</text>'
    )


def drawing() -> str:
    """Return the drawing as SVG; it needs no font, script or style from elsewhere."""
    at = rows()
    width = 2 * _EDGE + max(part.column or 0 for part in _DRAWN.values()) * _COLUMN + _WIDTH
    height = 2 * _EDGE + max(at.values()) * _ROW + _HEIGHT
    lines = [_line(upper, lower, at) for upper, lower in sorted(direct_arrows())]
    boxes = [_box(name, at[name]) for name in _DRAWN]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">',
            "<title>The parts of the package; arrows lead from a part to what it imports</title>",
            "<style>",
            "rect { fill: #e8f0fe; stroke: #4a6da7 } path { fill: none; stroke: #667; marker-end: url(#head) }",
            "text { font: 12px sans-serif; text-anchor: middle; fill: #223 } .name { font: bold 14px monospace }",
            "</style>",
            '<defs><marker id="head" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">',
            '<path d="M0 0 L8 4 L0 8 Z" style="fill: #667; stroke: none; marker-end: none"/></marker></defs>',
            f'<rect width="{width}" height="{height}" style="fill: #fff; stroke: none"/>',
            *lines,
            *boxes,
            "</svg>",
            "",
        ]
    )


def write() -> None:
    """Draw the picture anew where the table has changed."""
    text = drawing()
    if not PICTURE.exists() or PICTURE.read_text(encoding="utf-8") != text:
        PICTURE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
