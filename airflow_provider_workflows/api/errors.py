# SPDX-License-Identifier: Apache-2.0
"""
Turn the API's error answers into this package's exceptions: which class, what it says, what to do about it.

The envelope is Google's: ``{"error": {"code", "message", "status", "details": [{"@type": …ErrorInfo, "reason"}]}}``.
Answers without it (a proxy's HTML page) get the same treatment by their status.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from airflow_provider_workflows.exceptions import (
    AmbiguousCreate,
    ExecutionNotFound,
    PermissionDenied,
    QuotaExceeded,
    WorkflowsApiError,
)

_MAX_MESSAGE = 500
_ALREADY_OVER = {"FAILED_PRECONDITION", "ABORTED", "ALREADY_EXISTS"}

#: What to do, by ErrorInfo reason; https://cloud.google.com/service-infrastructure/docs/service-management/reference/rpc/google.api#errorreason
_ADVICE_BY_REASON: Mapping[str, str] = {
    "SERVICE_DISABLED": "Enable the Workflow Executions API (workflowexecutions.googleapis.com) in the project.",
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": "Give the credentials the scope https://www.googleapis.com/auth/cloud-platform.",
    "USER_PROJECT_DENIED": "Check quota_project_id of the connection: the identity needs "
    "'serviceusage.services.use' on that project.",
}
_CLASSES: Mapping[int, type[WorkflowsApiError]] = {
    403: PermissionDenied,
    404: ExecutionNotFound,
    429: QuotaExceeded,
}


@dataclass(frozen=True)
class ErrorAnswer:
    """
    Hold what an error answer says.

    :param reason: the ErrorInfo reason, or else the canonical status (``NOT_FOUND``), or ``None``.
    :param retry_after: seconds, from the header.
    """

    status_code: int
    message: str
    reason: str | None
    retry_after: float | None


def read_error(status_code: int, headers: Mapping[str, str], content: bytes, now: float) -> ErrorAnswer:
    """Read an error answer, whatever its body is."""
    lowered = {key.lower(): value for key, value in headers.items()}
    envelope = _envelope(content)
    reason = next((detail["reason"] for detail in _details(envelope) if detail.get("reason")), None)
    message = envelope.get("message")
    if not isinstance(message, str) or not message:
        kind = lowered.get("content-type", "no content type").partition(";")[0]
        message = f"no error message (the answer was {kind}, {len(content)} bytes)"
    return ErrorAnswer(
        status_code=status_code,
        message=message if len(message) <= _MAX_MESSAGE else message[:_MAX_MESSAGE] + "…",
        reason=reason or envelope.get("status"),
        retry_after=_retry_after(lowered.get("retry-after"), now),
    )


def _envelope(content: bytes) -> dict[str, Any]:
    try:
        error = json.loads(content)["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return error if isinstance(error, dict) else {}


def _details(envelope: Mapping[str, Any]) -> list[dict[str, Any]]:
    details = envelope.get("details")
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []


def _retry_after(value: str | None, now: float) -> float | None:
    """Read a Retry-After header: seconds, or an HTTP date."""
    if not value:
        return None
    try:
        seconds = float(value)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (TypeError, ValueError):
        return None


def is_retryable(status_code: int) -> bool:
    """Tell whether the same request may succeed later: 408, 429 and the server's errors but 501."""
    return status_code in (408, 429) or (status_code >= 500 and status_code != 501)


def says_already_over(error: WorkflowsApiError) -> bool:
    """
    Tell whether a refused cancel may mean that the execution has ended.

    What the service answers is not documented; 400 FAILED_PRECONDITION and 409 are what other Google APIs use, so
    the caller looks the execution up before it believes it.
    """
    return error.status_code == 409 or (error.status_code == 400 and error.reason in _ALREADY_OVER)


def _advice(operation: str, answer: ErrorAnswer) -> str:
    if answer.reason and answer.reason in _ADVICE_BY_REASON:
        return _ADVICE_BY_REASON[answer.reason]
    if answer.status_code == 401:
        return "The service did not accept the credentials: check the connection's key, identity and its expiry."
    if answer.status_code == 403:
        return (
            f"The identity of the connection needs the permission 'workflows.executions.{operation}' "
            f"(role roles/workflows.{'viewer' if operation in ('get', 'list') else 'invoker'})."
        )
    if answer.status_code == 404:
        return "Check project_id, location, workflow_id and execution_id: one of them does not exist there."
    if answer.status_code == 429:
        return "A quota is used up; see https://cloud.google.com/workflows/quotas."
    return ""


def api_error(operation: str, target: str, answer: ErrorAnswer, execution_name: str | None = None) -> WorkflowsApiError:
    """
    Make the exception for an error answer.

    A create that got 408 or a server's error is an :class:`AmbiguousCreate`: it may have taken effect.

    :param operation: ``create``, ``get``, ``list`` or ``cancel``; names the permission.
    :param target: the resource the request was about, as the caller named it.
    """
    retryable = is_retryable(answer.status_code)
    reason = f" {answer.reason}" if answer.reason else ""
    parts = [f"Could not {operation} {target}: {answer.status_code}{reason}: {answer.message.rstrip('.')}."]
    cls = _CLASSES.get(answer.status_code, WorkflowsApiError)
    if operation == "create" and retryable and answer.status_code != 429:
        cls = AmbiguousCreate
        parts.append(ambiguity_advice(target))
    elif advice := _advice(operation, answer):
        parts.append(advice)
    return cls(
        " ".join(parts),
        status_code=answer.status_code,
        reason=answer.reason,
        retryable=retryable,
        retry_after=answer.retry_after,
        execution_name=execution_name,
    )


def ambiguity_advice(target: str) -> str:
    """Say what an ambiguous create means and how to find out."""
    return (
        "The request was sent, so an execution may exist. Look for it among the newest executions of "
        f"{target} before starting another one."
    )
