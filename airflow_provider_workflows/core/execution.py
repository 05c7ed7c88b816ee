# SPDX-License-Identifier: Apache-2.0
"""
Know executions without talking to anybody: names, states, arguments, labels, results, error texts.

Pure functions and values, standard library only. The one table of states is here (:data:`STATES`): poke, trigger,
resume and wait all ask :func:`classify`, so they cannot disagree.

API reference: https://cloud.google.com/workflows/docs/reference/executions/rest/v1/projects.locations.workflows.executions
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from typing import Any, Literal, TypedDict

from airflow_provider_workflows.exceptions import (
    ExecutionCancelled,
    ExecutionError,
    ExecutionFailed,
    ExecutionUnavailable,
)

View = Literal["BASIC", "FULL"]
ApiVersion = Literal["v1", "v1beta"]
VIEWS: tuple[View, ...] = ("BASIC", "FULL")
API_VERSIONS: tuple[ApiVersion, ...] = ("v1", "v1beta")


class Execution(TypedDict, total=False):
    """
    Describe the REST API's Execution resource: a plain dict, with the fields that the service sent.

    ``argument``, ``result`` and ``error["payload"]`` are JSON *strings*. ``name`` carries the project's number even
    where the project's id was asked for. Fields without a value are missing rather than ``None``.
    """

    name: str
    createTime: str
    startTime: str
    endTime: str
    duration: str
    state: str
    argument: str
    result: str
    error: dict[str, Any]
    stateError: dict[str, Any]
    status: dict[str, Any]
    labels: dict[str, str]
    workflowRevisionId: str
    callLogLevel: str
    executionHistoryLevel: str
    disableConcurrencyQuotaOverflowBuffering: bool


# --- names ------------------------------------------------------------------------------------------------------

# Projects may be domain-scoped ("example.com:name"); everything else that could change a URL's meaning is refused.
_PROJECT = re.compile(r"(?:[a-z0-9][a-z0-9.-]*:)?[A-Za-z0-9][A-Za-z0-9_-]*")
_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def _check_segment(parameter: str, value: Any, pattern: re.Pattern[str] = _SEGMENT) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        hint = "it is empty" if not value else f"got {value!r}"
        msg = (
            f"{parameter} must be a plain id of letters, digits, '-' and '_' ({hint}). "
            f"Pass the last part of a resource name, not the whole name."
        )
        raise ValueError(msg)
    return value


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
        _check_segment("project_id", self.project, _PROJECT)
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


def execution_id_of(execution: Mapping[str, Any]) -> str:
    """
    Return the id of an Execution resource: the last part of its ``name``.

    The project in ``name`` is a number, so nothing but the last part is ever read from it.
    """
    return str(execution["name"]).rpartition("/")[2]


# --- times ------------------------------------------------------------------------------------------------------

_FRACTION = re.compile(r"\.(\d+)")


def parse_time(value: Any, parameter: str) -> datetime | None:
    """
    Return an aware datetime from a datetime or an ISO 8601 text, up to nine digits of a second's fraction included.

    :raises ValueError: naming the parameter, for anything else and for times without a time zone.
    """
    if value is None or value == "":
        return None
    try:
        # Python 3.10 takes neither a "Z" nor other fractions than three or six digits.
        text = value.replace("Z", "+00:00") if isinstance(value, str) else value.isoformat()
        time = datetime.fromisoformat(_FRACTION.sub(lambda match: f".{match[1]:0<6.6}", text))
    except (ValueError, AttributeError):
        time = None
    if time is None or time.tzinfo is None:
        msg = f"{parameter} must be a datetime with a time zone or an ISO 8601 text with one, got {value!r}."
        raise ValueError(msg)
    return time


def started_at(execution: Mapping[str, Any]) -> datetime:
    """Return when an execution started, or was created where it is still queued."""
    time = parse_time(execution.get("startTime") or execution.get("createTime"), "startTime")
    return time or datetime.max.replace(tzinfo=timezone.utc)


# --- states -----------------------------------------------------------------------------------------------------


class Verdict(Enum):
    """Say what a state means for whoever waits."""

    WAITING = "waiting"
    SUCCESS = "success"
    FAILED = "failed"


#: Every state that either version documents, whether it is the end of the execution.
STATES: Mapping[str, bool] = {
    "STATE_UNSPECIFIED": False,
    "ACTIVE": False,
    "QUEUED": False,
    "SUCCEEDED": True,
    "FAILED": True,
    "CANCELLED": True,
    "UNAVAILABLE": True,
}
SUCCESS_STATES: frozenset[str] = frozenset({"SUCCEEDED"})
FAILURE_STATES: frozenset[str] = frozenset({"FAILED", "CANCELLED", "UNAVAILABLE"})


def is_known(state: str | None) -> bool:
    """Tell whether the API documents this state; the service says that more may be added."""
    return state in STATES


def is_ended(state: str | None) -> bool:
    """Tell whether an execution in this state has ended. A state nobody knows has not."""
    return STATES.get(state or "", False)


def classify(
    state: str | None,
    success_states: Collection[str] = SUCCESS_STATES,
    failure_states: Collection[str] = FAILURE_STATES,
) -> Verdict:
    """
    Decide what a state means; the only place where that is decided.

    The caller's sets come first (a sensor may wait for ACTIVE). A documented end that is in neither set is a failure:
    waiting on would wait for ever. Everything else, an unknown state included, waits.
    """
    if state in success_states:
        return Verdict.SUCCESS
    if state in failure_states or is_ended(state):
        return Verdict.FAILED
    return Verdict.WAITING


# --- argument and result ----------------------------------------------------------------------------------------


def _plain_json(value: Any, path: str) -> Any:
    """Return ``value`` built from JSON's own types, or say where it is not JSON."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        _check_text(value, path)
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            msg = f"{path} is {value!r}, which JSON does not have. Send null or a string instead."
            raise ValueError(msg)
        return value
    if isinstance(value, Mapping):
        return {_plain_key(key, path): _plain_json(item, f"{path}[{key!r}]") for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return [_plain_json(item, f"{path}[{index}]") for index, item in enumerate(value)]
    msg = (
        f"{path} is a {type(value).__name__}, which is not JSON. "
        f"Convert it to a string, number, boolean, None, list or dict first."
    )
    raise ValueError(msg)


def _plain_key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        msg = f"{path} has the key {key!r} of type {type(key).__name__}; JSON keys are strings. Convert it first."
        raise ValueError(msg)
    _check_text(key, path)
    return key


def _check_text(text: str, path: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        msg = f"{path} holds half of a surrogate pair, which cannot be sent as UTF-8."
        raise ValueError(msg) from None


def encode_json(value: Any, parameter: str = "argument") -> str:
    """
    Encode any JSON value as the JSON text that the API wants; tuples and lazy sequences become arrays.

    :param parameter: the name that errors give, with the path to the offending value behind it.
    :raises ValueError: for NaN and infinities, for objects that are not JSON, for keys that are not strings.
    """
    try:
        return json.dumps(_plain_json(value, parameter), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except RecursionError:
        msg = f"{parameter} is nested too deeply, or contains itself."
        raise ValueError(msg) from None


def check_json_text(text: str, parameter: str) -> str:
    """
    Return ``text`` if it is JSON.

    :raises ValueError: naming the parameter and the place, never the text itself: arguments may hold secrets.
    """

    def refuse(constant: str) -> Any:
        msg = f"{parameter} holds {constant}, which JSON does not have."
        raise ValueError(msg)

    wrong = None
    try:
        json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as exc:
        wrong = f"{exc.msg} at line {exc.lineno} column {exc.colno}"
    if wrong is not None:
        # Raised outside of the handler: the parser's own error holds the whole text.
        msg = f"{parameter} must be JSON text ({wrong}). Pass a dict or list to have it encoded."
        raise ValueError(msg)
    return text


def decode_json(text: str | None) -> Any:
    """Decode a JSON text of the service (``result``, ``error.payload``); text that is not JSON comes back as it is."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def result_of(execution: Mapping[str, Any]) -> Any:
    """Return the decoded result of an execution: any JSON value, ``None`` where there is none."""
    return decode_json(execution.get("result"))


# --- labels -----------------------------------------------------------------------------------------------------

MAX_LABELS = 64
MAX_LABEL_LENGTH = 63


def _is_label_text(text: str) -> bool:
    """Tell whether every character is a lowercase or caseless letter, a digit, '_' or '-'."""
    return len(text) <= MAX_LABEL_LENGTH and all(
        char in "_-" or (char.isalnum() and char == char.lower()) for char in text
    )


def check_labels(labels: Mapping[str, Any], parameter: str = "labels") -> dict[str, str]:
    """
    Return ``labels`` if the service can take them.

    At most 64; keys and values up to 63 characters of lowercase letters (international ones too), digits, ``_`` and
    ``-``; keys begin with a letter. https://cloud.google.com/workflows/docs/create-manage-labels

    :raises ValueError: naming the label and the rule.
    """
    if not isinstance(labels, Mapping):
        msg = f"{parameter} must be a dict of strings, got {type(labels).__name__}."
        raise ValueError(msg)
    if len(labels) > MAX_LABELS:
        msg = f"{parameter} has {len(labels)} entries; an execution can have at most {MAX_LABELS}."
        raise ValueError(msg)
    rule = f"lowercase letters, digits, '_' and '-', at most {MAX_LABEL_LENGTH} characters"
    for key, value in labels.items():
        if not isinstance(key, str) or not _is_label_text(key) or not key[:1].isalpha():
            msg = f"{parameter}: the key {key!r} must begin with a letter and hold only {rule}."
            raise ValueError(msg)
        if not isinstance(value, str) or not _is_label_text(value):
            msg = f"{parameter}[{key!r}] must be a string of {rule}, got {value!r}."
            raise ValueError(msg)
    return dict(labels)


def label_text(text: str) -> str:
    """Make any text a valid label value: readable, cut to 63 characters; never used to tell executions apart."""
    return "".join(char if _is_label_text(char) else "-" for char in text.lower())[:MAX_LABEL_LENGTH]


# --- what went wrong --------------------------------------------------------------------------------------------

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
