# SPDX-License-Identifier: Apache-2.0
"""Say why an execution did not end well: the exception, the failing step, and what is safe to log of a payload."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_workflows.core.execution import duration_of
from airflow_provider_workflows.core.messages import failures, life
from airflow_provider_workflows.core.names import ExecutionName
from airflow_provider_workflows.core.quoting import told
from airflow_provider_workflows.core.values import decode_json
from airflow_provider_workflows.exceptions import (
    ExecutionCancelled,
    ExecutionError,
    ExecutionFailed,
    ExecutionUnavailable,
)

_FRAME = re.compile(r'in step "(?P<step>[^"]*)", routine "(?P<routine>[^"]*)", line: (?P<line>\d+)')
#: Characters of each text that somebody else has written.
_MAX_MESSAGE = 500
_HTTP_ERRORS = range(400, 600)
#: Characters of each name in the last steps.
_MAX_STEP = 60
_ERROR_CLASSES: Mapping[str, type[ExecutionError]] = {
    "CANCELLED": ExecutionCancelled,
    "UNAVAILABLE": ExecutionUnavailable,
}


@dataclass(frozen=True)
class _Frame:
    """Hold where an error was raised."""

    step: str | None = None
    routine: str | None = None
    line: int | None = None

    @classmethod
    def of(cls, error: Mapping[str, Any]) -> _Frame:
        """Find the innermost place, in the stack trace or else in the text of the context."""
        elements = _object(error.get("stackTrace")).get("elements")
        for element in map(_object, elements if isinstance(elements, list) else ()):
            if step := _told(element.get("step")):
                line = _line(_object(element.get("position")).get("line"))
                return cls(step, _told(element.get("routine")) or None, line)
        match = _FRAME.search(_text(error.get("context")))
        if not match:
            return cls()
        return cls(_told(match["step"]), _told(match["routine"]) or None, _line(match["line"]))

    def __str__(self) -> str:
        """Return where that is, empty where it is not known."""
        if not self.step:
            return ""
        routine = f" of {self.routine}" if self.routine else ""
        return f"step {self.step}{routine}" + (f", line {self.line}" if self.line is not None else "")


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _line(number: Any) -> int | None:
    """Return a line's number, which the API writes as text."""
    return int(number) if isinstance(number, (str, int)) and re.fullmatch(r"[0-9]{1,9}", str(number)) else None


def _told(value: Any) -> str:
    """Return what somebody else's value says, in one line of a bounded length; nothing of what is no text."""
    return told(_text(value), _MAX_MESSAGE).strip()


def _reason(error: Mapping[str, Any], payload: Any) -> str:
    """
    Choose the part of an error that is safe to log: named parts of its payload, or the first line of the context.

    What the workflow itself raised as plain text stays out except through that line, which may also quote a whole
    payload.
    """
    line = _text(error.get("context")).partition("\n")[0]
    parts = decode_json(payload)  # the text of an error that a workflow has encoded once more
    quoted = "{" if isinstance(parts, (Mapping, list)) else None
    return _explained(_object(parts), otherwise=_told(line.partition(quoted)[0] if quoted else line))


def _explained(parts: Mapping[str, Any], otherwise: str = "") -> str:
    """
    Return what a payload says.

    It may carry response headers and bodies, so only its ``message``, ``tags``, ``code`` and the body's
    ``error.message`` are read. A workflow may raise any JSON value, so none need be what Google's own errors have
    there.
    """
    text = _told(_said(parts.get("message"))) or otherwise
    if tags := _told(_words(parts.get("tags"))):
        text = f"{text} ({tags})" if text else tags
    code = parts.get("code")
    if type(code) is int and code in _HTTP_ERRORS and str(code) not in text:
        text = f"HTTP {code}: {text}" if text else f"HTTP {code}"
    service = _object(_object(decode_json(parts.get("body"))).get("error"))
    answer = _told(service.get("message"))
    return f"{text}: {answer}" if answer and answer not in text else text


def _words(tags: Any) -> str:
    """Return tags as a text: Google's are a list of words, a workflow's own may be anything."""
    return ", ".join(filter(None, map(_said, tags if isinstance(tags, list) else [tags])))


def _said(value: Any) -> str:
    """Return what a value says: a text as it is, an error what it is read for, anything else as JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    try:
        if isinstance(value, Mapping) and "message" in value:
            return _explained(value)
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:  # decoded with less on the stack
        return "a value that is nested too deeply to be shown"


def _branches(payload: Any) -> list[Mapping[str, Any]]:
    """Return the branches or iterations of a parallel step that failed, each with its ``id`` and ``error``."""
    branches = _object(payload).get("branches")
    return [each for each in map(_object, branches if isinstance(branches, list) else ()) if each]


def _branch_text(branch: Mapping[str, Any], others: int) -> str:
    """Say which branch failed, and why."""
    error = _object(branch.get("error"))
    reason = _reason(error, decode_json(error.get("payload")))
    more = f" (and {others} more)" if others else ""
    return f"branch {_told(_said(branch.get('id'))) or '?'}{more}" + (f": {reason}" if reason else "")


def _steps(entries: Sequence[Mapping[str, Any]]) -> str:
    """Say which steps the service's history shows last."""
    return "last steps: " + " > ".join(map(_step, entries)) if entries else ""


def _step(entry: Mapping[str, Any]) -> str:
    step, routine = (_told(entry.get(key))[:_MAX_STEP] or "?" for key in ("step", "routine"))
    state = _told(entry.get("state")).removeprefix("STATE_")[:_MAX_STEP]
    return f"{life.place_of((routine, step))} {state}".strip()


def _parts(execution: Mapping[str, Any], reasons: Sequence[str], frame: _Frame, steps: str) -> Iterator[str]:
    """Yield what explains a bad end, the reason first."""
    state_error = _object(execution.get("stateError"))
    yield from reasons if any(reasons) else (" ".join(filter(None, map(_told, map(state_error.get, _STATE_ERROR)))),)
    yield str(frame)
    duration = duration_of(execution)
    yield "" if duration is None else f"after {life.span(duration)}"
    revision = _told(execution.get("workflowRevisionId"))
    yield f"revision {revision}" if revision else ""
    yield steps


_STATE_ERROR = ("type", "details")


def execution_error(
    execution: Mapping[str, Any], name: ExecutionName, last_steps: Sequence[Mapping[str, Any]] = ()
) -> ExecutionError:
    """
    Make the exception for an execution that did not end well; the caller raises it.

    Its text names the state, the execution, the service's own message, the failing branch and step, how long it ran,
    the workflow's revision and the console's address. The whole decoded payload is its ``error`` attribute only:
    payloads can hold headers and bodies of HTTP responses.

    :param last_steps: step entries, oldest first.
    """
    state = execution.get("state")
    error = _object(execution.get("error"))
    payload = decode_json(error.get("payload"))
    frame, reasons, branch = _Frame.of(error), [_reason(error, payload)], None
    if branches := _branches(payload):
        branch = _told(_said(branches[0].get("id"))) or None
        inner = _Frame.of(_object(branches[0].get("error")))
        frame = inner if inner.step else frame
        reasons.insert(0, _branch_text(branches[0], len(branches) - 1))
    text = failures.ended_badly(name, state, _parts(execution, reasons, frame, _steps(last_steps)))
    return _ERROR_CLASSES.get(_text(state), ExecutionFailed)(
        text,
        execution_name=str(name),
        state=state,
        error=payload,
        step=frame.step,
        line=frame.line,
        routine=frame.routine,
        branch=branch,
    )
