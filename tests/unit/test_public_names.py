# SPDX-License-Identifier: Apache-2.0
"""Nothing that users rely on goes away, or comes, unnoticed."""

from __future__ import annotations

from tests.public_names import LIST, public_names

RENEW = "Where it is meant: python -m tests.public_names, and a line in CHANGELOG.md"


def test_public_names_are_the_listed_ones() -> None:
    """Classes, functions, parameters, attributes, fixtures, extras, options and entry points are those on the list."""
    listed, now = set(LIST.read_text(encoding="utf-8").splitlines()), set(public_names())
    gone, new = sorted(listed - now), sorted(now - listed)
    assert not gone, f"gone or changed; what took their place is {new}. {RENEW}"
    assert not new, f"not on the list. {RENEW}"
