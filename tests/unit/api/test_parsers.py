# SPDX-License-Identifier: Apache-2.0
"""Nothing that an answer can hold surprises what reads it: random bodies, pages and executions."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_workflows.api.body import create_body
from airflow_provider_workflows.api.errors import Subject, api_error, read_error
from airflow_provider_workflows.api.requests import Call, ExecutionsApi
from airflow_provider_workflows.api.transport import Answer
from airflow_provider_workflows.auth.fields import FIELDS, ConnectionField
from airflow_provider_workflows.auth.settings import settings_from_extra
from airflow_provider_workflows.core.execution import (
    Execution,
    classify,
    current_steps,
    is_known,
    parse_time,
    started_at,
)
from airflow_provider_workflows.core.failure import execution_error
from airflow_provider_workflows.core.names import WorkflowName
from airflow_provider_workflows.core.values import result_of
from airflow_provider_workflows.durable.choice import choose
from airflow_provider_workflows.durable.identity import TaskIdentity
from airflow_provider_workflows.exceptions import AmbiguousCreate, ExecutionError, WorkflowsApiError
from airflow_provider_workflows.polling.watch import Watch

WORKFLOW = WorkflowName("test-project", "us-central1", "echo")
API = ExecutionsApi("v1", "http://127.0.0.1:1")
CALLS: dict[str, Call] = {
    "create": API.create(WORKFLOW, {}),
    "get": API.get(WORKFLOW.execution("e")),
    "list": API.list(WORKFLOW),
    "cancel": API.cancel(WORKFLOW.execution("e")),
}
CASES = 500
NOT_THE_API = "something that is not the API answered"

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def some_of(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects that have some of these fields, each of its type or of any."""
    return st.fixed_dictionaries({}, optional={name: value | ANY_JSON for name, value in fields.items()})


DETAILS = st.lists(some_of(reason=st.text(), metadata=ANY_JSON) | ANY_JSON, max_size=3)
ERRORS = some_of(error=some_of(code=st.integers(), message=st.text(), status=st.text(), details=DETAILS))
TIMES = st.sampled_from(["2026-01-01T00:00:00.123456789Z", "yesterday", "9999-99-99T00:00:00Z", ""])
STEPS = st.lists(some_of(step=st.text(), routine=st.text()), max_size=3)
FRAMES = st.lists(some_of(step=st.text(), position=some_of(line=st.text() | st.integers())), max_size=3)
PAYLOADS = (some_of(message=st.text(), tags=st.lists(st.text(), max_size=2)) | ANY_JSON).map(json.dumps) | st.text()
EXECUTIONS = some_of(
    name=st.just("projects/1/locations/l/workflows/w/executions/e"),
    state=st.sampled_from(["ACTIVE", "FAILED", "SUCCEEDED", "CANCELLED", "UNAVAILABLE", "NEW", ""]),
    startTime=TIMES,
    createTime=TIMES,
    result=st.text(),
    labels=some_of(**{"airflow-key": st.text()}),
    status=some_of(currentSteps=STEPS),
    error=some_of(payload=PAYLOADS, context=st.text(), stackTrace=some_of(elements=FRAMES)),
    stateError=some_of(type=st.text(), details=st.text()),
)
BODIES = (ERRORS | EXECUTIONS | ANY_JSON).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40)
PAGES = some_of(executions=st.lists(EXECUTIONS, max_size=3), nextPageToken=st.text())


@settings(max_examples=CASES, deadline=None)
@given(
    operation=st.sampled_from(sorted(CALLS)),
    status=st.integers(300, 599),
    headers=st.dictionaries(st.sampled_from(["Retry-After", "Content-Type"]), st.text(max_size=40)),
    body=BODIES,
)
def test_any_error_answer_is_an_error_of_ours(
    operation: str, status: int, headers: dict[str, str], body: bytes
) -> None:
    """Whatever stands in an error's body and headers, there is one of this package's errors, with a readable text."""
    error = api_error(Subject(operation, WORKFLOW.brief), read_error(status, headers, body, 0.0))
    assert isinstance(error, WorkflowsApiError)
    assert WORKFLOW.brief in str(error)
    assert error.retry_after is None or 0 <= error.retry_after < float("inf")


@settings(max_examples=CASES, deadline=None)
@given(operation=st.sampled_from(["create", "get", "cancel"]), body=BODIES)
def test_any_answer_is_an_execution_or_an_error_of_ours(operation: str, body: bytes) -> None:
    """What a success holds is an Execution that everything can read, or an error of this package."""
    execution, refusal = tried(lambda: CALLS[operation].decode(Answer(200, {}, body), 0.0), WorkflowsApiError)
    assert execution is not None or NOT_THE_API in refusal
    if execution is not None:
        assert isinstance(execution["name"], str)
        read(execution)


