# SPDX-License-Identifier: Apache-2.0
"""Nothing that an answer can hold surprises what reads it: random bodies, pages and executions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_workflows.api.errors import api_error, read_error
from airflow_provider_workflows.api.requests import Call, ExecutionsApi
from airflow_provider_workflows.api.transport import Answer
from airflow_provider_workflows.core.execution import classify, current_steps, is_known, started_at
from airflow_provider_workflows.core.failure import execution_error
from airflow_provider_workflows.core.names import WorkflowName
from airflow_provider_workflows.core.values import result_of
from airflow_provider_workflows.durable.choice import choose
from airflow_provider_workflows.durable.identity import TaskIdentity
from airflow_provider_workflows.exceptions import ExecutionError, WorkflowsApiError

WORKFLOW = WorkflowName("test-project", "us-central1", "echo")
API = ExecutionsApi("v1", "http://127.0.0.1:1")
CALLS: dict[str, Call] = {
    "create": API.create(WORKFLOW, {}),
    "get": API.get(WORKFLOW.execution("e")),
    "list": API.list(WORKFLOW),
    "cancel": API.cancel(WORKFLOW.execution("e")),
}
CASES = 500

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
    error = api_error(operation, str(WORKFLOW), read_error(status, headers, body, 0.0))
    assert isinstance(error, WorkflowsApiError)
    assert str(WORKFLOW) in str(error)
    assert error.retry_after is None or 0 <= error.retry_after < float("inf")


@settings(max_examples=CASES, deadline=None)
@given(operation=st.sampled_from(["create", "get", "cancel"]), body=BODIES)
def test_any_answer_is_an_execution_or_an_error_of_ours(operation: str, body: bytes) -> None:
    """What a success holds is an Execution that everything can read, or an error of this package."""
    try:
        execution = CALLS[operation].decode(Answer(200, {}, body), 0.0)
    except WorkflowsApiError:
        return
    read(execution)


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
