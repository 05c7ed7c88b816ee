# SPDX-License-Identifier: Apache-2.0
"""A workflow may raise any JSON value, with anything where Google's own errors have texts: its task fails with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from airflow_provider_workflows.core.quoting import one_line
from airflow_provider_workflows.exceptions import ExecutionFailed
from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator
from airflow_provider_workflows.testing import Emulator, WorkflowError
from tests.harness import TaskRun

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PAYLOADS = ANY_JSON | st.fixed_dictionaries({}, optional={"message": ANY_JSON, "tags": ANY_JSON, "code": ANY_JSON})


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payload=PAYLOADS)
@example(payload={"message": "m", "tags": 5})
@example(payload={"message": "m", "tags": {"a": 1}})
@example(payload={"message": ["a", "b"], "tags": "late"})
@example(payload={"message": "two\nlines \x1b[31m"})
@example(payload={"message": " in a sentence. "})
def test_any_payload_is_an_execution_failed(
    deferrable: bool, task: Callable[..., TaskRun], emulator: Emulator, payload: Any
) -> None:
    """Whatever a workflow raises, its task fails with an ExecutionFailed that holds it and says its message."""

    @emulator.workflow("raising")
    def raising(_: Any) -> None:
        raise WorkflowError(payload)

    options = {"wait_for_completion": True, "deferrable": deferrable, "durable": False}
    run = task(WorkflowsCreateExecutionOperator, workflow_id="raising", **options)
    with pytest.raises(ExecutionFailed) as caught:
        run.run()
    assert caught.value.error == payload
    assert str(caught.value).isprintable()
    message = payload.get("message") if isinstance(payload, dict) else None
    if isinstance(message, str):
        assert one_line(message).strip().rstrip(".") in str(caught.value)
