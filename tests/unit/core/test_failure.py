# SPDX-License-Identifier: Apache-2.0
"""A failure explains itself: what of an execution's error its text shows, and what it never shows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_workflows.core.failure import execution_error
from airflow_provider_workflows.core.names import WorkflowName
from airflow_provider_workflows.core.xcoms import execution_address

NAME = WorkflowName("my-project", "us-central1", "orders").execution("1a2b3c4d-5e6f-4a1b-8c2d-3e4f5a6b7c8d")
ADDRESS = execution_address(NAME)
HTTP = {
    "body": {
        "error": {"code": 503, "message": "The card service is down.", "details": ["d3tails"]},
        "secret": "s3cr3t",
    },
    "code": 503,
    "headers": {"Authorization": "Bearer t0ken.t0ken", "Server": "s3rver"},
    "message": "HTTP server responded with error code 503",
    "tags": ["HttpError"],
}
FRAME = {"step": "send", "routine": "charge", "position": {"line": "12", "column": "3"}}


def failed(payload: Any, **fields: Any) -> dict[str, Any]:
    """Return an execution that failed with a payload."""
    error = {"payload": json.dumps(payload), "stackTrace": {"elements": [FRAME]}}
    return {"state": "FAILED", "error": error, **fields}


def test_an_http_error_is_explained() -> None:
    """Message, tags, the service's own words, step, routine, line, duration, revision, address; no header, no body."""
    error = execution_error(failed(HTTP, duration="12.345678901s", workflowRevisionId="000001-ed4"), NAME)
    assert str(error) == (
        "FAILED: orders 1a2b3c4d: HTTP server responded with error code 503 (HttpError): The card service is down; "
        f"step send of charge, line 12; after 12.3 s; revision 000001-ed4; {ADDRESS}"
    )
    assert (error.step, error.routine, error.line, error.branch) == ("send", "charge", 12, None)
    assert error.execution_name == str(NAME)


@pytest.mark.parametrize(
    "body", [HTTP["body"], json.dumps(HTTP["body"]), {"error": {"message": "The card service is down.\nNow."}}], ids=str
)
def test_the_services_words_are_found_in_any_body(body: Any) -> None:
    """A body may be decoded or the text that it was; its line breaks are none here."""
    text = str(execution_error(failed({**HTTP, "body": body}), NAME))
    assert "The card service is down." in text or "The card service is down; " in text
    assert text.isprintable()


@pytest.mark.parametrize(
    "body", [None, 5, [], "no JSON", {"error": "text"}, {"error": {"message": 5}}, {"error": [1]}, "[[[["], ids=str
)
def test_a_body_without_words_is_not_shown(body: Any) -> None:
    """What the service answered in another form may hold anything."""
    text = str(execution_error(failed({**HTTP, "body": body}), NAME))
    assert "error code 503 (HttpError); step send" in text


def test_the_http_code_is_shown_where_the_message_does_not() -> None:
    """A workflow may raise an HTTP error's payload with words of its own."""
    text = str(execution_error(failed({"message": "refused", "code": 409}), NAME))
    assert text.startswith("FAILED: orders 1a2b3c4d: HTTP 409: refused; step send")


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("login with password=hunter2 failed", "login with password=… failed"),
        ('sent {"password": "hunter2"}', 'sent {"password": "…"}'),
        ("Authorization: Bearer hunter.2", "Authorization: Bearer …"),
        ("client_secret=hunter2, scope=x", "client_secret=…, scope=x"),
        ("https://host/?access_token=hunter2", "https://host/?access_token=…"),
        ("invalid token: expired", "invalid token: expired"),
        ('Unknown name "key": Cannot find field', 'Unknown name "key": Cannot find field'),
        ("Authorization: Basic aHVudGVyOng", "Authorization: Basic …"),
        ("Authorization: hunter", "Authorization: …"),
        ("Set-Cookie: sid=hunter2; Path=/", "Set-Cookie: …"),
        ("X-Api-Key: hunter", "X-Api-Key: …"),
        ("bad access_key: hunter, try", "bad access_key: …, try"),
        ("token: hunter2 expired", "token: … expired"),
        ('{"password": "hunter two \\" hunter three"}', '{"password": "…"}'),
        ('{\\"token\\": \\"hunter two\\", \\"a\\": 1}', '{\\"token\\": \\"…\\", \\"a\\": 1}'),
        ('{"token": ["hunter2", "hunter3"], "a": 1}', '{"token": […], "a": 1}'),
        ('{"secret": 1234, "a": "hunt"}', '{"secret": …, "a": "hunt"}'),
        ("no login with password 'hunter two'", "no login with password '…'"),
        ("run --api-key hunter --size 5", "run --api-key … --size 5"),
        ("used AKIAHUNTER2HUNTER2X", "used …"),
        ("Basic authentication is required", "Basic authentication is required"),
    ],
)
def test_what_says_that_it_is_secret_is_masked(message: str, shown: str) -> None:
    """A message and a service's words can quote what was sent, as JSON and as headers, too."""
    for payload in ({"message": message}, {"message": "m", "body": {"error": {"message": message}}}):
        text = str(execution_error(failed(payload), NAME))
        assert f"{shown};" in text
        assert "hunter" not in text


NESTED = {"data": {"a": 1}, **HTTP}


