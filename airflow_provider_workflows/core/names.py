# SPDX-License-Identifier: Apache-2.0
"""
Name workflows and executions, and check each part of a name before it can reach a URL.

A caller may give ids, or whole resource names as the API shows them; :func:`said` makes one of both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_workflows.core.quoting import is_key, quoted

# Projects may be domain-scoped ("example.com:name"); everything else that could change a URL's meaning is refused.
_PROJECT = re.compile(r"(?:[a-z0-9][a-z0-9.-]*:)?[A-Za-z0-9][A-Za-z0-9_-]*")
_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
#: Workflow ids have at most 64 characters, execution ids 36; a project may have its domain before it.
_LONGEST = 128
_WHOLE_NAME = re.compile(
    r"projects/(?P<project_id>[^/]+)/locations/(?P<location>[^/]+)/workflows/(?P<workflow_id>[^/]+)"
    r"(?:/executions/(?P<execution_id>[^/]+))?"
)
_IN_TEXT = re.compile(r"projects/[\w:.-]+/locations/[\w-]+/workflows/([\w-]+)/executions/([\w-]+)")
#: What each part is called in errors, where more than a plain id is taken.
_WHOLE = {"workflow_id": "projects/…/workflows/…", "execution_id": "projects/…/executions/…"}


def _check_segment(parameter: str, value: Any, pattern: re.Pattern[str] = _SEGMENT) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST or not pattern.fullmatch(value) or is_key(value):
        hint = f"got {quoted(value)}" if value else "it is empty"
        if isinstance(value, Mapping) and "name" in value:
            hint = "got an Execution: pass its ['name']"
        whole = f", or the whole resource name {_WHOLE[parameter]}" if parameter in _WHOLE else ""
        raise ValueError(f"{parameter} must be a plain id of letters, digits, '-' and '_'{whole} ({hint}).")
    return value


def check_project(parameter: str, value: Any) -> str:
    """Return a project's id or number, or raise a ``ValueError`` that names the parameter."""
    return _check_segment(parameter, value, _PROJECT)


def check_workflow(parameter: str, value: Any) -> str:
    """Return a workflow given by id or whole resource name, or raise a ``ValueError`` that names the parameter."""
    _check_segment(parameter, said(value).workflow_id)
    return str(value)


@dataclass(frozen=True)
class Said:
    """Hold what a caller says of a name, by the parameters' names; what is ``None`` is for the connection to say."""

    workflow_id: Any
    execution_id: Any
    location: Any
    project_id: Any


def said(workflow_id: Any, execution_id: Any = None, location: Any = None, project_id: Any = None) -> Said:
    """
    Take ids and whole resource names together; with a whole ``execution_id`` the rest may be left out.

    A name that the service returned has the project's *number*. Whether that is the ``project_id`` which the caller
    gave cannot be told, so it counts as the same, and the caller's is kept.

    :raises ValueError: for a name that contradicts another parameter; it names both.
    """
    parts = {"location": location, "project_id": project_id, "workflow_id": workflow_id, "execution_id": execution_id}
    for parameter, value in parts.items():
        if not value and value is not None and value != "":  # which would count as left out
            raise ValueError(f"{parameter} must be a text, got {quoted(value)}.")
    for parameter in ("workflow_id", "execution_id"):
        value = parts[parameter]
        whole = _WHOLE_NAME.fullmatch(value) if isinstance(value, str) else None
        if whole is None or whole.lastgroup != parameter:
            continue
        for part, named in whole.groupdict().items():
            known = parts[part]
            if part == parameter or not known:
                parts[part] = named or known
            elif named and _differ(part, str(known), named):
                raise ValueError(f"{parameter} {quoted(value)} contradicts {part} {quoted(known)}. Keep one of them.")
    return Said(**parts)


def named_in(path: str) -> WorkflowName | ExecutionName | None:
    """Return the workflow or the execution whose resource name stands in a URL's path; ``None`` for neither."""
    found = _WHOLE_NAME.search(path)
    if found is None:
        return None
    try:
        workflow = WorkflowName(found["project_id"], found["location"], found["workflow_id"].partition(":")[0])
        execution_id = (found["execution_id"] or "").partition(":")[0]
        return workflow.execution(execution_id) if execution_id else workflow
    except ValueError:
        return None


def shortened(text: str) -> str:
    """Return a text with the executions in brief that it names in whole."""
    return _IN_TEXT.sub(lambda found: f"{found[1]} {found[2][:8]}", text)


def _differ(part: str, one: str, other: str) -> bool:
    return one != other and (part != "project_id" or one.isdecimal() == other.isdecimal())


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
        return f"{self.place}/workflows/{self.workflow}"

    @property
    def place(self) -> str:
        """Return ``projects/…/locations/…``."""
        return f"projects/{self.project}/locations/{self.location}"

    @property
    def brief(self) -> str:
        """Return what a text calls it."""
        return self.workflow

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

    @property
    def place(self) -> str:
        """Return ``projects/…/locations/…``."""
        return self.workflow_name.place

    @property
    def brief(self) -> str:
        """Return what a text calls it: its workflow and the first eight characters of its id."""
        return f"{self.workflow_name.workflow} {self.execution_id[:8]}"

    @classmethod
    def parse(cls, name: str) -> ExecutionName:
        """
        Return the execution of a resource name.

        :raises ValueError: for anything else.
        """
        kinds, ids = name.split("/")[::2], name.split("/")[1::2]
        if kinds != ["projects", "locations", "workflows", "executions"] or len(ids) != len(kinds):
            raise ValueError(f"not the resource name of an execution: {quoted(name)}")
        return cls(WorkflowName(*ids[:3]), ids[3])
