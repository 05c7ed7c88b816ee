# SPDX-License-Identifier: Apache-2.0
"""Spans of time, as numbers and as timedeltas."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_workflows.core.seconds import seconds_of


@pytest.mark.parametrize(("span", "seconds"), [(1, 1.0), (0.5, 0.5), (timedelta(minutes=2), 120.0)])
def test_numbers_and_timedeltas_are_taken(span: Any, seconds: float) -> None:
    """Both mean the same."""
    assert seconds_of(span, "timeout") == seconds


@pytest.mark.parametrize(
    "span",
    [0, -1, float("inf"), float("nan"), True, "5", None, timedelta(0), timedelta(seconds=-1), [], 1j],
    ids=str,
)
def test_what_is_no_span_is_named(span: Any) -> None:
    """An error names the parameter."""
    with pytest.raises(ValueError, match="poll_interval must be"):
        seconds_of(span, "poll_interval")


@pytest.mark.parametrize("span", [1e15, 10**400, timedelta.max], ids=["float", "int", "timedelta"])
def test_a_span_that_overflows_is_named(span: Any) -> None:
    """What neither a float nor Airflow's timedeltas can hold is an error of ours, not of Python's arithmetic."""
    with pytest.raises(ValueError, match=r"timeout must be .* 100 years at most"):
        seconds_of(span, "timeout")


def test_none_at_all_is_taken_where_that_means_something() -> None:
    """Zero seconds are a time limit, not an interval."""
    assert seconds_of(0, "timeout", zero=True) == 0.0
    with pytest.raises(ValueError, match="0 or more"):
        seconds_of(-1, "timeout", zero=True)
