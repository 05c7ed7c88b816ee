# SPDX-License-Identifier: Apache-2.0
"""
Refuse a template in a field that Airflow does not render, when the DAG is parsed.

A text is true whatever it says: ``wait_for_completion="{{ params.wait }}"`` would always wait.
"""

from __future__ import annotations

from datetime import timedelta
from numbers import Real
from typing import Any

from airflow_provider_workflows.core.quoting import quoted

_NOT_RENDERED = "it is no template field, so nothing is rendered or pulled into it when the task runs"


def check_flags(task: Any, *names: str) -> None:
    """
    Check fields that are switches.

    :raises ValueError: naming the first one that is neither ``True`` nor ``False``.
    """
    for name in names:
        if not isinstance(value := getattr(task, name), bool):
            raise ValueError(f"{name} must be True or False, got {quoted(value)}: {_NOT_RENDERED}.")


def check_numbers(task: Any, *names: str) -> None:
    """
    Check fields that are numbers or spans of time; which ones make sense is checked where they are used.

    :raises ValueError: naming the first one that is neither.
    """
    for name in names:
        value = getattr(task, name)
        if value is not None and not isinstance(value, (Real, timedelta)):
            raise ValueError(f"{name} must be a number greater than 0, got {quoted(value)}: {_NOT_RENDERED}.")


def check_limit(limit: Any) -> None:
    """
    Check how many are wanted at most.

    :raises ValueError: for what is neither a whole number nor ``None``.
    """
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 0):
        raise ValueError(
            f"limit must be a whole number, 0 or more, or None for all, got {quoted(limit)}: {_NOT_RENDERED}."
        )
