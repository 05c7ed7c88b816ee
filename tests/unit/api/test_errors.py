# SPDX-License-Identifier: Apache-2.0
"""Every error answer becomes the exception that fits, with the service's own words and what to do about it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_workflows.api.errors import ErrorAnswer, Subject, api_error, is_retryable, read_error
from airflow_provider_workflows.exceptions import (
    AmbiguousCreate,
    CredentialsError,
    ExecutionNotFound,
    PermissionDenied,
    QuotaExceeded,
    WorkflowsApiError,
    WorkflowsError,
)
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsAsyncHook, WorkflowExecutionsHook
from airflow_provider_workflows.testing import Emulator
from tests.harness import AdvancingClock
from tests.token_server import TokenServer

PLACE = "(projects/test-project/locations/us-central1)"
NAME = "projects/test-project/locations/us-central1/workflows/echo/executions/e"
Connect = Callable[..., None]
Get = Callable[[], Any]


@pytest.fixture(params=["hook", "async hook"])
def get(request: pytest.FixtureRequest, clock: AdvancingClock) -> Get:
    """Give a function that gets an execution with each hook."""
    if request.param == "hook":
        return lambda: WorkflowExecutionsHook(clock=clock).get_execution("echo", execution_id="e")

    async def read() -> Any:
        async with WorkflowExecutionsAsyncHook(clock=clock) as hook:
            return await hook.get_execution("echo", execution_id="e")

    return lambda: asyncio.run(read())


def error_of(call: Callable[[], Any]) -> WorkflowsError:
    """Return the exception of this package that a call raised."""
    with pytest.raises(WorkflowsError) as caught:
        call()
    return caught.value


# -- through HTTP -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("versioned_connection")
@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ({"kind": "permission_denied"}, PermissionDenied, ["workflows.executions.get", "roles/workflows.viewer"]),
        ({"kind": "service_disabled"}, PermissionDenied, ["Enable", "workflowexecutions.googleapis.com"]),
        ({"status": 403, "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}, PermissionDenied, ["auth/cloud-platform"]),
        ({"status": 403, "reason": "USER_PROJECT_DENIED"}, PermissionDenied, ["quota_project_id"]),
        ({"kind": "rate_limited"}, QuotaExceeded, ["quota"]),
        ({"status": 400}, WorkflowsApiError, ["400"]),
        ({"kind": "unauthenticated"}, WorkflowsApiError, ["401", "is_anonymous"]),
        ({"status": 401, "body": "<html>"}, WorkflowsApiError, ["401", "something that is not the API"]),
        ({"kind": "html"}, WorkflowsApiError, ["502", "text/html"]),
        ({"kind": "not_json"}, WorkflowsApiError, ["200", "not the expected JSON"]),
        ({"status": 200, "body": "[]"}, WorkflowsApiError, ["not the expected JSON"]),
        ({"status": 200, "body": '{"state": "ACTIVE"}'}, WorkflowsApiError, ["not the expected JSON"]),
        ({"status": 200, "body": '{"name": "p/e", "state'}, WorkflowsApiError, ["not the expected JSON"]),
        ({"status": 200, "body": ""}, WorkflowsApiError, ["not the expected JSON"]),
        ({"kind": "drop_before"}, WorkflowsApiError, ["the connection broke"]),
        ({"status": 302, "headers": {"Location": "http://127.0.0.1:1/login"}}, WorkflowsApiError, ["302"]),
        ({"status": 403, "reason": "RATE_LIMIT_EXCEEDED"}, QuotaExceeded, ["403", "quota"]),
    ],
)
def test_answer(
    fault: dict[str, Any], kind: type[WorkflowsApiError], words: list[str], get: Get, emulator: Emulator
) -> None:
    """The exception's class says what happened; its text names the execution, the cause and the way out."""
    emulator.fail("get", times=None, **fault)
    error = error_of(get)
    assert type(error) is kind
    assert str(error).startswith("Could not get echo e: ")
    for word in (*words, PLACE):
        assert word in str(error)
    assert isinstance(error, WorkflowsApiError)
    assert error.execution_name == NAME
    assert error.status_code == (fault.get("status") or error.status_code)


@pytest.mark.usefixtures("versioned_connection")
def test_not_found_names_all_parts(get: Get) -> None:
    """A 404 does not say which part is wrong, so the text names them all."""
    error = error_of(get)
    assert type(error) is ExecutionNotFound
    for word in ("test-project", "us-central1", "echo", "project_id", "location", "workflow_id", "execution_id"):
        assert word in str(error)
    assert (error.status_code, error.retryable) == (404, False)


