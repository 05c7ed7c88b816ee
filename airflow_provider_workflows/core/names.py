# SPDX-License-Identifier: Apache-2.0
"""Name workflows and executions, and check each part of a name before it can reach a URL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from airflow_provider_workflows.core.quoting import is_key, quoted

# Projects may be domain-scoped ("example.com:name"); everything else that could change a URL's meaning is refused.
_PROJECT = re.compile(r"(?:[a-z0-9][a-z0-9.-]*:)?[A-Za-z0-9][A-Za-z0-9_-]*")
_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
#: Workflow ids have at most 64 characters, execution ids 36; a project may have its domain before it.
_LONGEST = 128


def _check_segment(parameter: str, value: Any, pattern: re.Pattern[str] = _SEGMENT) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST or not pattern.fullmatch(value) or is_key(value):
        hint = "it is empty" if not value else f"got {quoted(value)}"
        msg = (
            f"{parameter} must be a plain id of letters, digits, '-' and '_' ({hint}). "
            f"Pass the last part of a resource name, not the whole name."
        )
        raise ValueError(msg)
    return value


def check_project(parameter: str, value: Any) -> str:
    """Return a project's id or number, or raise a ``ValueError`` that names the parameter."""
    return _check_segment(parameter, value, _PROJECT)


@dataclass(frozen=True)
class WorkflowName:
    """
    Name a workflow: project (id or number), location (``us-central1``) and workflow id.

    :raises ValueError: where a part is empty or holds a character that would change the URL; it names the parameter.
    """

    project: str
    location: str
    workflow: str

    def __post_init__(self) -> None:
        """Check each part before it can reach a URL."""
        check_project("project_id", self.project)
        _check_segment("location", self.location)
        _check_segment("workflow_id", self.workflow)

    def __str__(self) -> str:
        """Return the resource name, ``projects/…/locations/…/workflows/…``."""
        return f"projects/{self.project}/locations/{self.location}/workflows/{self.workflow}"

    def execution(self, execution_id: str) -> ExecutionName:
        """Name one execution of this workflow."""
        return ExecutionName(self, execution_id)


@dataclass(frozen=True)
class ExecutionName:
    """
    Name an execution, with the project as it was requested.

    :raises ValueError: where the execution id could not be one.
    """

    workflow_name: WorkflowName
    execution_id: str

    def __post_init__(self) -> None:
        """Check the id before it can reach a URL."""
        _check_segment("execution_id", self.execution_id)

    def __str__(self) -> str:
        """Return the resource name, ``projects/…/locations/…/workflows/…/executions/…``."""
        return f"{self.workflow_name}/executions/{self.execution_id}"
