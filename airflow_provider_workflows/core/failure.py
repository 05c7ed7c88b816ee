# SPDX-License-Identifier: Apache-2.0
"""Say why an execution did not end well: the exception, the failing step, and what is safe to log of a payload."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from airflow_provider_workflows.core.names import ExecutionName
from airflow_provider_workflows.core.quoting import one_line, told
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


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _failing_frame(error: Mapping[str, Any]) -> tuple[str | None, int | None]:
    """Find the innermost step and line, in the stack trace or else in the text of the context."""
    elements = _object(error.get("stackTrace")).get("elements")
    for element in map(_object, elements if isinstance(elements, list) else ()):
        if step := told(_text(element.get("step"))):
            return step, _line(_object(element.get("position")).get("line"))
    match = _FRAME.search(_text(error.get("context")))
    return (told(match["step"]), _line(match["line"])) if match else (None, None)


def _line(number: Any) -> int | None:
    """Return a line's number, which the API writes as text."""
    return int(number) if isinstance(number, (str, int)) and re.fullmatch(r"[0-9]{1,9}", str(number)) else None


def _reason(execution: Mapping[str, Any], payload: Any) -> str:
    """
    Choose the part of an error that is safe to log.

    A payload may carry response headers and bodies, so only its ``message`` and ``tags`` are read, or the first line
    of the context; what the workflow itself raised as plain text stays out except through that line. A workflow may
    raise any JSON value, so neither of the two need be what Google's own errors have there.
    """
    text = _said(_object(payload).get("message"))
    text = text or _text(_object(execution.get("error")).get("context")).partition("\n")[0]
    if tags := _words(_object(payload).get("tags")):
        text = f"{text} ({tags})" if text else tags
    state_error = _object(execution.get("stateError"))
    text = text or " ".join(filter(None, (_text(state_error.get(key)) for key in ("type", "details"))))
    return told(text if len(text) <= _MAX_MESSAGE else text[:_MAX_MESSAGE] + "…")


def _words(tags: Any) -> str:
    """Return tags as a text: Google's are a list of words, a workflow's own may be anything."""
    return ", ".join(filter(None, map(_said, tags if isinstance(tags, list) else [tags])))


def _said(value: Any) -> str:
    """Return what a value says: a text as it is, another one as JSON, and nothing for nothing."""
    if value is None or isinstance(value, str):
        return value or ""
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:  # decoded with less on the stack
        return "a value that is nested too deeply to be shown"


def execution_error(execution: Mapping[str, Any], name: ExecutionName) -> ExecutionError:
    """
    Make the exception for an execution that did not end well; the caller raises it.

    Its text names the execution, its state, the service's own message and the failing step. The whole decoded
    payload is its ``error`` attribute only: payloads can hold headers and bodies of HTTP responses.
    """
    state = execution.get("state")
    error = _object(execution.get("error"))
    payload = decode_json(error.get("payload"))
    step, line = _failing_frame(error)
    message = f"{name} ended in state {state}"
    if reason := _reason(execution, payload):
        message += f": {reason}"
    if step:
        message += f' (step "{step}"' + (f", line {line})" if line is not None else ")")
    cls = _ERROR_CLASSES.get(_text(state), ExecutionFailed)
    return cls(one_line(message), execution_name=str(name), state=state, error=payload, step=step, line=line)
