# SPDX-License-Identifier: Apache-2.0
"""What an error says to do: by Google's reason, else by the status, about what was tried."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_workflows.api.advice import BY_REASON, BY_STATUS
from airflow_provider_workflows.exceptions import PermissionDenied, WorkflowsApiError
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsHook
from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator
from airflow_provider_workflows.testing import Emulator
from tests.documents import tables
from tests.harness import AdvancingClock, TaskRun

PLACE = "(projects/test-project/locations/us-central1)"

pytestmark = pytest.mark.usefixtures("connection")


def envelope(status: int, *details: dict[str, Any], message: str = "No.") -> dict[str, Any]:
    """Return a fault that answers with Google's envelope."""
    error = {"code": status, "message": message, "status": "WHATEVER", "details": list(details)}
    return {"status": status, "body": json.dumps({"error": error}), "content_type": "application/json"}


def said(call: Callable[[], Any]) -> str:
    """Return the text of the error that a call raises."""
    with pytest.raises(WorkflowsApiError) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize("reason", BY_REASON)
def test_each_reason_has_its_advice(reason: str, hook: WorkflowExecutionsHook, emulator: Emulator) -> None:
    """The reason decides, not the status: a 403 for billing does not speak of permissions."""
    emulator.fail("get", times=None, **envelope(403, {"reason": reason}))
    advice = BY_REASON[reason].replace("{permission}", "workflows.executions.get")
    advice = advice.replace("{role}", "roles/workflows.viewer")
    text = said(lambda: hook.get_execution("echo", execution_id="e"))
    assert text == f"Could not get echo e: 403 {reason}: No. {PLACE} {advice}"
    assert ("workflows.executions.get" in text) == (reason == "IAM_PERMISSION_DENIED")


def test_the_missing_permission_is_the_one_that_google_names(hook: WorkflowExecutionsHook, emulator: Emulator) -> None:
    """IAM names the permission in its details; a text that is none is not taken for one."""
    metadata = {"permission": "workflows.executions.create", "resource": "projects/p"}
    emulator.fail("get", **envelope(403, {"reason": "IAM_PERMISSION_DENIED", "metadata": metadata}))
    text = said(lambda: hook.get_execution("echo", execution_id="e"))
    assert text.endswith(
        "The identity of the connection needs the permission 'workflows.executions.create' "
        "(role roles/workflows.invoker); or the project does not exist."
    )
    odd = {"permission": "<script>alert</script>"}
    emulator.fail("get", **envelope(403, {"reason": "IAM_PERMISSION_DENIED", "metadata": odd}))
    assert "'workflows.executions.get' (role roles/workflows.viewer)" in said(
        lambda: hook.get_execution("echo", execution_id="e")
    )


@pytest.mark.parametrize(
    ("violations", "shown"),
    [
        ([{"field": "execution.argument", "description": "must be JSON"}], "Bad. [execution.argument: must be JSON]."),
        ([{"field": "a", "description": "x"}, {"field": "b"}], "Bad. [a: x; b]."),
        ([{"field": "a", "description": "Bad."}], "Bad. [a]."),
        ([{"description": "y"}], "Bad. [y]."),
        ([{}, 5, {"field": 7}], "Bad."),
    ],
)
def test_the_fields_of_a_bad_request_are_shown(
    violations: list[Any], shown: str, hook: WorkflowExecutionsHook, emulator: Emulator
) -> None:
    """A 400 says which fields are wrong and why; what its message says already is not said twice."""
    emulator.fail("create", **envelope(400, {"fieldViolations": violations}, message="Bad."))
    text = said(lambda: hook.create_execution("echo"))
    assert text == f"Could not create an execution of echo: 400 WHATEVER: {shown} {PLACE}"


def test_a_reason_is_more_than_a_404(hook: WorkflowExecutionsHook, emulator: Emulator) -> None:
    """A create in a project that does not exist is not told to look for its workflow."""
    emulator.fail("create", **envelope(404, {"reason": "CONSUMER_INVALID"}))
    assert said(lambda: hook.create_execution("echo")).endswith(BY_REASON["CONSUMER_INVALID"])


def test_a_403_that_is_a_rate_limit(connect: Callable[..., None], clock: AdvancingClock, emulator: Emulator) -> None:
    """Google's old word for a rate limit gets the advice of a quota, not that of a permission."""
    connect(num_retries=0)
    body = {"error": {"code": 403, "message": "Slow.", "errors": [{"reason": "userRateLimitExceeded"}]}}
    emulator.fail("get", status=403, body=json.dumps(body), content_type="application/json")
    with WorkflowExecutionsHook(clock=clock) as hook:
        assert said(lambda: hook.get_execution("echo", execution_id="e")).endswith(BY_STATUS[429])


@pytest.mark.parametrize("call", ["create", "list"])
def test_a_workflow_that_is_not_there(call: str, hook: WorkflowExecutionsHook) -> None:
    """A create and a list know of no execution, so their 404 is about workflow, project and location."""
    calls: dict[str, Callable[[], Any]] = {
        "create": lambda: hook.create_execution("nowhere"),
        "list": lambda: list(hook.list_executions("nowhere")),
    }
    text = said(calls[call])
    assert text.endswith("Check workflow_id, project_id and location: there is no such workflow.")
    assert "execution_id" not in text


def test_a_look_back_that_fails_names_its_create(emulator: Emulator, clock: AdvancingClock) -> None:
    """A retry that may not look for an earlier execution says that it did not create, and why."""
    run = TaskRun(WorkflowsCreateExecutionOperator(task_id="task", workflow_id="echo"), clock=clock, try_number=2)
    emulator.fail("list", "permission_denied", times=None)
    with pytest.raises(PermissionDenied) as caught:
        run.run()
    assert str(caught.value).startswith(
        "Nothing created: of echo, because looking for one of an earlier try failed: 403"
    )
    assert caught.value.status_code == 403
    assert emulator.count("create") == 0


def test_the_tables_of_advice() -> None:
    """The documented tables are those of the code."""
    shown = {"{permission}": "PERMISSION", "{role}": "ROLE"}
    wanted = [(f"`{reason}`", text) for reason, text in BY_REASON.items()]
    wanted += [(str(status), text) for status, text in BY_STATUS.items()]
    for name, stands in shown.items():
        wanted = [(key, text.replace(name, stands)) for key, text in wanted]
    rows = [(row[0], row[1]) for row in tables("docs/troubleshooting.md", "## What the API refused")]
    assert rows == wanted
