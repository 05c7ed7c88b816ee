# SPDX-License-Identifier: Apache-2.0
"""Say how an execution goes on."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_workflows.core.messages.looks import why
from airflow_provider_workflows.core.names import ExecutionName
from airflow_provider_workflows.core.xcoms import execution_address

#: Characters of a step's name that are shown, so that the execution's name is seen after it.
_LONGEST_STEP = 30


def whole(name: ExecutionName) -> str:
    """Return an execution's whole name and its address in the console, which ends with a space or the line."""
    return f"{name} {execution_address(name)}"


def created(name: ExecutionName) -> str:
    """Say that an execution was created."""
    return f"Created: {name.brief}. {whole(name)}"


def waiting(name: ExecutionName) -> str:
    """Say which execution is waited for that somebody else has created."""
    return f"Waiting: for {name.brief}. {whole(name)}"


def got(name: ExecutionName, state: str | None) -> str:
    """Say what was got."""
    return f"{seen(state)}: {name.brief}. {whole(name)}"


def asked_to_cancel(name: ExecutionName, state: str | None) -> str:
    """Say what the answer to a cancel shows."""
    return f"Asked to cancel: {name.brief}, now {seen(state)}. {whole(name)}"


def is_in(name: ExecutionName, state: str | None) -> str:
    """Say which state an execution is in."""
    return f"{seen(state)}: {name.brief}."


def is_in_unknown(name: ExecutionName, state: str | None) -> str:
    """Say that an execution is in a state that the API has got later than this package."""
    return f"{seen(state)}: {name.brief}: this state is not known here; waiting on."


def at_step(name: ExecutionName, steps: Sequence[tuple[str, str]]) -> str:
    """
    Say at which step an execution is.

    :param steps: routine and step of each place in it, outermost first; at least one.
    """
    *outer, (routine, step) = steps
    calls = "".join(f", called at {place_of(each)}" for each in reversed(outer))
    return f"Step {_cut(step)}: {name.brief}, in {routine}{calls}."


def place_of(step: tuple[str, str]) -> str:
    """Return how a step is called, with the routine that it is in."""
    return f"step {step[1]} of {step[0]}"


def deferred(name: ExecutionName) -> str:
    """Say that a worker hands the wait over."""
    return f"Deferred: {name.brief} is waited for in the triggerer."


def succeeded(name: ExecutionName, state: str | None, seconds: float | None) -> str:
    """Say that the wait is over, and well."""
    return f"{seen(state)}: {name.brief}" + ("." if seconds is None else f" after {span(seconds)}.")


def ends_in_worker(name: ExecutionName, error: Exception) -> str:
    """Say why a task that could have ended in the triggerer goes on in a worker."""
    return f"Ended: {name.brief}; its task goes on in a worker, because it could not be fetched here: {why(error)}"


def trigger_failed(name: ExecutionName, state: str | None) -> str:
    """Say that the trigger has failed, and the execution goes on."""
    return f"Trigger failed: {name.brief} is still {seen(state)}."


def list_is_cut(limit: int | None) -> str:
    """Say that a list has not all."""
    return f"The list is cut: there are more than limit={limit} executions. limit=None gets all."


def skipping() -> str:
    """Say why a sensor that has failed is skipped."""
    return "Skipping, because never_fail is set."


def seen(state: str | None) -> str:
    """Return a state as it is said."""
    return state or "State not known"


def span(seconds: float) -> str:
    """Return a number of seconds, to a tenth."""
    return f"{seconds:.1f}".removesuffix(".0") + " s"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_STEP else text[: _LONGEST_STEP - 1] + "…"
