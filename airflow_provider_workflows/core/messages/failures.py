# SPDX-License-Identifier: Apache-2.0
"""Say what exceptions about executions say."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone

from airflow_provider_workflows.core.deadlines import Limit
from airflow_provider_workflows.core.messages.life import seen, span
from airflow_provider_workflows.core.messages.looks import why
from airflow_provider_workflows.core.names import ExecutionName, WorkflowName, shortened
from airflow_provider_workflows.core.quoting import one_line
from airflow_provider_workflows.core.xcoms import execution_address

#: Characters of a failure's text.
LONGEST = 2000
#: What is said of an operation that is about a workflow.
_OF_A_WORKFLOW = {"create": "create an execution of", "list": "list executions of"}


def ended_badly(name: ExecutionName, state: str | None, parts: Iterable[str]) -> str:
    """
    Say how an execution ended, and all that explains it; the console's address is never cut.

    :param parts: the reason first.
    """
    reason = "; ".join(each.rstrip(".") for each in parts if each)
    text = f"{seen(state)}: {name.brief}" + (f": {reason}" if reason else "")
    address = execution_address(name)
    left = LONGEST - len(address) - len("; ")
    return f"{text if len(text) <= left else text[: left - 1] + '…'}; {address}"


def not_retried(name: ExecutionName) -> str:
    """Say why Airflow is told not to retry."""
    return f"CANCELLED: {name.brief} was stopped on purpose, so its task is not retried."


def timed_out(name: ExecutionName, state: str | None, limit: Limit | None) -> str:
    """Say that an execution did not start or end in time, by which parameter, and from when that counts."""
    text = f"Timed out: {name.brief} is still {state}" if state else f"Timed out: {name.brief}, state not known"
    if limit is not None:
        text += f", after `{limit.parameter}` of {span(limit.seconds)}"
        text += f", counted from {moment(limit.began)}" if limit.began is not None else ""
    return f"{text}; {execution_address(name)}"


def not_noted() -> str:
    """Say that a task that goes on cannot know what it waited for."""
    return (
        "Not known which execution this task waited for: its XCom `execution_name` is missing. "
        "That execution may still be going."
    )


def could_not(operation: str, target: str, reason: str, advice: str, place: str) -> str:
    """
    Say that a request failed.

    :param target: the workflow or the execution, in brief.
    :param place: project and location, which both leave out.
    """
    about = f"Could not {_OF_A_WORKFLOW.get(operation, operation)} {target}"
    return _joined(f"{about}: {shortened(reason).rstrip('.')}.", place, advice)


def may_exist(target: str, reason: str, place: str) -> str:
    """Say that a create got no clear answer, and how to find out."""
    about = f"Unclear create of {target}: an execution may exist: {shortened(reason).rstrip('.')}."
    return _joined(about, place, "Look for it among the newest executions before starting another one.")


def cannot_tell(workflow: WorkflowName, reason: str, now: float) -> str:
    """Say that an execution may exist, that nobody can tell any more, and what its owner can do about it."""
    return (
        f"Unclear create of {workflow.brief}: an execution may exist: {reason.rstrip('.')}. "
        f"Look for one that began around {moment(now)} in the console or with "
        f"'gcloud workflows executions list {workflow.workflow} --location={workflow.location} "
        f"--project={workflow.project}'; cancel it or let it end, then clear this task."
    )


def sent_and_lost(error: Exception) -> str:
    """Return why it cannot be told what a create made that has no label."""
    return f"the create got no clear answer ({why(error).partition('. Look for it')[0]})"


def sent_before() -> str:
    """Return why it cannot be told what an earlier try made that has no label."""
    return "an earlier try sent a create and did not live to see the answer"


def looking_failed(error: Exception) -> str:
    """Return why it cannot be told what a create made."""
    return f"looking for it failed: {why(error)}"


def not_looked_back(workflow: WorkflowName, error: Exception) -> str:
    """Say that nothing was created, because what an earlier try has made is not known."""
    return f"Nothing created: of {workflow.brief}, because looking for one of an earlier try failed: {why(error)}"


def not_waited_for(name: ExecutionName, state: str | None, message: str) -> str:
    """Say that the triggerer gave up while the execution goes on."""
    return f"{seen(state)}: {name.brief} is not waited for any longer in the triggerer: {one_line(message)}"


def _joined(about: str, place: str, advice: str) -> str:
    return " ".join(filter(None, (about, f"({place})" if place else "", advice)))


def moment(time: float) -> str:
    """Return an epoch time as it is said."""
    return datetime.fromtimestamp(time, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
