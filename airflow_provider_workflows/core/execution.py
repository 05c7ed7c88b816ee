# SPDX-License-Identifier: Apache-2.0
"""
Know the Execution resource without talking to anybody: its fields, times and states.

Pure functions and values, standard library only. The one table of states is here (:data:`STATES`): poke, trigger,
resume and wait all ask :func:`classify`, so they cannot disagree.

API reference: https://cloud.google.com/workflows/docs/reference/executions/rest/v1/projects.locations.workflows.executions
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Mapping
from datetime import datetime, timezone
from enum import Enum
from typing import Any, Literal, TypedDict

from airflow_provider_workflows.core.quoting import quoted, told

View = Literal["BASIC", "FULL"]
ApiVersion = Literal["v1", "v1beta"]
VIEWS: tuple[View, ...] = ("BASIC", "FULL")
API_VERSIONS: tuple[ApiVersion, ...] = ("v1", "v1beta")


class Execution(TypedDict, total=False):
    """
    Describe the REST API's Execution resource: a plain dict, with the fields that the service sent.

    ``argument``, ``result`` and ``error["payload"]`` are JSON *strings*. ``name`` carries the project's number even
    where the project's id was asked for. Fields without a value are missing rather than ``None``.
    """

    name: str
    createTime: str
    startTime: str
    endTime: str
    duration: str
    state: str
    argument: str
    result: str
    error: dict[str, Any]
    stateError: dict[str, Any]
    status: dict[str, Any]
    labels: dict[str, str]
    workflowRevisionId: str
    callLogLevel: str
    executionHistoryLevel: str
    disableConcurrencyQuotaOverflowBuffering: bool


_STATE = re.compile(r"\w{0,64}", re.ASCII)  # states that nobody knows yet are logged
_OBJECTS = frozenset({"error", "stateError", "status", "labels"})


def well_formed(decoded: Any) -> dict[str, Any] | None:
    """
    Return an Execution without the fields that have not the type that the API documents, as if they were not sent.

    Everything else, unknown fields included, stays as it is.

    :return: ``None`` for what is no Execution at all: it has no name.
    """
    if not isinstance(decoded, Mapping) or not isinstance(decoded.get("name"), str):
        return None
    return {
        key: value
        for key, value in decoded.items()
        if isinstance(value, _type_of(key)) and (key != "state" or _STATE.fullmatch(str(value)))
    }


def _type_of(field: str) -> type:
    if field not in Execution.__annotations__:
        return object
    if field in _OBJECTS:
        return dict
    return bool if field == "disableConcurrencyQuotaOverflowBuffering" else str


def current_steps(execution: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return routine and step of each place where an execution is, outermost first; empty where it does not say."""
    steps = (execution.get("status") or {}).get("currentSteps")
    each_step = [step for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []
    return [(_word(step.get("routine")), _word(step.get("step"))) for step in each_step]


def _word(value: Any) -> str:
    return told(value) if isinstance(value, str) else "?"


def execution_id_of(execution: Mapping[str, Any]) -> str:
    """
    Return the id of an Execution resource: the last part of its ``name``.

    The project in ``name`` is a number, so nothing but the last part is ever read from it.
    """
    return str(execution["name"]).rpartition("/")[2]


_DURATION = re.compile(r"\d{1,9}(\.\d{1,9})?s")
_LONGEST = 1e9
_FRACTION = re.compile(r"\.(\d+)")


def parse_time(value: Any, parameter: str) -> datetime | None:
    """
    Return an aware datetime from a datetime or an ISO 8601 text, up to nine digits of a second's fraction included.

    :raises ValueError: naming the parameter, for anything else and for times without a time zone.
    """
    if value is None or value == "":
        return None
    try:
        # Python 3.10 takes neither a "Z" nor other fractions than three or six digits.
        text = value.replace("Z", "+00:00") if isinstance(value, str) else value.isoformat()
        time = datetime.fromisoformat(_FRACTION.sub(lambda match: f".{match[1]:0<6.6}", text))
    except (ValueError, AttributeError, TypeError):
        time = None
    if time is None or time.tzinfo is None:
        msg = f"{parameter} must be a datetime with a time zone or an ISO 8601 text with one, got {quoted(value)}."
        raise ValueError(msg)
    return time


def started_at(execution: Mapping[str, Any]) -> datetime:
    """Return when an execution started, or was created where it is still queued; the far future if it says neither."""
    return _first_time(execution, "startTime", "createTime")


def created_at(execution: Mapping[str, Any]) -> datetime:
    """Return when an execution was created, or started where that is not told (v1beta); as :func:`started_at` else."""
    return _first_time(execution, "createTime", "startTime")


def _first_time(execution: Mapping[str, Any], *fields: str) -> datetime:
    for field in fields:
        with contextlib.suppress(ValueError):
            if time := parse_time(execution.get(field), field):
                return time
    return datetime.max.replace(tzinfo=timezone.utc)


def age_of(execution: Mapping[str, Any], now: float) -> float:
    """Return for how many seconds an execution has been going at an epoch time; 0 where it does not say."""
    return max(0.0, now - started_at(execution).timestamp())


def duration_of(execution: Mapping[str, Any]) -> float | None:
    """Return for how many seconds an execution ran; ``None`` where it does not say."""
    text = execution.get("duration")
    if isinstance(text, str) and _DURATION.fullmatch(text):
        return float(text[:-1])
    if not {"startTime", "endTime"} <= execution.keys():
        return None
    ran = (_first_time(execution, "endTime") - _first_time(execution, "startTime")).total_seconds()
    return ran if 0 <= ran < _LONGEST else None


class Verdict(Enum):
    """Say what a state means for whoever waits."""

    WAITING = "waiting"
    SUCCESS = "success"
    FAILED = "failed"


#: Every state that either version documents, whether it is the end of the execution.
STATES: Mapping[str, bool] = {
    "STATE_UNSPECIFIED": False,
    "ACTIVE": False,
    "QUEUED": False,
    "SUCCEEDED": True,
    "FAILED": True,
    "CANCELLED": True,
    "UNAVAILABLE": True,
}
SUCCESS_STATES: frozenset[str] = frozenset({"SUCCEEDED"})
FAILURE_STATES: frozenset[str] = frozenset({"FAILED", "CANCELLED", "UNAVAILABLE"})

#: The numbers of the states in the API's protocol buffers, which Google's client libraries work with.
STATE_NUMBERS: Mapping[int, str] = {
    0: "STATE_UNSPECIFIED",
    1: "ACTIVE",
    2: "SUCCEEDED",
    3: "FAILED",
    4: "CANCELLED",
    5: "UNAVAILABLE",
    6: "QUEUED",
}


def state_names(states: Collection[Any] | str | int, parameter: str) -> list[str]:
    """
    Return states by name: from names, members of the client libraries' enumeration, or the API's numbers.

    A text is one state, not its letters.

    :raises ValueError: naming the parameter, for what is no state of the API.
    """
    if isinstance(states, (str, int)):
        states = [states]
    return [_state_name(state, parameter) for state in states]


def states_or(default: Collection[str], states: Collection[Any] | str | int | None, parameter: str) -> Collection[str]:
    """
    Return states by name; the default where none are given.

    :raises ValueError: naming the parameter, also for what has no states in it, such as another task's output.
    """
    if states is None:
        return default
    if not isinstance(states, (Collection, int)):
        raise ValueError(f"{parameter} must be a set of states, got {quoted(states)}: it is no template field.")
    return state_names(states, parameter) or default


def _state_name(state: Any, parameter: str) -> str:
    name = getattr(state, "name", STATE_NUMBERS.get(state) if type(state) is int else state)
    if not isinstance(name, str) or name not in STATES:
        raise ValueError(f"{parameter} must hold states of executions ({', '.join(STATES)}), got {quoted(state)}.")
    return name


def is_known(state: str | None) -> bool:
    """Tell whether the API documents this state; the service says that more may be added."""
    return state in STATES


def is_ended(state: str | None) -> bool:
    """Tell whether an execution in this state has ended. A state nobody knows has not."""
    return STATES.get(state or "", False)


def classify(
    state: str | None,
    success_states: Collection[str] = SUCCESS_STATES,
    failure_states: Collection[str] = FAILURE_STATES,
) -> Verdict:
    """
    Decide what a state means; the only place where that is decided.

    The caller's sets come first (a sensor may wait for ACTIVE). A documented end that is in neither set is a failure:
    waiting on would wait for ever. Everything else, an unknown state included, waits.
    """
    if state in success_states:
        return Verdict.SUCCESS
    if state in failure_states or is_ended(state):
        return Verdict.FAILED
    return Verdict.WAITING