@settings(max_examples=CASES, deadline=None)
@given(
    operation=st.sampled_from(sorted(CALLS)),
    status=st.integers(-1, 199) | st.integers(300, 399) | st.integers(600, 99999),
    body=BODIES | st.just(b'{"name": "projects/1/executions/e"}'),
)
def test_only_a_success_is_an_answer(operation: str, status: int, body: bytes) -> None:
    """Whatever comes with a status that the API does not have is an error that may pass, and a create's is unclear."""
    with pytest.raises(WorkflowsApiError) as caught:
        CALLS[operation].decode(Answer(status, {}, body), 0.0)
    if status < 400:
        assert "something that is not the API answered" in str(caught.value)
        assert caught.value.retryable
        assert caught.value.unsent or isinstance(caught.value, AmbiguousCreate) is (operation == "create")


@settings(max_examples=CASES, deadline=None)
@given(page=PAGES | ANY_JSON)
def test_any_page_is_executions_or_an_error_of_ours(page: Any) -> None:
    """A page has only executions that everything can read, and a next page only where it says one."""
    try:
        decoded = CALLS["list"].decode(Answer(200, {}, json.dumps(page).encode()), 0.0)
    except WorkflowsApiError:
        return
    for execution in decoded["executions"]:
        read(execution)
    choose(decoded["executions"], "key", 0, not_before=0.0, cancel_stale=True)
    assert (API.list_next(CALLS["list"], decoded) is None) == (not decoded.get("nextPageToken"))


def nested(depth: int) -> Any:
    """Return a list in a list in a list."""
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


ODD: list[Any] = [None, True, -1, 1e308, float("inf"), float("nan"), 10**400, {}, [[]], [None], {"": None}]
ODD += ["", "\x00", "\x1b[31m", "a\u2028b", "\ud800", "9" * 4000, nested(50), nested(900)]
SHAPES: list[Callable[[Any], Any]] = [
    lambda odd: odd,
    lambda odd: [odd],
    lambda odd: {"currentSteps": odd, "payload": odd, "context": odd, "stackTrace": odd, "type": odd, "details": odd},
    lambda odd: {
        "currentSteps": [odd, {"step": odd, "routine": odd}],
        "stackTrace": {"elements": [odd, {"step": odd, "position": odd}, {"step": "s", "position": {"line": odd}}]},
    },
    lambda odd: {"payload": json.dumps(odd)},
    lambda odd: {"payload": json.dumps({"message": odd, "tags": odd})},
]


@pytest.mark.parametrize("field", [*Execution.__annotations__, "executions", "nextPageToken"])
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
def test_odd_values_in_each_field(odd: Any, field: str) -> None:
    """A field of a wrong type, or one that would spoil a log, is read by everybody, or an error of ours."""
    for shape in SHAPES:
        execution = {"name": "a/e", "state": "FAILED", field: shape(odd)}
        page = {"executions": [execution], "nextPageToken": "next", field: shape(odd)}
        for operation, call in CALLS.items():
            body = json.dumps(page if operation == "list" else execution).encode()
            decoded, refusal = tried(partial(call.decode, Answer(200, {}, body), 0.0), WorkflowsApiError)
            assert decoded is not None or NOT_THE_API in refusal
            for each in [] if decoded is None else decoded["executions"] if operation == "list" else [decoded]:
                read(each)


@pytest.mark.parametrize("field", ["code", "status", "message", "details", "errors"])
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
def test_odd_values_in_each_field_of_an_error(odd: Any, field: str) -> None:
    """What the service says fits into one line of a log, whatever it says."""
    for shape in (odd, [odd], [{"reason": odd, "metadata": odd, "@type": odd}]):
        body = json.dumps({"error": {"code": 503, field: shape}}).encode()
        text = str(api_error(Subject("get", "t"), read_error(503, {}, body, 0.0)))
        assert text.isprintable()
        assert text.encode()


