# SPDX-License-Identifier: Apache-2.0
"""The pure core: names, times, JSON and error texts, without any request."""

from __future__ import annotations

import json
import math
from collections import UserDict, UserList, deque
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_workflows.core.execution import execution_id_of, parse_time, started_at
from airflow_provider_workflows.core.failure import execution_error
from airflow_provider_workflows.core.names import WorkflowName
from airflow_provider_workflows.core.values import check_json_text, decode_json, encode_json, result_of
from airflow_provider_workflows.core.xcoms import execution_address
from airflow_provider_workflows.exceptions import (
    ExecutionCancelled,
    ExecutionError,
    ExecutionFailed,
    ExecutionUnavailable,
)

WORKFLOW = WorkflowName("p", "us-central1", "w")
NAME = WORKFLOW.execution("e")
ADDRESS = execution_address(NAME)


# -- names ------------------------------------------------------------------------------------------------


def test_names() -> None:
    """Names are the API's resource names, with the project as it was given."""
    assert str(WORKFLOW) == "projects/p/locations/us-central1/workflows/w"
    assert str(NAME) == "projects/p/locations/us-central1/workflows/w/executions/e"
    assert WorkflowName("p", "us-central1", "w").execution("e") == NAME


@pytest.mark.parametrize("project", ["my-project", "123456789012", "example.com:my-project"])
def test_projects(project: str) -> None:
    """Ids, numbers and old domain-scoped ids are projects."""
    assert str(WorkflowName(project, "l", "w")).startswith(f"projects/{project}/")


@pytest.mark.parametrize(
    "bad", ["", "a/b", "a?b", "a#b", "a:cancel", "..", ".", "a b", "a\n", "ä", "-a", "%2e", None, 1]
)
@pytest.mark.parametrize("part", ["project_id", "location", "workflow_id", "execution_id"])
def test_bad_parts_are_refused_by_name(part: str, bad: Any) -> None:
    """What could change a URL's meaning is refused, with the name of the parameter; a domain needs a project."""
    parts: dict[str, Any] = {"project_id": "p", "location": "l", "workflow_id": "w", "execution_id": "e", part: bad}
    if part == "project_id" and bad == "a:cancel":
        # A domain-scoped project looks like that, and its place in a URL gives it no other meaning.
        assert str(WorkflowName(bad, "l", "w").execution("e")).startswith("projects/a:cancel/locations/l/")
        return
    with pytest.raises(ValueError, match=f"^{part} must be a plain id"):
        WorkflowName(parts["project_id"], parts["location"], parts["workflow_id"]).execution(parts["execution_id"])


def test_only_the_id_is_read_from_a_name() -> None:
    """The service's names carry the project's number, so nothing but the last part is taken from them."""
    execution = {"name": "projects/123/locations/us-central1/workflows/w/executions/e-1"}
    assert execution_id_of(execution) == "e-1"


# -- times ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("2026-01-02T03:04:05Z", 0),
        ("2026-01-02T03:04:05.5Z", 500_000),
        ("2026-01-02T03:04:05.123456789Z", 123_456),
        ("2026-01-02T05:04:05.123+02:00", 123_000),
    ],
)
def test_times_of_the_service(text: str, microseconds: int) -> None:
    """Up to nine digits of a second and a Z are read on every Python."""
    expected = datetime(2026, 1, 2, 3, 4, 5, microseconds, timezone.utc)
    assert parse_time(text, "since") == expected
    assert parse_time(expected.astimezone(timezone(timedelta(hours=5))), "since") == expected


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_time(nothing: Any) -> None:
    """An empty template is no time."""
    assert parse_time(nothing, "since") is None


@pytest.mark.parametrize("bad", ["2026-01-02T03:04:05", "today", datetime(2026, 1, 2), 5, "2026-13-01T00:00:00Z"])  # noqa: DTZ001
def test_times_that_could_mean_several_are_refused(bad: Any) -> None:
    """A time without a zone, or none at all, is an error that names the parameter."""
    with pytest.raises(ValueError, match=r"^since must be a datetime with a time zone"):
        parse_time(bad, "since")


