# SPDX-License-Identifier: Apache-2.0
"""When a wait is late: the one decision behind all ways of waiting."""

from __future__ import annotations

import math

import pytest

from airflow_provider_workflows.core.deadlines import NO_DEADLINES, Deadlines

BOTH = Deadlines(deadline=100.0, queued_deadline=30.0)


@pytest.mark.parametrize(
    ("deadlines", "state", "left"),
    [
        (NO_DEADLINES, "QUEUED", math.inf),
        (NO_DEADLINES, "ACTIVE", math.inf),
        (BOTH, "QUEUED", 20.0),
        (BOTH, "ACTIVE", 90.0),
        (BOTH, None, 90.0),
        (BOTH, "STATE_UNSPECIFIED", 90.0),
        (Deadlines(deadline=100.0), "QUEUED", 90.0),
        (Deadlines(queued_deadline=30.0), "QUEUED", 20.0),
        (Deadlines(queued_deadline=30.0), "ACTIVE", math.inf),
        (Deadlines(queued_deadline=30.0), None, math.inf),
        (Deadlines(deadline=20.0, queued_deadline=30.0), "QUEUED", 10.0),
        (Deadlines(deadline=0.0), "ACTIVE", -10.0),
    ],
)
def test_what_is_left_depends_on_the_state(deadlines: Deadlines, state: str | None, left: float) -> None:
    """The deadline of the queue counts in the queue only, and there the earlier of the two does."""
    assert deadlines.left(state, 10.0) == left
    assert deadlines.passed(state, 10.0) is (left <= 0)


@pytest.mark.parametrize(("now", "passed"), [(99.9, False), (100.0, True), (100.1, True)])
def test_a_deadline_has_passed_from_its_moment_on(now: float, passed: bool) -> None:
    """A wait that wakes exactly at its deadline need not wake again."""
    assert BOTH.passed("ACTIVE", now) is passed


@pytest.mark.parametrize(("now", "seconds"), [(0.0, 30.0), (30.0, 70.0), (99.0, 1.0), (100.0, math.inf)])
def test_each_deadline_is_a_moment_to_decide_at(now: float, seconds: float) -> None:
    """Both deadlines wake a wait, one after the other, and nothing does after the last."""
    assert BOTH.until_next(now) == seconds
    assert NO_DEADLINES.until_next(now) == math.inf
