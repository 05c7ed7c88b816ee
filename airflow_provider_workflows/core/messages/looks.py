# SPDX-License-Identifier: Apache-2.0
"""Say that nobody can look, and what is done about it."""

from __future__ import annotations

import re

from airflow_provider_workflows.core.names import ExecutionName, WorkflowName
from airflow_provider_workflows.core.quoting import one_line
from airflow_provider_workflows.exceptions import WorkflowsError

#: Project and location, as ``failures`` puts them.
_PLACE = re.compile(r" \(projects/[^()]*\)")


def why(error: Exception) -> str:
    """Return what an error says, without what it is about, which the line around it names."""
    text = one_line(str(error))
    head, _, reason = text.partition(": ")
    named = isinstance(error, WorkflowsError) and head.startswith(("Could not ", "Unclear create of "))
    return _PLACE.sub("", reason.removeprefix("an execution may exist: "), count=1) if named else text


def not_seen(name: ExecutionName, error: Exception, pause: float, lasted: float = 0.0) -> str:
    """
    Say that a look failed and will be repeated.

    :param lasted: seconds for which none has gone well.
    """
    since = f" for {_long(lasted)}" if lasted else ""
    return f"Not seen{since}: {name.brief}; looking again in {pause:.0f} s: {why(error)}"


def look_failed(name: ExecutionName, error: Exception) -> str:
    """Say that the whole execution could not be got at the end of a wait, and the wait goes on."""
    return f"Not seen: {name.brief}: {why(error)}"


def last_look_failed(name: ExecutionName, error: Exception) -> str:
    """Say that an execution whose time is over could not be got."""
    return f"Not seen at last: {name.brief}, whose time is over: {why(error)}"


def not_listed(workflow: WorkflowName, error: Exception, pause: float) -> str:
    """Say that a list failed."""
    return f"Not listed: executions of {workflow.brief}; trying again in {pause:.0f} s: {why(error)}"


def not_opened(workflow: WorkflowName, error: Exception, pause: float) -> str:
    """Say that there is no client."""
    return f"No client: for {workflow.brief}; trying again in {pause:.0f} s: {why(error)}"


def poller_broke(workflow: WorkflowName) -> str:
    """Say that there is a mistake in the poller."""
    return f"Broken: the poller of {workflow.brief}."


def poller_stopped(workflow: WorkflowName) -> str:
    """Say that nobody looks any more."""
    return f"Stopped: the poller of {workflow.brief}."


def slow_down(pause: float, error: Exception) -> str:
    """Say that the service has enough."""
    return f"Quota used up: sending nothing for {pause:.0f} s: {why(error)}"


def _long(seconds: float) -> str:
    """Say a span of time in the unit that people would take."""
    for unit, size in (("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
