# SPDX-License-Identifier: Apache-2.0
"""Build errors in the envelope that Google's JSON APIs use.

The envelope and the `google.rpc` details are Google's convention. The *texts* of the real Workflow
Executions service are not published, so nothing should depend on a message written here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SERVICE = "workflowexecutions.googleapis.com"

STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",  # no google.rpc code means "method not allowed"
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

_DEFAULT_REASONS = {401: "ACCESS_TOKEN_EXPIRED", 403: "IAM_PERMISSION_DENIED", 429: "RATE_LIMIT_EXCEEDED"}

_MESSAGES = {
    401: "Request had invalid authentication credentials. Expected OAuth 2 access token.",
    403: "The caller does not have permission.",
    404: "Requested entity was not found.",
    429: "Quota exceeded for quota metric of service 'workflowexecutions.googleapis.com'.",
    500: "Internal error encountered.",
    503: "The service is currently unavailable.",
    504: "Deadline exceeded.",
}


class ApiError(Exception):
    """Stop a request with an HTTP error.

    :param code: the HTTP status.
    :param status: the `google.rpc.Code` name; by default the usual one for `code`.
    :param details: `google.rpc` detail objects, each with its `@type`.
    """

    def __init__(
        self, code: int, message: str, *, status: str | None = None, details: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or STATUS_NAMES.get(code, "UNKNOWN")
        self.details = list(details)

    def envelope(self) -> dict[str, Any]:
        """Return the JSON body: `{"error": {"code", "message", "status", "details"}}`."""
        error: dict[str, Any] = {"code": self.code, "message": self.message, "status": self.status}
        if self.details:
            error["details"] = self.details
        return {"error": error}


def error_info(reason: str, **metadata: str) -> dict[str, Any]:
    """Return a `google.rpc.ErrorInfo` detail; `metadata` always names the service."""
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": SERVICE, **metadata},
    }


def for_status(code: int, *, reason: str | None = None, project_number: str = "") -> ApiError:
    """Return the error that the service's front end would send with this HTTP status.

    :param reason: the ErrorInfo reason, such as `SERVICE_DISABLED`; 401, 403 and 429 have a default.
    """
    reason = reason or _DEFAULT_REASONS.get(code)
    message = _MESSAGES.get(code, f"Request failed with status {code}.")
    metadata = {"consumer": f"projects/{project_number}"} if project_number else {}
    if reason == "SERVICE_DISABLED":
        message = (
            f"Workflow Executions API has not been used in project {project_number or 'unknown'} before "
            "or it is disabled. Enable it, then retry."
        )
    return ApiError(code, message, details=[error_info(reason, **metadata)] if reason else [])


def invalid(message: str, field: str = "") -> ApiError:
    """Return a 400 INVALID_ARGUMENT; with `field`, also as a BadRequest field violation."""
    violation = {"field": field, "description": message} if field else {"description": message}
    detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}
    return ApiError(400, message, details=[detail])


def not_found(what: str) -> ApiError:
    """Return a 404 NOT_FOUND for a resource."""
    return ApiError(404, f"{what} not found")
