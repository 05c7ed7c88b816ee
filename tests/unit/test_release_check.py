# SPDX-License-Identifier: Apache-2.0
"""What `make release-check` says of what it could not do, and of what it found."""

from __future__ import annotations

import json

import pytest

from release_packages import judge
from release_report import Failed, FallsShort, Report

FINE = {"name": "aiohttp", "version": "3.14.5", "vulns": []}
UNSAFE = {"name": "httplib2", "version": "0.22.0", "vulns": [{"id": "GHSA-1"}]}
UNKNOWN = {"name": "rsa", "skip_reason": "Dependency not found on PyPI and could not be audited: rsa (4.9.1)"}


def answer(*dependencies: object) -> str:
    """Return what pip-audit prints."""
    return json.dumps({"dependencies": dependencies, "fixes": []})


def test_audit_of_everything_passes() -> None:
    """An answer for each package, and none with a finding, is the only pass."""
    assert judge(answer(FINE), "", 1) == "no known vulnerability in 1 packages"


@pytest.mark.parametrize(
    ("printed", "told", "words"),
    [
        ("", "WARNING: x\nConnectionError: no route\n", "no answer: ConnectionError: no route"),
        ("", "", "no answer: nothing"),
        (answer(FINE, UNKNOWN), "No known vulnerabilities found", "1 of 2 packages; Dependency not found"),
        (answer(FINE), "", "1 of 2 packages; it left the others out"),
    ],
)
def test_audit_that_could_not_be_done_is_no_pass(printed: str, told: str, words: str) -> None:
    """A service that cannot be reached, or that does not know a package, is told and no pass."""
    with pytest.raises(FallsShort, match=words):
        judge(printed, told, 2)


def test_vulnerability_fails() -> None:
    """A finding fails, also where other packages could not be asked about."""
    with pytest.raises(Failed, match=r"httplib2 0\.22\.0: GHSA-1"):
        judge(answer(UNSAFE, UNKNOWN), "", 2)


def part(report: Report, error: Exception | None = None) -> bool:
    """Run a part that ends so."""

    def work() -> None:
        if error is not None:
            raise error

    return report.part("part", work)


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([None, None], 0),
        ([None, FallsShort("not here")], 3),
        ([Failed("broken"), FallsShort("not here"), None], 1),
    ],
)
def test_exit_code_tells_apart(errors: list[Exception | None], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    """A failure, something that fell short and a pass end differently, and the account has a line for each part."""
    report = Report()
    assert [part(report, error) for error in errors] == [not isinstance(error, Failed) for error in errors]
    assert report.close() == code
    account = capsys.readouterr().out.partition("all in")[2].splitlines()[1:]
    words = ["passed" if error is None else "FAILED" if isinstance(error, Failed) else "not here" for error in errors]
    assert all(word in line for word, line in zip(words, account, strict=True))