def test_unknown_project_names_the_permission(get: Get, connect: Connect, emulator: Emulator) -> None:
    """A project that is not there answers 403; the service's own words are in the text."""
    connect()
    emulator.settings.projects = ["another"]
    error = error_of(get)
    assert type(error) is PermissionDenied
    assert "or it may not exist" in str(error)
    assert error.reason == "IAM_PERMISSION_DENIED"


def test_refused_token_is_reported(
    get: Get, connect: Connect, emulator: Emulator, token_server: TokenServer, private_key: str
) -> None:
    """Credentials that can be had but are not accepted: a 401 that says what to check."""
    connect(keyfile_dict=token_server.key(private_key), is_anonymous=None)
    emulator.settings.token = "another"
    error = error_of(get)
    assert "401" in str(error)
    assert "did not accept the credentials" in str(error)
    assert isinstance(error, WorkflowsApiError)
    assert (error.status_code, error.retryable) == (401, False)


def test_refused_key_is_reported(
    get: Get, connect: Connect, emulator: Emulator, token_server: TokenServer, private_key: str
) -> None:
    """Credentials that cannot be had: nothing is sent, and the token server's own words are in the text."""
    connect(keyfile_dict=token_server.key(private_key), is_anonymous=None)
    token_server.status = 400
    error = error_of(get)
    assert isinstance(error, CredentialsError)
    assert "Invalid JWT signature" in str(error)
    assert str(error).startswith("Could not get echo e: ")
    assert error.execution_name == NAME
    assert emulator.requests == []


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize(
    ("operation", "permission"), [("create", "invoker"), ("cancel", "invoker"), ("list", "viewer"), ("get", "viewer")]
)
def test_permission_is_that_of_the_operation(
    operation: str, permission: str, hook: WorkflowExecutionsHook, emulator: Emulator
) -> None:
    """A 403 names the permission of what was tried, and the smallest role that has it."""
    calls: dict[str, Callable[[], Any]] = {
        "create": lambda: hook.create_execution("echo"),
        "cancel": lambda: hook.cancel_execution("echo", execution_id="e"),
        "get": lambda: hook.get_execution("echo", execution_id="e"),
        "list": lambda: next(hook.list_executions("echo")),
    }
    emulator.fail(operation, "permission_denied")
    error = error_of(calls[operation])
    assert f"'workflows.executions.{operation}'" in str(error)
    assert f"roles/workflows.{permission}" in str(error)


# -- somebody in between ----------------------------------------------------------------------------------

PAGE: dict[str, Any] = {"body": "<html><b>Please log in</b>, token=abc", "content_type": "text/html; charset=utf-8"}
# Not 401: it makes google-auth renew the token, with what that ends with.
BETWEEN = [302, 303, 304, 307, 400, 403, 404, 407, 409, 410, 429, 451, 500, 501, 502, 503, 511]


@pytest.mark.usefixtures("versioned_connection")
@pytest.mark.parametrize("status", BETWEEN)
def test_a_page_of_somebody_in_between_is_no_verdict(status: int, get: Get, emulator: Emulator) -> None:
    """Whatever number a page carries, it passes, is neither a permission nor a missing execution, and is not quoted."""
    emulator.fail("get", status=status, times=None, **PAGE)
    error = error_of(get)
    assert type(error) is WorkflowsApiError
    assert (error.status_code, error.retryable) == (status, True)
    assert f"something that is not the API answered ({status}, text/html" in str(error)
    assert "log in" not in str(error).replace("login page", "")


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("status", BETWEEN)
def test_a_create_that_a_page_answers(status: int, hook: WorkflowExecutionsHook, emulator: Emulator) -> None:
    """Only "go elsewhere" and "log in to me first" say that nothing was sent on; after them a create is repeated."""
    went_no_further = status in (302, 307, 407, 511)
    emulator.fail("create", status=status, after=not went_no_further, times=1, **PAGE)
    if went_no_further:
        assert hook.create_execution("echo")["state"] == "ACTIVE"
        assert len(emulator.executions()) == 1
        return
    assert type(error_of(lambda: hook.create_execution("echo"))) is AmbiguousCreate
    assert emulator.counts()["create"] == 1


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("status", [302, 403, 404, 407])
def test_a_page_passes_no_connection_test(status: int, emulator: Emulator) -> None:
    """A server that is not the API does not make the Test button green, whatever it answers."""
    emulator.fail("list", status=status, times=None, **PAGE)
    passed, text = WorkflowExecutionsHook(clock=AdvancingClock()).test_connection()
    assert not passed
    assert f"something that is not the API answered ({status}, text/html" in text


