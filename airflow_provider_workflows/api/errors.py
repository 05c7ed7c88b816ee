# SPDX-License-Identifier: Apache-2.0
"""
Turn the API's error answers into this package's exceptions: which class, what it says, what to do about it.

The envelope is Google's: ``{"error": {"code", "message", "status", "details": [{"@type": …ErrorInfo, "reason"}]}}``.
An answer without it, or with a status that is no error's, is somebody in between: a proxy's page, a login page, a
server that took the address over. It says nothing about the execution, the permission or the connection, so it passes,
whatever its status is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from airflow_provider_workflows.api.advice import advice
from airflow_provider_workflows.core.envelope import error_in
from airflow_provider_workflows.core.messages import failures
from airflow_provider_workflows.core.quoting import told
from airflow_provider_workflows.exceptions import (
    AmbiguousCreate,
    ExecutionNotFound,
    PermissionDenied,
    QuotaExceeded,
    WorkflowsApiError,
)

_MAX_MESSAGE = 500
#: Answers by which somebody in between says that the request went no further: "go elsewhere", "log in to me first".
_NOT_FORWARDED = frozenset({301, 302, 307, 308, 407, 511})
#: How Google says that a rate limit was met, which some of its front ends do with a 403.
_RATE_LIMITED = frozenset({"RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED", "rateLimitExceeded", "userRateLimitExceeded"})
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9.+-]{1,40}/[A-Za-z0-9.+-]{1,60}")

_CLASSES: Mapping[int, type[WorkflowsApiError]] = {
    403: PermissionDenied,
    404: ExecutionNotFound,
    429: QuotaExceeded,
}


@dataclass(frozen=True)
class Subject:
    """
    Say what a request is about, for errors.

    :param operation: ``create``, ``get``, ``list``, ``cancel``, …; names the permission.
    :param target: the workflow or the execution, in brief; or a part of it.
    :param place: project and location, as a resource name; empty where they are not known.
    :param execution_name: the execution's whole name, where the request is about one.
    """

    operation: str
    target: str
    place: str = ""
    execution_name: str | None = None

    def could_not(self, reason: str, advice: str = "") -> str:
        """Return the text of a request that failed."""
        return failures.could_not(self.operation, self.target, reason, advice, self.place)

    def may_exist(self, reason: str) -> str:
        """Return the text of a create that got no clear answer."""
        return failures.may_exist(self.target, reason, self.place)


@dataclass(frozen=True)
class ErrorAnswer:
    """
    Hold what an error answer says.

    :param reasons: machine-readable: of ErrorInfo, the canonical status (``NOT_FOUND``), of the old format.
    :param retry_after: seconds, from the header.
    :param from_api: whether it is the API's own, in Google's envelope.
    :param details: the ErrorInfo's metadata.
    """

    status_code: int
    message: str
    reasons: tuple[str, ...]
    retry_after: float | None
    from_api: bool = True
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def reason(self) -> str | None:
        """Return the most exact reason, if there is one."""
        return next(iter(self.reasons), None)

    @property
    def is_rate_limit(self) -> bool:
        """Tell whether a quota is used up; Google also says that with a 403, and not always first."""
        return self.status_code == 429 or (self.status_code == 403 and not _RATE_LIMITED.isdisjoint(self.reasons))


def read_error(status_code: int, headers: Mapping[str, str], content: bytes, now: float) -> ErrorAnswer:
    """Read an answer that is not what was asked for, whatever its status and body are."""
    lowered = {key.lower(): value for key, value in headers.items()}
    envelope = error_in(status_code, content)
    message = envelope.get("message")
    if not envelope:
        message = not_the_api(status_code, lowered.get("content-type"), content)
    elif not isinstance(message, str) or not message:
        message = "no error message"
    message += _violations(envelope, message)
    return ErrorAnswer(
        status_code=status_code,
        message=told(message, _MAX_MESSAGE),
        reasons=tuple(_reasons(envelope)),
        retry_after=_retry_after(lowered.get("retry-after"), now),
        from_api=bool(envelope),
        details=_metadata(envelope),
    )


def not_the_api(status_code: int, content_type: str | None, content: bytes) -> str:
    """Describe an answer that the API cannot have given; nothing of its text, which is anybody's."""
    kind = (content_type or "").partition(";")[0].strip()
    kind = kind if _MEDIA_TYPE.fullmatch(kind) else "no content type"
    what = ", not the expected JSON" if 200 <= status_code < 300 else ""
    return f"something that is not the API answered ({status_code}, {kind}, {len(content)} bytes{what})"