DATES = [
    *("Fri, 31 Dec 99999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "31 Dec 9999 23:59:59 -2359"),
    *(
        "1 Jan 2026 00:00:00 -0000",
        "1 Jan 1 00:00:00 -0000",
        "1 Jan 2026 00:00:00 +99999999999",
        "31 Feb 2026 00:00:00",
    ),
    *(
        "1 Jan 99999999999999999999 00:00:00 GMT",
        "-1",
        "-0",
        "1e400",
        "-1e400",
        "nan",
        "9" * 5000,
        "0x10",
        "5, 6",
        "\x00",
    ),
]
TIMES_OF_ALL_KINDS = [
    *DATES,
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-01-01T00:00:00+99:99", "2026-01-01T24:00:00Z"),
    *("2026-01-01T00:00:00.Z", "0000-00-00T00:00:00Z", "99999-01-01T00:00:00Z", "ZZZ", "2026-01-01T00:00:00+00:00:30"),
]


@pytest.mark.parametrize("date", DATES, ids=lambda date: date[:30])
def test_any_retry_after_is_some_time_or_none(date: str) -> None:
    """No date is too far away, and none is in the past."""
    after = read_error(503, {"Retry-After": date}, b"", 0.0).retry_after
    assert after is None or 0 <= after < float("inf")


@pytest.mark.parametrize("started", TIMES_OF_ALL_KINDS, ids=lambda date: date[:30])
def test_any_time_can_be_compared(started: str) -> None:
    """Executions with whatever times are chosen among."""
    for created in TIMES_OF_ALL_KINDS:
        labels = {"airflow-key": "k", "airflow-generation": "0"}
        times = ({"startTime": started}, {"createTime": created}, {"startTime": created, "createTime": started})
        found: Any = [{"name": "a/e", "state": "SUCCEEDED", "labels": labels, **each} for each in times]
        for not_before in (0.0, -1e18):
            assert choose(found, "k", 0, not_before=not_before, cancel_stale=False).attach in [None, *found]


@pytest.mark.parametrize("spec", FIELDS, ids=lambda spec: spec.name)
def test_odd_values_in_each_field_of_a_connection(spec: ConnectionField) -> None:
    """A connection's field holds what it can hold, or the error is a short ValueError that names it."""
    texts: list[Any] = ["[" * 100_000, '{"a":' * 100_000, nested(100_000)]
    for odd in [*ODD, *texts, *([each] for each in ODD), *({"a": each} for each in ODD)]:
        settings, refusal = tried(partial(settings_from_extra, {spec.name: odd}), ValueError)
        assert settings is not None or spec.name in refusal
        assert len(refusal) < 1000


@pytest.mark.parametrize("odd", [*ODD, nested(100_000), object(), b"x", "[" * 100_000], ids=lambda odd: repr(type(odd)))
def test_odd_values_in_each_argument(odd: Any) -> None:
    """What a task gives is taken, or the error is a ValueError of one short line."""
    calls: list[Callable[[], Any]] = [
        lambda: create_body(odd),
        lambda: create_body(None, odd),
        lambda: create_body(None, None, {"argument": odd}),
        lambda: API.create(WORKFLOW, {"callLogLevel": odd}),
        lambda: API.create(WORKFLOW, {"labels": {"a": odd}}),
        lambda: API.create(WORKFLOW, {"labels": odd}),
        lambda: WorkflowName(odd, "l", "w"),
        lambda: WORKFLOW.execution(odd),
        lambda: parse_time(odd, "start_date_filter"),
        lambda: API.list(WORKFLOW, page_size=odd),
        lambda: API.list(WORKFLOW, view=odd),
    ]
    for call in calls:
        _, refusal = tried(call, ValueError)
        assert refusal.isprintable()
        assert len(refusal) < 1000


def tried(call: Callable[[], Any], error: type[Exception]) -> tuple[Any, str]:
    """Return what a call gives, or the text of the one error that it may raise instead."""
    try:
        return call(), ""
    except error as exc:
        return None, str(exc)


def read(execution: dict[str, Any]) -> None:
    """Read an execution as everybody does who waits for it."""
    state = execution.get("state")
    classify(state)
    is_known(state)
    started_at(execution)
    current_steps(execution)
    result_of(execution)
    error = execution_error(execution, WORKFLOW.execution("e"))
    assert isinstance(error, ExecutionError)
    assert str(error).isprintable()
    assert str(error).encode()
    Watch(WORKFLOW.execution("e"), 10.0, now=0.0, due=0.0).saw(execution, 1.0, 0.5)


@pytest.mark.parametrize("operation", sorted(CALLS))
@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"executions":['])
def test_json_that_is_nested_too_deeply_is_an_error_of_ours(operation: str, opening: bytes) -> None:
    """A hundred thousand brackets are no RecursionError."""
    for status in (200, 500):
        with pytest.raises(WorkflowsApiError):
            CALLS[operation].decode(Answer(status, {}, opening * 100_000), 0.0)


def test_identity_is_only_a_label() -> None:
    """A task's identity can be anything that Airflow allows in ids."""
    identity = TaskIdentity("dag \n", "run/1", "täsk", -1, 1, 0, 0.0)
    assert all(len(value) <= 63 for value in identity.labels("f", "a").values())