@pytest.mark.parametrize(
    "payload",
    [
        {"message": HTTP},
        {"message": [HTTP]},
        {"message": {"data": NESTED}},
        {"message": "m", "tags": HTTP},
        {"message": "m", "tags": [{"e": NESTED}]},
        {"message": f"not sent: {json.dumps(NESTED)}"},
        {"message": f"not sent: {json.dumps(json.dumps(NESTED))}"},
        {"message": "m", "branches": [{"id": NESTED, "error": {"payload": json.dumps(json.dumps(NESTED))}}]},
        json.dumps(HTTP),
        {"e": NESTED},
        [NESTED],
    ],
    ids=str,
)
def test_an_http_answer_is_never_shown_wherever_it_is(payload: Any) -> None:
    """A workflow may put an HTTP error into a message or a tag, or raise its text; the context may quote it all."""
    context = f'RuntimeError: {json.dumps(payload)}\nin step "send", routine "main", line: 12'
    error = {"payload": json.dumps(payload), "context": context}
    text = str(execution_error({"state": "FAILED", "error": error}, NAME))
    assert "s3cr3t" not in text
    assert "t0ken" not in text
    assert "s3rver" not in text


@pytest.mark.parametrize("payload", [{"message": HTTP}, json.dumps(HTTP), {"message": "m", "tags": [HTTP]}], ids=str)
def test_an_error_inside_an_error_says_what_it_says(payload: Any) -> None:
    """A workflow that wraps an HTTP error, or raises its text, is explained as the error itself would be."""
    said = "HTTP server responded with error code 503 (HttpError): The card service is down"
    assert said in str(execution_error(failed(payload), NAME))


def test_half_a_key_is_not_shown() -> None:
    """A text is cut after its keys are taken out: what is left of one would not look like it."""
    for start in range(480, 500):
        text = str(execution_error(failed({"message": "x" * start + " q7Rk2Lm9Zp4Xv8Tn3Bc6Wd1"}), NAME))
        assert "q7" not in text


@pytest.mark.parametrize("code", [5, -1, 0, 10**300])
def test_a_code_that_is_no_http_error_is_not_called_one(code: int) -> None:
    """A workflow has numbers of its own."""
    assert "HTTP" not in str(execution_error(failed({"message": "refused", "code": code}), NAME))


#: As the service reports a parallel step; the payload of a branch may be decoded.
PARALLEL = {
    "branches": [
        {
            "error": {
                "context": 'RuntimeError: "Error with iteration 2"\nin step "raise_error", routine "main", line: 18',
                "payload": '"Error with iteration 2"',
            },
            "id": "2",
        },
        {"error": {"payload": {"message": "other"}}, "id": "5"},
    ],
    "message": "UnhandledBranchError: One or more branches or iterations encountered an unhandled runtime error",
    "tags": ["UnhandledBranchError", "RuntimeError"],
    "truncated": False,
}


def test_the_failing_branch_of_a_parallel_step_is_shown() -> None:
    """Which one failed first in the list and where, how many more, and the service's general words after that."""
    error = execution_error(failed(PARALLEL), NAME)
    assert str(error).startswith(
        'FAILED: orders 1a2b3c4d: branch 2 (and 1 more): RuntimeError: "Error with iteration 2"; UnhandledBranchError: '
    )
    assert "; step raise_error of main, line 18; " in str(error)
    assert (error.branch, error.step, error.line) == ("2", "raise_error", 18)


@pytest.mark.parametrize(
    "branches", [None, 5, "x", [], [5], [{}], [{"id": {"a": 1}, "error": []}], [{"error": {"payload": "{"}}]], ids=str
)
def test_odd_branches_hide_nothing(branches: Any) -> None:
    """A workflow can raise a payload with anything in that field."""
    error = execution_error(failed({"message": "m", "branches": branches}), NAME)
    assert "m; step send of charge, line 12" in str(error)


def test_a_failure_is_bounded() -> None:
    """Two thousand characters, whatever is long; the address is whole."""
    long = "word " * 10_000
    payload: dict[str, Any] = {"message": long, "tags": [long], "body": {"error": {"message": long}}}
    payload["branches"] = [{"id": long, "error": {"payload": payload.copy()}}]
    steps = [{"step": long, "routine": long, "state": long}] * 50
    text = str(execution_error(failed(payload, workflowRevisionId=long), NAME, steps))
    assert len(text) <= 2000
    assert text.endswith(f"; {ADDRESS}")
    assert text.isprintable()


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"duration": "600s"}, "after 600 s"),
        ({"duration": "0.04s"}, "after 0 s"),
        ({"startTime": "2026-01-01T00:00:00Z", "endTime": "2026-01-01T00:01:00.5Z"}, "after 60.5 s"),
        ({"duration": "long", "startTime": "2026-01-01T00:00:00Z"}, None),
        ({"startTime": "x", "endTime": "2026-01-01T00:01:00Z"}, None),
        ({"startTime": "2026-01-01T00:00:00Z", "endTime": "x"}, None),
    ],
)
def test_how_long_it_ran(fields: dict[str, Any], shown: str | None) -> None:
    """The duration is v1's own, or what lies between start and end; nothing where neither can be read."""
    text = str(execution_error(failed({"message": "m"}, **fields), NAME))
    assert (f"; {shown};" in text) if shown else ("after" not in text)