def _reasons(envelope: Mapping[str, Any]) -> Iterator[str]:
    """Yield the machine-readable reasons, the most exact one first: of ErrorInfo, the status, of the old format."""
    for reason in (
        *(detail.get("reason") for detail in _objects(envelope.get("details"))),
        envelope.get("status"),
        *(error.get("reason") for error in _objects(envelope.get("errors"))),
    ):
        if isinstance(reason, str) and _WORD.fullmatch(reason):
            yield reason


def _metadata(envelope: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata of the ErrorInfo, which names a missing permission, for example."""
    every = (detail["metadata"] for detail in _objects(envelope.get("details")) if "metadata" in detail)
    found = next((each for each in every if isinstance(each, dict)), {})
    return {key: value for key, value in found.items() if isinstance(value, str)}


def _violations(envelope: Mapping[str, Any], message: str) -> str:
    """Return which fields of the request were wrong, and why where the message does not say it already."""
    told = []
    for detail in _objects(envelope.get("details")):
        for violation in _objects(detail.get("fieldViolations")):
            name, why = violation.get("field"), violation.get("description")
            parts = [name, why if isinstance(why, str) and why not in message else None]
            told.append(": ".join(part for part in parts if part and isinstance(part, str)))
    return f" [{'; '.join(filter(None, told))}]" if any(told) else ""


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _retry_after(value: str | None, now: float) -> float | None:
    """Read a Retry-After header: seconds, or an HTTP date; anything else is none."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = _seconds_until(value, now)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _seconds_until(date: str, now: float) -> float:
    try:
        return parsedate_to_datetime(date).timestamp() - now
    except (TypeError, ValueError, OverflowError, IndexError):
        return math.nan


def is_retryable(status_code: int) -> bool:
    """Tell whether the same request may succeed later: 408, 429 and the server's errors but 501."""
    return status_code in (408, 429) or (status_code >= 500 and status_code != 501)


def _advice(operation: str, answer: ErrorAnswer) -> str:
    if not answer.from_api:
        return "A proxy, a login page or another server stands between here and the API, or api_endpoint is wrong."
    status = 429 if answer.is_rate_limit else answer.status_code
    return advice(operation, status, answer.reason, answer.details)


def api_error(subject: Subject, answer: ErrorAnswer) -> WorkflowsApiError:
    """
    Make the exception for an error answer.

    A create that got 408 or a server's error is an :class:`AmbiguousCreate`: it may have taken effect.
    """
    cls, retryable, unsent = _meaning(answer)
    reason = f"{answer.status_code}{f' {answer.reason}' if answer.reason else ''}: {answer.message}"
    if subject.operation == "create" and retryable and not unsent and cls is not QuotaExceeded:
        cls = AmbiguousCreate
        text = subject.may_exist(reason)
    else:
        text = subject.could_not(reason, _advice(subject.operation, answer))
    return cls(
        text,
        status_code=answer.status_code,
        reason=answer.reason,
        retryable=retryable,
        retry_after=answer.retry_after,
        unsent=unsent,
        execution_name=subject.execution_name,
    )


def _meaning(answer: ErrorAnswer) -> tuple[type[WorkflowsApiError], bool, bool]:
    """Return class, whether the same request may succeed later, and whether it surely did not reach the service."""
    if not answer.from_api:
        return WorkflowsApiError, True, answer.status_code in _NOT_FORWARDED
    if answer.is_rate_limit:
        return QuotaExceeded, True, False
    return _CLASSES.get(answer.status_code, WorkflowsApiError), is_retryable(answer.status_code), False