def test_start_of_a_queued_execution() -> None:
    """What has not started yet counts from its creation, and what says neither is the newest."""
    created, started = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    assert started_at({"createTime": created, "startTime": started}).day == 2
    assert started_at({"createTime": created}).day == 1
    assert started_at({}) > started_at({"startTime": "9000-01-01T00:00:00Z"})


# -- JSON -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (2**70, str(2**70)),
        (1.5, "1.5"),
        ('\u2028ü"\\\x00', '"\u2028ü\\"\\\\\\u0000"'),
        ((1, (2,)), "[1,[2]]"),
        (deque([1]), "[1]"),
        (UserDict({"a": UserList([None])}), '{"a":[null]}'),
        (range(3), "[0,1,2]"),
    ],
)
def test_values_become_compact_json(value: Any, text: str) -> None:
    """Every JSON value, in whatever Python collection, becomes its JSON text."""
    assert encode_json(value) == text
    json.loads(text)


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (math.nan, "argument is nan"),
        ([-math.inf], r"argument\[0\] is -inf"),
        ({"a": {"b": [1, object()]}}, r"argument\['a'\]\['b'\]\[1\] is a object"),
        ({("a",): 1}, r"argument has the key \('a',\) of type tuple"),
        ({"a": b"x"}, r"argument\['a'\] is a bytes"),
        ({"\ud800": 1}, "argument holds half of a surrogate pair"),
        (iter([1]), "argument is a list_iterator"),
    ],
)
def test_what_is_not_json_is_refused_by_its_place(value: Any, where: str) -> None:
    """The error says where the offending value is."""
    with pytest.raises(ValueError, match=f"^{where}"):
        encode_json(value)


def test_value_that_contains_itself_is_refused() -> None:
    """A loop in the value is an error, not a crash."""
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ValueError, match="contains itself"):
        encode_json(value)


@pytest.mark.parametrize("text", ["1", "null", '{"a": [true]}', '"x"', " {} "])
def test_json_text_is_kept_as_it_is(text: str) -> None:
    """JSON text goes to the service as it was written."""
    assert check_json_text(text, "argument") == text


@pytest.mark.parametrize("text", ["", "{'a': 1}", "{", "nul", "1 2", "NaN", "[Infinity]", "True"])
def test_text_that_is_not_json_is_refused(text: str) -> None:
    """Python's repr of a dict is the most common of them; the error does not quote the text."""
    with pytest.raises(ValueError, match=r"^argument ") as caught:
        check_json_text(text, "argument")
    assert text not in str(caught.value) or len(text) < 8
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("text", "value"), [(None, None), ("null", None), ("[1]", [1]), ('"x"', "x"), ("not JSON", "not JSON")]
)
def test_result_is_decoded(text: str | None, value: Any) -> None:
    """A result is any JSON value; what is none comes back as the text it is."""
    assert decode_json(text) == value
    assert result_of({} if text is None else {"result": text}) == value


# -- what went wrong --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("FAILED", ExecutionFailed),
        ("CANCELLED", ExecutionCancelled),
        ("UNAVAILABLE", ExecutionUnavailable),
        ("ODD", ExecutionFailed),
    ],
)
def test_error_of_a_state(state: str, kind: type[ExecutionError]) -> None:
    """Each bad end has a class; the text names the execution and its state even when nothing else is known."""
    error = execution_error({"name": "n", "state": state}, NAME)
    assert type(error) is kind
    assert str(error) == f"{state}: w e; {ADDRESS}"
    assert (error.execution_name, error.state, error.error, error.step, error.line) == (
        str(NAME),
        state,
        None,
        None,
        None,
    )


