# SPDX-License-Identifier: Apache-2.0
"""Read the documents: their text, their tables, and their blocks of code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOT_PAGES = [ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY")]
PAGES = [*ROOT_PAGES, *sorted((ROOT / "docs").glob("*.md"))]
FENCED = re.compile(
    r"(?:^ *<!-- (?P<mark>[^\n]*) -->\n)?^(?P<indent> *)```(?P<kind>\w*)\n(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Block:
    """Hold a fenced block: where it stands, its language, its text and the comment above it."""

    page: str
    number: int
    kind: str
    text: str
    mark: str

    def __str__(self) -> str:
        return f"{self.page}-{self.number}"


def read(page: str) -> str:
    """Return a document's text."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks_of(path: Path) -> list[Block]:
    """Return the fenced blocks of a document, without their indent."""
    found = []
    for number, match in enumerate(FENCED.finditer(path.read_text(encoding="utf-8")), start=1):
        text = re.sub(f"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
        found.append(Block(path.name, number, match["kind"], text, match["mark"] or ""))
    return found


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def marked(page: str, kind: str, mark: str) -> Block:
    """Return the only block of a page that has this language and mark."""
    (block,) = (block for block in BLOCKS if (block.page, block.kind, block.mark) == (page, kind, mark))
    return block


def tables(page: str, heading: str) -> list[list[str]]:
    """Return the rows of all tables below a heading, up to the next one; the heads of tables are left out."""
    section = re.split(r"^#+ ", f"\n{read(page)}".partition(f"\n{heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    assert section.strip(), f"{page} has no section {heading!r}"
    rows = [line.strip().strip("|").split(" | ") for line in section.splitlines() if line.strip().startswith("|")]
    heads = {index - 1 for index, row in enumerate(rows) if set("".join(row)) <= set("-| ")}
    return [
        [cell.strip() for cell in row]
        for index, row in enumerate(rows)
        if index not in heads and index - 1 not in heads
    ]


def names(cell: str) -> list[str]:
    """Return what is set as code in a cell."""
    return _CODE.findall(cell)
