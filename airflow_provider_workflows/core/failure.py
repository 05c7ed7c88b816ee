# SPDX-License-Identifier: Apache-2.0
"""Say why an execution did not end well: the exception, the failing step, and what is safe to log of a payload."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_provider_workflows.core.names import ExecutionName
from airflow_provider_workflows.core.values import decode_json
from airflow_provider_workflows.exceptions import (
    ExecutionCancelled,
    ExecutionError,
    ExecutionFailed,
    ExecutionUnavailable,
)

_FRAME = re.compile(r'in step "(?P<step>[^"]*)", routine "[^"]*", line: (?P<line>\d+)')
_MAX_MESSAGE = 500
_ERROR_CLASSES: Mapping[str, type[ExecutionError]] = {
    "CANCELLED": ExecutionCancelled,
    "UNAVAILABLE": ExecutionUnavailable,
}


def _failing_frame(error: Mapping[str, Any]) -> tuple[str | None, int | None]:
    """Find the innermost step and line, in the stack trace or else in the text of the context."""
    elements = (error.get("stackTrace") or {}).get("elements") or []
    for element in elements:
        line = (element.get("position") or {}).get("line")
        if element.get("step"):
            return element["step"], int(line) if line and str(line).isdigit() else None
    match = _FRAME.search(error.get("context") or "")
    return (match["step"], int(match["line"])) if match else (None, None)


def _reason(execution: Mapping[str, Any], payload: Any) -> str:
    """
    Choose the part of an error that is safe to log.

    A payload may carry response headers and bodies, so only its ``message`` and ``tags`` are read, or the first line
    of the context; what the workflow itself raised as plain text stays out except through that line.
    """
    if isinstance(payload, Mapping) and isinstance(payload.get("message"), str):
        tags = ", ".join(str(tag) for tag in payload.get("tags") or ())
        text = f"{payload['message']} ({tags})" if tags else payload["message"]
    else:
        text = str((execution.get("error") or {}).get("context") or "").partition("\n")[0]
    state_error = execution.get("stateError") or {}
    text = text or " ".join(str(state_error[key]) for key in ("type", "details") if state_error.get(key))
    return text if len(text) <= _MAX_MESSAGE else text[:_MAX_MESSAGE] + "…"


def execution_error(execution: Mapping[str, Any], name: ExecutionName) -> ExecutionError:
    """
    Make the exception for an execution that did not end well; the caller raises it.

    Its text names the execution, its state, the service's own message and the failing step. The whole decoded
    payload is its ``error`` attribute only: payloads can hold headers and bodies of HTTP responses.
    """
    state = execution.get("state")
    error = execution.get("error") or {}
    payload = decode_json(error.get("payload"))
    step, line = _failing_frame(error)
    message = f"{name} ended in state {state}"
    if reason := _reason(execution, payload):
        message += f": {reason}"
    if step:
        message += f' (step "{step}"' + (f", line {line})" if line is not None else ")")
    cls = _ERROR_CLASSES.get(state or "", ExecutionFailed)
    return cls(message, execution_name=str(name), state=state, error=payload, step=step, line=line)
