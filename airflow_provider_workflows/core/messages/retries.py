# SPDX-License-Identifier: Apache-2.0
"""Say what a try makes of what earlier ones left, and of creates without an answer."""

from __future__ import annotations

from airflow_provider_workflows.core.messages.life import seen, whole
from airflow_provider_workflows.core.messages.looks import why
from airflow_provider_workflows.core.names import ExecutionName, WorkflowName


def going_on(name: ExecutionName, state: str | None) -> str:
    """Say that a try goes on with what an earlier one created."""
    return f"{seen(state)}: {name.brief} of an earlier try; going on with it. {whole(name)}"


def creating_anew(name: ExecutionName, state: str | None) -> str:
    """Say that a try creates anew, because what an earlier one created did not end well."""
    return f"Creating anew: the earlier one {seen(state)}: {name.brief}."


def creating_after_change(name: ExecutionName, state: str | None) -> str:
    """Say that a try creates, because what is there was created before a clear, or with another argument."""
    return f"Creating anew: {name.brief}, {seen(state)}, is from before this task was cleared or changed."


def creating_because_none(workflow: WorkflowName) -> str:
    """Say that earlier tries have left nothing."""
    return f"Creating anew: of {workflow.brief}, no execution of an earlier try was found."


def left_over(name: ExecutionName) -> str:
    """Say that an execution is nobody's any more."""
    return f"Cancelling: {name.brief} is left from before this task was cleared or changed."


def twin(name: ExecutionName) -> str:
    """Say that a create which was given up has made an execution after all."""
    return f"Cancelling: {name.brief} appeared after its create was given up."


def not_found_yet(name: ExecutionName, pause: float) -> str:
    """Say that what an earlier try created is not found, which may be too early to believe."""
    return f"Not found yet: {name.brief} of an earlier try; looking again in {pause:.0f} s."


def others_unknown(workflow: WorkflowName, error: Exception) -> str:
    """Say that only what is recorded is known."""
    return f"Not told: of {workflow.brief}, whether there are others beside the recorded execution: {why(error)}"


def filter_refused(workflow: WorkflowName) -> str:
    """Say that the service takes no filter by label."""
    return f"Label filter refused: for {workflow.brief}; comparing labels here."


def order_refused(workflow: WorkflowName) -> str:
    """Say that the service does not list by the time of creation."""
    return f"Order refused: for {workflow.brief}, by createTime; reading in the service's own order."


def scanned(workflow: WorkflowName, number: int) -> str:
    """Say that there is more than is read."""
    return f"Search cut: {workflow.brief} has more than the newest {number} executions, which were read."


def not_written() -> str:
    """Say that Airflow did not take the record."""
    return "Not written down: the task's state; the execution's labels still tell."


def no_clear_answer(workflow: WorkflowName, error: Exception) -> str:
    """Say that a create has no clear answer, and what is done about it."""
    return f"Unclear create of {workflow.brief}: looking for what it made: {why(error)}"


def made_none(workflow: WorkflowName) -> str:
    """Say that a create without an answer made nothing."""
    return f"Nothing made: of {workflow.brief}, by the create without an answer."


def found_lost(name: ExecutionName) -> str:
    """Say that what a create without an answer made was found."""
    return f"Found: {name.brief}, whose answer got lost; going on with it."


def created_too_late(name: ExecutionName) -> str:
    """Say that an execution was created for a task that another try has."""
    return f"Too late: {name.brief} was created when another try had taken over. {whole(name)}"


def given_up_unknown(workflow: WorkflowName, error: Exception) -> str:
    """Say that there may be a twin."""
    return f"Not told: of {workflow.brief}, whether a create that was given up made one: {why(error)}"


def other_try_unknown(workflow: WorkflowName, error: Exception) -> str:
    """Say that it is not known what another try goes on with."""
    return f"Not told: of {workflow.brief}, what the other try goes on with: {why(error)}"


def later_try_unknown(error: Exception) -> str:
    """Say that it is not known whether there is a later try."""
    return f"Not told: whether another try has taken over this task: {why(error)}"


def left_to_later(workflow: WorkflowName) -> str:
    """Say that the other try finds what this one made."""
    return f"Left alone: of {workflow.brief}, what this try made; the try that has taken over finds it by its labels."


def may_be_going(workflow: WorkflowName, reason: str, trace: str) -> str:
    """Say that a create has no answer, and nothing was found."""
    return f"Unclear create of {workflow.brief}: an execution may be going: no answer came, and {reason} ({trace})."


def clears_unknown() -> str:
    """Say that Airflow does not tell a retry from a clear."""
    return "Airflow does not tell whether this task was cleared while it ran; taking it for a retry."


def waiting_unknown() -> str:
    """Say that Airflow does not tell since when a sensor waits."""
    return "Airflow does not tell for how long earlier tries of this sensor have waited; counting from now."


def taken_over() -> str:
    """Say why this try ends."""
    return "Ended: another try has taken over this task."
