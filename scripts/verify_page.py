# SPDX-License-Identifier: Apache-2.0
"""Write what a server answered as a page, without anybody's ids, projects and addresses in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.contract.suite import CONTRACT, Finding, Question, differences

Findings = Mapping[str, dict[str, Finding]]
_LONGEST = 600
_MOST = 12
#: What is masked wherever it stands: what comes before it, in a group, and itself.
_PATTERNS = (
    (re.compile(r"()[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "EXECUTION"),
    (re.compile(r"(projects?[/ ]'?)\d+"), "PROJECT-NUMBER"),
    (re.compile(r"()[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"), "ACCOUNT"),
    (re.compile(r"()\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "ADDRESS"),
    (re.compile(r"()(?:ya29\.|eyJ)[A-Za-z0-9._-]+"), "TOKEN"),
    (re.compile(r"(?i)(x-cloud-trace-context\W{3,9})[\w/;=]+"), "TRACE"),
    (re.compile(r"(pageToken=|nextPageToken\W{3,7})[\w=+/-]{9,}"), "PAGE-TOKEN"),
)
_NUMBER = re.compile(r"projects/(\d+)/")


@dataclass(frozen=True)
class Mask:
    """Replace what tells who asked.

    :param words: texts to replace and what stands for each.
    """

    words: Mapping[str, str]

    def __call__(self, text: str) -> str:
        """Return a text without them; the longest are replaced first, so that none is left in part."""
        for word in sorted(filter(None, self.words), key=len, reverse=True):
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])", self.words[word], text)
        for pattern, name in _PATTERNS:
            text = pattern.sub(rf"\g<1>{name}", text)
        return text

    def with_numbers(self, findings: Findings) -> Mask:
        """Return a mask that also hides the numbers of projects in the answers, wherever else they stand."""
        every = (each for found in findings.values() for finding in found.values() for each in finding.exchanges)
        numbers = {number for each in every for number in _NUMBER.findall(each.came)}
        return Mask({**self.words, **dict.fromkeys(numbers, "PROJECT-NUMBER")})


def page(findings: Findings, compared: Findings, mask: Mask, *, when: str, is_google: bool) -> str:
    """Return the page in Markdown.

    :param findings: what the server answered, by version and question.
    :param compared: what the emulator answers with its default settings.
    :param when: the date.
    :param is_google: whether it was Google's service; if not, the page says so above everything else.
    """
    mask = mask.with_numbers(findings)
    text = "\n".join([*_head(when, is_google), *_relied(findings), *_asked(findings, compared), *_sent(findings, mask)])
    return mask(text) + "\n"


def _head(when: str, is_google: bool) -> Iterator[str]:
    command = "`make verify-google`"
    if is_google:
        yield f"# What Google's service answers\n\nAsked on {when} by {command}, which writes this page."
    else:
        yield "# What an emulator answers, NOT Google's service\n"
        yield f"**This page says nothing about Google.** {command} wrote it on {when} with `ENDPOINT=`, to try"
        yield "itself out on an emulator, whose answers are what somebody thought that Google's might be."
    yield "\nIds, projects, accounts, addresses and tokens are masked."


def _rows(findings: Findings, kind: str) -> Iterator[tuple[Question, Mapping[str, Finding]]]:
    for key, question in CONTRACT.items():
        found = {version: each[key] for version, each in findings.items() if key in each}
        if question.kind == kind and found:
            yield question, found


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _relied(findings: Findings) -> Iterator[str]:
    yield "\n## What the package relies on\n"
    yield from _table(["what", *findings, "key"])
    for question, found in _rows(findings, "relies"):
        yield _line([question.text, *(_answer(found, version) for version in findings), f"`{question.key}`"])


def _asked(findings: Findings, compared: Findings) -> Iterator[str]:
    yield "\n## What was not known\n"
    yield "The last column is the emulator's setting that does the same, or how its default answer differs."
    yield "How workflows fail at the emulator is written in `scripts/verify_sources.py`.\n"
    yield from _table(["question", *findings, "the emulator"])
    for question, found in _rows(findings, "asks"):
        beside = _beside(question.key, findings, compared)
        yield _line([f"{question.text} (`{question.key}`)", *(_answer(found, version) for version in findings), beside])


def _answer(found: Mapping[str, Finding], version: str) -> str:
    return found[version].answer if version in found else "-"


def _beside(key: str, findings: Findings, compared: Findings) -> str:
    said = []
    for version in findings:
        finding = findings[version].get(key)
        if finding is None or finding.outcome == "unsettled":
            continue
        settled = {key: each for key, each in compared.get(version, {}).items() if each.outcome != "unsettled"}
        other = differences({key: finding}, settled).get(key)
        same = "the same" if key in settled else "-"
        said.append(f"`{finding.setting}`" if finding.setting else f"otherwise: {other[1]}" if other else same)
    return "; ".join(dict.fromkeys(said)) or "-"


def _table(head: Sequence[str]) -> Iterator[str]:
    yield _line(head)
    yield "|" + "---|" * len(head)


def _sent(findings: Findings, mask: Mask) -> Iterator[str]:
    yield "\n## What was sent, and what came back"
    for key in CONTRACT:
        for version, each in findings.items():
            if key in each and each[key].exchanges:
                yield from _exchanges(key, version, each[key], mask)


def _exchanges(key: str, version: str, finding: Finding, mask: Mask) -> Iterator[str]:
    yield f"\n### {key}, {version}\n\n```text"
    shown = finding.exchanges[-_MOST:]
    if len(shown) < len(finding.exchanges):
        yield f"({len(finding.exchanges) - len(shown)} earlier ones)"
    for exchange in shown:
        # Masked before it is cut: half a name would not be known again.
        sent, body, came = (
            _short(mask(" ".join(text.split()))) for text in (exchange.sent, exchange.body, exchange.came)
        )
        yield sent + (f"\n  {body}" if body else "")
        yield f"  -> {exchange.status} {came}".rstrip()
    yield "```"


def _short(text: str) -> str:
    text = text.replace("```", "'''")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"
