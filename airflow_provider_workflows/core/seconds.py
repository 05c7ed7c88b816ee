# SPDX-License-Identifier: Apache-2.0
"""Take a span of time as people give it: a number of seconds, or a timedelta."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow_provider_workflows.core.quoting import quoted

#: Seconds of a hundred years: nobody means more, and what sleeps and counts overflows with little more.
LONGEST = 100 * 365.25 * 86_400


def seconds_of(value: Any, parameter: str, *, zero: bool = False) -> float:
    """
    Return a span of time in seconds.

    :param parameter: what it was given as, for the error.
    :param zero: whether there may be none at all.
    :raises ValueError: for what is no span, negative, or longer than :data:`LONGEST`; it names the parameter.
    """
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if number and (0 < seconds <= LONGEST or (zero and seconds == 0)):
        return float(seconds)
    least = "0 or more" if zero else "greater than 0"
    wanted = f"a finite number of seconds {least}, or a timedelta, of 100 years at most"
    raise ValueError(f"{parameter} must be {wanted}, got {quoted(value)}.")
