# SPDX-License-Identifier: Apache-2.0
"""How long the poller rests after failures; jitter is 1 here, so every pause is a whole one."""

from __future__ import annotations

import pytest

from airflow_provider_workflows.exceptions import WorkflowsApiError
from airflow_provider_workflows.polling.rests import LIST_REST, ListRest, Rest

FAILURE = OSError("the database is away")


def whole() -> float:
    """Draw the jitter that takes nothing away."""
    return 1.0


@pytest.mark.parametrize(
    ("failures", "pause"), [(1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0), (7, 60.0), (2000, 60.0)], ids=str
)
def test_a_rest_grows_with_the_failures_in_a_row(failures: int, pause: float) -> None:
    """Pauses double, up to a minute, and begin anew when something went well."""
    rest = Rest(whole)
    pauses = [rest.failed(FAILURE, 100.0) for _ in range(failures)]
    assert (pauses[-1], rest.until) == (pause, 100.0 + pause)
    rest.went_well()
    assert rest.failed(FAILURE, 200.0) == 1.0


@pytest.mark.parametrize(("asked", "pause"), [(None, 1.0), (0.5, 1.0), (20.0, 20.0), (86_400.0, 300.0)])
def test_a_rest_is_as_long_as_the_service_asks(asked: float | None, pause: float) -> None:
    """Retry-After is the least, but nobody can silence a poller for a day."""
    error = WorkflowsApiError("later", status_code=503, retryable=True, retry_after=asked)
    assert Rest(whole).failed(error, 0.0) == pause


def test_jitter_takes_away_at_most_half() -> None:
    """Pollers that failed together come back one after the other."""
    assert Rest(lambda: 0.0).failed(FAILURE, 0.0) == 0.5


@pytest.mark.parametrize(
    ("failures", "everybody_until", "lists_until"),
    [(1, 101.0, 0.0), (2, 102.0, 0.0), (3, 102.0, 104.0), (4, 102.0, 108.0)],
)
def test_from_the_third_failure_on_only_lists_rest(failures: int, everybody_until: float, lists_until: float) -> None:
    """Twice everybody rests; then the gets go on without lists."""
    rest = ListRest(whole)
    for _ in range(failures):
        rest.failed(FAILURE, 100.0)
    assert (rest.everybody_until, rest.lists_until) == (everybody_until, lists_until)


def test_lists_that_went_well_begin_anew() -> None:
    """Failures before a good list are not counted with those after it."""
    rest = ListRest(whole)
    for now in (0.0, 10.0):
        rest.failed(FAILURE, now)
    rest.went_well()
    assert rest.failed(FAILURE, 100.0) == 1.0
    assert (rest.everybody_until, rest.lists_until) == (101.0, 0.0)


def test_lists_that_are_not_for_us_rest_alone_and_count_as_no_failure() -> None:
    """A missing permission to list makes nobody else rest, and the failure after it is a first one."""
    rest = ListRest(whole)
    rest.leave_it_to_gets(100.0)
    assert (rest.everybody_until, rest.lists_until) == (0.0, 100.0 + LIST_REST)
    assert rest.failed(FAILURE, 200.0) == 1.0
