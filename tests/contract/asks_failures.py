# SPDX-License-Identifier: Apache-2.0
"""Ask how the errors of workflows look that fail in ten ways."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow_provider_workflows.core.failure import execution_error
from airflow_provider_workflows.core.names import ExecutionName, WorkflowName
from tests.contract.questions import Finding, asks
from tests.contract.server import Server

#: The ways to fail, as the workflow `fail` knows them.
KINDS: Mapping[str, str] = {
    "text": "raises a text",
    "map": "raises a map",
    "http": "gets an HTTP error from a step",
    "undefined": "reads a variable that was never assigned",
    "type": "adds a number to a text",
    "timeout": "waits for a callback longer than its timeout",
    "zero": "divides by zero",
    "recursion": "calls itself without an end",
    "unsupported": "calls an URL whose scheme is not supported",
    "nested": "raises in a subworkflow of a subworkflow",
}


def _question(kind: str, does: str) -> None:
    def failure(server: Server) -> Finding:
        role = server.fails(kind)
        execution = server.ended(role, {"kind": kind, "zero": 0})
        if execution["state"] != "FAILED":
            return Finding(f"it ended {execution['state']}")
        server.get(server.path(role, execution))
        workflow = WorkflowName(server.project, server.location, server.workflows[role])
        read = execution_error(execution, ExecutionName(workflow, execution["name"].rpartition("/")[2]))
        line = "a line" if read.line is not None else "no line"
        return Finding(f"{shape(execution['error'])}; the package reads step {read.step or 'none'}, {line}")

    failure.__name__ = f"failure_{kind}"
    asks(f"How does the error look of a workflow that {does}?")(failure)


def shape(error: Mapping[str, Any]) -> str:
    """Describe an `Error` without what its texts say."""
    context = [line for line in str(error.get("context", "")).splitlines() if line]
    elements = error.get("stackTrace", {}).get("elements", [])
    steps = " < ".join(str(each.get("step", "-")) for each in elements)
    return f"payload: {_payload(error)}; context: {len(context)} lines; stack: {steps or 'empty'}"


def _payload(error: Mapping[str, Any]) -> str:
    if "payload" not in error:
        return "none"
    try:
        payload = json.loads(error["payload"])
    except ValueError:
        return "no JSON"
    if not isinstance(payload, dict):
        return f"a {type(payload).__name__}"
    tags = payload.get("tags")
    return f"{{{', '.join(sorted(payload))}}}" + (f" tagged {tags}" if tags else "")


for _kind, _does in KINDS.items():
    _question(_kind, _does)
