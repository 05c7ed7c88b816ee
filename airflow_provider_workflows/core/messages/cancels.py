# SPDX-License-Identifier: Apache-2.0
"""Say what becomes of kills and cancels."""

from __future__ import annotations

from airflow_provider_workflows.core.messages.life import seen
from airflow_provider_workflows.core.messages.looks import why
from airflow_provider_workflows.core.names import ExecutionName


def to_be_cancelled(name: ExecutionName | None) -> str:
    """Say what a kill begins with: nobody may be there to say it later."""
    what = name.brief if name else "what this task started, if anything,"
    return f"Killed: {what} is to be cancelled, and may still be going unless a line below says otherwise."


def not_asked_yet(name: ExecutionName) -> str:
    """Say that no request got out so far."""
    return f"Not cancelled: {name.brief} could not be asked so far and may still be going; still trying."


def cancelled(name: ExecutionName) -> str:
    """Say that a cancel has worked."""
    return f"CANCELLED: {name.brief}."


def was_over(name: ExecutionName, state: str | None) -> str:
    """Say that there was nothing to cancel."""
    return f"{seen(state)}: {name.brief} was already over when it was to be cancelled."


def not_cancelled(name: ExecutionName, error: Exception) -> str:
    """Say that a cancel has failed."""
    return f"Not cancelled: {name.brief} may still be going: {why(error)}"


def still_going(name: ExecutionName, state: str | None) -> str:
    """Say that a cancel has not worked yet."""
    return f"{seen(state)}: {name.brief} was asked to cancel and has not ended yet."


def no_time_left() -> str:
    """Say why a cancel was not sent."""
    return "there was no time left to ask"


def goes_on(seconds: float) -> str:
    """Say that a kill takes longer than is waited for."""
    return f"Not cancelled: the cancel is not done after {seconds:.0f} s, and goes on while Airflow lets it."


def kill_failed(name: ExecutionName | None, error: Exception) -> str:
    """Say that a kill has failed before a cancel could be tried."""
    return f"Not cancelled: {name.brief if name else 'what this task started'} may still be going: {why(error)}"


def answer_will_tell() -> str:
    """Say that a kill waits for Airflow."""
    return "Killed: Airflow's answer, for which this task was waiting, tells whether another try has it."


def left_to_other_try() -> str:
    """Say why a kill cancels nothing."""
    return "Not cancelled: another try of this task has taken over; leaving its execution alone."


def not_told_yet(name: ExecutionName, seconds: float) -> str:
    """Say that Airflow is silent about a kill so far."""
    return (
        f"Not cancelled yet: {name.brief}; Airflow did not tell in {seconds:.0f} s whether its task was killed; "
        "still waiting for its answer."
    )


def not_told_in_time(name: ExecutionName, seconds: float) -> str:
    """Say that Airflow is silent about a kill."""
    return (
        f"Not cancelled: {name.brief}; Airflow did not tell in {seconds:.0f} s whether its task was killed; "
        "it is left alone."
    )


def not_told(name: ExecutionName) -> str:
    """Say that Airflow cannot be asked about a kill."""
    return f"Not cancelled: {name.brief}; Airflow did not tell whether its task was killed; it is left alone."


def still_awaited(name: ExecutionName) -> str:
    """Say that it was no kill."""
    return f"Not cancelled: {name.brief}, because its task still waits for it."


def killed() -> str:
    """Say why a killed task that goes on all the same ends."""
    return "Killed: the task was killed."


def killed_while_creating() -> str:
    """Say why a killed task that was creating ends."""
    return "Killed: the task was killed while it was creating an execution."