# -- reading what an answer says --------------------------------------------------------------------------


def _envelope(code: int, **error: Any) -> bytes:
    error["code"] = code
    return json.dumps({"error": error}).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b"[]",
        b'"text"',
        b'{"error": "invalid_grant"}',
        b'{"error": null}',
        b'{"error": {"details": "x", "message": 5}}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_any_body_can_be_read(body: bytes) -> None:
    """Whatever a proxy answers, there is an error text that says what kind of answer it was."""
    answer = read_error(502, {"Content-Type": "text/html; charset=utf-8"}, body, 0.0)
    assert (answer.status_code, answer.reason, answer.retry_after) == (502, None, None)
    assert f"text/html, {len(body)} bytes" in answer.message or answer.message == "no error message"


def test_reason_is_the_most_exact_one() -> None:
    """The ErrorInfo's reason wins over the canonical status, which wins over nothing."""
    details = [{"@type": "x", "no": "reason"}, "odd", {"reason": "SERVICE_DISABLED"}]
    answer = read_error(403, {}, _envelope(403, message="m", status="PERMISSION_DENIED", details=details), 0.0)
    assert answer.reason == "SERVICE_DISABLED"
    assert (
        read_error(403, {}, _envelope(403, message="m", status="PERMISSION_DENIED"), 0.0).reason == "PERMISSION_DENIED"
    )


@pytest.mark.parametrize(
    "error",
    [
        {"status": "PERMISSION_DENIED", "errors": [{"domain": "usageLimits", "reason": "rateLimitExceeded"}]},
        {"status": "PERMISSION_DENIED", "details": [{"reason": "OTHER"}, {"reason": "RATE_LIMIT_EXCEEDED"}]},
        {"status": "RESOURCE_EXHAUSTED", "details": [{"reason": "OTHER"}]},
    ],
    ids=str,
)
def test_a_rate_limit_is_one_wherever_it_is_said(error: dict[str, Any]) -> None:
    """Some of Google's front ends say it with a 403, after other reasons."""
    answer = read_error(403, {}, _envelope(403, message="m", **error), 0.0)
    assert isinstance(api_error(Subject("get", "x"), answer), QuotaExceeded)


@pytest.mark.parametrize(
    "error",
    [{"message": "Not Found"}, {"code": 1010, "message": "Access denied"}, {"status": "403"}, {"code": True}, {}],
    ids=str,
)
@pytest.mark.parametrize("status", [403, 404])
def test_an_error_object_with_another_code_is_somebody_elses(status: int, error: dict[str, Any]) -> None:
    """Other servers have an "error", too; Google's has the HTTP status in it."""
    answer = read_error(status, {}, json.dumps({"error": error}).encode(), 0.0)
    assert not answer.from_api
    assert type(api_error(Subject("get", "x"), answer)) is WorkflowsApiError


def test_long_messages_are_cut() -> None:
    """A service that quotes a whole request does not fill the log with it."""
    message = read_error(400, {}, _envelope(400, message="x" * 10_000), 0.0).message
    assert 100 < len(message) < 1000


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("-3", 0.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", None),
        ("Thu, 01 Jan 9999999999999 00:00:00 GMT", None),
        ("1e999", None),
        ("nan", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    """Both forms of the header are read; a date in the past is no wait, nonsense is none at all."""
    assert read_error(503, {"retry-AFTER": value}, b"", 10.0).retry_after == seconds


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        (408, True),
        (429, True),
        (500, True),
        (502, True),
        (503, True),
        (504, True),
        (501, False),
        (400, False),
        (409, False),
    ],
)
def test_what_is_worth_repeating(status: int, retryable: bool) -> None:
    """Timeouts, quotas and server errors pass by themselves; nothing else does."""
    assert is_retryable(status) is retryable


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (408, AmbiguousCreate),
        (500, AmbiguousCreate),
        (503, AmbiguousCreate),
        (429, QuotaExceeded),
        (403, PermissionDenied),
        (404, ExecutionNotFound),
        (400, WorkflowsApiError),
        (501, WorkflowsApiError),
    ],
)
def test_create_that_may_have_taken_effect(status: int, kind: type[WorkflowsApiError]) -> None:
    """Only answers after which an execution may exist are ambiguous, and only those say where to look for it."""
    answer = ErrorAnswer(status, "the service's words", (), None)
    error = api_error(Subject("create", "w"), answer)
    assert type(error) is kind
    assert ("an execution may exist" in str(error)) == (kind is AmbiguousCreate)
    assert "the service's words" in str(error)
