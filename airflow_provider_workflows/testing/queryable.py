# SPDX-License-Identifier: Apache-2.0
"""Say what of an execution a list can be filtered and ordered by."""

from __future__ import annotations

from typing import Any, NamedTuple

from airflow_provider_workflows.testing.execution import Execution
from airflow_provider_workflows.testing.filters import Fields, parse_duration, parse_time


class Look(NamedTuple):
    """An execution and the time (epoch ns) at which it is looked at."""

    execution: Execution
    now: int


def _ended(look: Look) -> Any:
    ended = look.execution.ended(look.now)
    return ended.at if ended else None


def _duration(look: Look) -> Any:
    ended, begun = look.execution.ended(look.now), look.execution.begun
    return ended.at - begun if ended and begun is not None else None


def _step_name(look: Look) -> Any:
    step = look.execution.current_step(look.now)
    return step.name if step else None


def _opted_out(look: Look) -> Any:
    return "true" if look.execution.options.get("disableConcurrencyQuotaOverflowBuffering") else "false"


EXECUTION_FIELDS = Fields(
    getters={
        "executionId": lambda look: look.execution.id,
        "state": lambda look: look.execution.state(look.now),
        "createTime": lambda look: look.execution.created,
        "startTime": lambda look: look.execution.begun,
        "endTime": _ended,
        "duration": _duration,
        "workflowRevisionId": lambda look: look.execution.revision,
        "stepName": _step_name,
        "disableConcurrencyQuotaOverflowBuffering": _opted_out,
    },
    unordered=frozenset({"stepName", "disableConcurrencyQuotaOverflowBuffering"}),
    readers={
        "createTime": parse_time,
        "startTime": parse_time,
        "endTime": parse_time,
        "duration": parse_duration,
    },
    labels=lambda look: look.execution.labels,
)
