# SPDX-License-Identifier: Apache-2.0
"""The choice between pages of a list and gets."""

from __future__ import annotations

import math

import pytest

from airflow_provider_workflows.polling.plan import (
    NOT_LISTED,
    Prices,
    is_nearly_due,
    next_due,
    next_page_pays,
    pages_worth_reading,
    search_again,
)

#: Google's quotas: a list is worth five gets.
QUOTA = Prices(get=1.0, page=5.0)


@pytest.mark.parametrize(
    ("places", "pages"),
    [
        ([], 0),
        ([0] * 3, 0),
        ([0] * 5, 0),
        ([0] * 6, 1),
        ([NOT_LISTED] * 10_000, 0),
        ([*range(10)] * 1000, 10),
        ([*[*range(10)] * 999, *[100] * 10], 10),
        ([*[0] * 10, *[1] * 4], 1),
        ([*[0] * 10, *[3] * 16], 4),
        ([100] * 3, 0),
        ([100] * 506, 101),
        ([100] * 505, 0),
    ],
)
def test_pages_worth_reading(places: list[int], pages: int) -> None:
    """Pages are read as far as they save more gets than they cost, and no further."""
    assert pages_worth_reading(places, QUOTA) == pages


def test_what_has_been_read_costs_nothing_any_more() -> None:
    """In the middle of a list the next page is judged by its own price."""
    assert pages_worth_reading([4] * 6, QUOTA) == 0
    assert pages_worth_reading([4] * 6, QUOTA, read=4) == 5


def test_a_place_that_was_passed_is_expected_next() -> None:
    """An execution that newer ones have pushed back is looked for on the next page."""
    assert pages_worth_reading([1] * 6, QUOTA, read=3) == 4


def test_a_line_for_gets_makes_lists_the_better_choice_and_the_other_way_round() -> None:
    """Where the budget is short, the reading that is let through first wins."""
    assert pages_worth_reading([0] * 3, Prices(get=1.0, page=5.0, get_wait=3.0)) == 1
    assert pages_worth_reading([0] * 8, Prices(get=1.0, page=5.0, page_wait=4.0)) == 0


def test_lists_that_rest_are_not_read() -> None:
    """With lists out of use everything is left to gets."""
    assert pages_worth_reading([0] * 1000, Prices(get=1.0, page=math.inf)) == 0


def test_a_fruitless_search_ends() -> None:
    """Pages that show nothing are read until they have cost what the gets would have, not to the end."""
    read = 0
    while next_page_pays([0] * 50, QUOTA, read=read, fruitless=read):
        read += 1
    assert read == 10


def test_a_search_that_finds_goes_on() -> None:
    """As long as pages show enough executions the next one is read."""
    assert next_page_pays([0] * 6, QUOTA, read=50, fruitless=0)
    assert not next_page_pays([0] * 5, QUOTA, read=50, fruitless=0)


def test_looks_come_a_little_early_and_never_late() -> None:
    """The next look is due after 0.9 to 1 intervals; one that is due soon shares the requests of others."""
    assert next_due(100.0, 10.0, 0.0) == 110.0
    assert next_due(100.0, 10.0, 1.0) == pytest.approx(109.0)
    assert is_nearly_due(110.0, 10.0, 108.0)
    assert not is_nearly_due(110.0, 10.0, 107.0)


def test_searches_become_rare() -> None:
    """What a list does not show is searched for again after 2, 4, 8 … 64 intervals."""
    assert [search_again(0.0, 10.0, failures) for failures in (1, 2, 3, 6, 100)] == [20.0, 40.0, 80.0, 640.0, 640.0]
