# SPDX-License-Identifier: Apache-2.0
"""
Everything this package raises for what went wrong outside of it.

One tree, free of Airflow. *What* failed is the class, *why* and *where* are attributes::

    WorkflowsError
    ├── CredentialsError          the connection's credentials cannot be had or refreshed
    ├── ExecutionError            the execution itself ended badly
    │   ├── ExecutionFailed       state FAILED; ``error``, ``step`` and ``line`` say where
    │   ├── ExecutionCancelled    state CANCELLED: somebody stopped it on purpose
    │   ├── ExecutionUnavailable  state UNAVAILABLE: its data cannot be read any more
    │   └── ExecutionTimeout      it did not end before the deadline
    └── WorkflowsApiError         the API refused a request or could not be reached
        ├── ExecutionNotFound     404: no such project, location, workflow or execution
        ├── PermissionDenied      403: a missing permission, or an API that is not enabled
        ├── QuotaExceeded         429: more requests or executions than the quota allows
        └── AmbiguousCreate       a create was sent and no clear answer came: an execution may exist

Bad input (an id with a slash, an argument that is not JSON) is a :class:`ValueError` that names the parameter,
raised before any request is sent.
"""

from __future__ import annotations

from typing import Any


class WorkflowsError(Exception):
    """
    Serve as the base of everything this package raises.

    :param message: what happened, the news first, in one line.
    :param execution_name: the full resource name of the execution that it is about, with the project as it was
        requested; ``None`` where it is about none, or about one that nobody can name.
    """

    def __init__(self, message: str = "", *, execution_name: str | None = None) -> None:
        super().__init__(message)
        self.execution_name = execution_name


class CredentialsError(WorkflowsError):
    """
    Say that the connection's credentials could not be loaded or refreshed.

    :param message: which of them, and why, without anything secret.
    :param may_pass: whether they could not be had just now, but nothing says that they are wrong.
    """

    def __init__(self, message: str, *, may_pass: bool = False, execution_name: str | None = None) -> None:
        super().__init__(message, execution_name=execution_name)
        self.may_pass = may_pass


class ExecutionError(WorkflowsError):
    """
    Say that an execution did not end the way it should have.

    :param state: the state the execution was seen in last.
    :param error: the decoded ``error.payload``: any JSON value, not always a dict.
    :param step: the step that failed, where the service says so.
    :param line: the line of the workflow's source, where the service says so.
    :param routine: the subworkflow that the step is in, or ``main``, where the service says so.
    :param branch: which branch or iteration of a parallel step failed first, where one did.
    """

    def __init__(
        self,
        message: str,
        *,
        execution_name: str | None = None,
        state: str | None = None,
        error: Any = None,
        step: str | None = None,
        line: int | None = None,
        routine: str | None = None,
        branch: str | None = None,
    ) -> None:
        super().__init__(message, execution_name=execution_name)
        self.state = state
        self.error = error
        self.step = step
        self.line = line
        self.routine = routine
        self.branch = branch


class ExecutionFailed(ExecutionError):
    """Say that the execution ended in state FAILED."""


class ExecutionCancelled(ExecutionError):
    """Say that the execution was cancelled."""


class ExecutionUnavailable(ExecutionError):
    """Say that the service cannot read the execution's data any more (a revoked KMS key, for example)."""


class ExecutionTimeout(ExecutionError):
    """Say that the execution did not end before the deadline."""


class WorkflowsApiError(WorkflowsError):
    """
    Say that a request to the API failed.

    :param message: what was asked of which resource, the service's own message, and what to do about it.
    :param status_code: the HTTP status, or ``None`` when no answer came.
    :param reason: the service's machine-readable reason (``SERVICE_DISABLED``, ``NOT_FOUND``, …), where given.
    :param retryable: whether the same request may succeed later without anybody changing anything.
    :param retry_after: seconds the service asked to wait, where it did.
    :param unsent: whether the request surely had no effect because it never reached the service.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        reason: str | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
        unsent: bool = False,
        execution_name: str | None = None,
    ) -> None:
        super().__init__(message, execution_name=execution_name)
        self.status_code = status_code
        self.reason = reason
        self.retryable = retryable
        self.retry_after = retry_after
        self.unsent = unsent


class ExecutionNotFound(WorkflowsApiError):
    """Say that the project, location, workflow or execution does not exist (404)."""


class PermissionDenied(WorkflowsApiError):
    """Say that the credentials may not do this, or that the API is not enabled (403)."""


class QuotaExceeded(WorkflowsApiError):
    """Say that the quota of requests or of concurrent executions is used up (429)."""


class AmbiguousCreate(WorkflowsApiError):
    """
    Say that a create was sent and no clear answer came back: an execution may exist.

    Never retried blindly, because a second create would start a second, billed execution.
    """
