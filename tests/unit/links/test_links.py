# SPDX-License-Identifier: Apache-2.0
"""Links to the console: the right addresses, stored before any wait, found where each Airflow looks for them."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_workflows.compat import TaskInstanceKey, XCom
from airflow_provider_workflows.exceptions import WorkflowsApiError
from airflow_provider_workflows.links.executions import WorkflowExecutionLink, WorkflowLink
from airflow_provider_workflows.operators.executions import (
    WorkflowsCancelExecutionOperator,
    WorkflowsCreateExecutionOperator,
    WorkflowsGetExecutionOperator,
    WorkflowsListExecutionsOperator,
)
from airflow_provider_workflows.provider_info import get_provider_info
from airflow_provider_workflows.sensors.executions import WorkflowExecutionSensor
from airflow_provider_workflows.testing import Emulator
from tests.harness import TaskRun

CONSOLE = "https://console.cloud.google.com/workflows/workflow/us-central1/forever"
Task = Callable[..., TaskRun]
WITH_ID = [WorkflowsCancelExecutionOperator, WorkflowsGetExecutionOperator, WorkflowExecutionSensor]


def stored(run: TaskRun) -> dict[str, Any]:
    """Return the addresses that a task stored, by link."""
    return {key.removeprefix("_link_"): value for key, value in run.xcoms.items() if key.startswith("_link_")}


def both(execution_id: str) -> dict[str, str]:
    """Return the addresses of an execution and of its workflow."""
    return {
        "WorkflowExecutionLink": f"{CONSOLE}/execution/{execution_id}?project=test-project",
        "WorkflowLink": f"{CONSOLE}/executions?project=test-project",
    }


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize(
    "waiting", [{}, {"wait_for_completion": True}, {"wait_for_completion": True, "deferrable": True}]
)
def test_create_stores_its_links_before_it_waits(waiting: dict[str, Any], task: Task, emulator: Emulator) -> None:
    """The links of a create are there while it waits, and when the waiting goes wrong."""
    emulator.fail("get", "permission_denied", times=None)
    run = task(WorkflowsCreateExecutionOperator, workflow_id="forever", **waiting)
    try:
        run.run()
    except WorkflowsApiError:
        assert waiting
    assert stored(run) == both(run.xcoms["execution_id"])


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("operator", WITH_ID)
def test_links_to_a_given_execution(operator: Any, task: Task, emulator: Emulator) -> None:
    """Operators that are told an execution link to it, also when the request fails."""
    emulator.fail("*", "permission_denied", times=None)
    run = task(operator, workflow_id="forever", execution_id="abc-1")
    with pytest.raises(WorkflowsApiError):
        run.run()
    assert stored(run) == both("abc-1")


@pytest.mark.usefixtures("connection")
def test_list_links_to_the_workflow(task: Task) -> None:
    """A list has no execution to link to."""
    run = task(WorkflowsListExecutionsOperator, workflow_id="forever")
    run.run()
    assert stored(run) == {"WorkflowLink": both("")["WorkflowLink"]}


@pytest.mark.parametrize("operator", [WorkflowsCreateExecutionOperator, *WITH_ID, WorkflowsListExecutionsOperator])
def test_operator_offers_the_links_that_it_stores(operator: Any) -> None:
    """Airflow shows a button for each of the operator's links; each is registered in the provider info."""
    registered = {path.rpartition(".")[2] for path in get_provider_info()["extra-links"]}
    names = {type(link).__name__ for link in operator.operator_extra_links}
    expected = {"WorkflowLink"} | (
        {"WorkflowExecutionLink"} if operator is not WorkflowsListExecutionsOperator else set()
    )
    assert names == expected
    assert names <= registered


def test_names_read_well_beside_each_other() -> None:
    """The two buttons have the words of the Google provider's."""
    assert [link.name for link in (WorkflowLink(), WorkflowExecutionLink())] == [
        "Workflow details",
        "Workflow execution",
    ]


def test_keys_are_those_where_airflow_looks() -> None:
    """Airflow 3's web server reads an address from the XCom `_link_<class name>`."""
    assert WorkflowExecutionLink().xcom_key == "_link_WorkflowExecutionLink"
    assert WorkflowLink().xcom_key == "_link_WorkflowLink"


@pytest.mark.usefixtures("connection")
def test_addresses_keep_the_project_as_it_was_asked_for(task: Task, emulator: Emulator) -> None:
    """The service's own name of an execution has the project's number; the address has what the user said."""
    run = task(WorkflowsGetExecutionOperator, workflow_id="w_1", execution_id="e-1", project_id="example.com:p")
    emulator.fail("get", "permission_denied")
    with pytest.raises(WorkflowsApiError):
        run.run()
    assert stored(run)["WorkflowExecutionLink"].endswith("/w_1/execution/e-1?project=example.com:p")


def test_airflow_2_reads_the_same_xcom(monkeypatch: pytest.MonkeyPatch) -> None:
    """get_link gives the stored address, and nothing for a task that has not come that far."""
    values: dict[str, str] = {"_link_WorkflowLink": "https://example.com/w"}

    def get_value(*, key: str, ti_key: Any) -> str | None:
        assert ti_key.task_id == "task"
        return values.get(key)

    monkeypatch.setattr(XCom, "get_value", get_value)
    ti_key = TaskInstanceKey("dag", "task", "run", 1, -1)
    operator: Any = SimpleNamespace(task_id="task")
    assert WorkflowLink().get_link(operator, ti_key=ti_key) == "https://example.com/w"
    # Both versions show no link for an empty text; for None, Airflow 3 shows one to "None".
    assert WorkflowExecutionLink().get_link(operator, ti_key=ti_key) == ""
