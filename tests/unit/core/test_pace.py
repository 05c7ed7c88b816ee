# SPDX-License-Identifier: Apache-2.0
"""How often to look at an execution of an age, and what share of a budget may go there."""

from __future__ import annotations

import pytest

from airflow_provider_workflows.api.looking import pause_at
from airflow_provider_workflows.core.pace import SAVED_UP, SHARE_OF_BUDGET, Allowance, next_look


@pytest.mark.parametrize(
    ("age", "poll_interval", "seconds"),
    [
        (0.0, 10.0, 1.0),
        (9.9, 10.0, 1.0),
        (20.0, 10.0, 2.0),
        (50.0, 10.0, 5.0),
        (99.0, 10.0, 9.9),
        (100.0, 10.0, 10.0),
        (1e6, 10.0, 10.0),
        (0.0, 0.5, 0.5),
        (0.0, 1.0, 1.0),
        (600.0, 300.0, 60.0),
        (float("inf"), 10.0, 10.0),
    ],
)
def test_a_look_comes_after_a_tenth_of_the_age(age: float, poll_interval: float, seconds: float) -> None:
    """At least a second apart, and at most the interval, also where that is less than a second."""
    assert next_look(age, poll_interval) == pytest.approx(seconds)


def test_a_whole_wait_costs_a_few_looks_more_than_fixed_rounds() -> None:
    """Until looks are as far apart as the rounds there are about 33."""
    age, looks = 0.0, 0
    while age < 100.0:
        age, looks = age + next_look(age, 10.0), looks + 1
    assert 30 <= looks <= 36


def test_jitter_makes_no_look_too_quick() -> None:
    """Who waits alone looks no more often than once a second; rounds keep their jitter either way."""
    assert all(1.0 <= pause_at(0.0, 10.0) <= 1.1 for _ in range(100))
    assert all(9.0 <= pause_at(1e6, 10.0) <= 11.0 for _ in range(100))


def test_quick_looks_get_less_than_a_tenth_of_any_minute() -> None:
    """However many ask, what is handed out in a minute, with what was saved up before, is below a tenth of it."""
    allowance, price, paid, now = Allowance(0.0), 0.02, 0.0, 600.0
    while now < 660.0:
        wait = allowance.reserve(price, now, longest=10.0)
        if wait is None:
            now += 0.01
            continue
        now, paid = now + wait, paid + price
    assert 0.9 * (60 * SHARE_OF_BUDGET) < paid <= 60 * SHARE_OF_BUDGET + SAVED_UP < 6.0


def test_what_would_not_be_quick_is_not_paid_for() -> None:
    """A look that has to wait for as long as its round is left to the round, and costs the others nothing."""
    allowance = Allowance(0.0)
    assert allowance.reserve(SAVED_UP, 0.0, longest=10.0) == 0.0
    assert allowance.reserve(10 * SHARE_OF_BUDGET, 0.0, longest=10.0) is None
    assert allowance.reserve(5 * SHARE_OF_BUDGET, 0.0, longest=10.0) == pytest.approx(5.0)