#: Errors as the service has been seen to send them, and what is made of them.
REAL_ERRORS: list[tuple[dict[str, Any], str, Any, tuple[str | None, int | None]]] = [
    (
        {
            "context": 'HTTP server responded with error code 503\nin step "invoke", routine "main", line: 4',
            "payload": '{"body":{"secret":1},"code":503,"message":"HTTP server responded with error code 503",'
            '"tags":["HttpError"]}',
        },
        "HTTP server responded with error code 503 (HttpError); step invoke of main, line 4",
        503,
        ("invoke", 4),
    ),
    (
        {
            "context": 'RuntimeError: "Error with iteration 2"\nin step "raise_error", routine "main", line: 18',
            "payload": '"\\"Error with iteration 2\\""',
        },
        'RuntimeError: "Error with iteration 2"; step raise_error of main, line 18',
        '"Error with iteration 2"',
        ("raise_error", 18),
    ),
    (
        {
            "payload": '{"message":"m","tags":["TypeError"]}',
            "stackTrace": {"elements": [{"step": "s", "routine": "main", "position": {"line": "7", "column": "1"}}]},
        },
        "m (TypeError); step s of main, line 7",
        None,
        ("s", 7),
    ),
    ({"payload": '{"message":"m"}', "stackTrace": {"elements": [{"step": "s"}]}}, "m; step s", None, ("s", None)),
    ({"stackTrace": {}}, "", None, (None, None)),
    # What no service of Google's sends, and any workflow may raise.
    ({"payload": '{"message":"m","tags":5}'}, "m (5)", None, (None, None)),
    ({"payload": '{"message":"m","tags":"late"}'}, "m (late)", None, (None, None)),
    ({"payload": '{"message":"m","tags":{"a":[1]}}'}, 'm ({"a": [1]})', None, (None, None)),
    ({"payload": '{"message":"m","tags":["a",{"b":null},2]}'}, 'm (a, {"b": null}, 2)', None, (None, None)),
    ({"payload": '{"message":["a",1]}'}, '["a", 1]', None, (None, None)),
    ({"payload": '{"message":0,"tags":[]}'}, "0", None, (None, None)),
    ({"payload": '{"message":false}'}, "false", None, (None, None)),
    ({"payload": '{"tags":["Late"]}', "context": "c\nd"}, "c (Late)", None, (None, None)),
    ({"payload": '{"tags":["Late"]}'}, "Late", None, (None, None)),
    ({"payload": '{"message":"a\\nb\\u001b[31mc\\ud800"}'}, "a b [31mc", None, (None, None)),
    ({"payload": '{"message":null}', "context": "c"}, "c", None, (None, None)),
    ({"context": "ResourceLimitError", "payload": "broken {"}, "ResourceLimitError", "broken {", (None, None)),
]


@pytest.mark.parametrize(("error", "words", "payload", "frame"), REAL_ERRORS)
def test_error_text(error: dict[str, Any], words: str, payload: Any, frame: tuple[str | None, int | None]) -> None:
    """The text has the service's message, its tags and the failing step; the whole payload is an attribute only."""
    made = execution_error({"state": "FAILED", "error": error}, NAME)
    assert str(made) == "FAILED: w e" + (f": {words}" if words else "") + f"; {ADDRESS}"
    assert (made.step, made.line) == frame
    if isinstance(payload, int):
        assert made.error["code"] == payload
    elif payload is not None:
        assert made.error == payload


def test_error_of_unreadable_data() -> None:
    """An UNAVAILABLE execution says why its data cannot be read."""
    execution = {"state": "UNAVAILABLE", "stateError": {"type": "KMS_ERROR", "details": "key is disabled"}}
    assert str(execution_error(execution, NAME)).startswith("UNAVAILABLE: w e: KMS_ERROR key is disabled; ")


def test_long_messages_are_cut() -> None:
    """A workflow that raises a whole document does not fill the log with it."""
    error = {"payload": json.dumps({"message": "x" * 100_000})}
    assert len(str(execution_error({"state": "FAILED", "error": error}, NAME))) < 1000
