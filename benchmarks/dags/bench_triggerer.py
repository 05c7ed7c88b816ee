# SPDX-License-Identifier: Apache-2.0
"""Defer many tasks that begin in the triggerer; run by `benchmarks/bench_triggerer.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import DAG, BaseOperator
from airflow.triggers.base import StartTriggerArgs

from airflow_provider_workflows.core.names import ExecutionName, WorkflowName
from airflow_provider_workflows.core.xcoms import execution_xcoms, result_xcoms

TASKS = 20
WORKFLOW = WorkflowName("test-project", "us-central1", "bench-000")
WAYS = {
    "shared": "airflow_provider_workflows.triggers.executions.WorkflowExecutionTrigger",
    "sleeping": "bench_triggers.SleepingTrigger",
}


def xcoms_of_an_end() -> dict[str, Any]:
    """Return what this package's trigger ends a task with, so that Airflow has as much to store for both."""
    name = ExecutionName(WORKFLOW, "00000000-0000-4000-8000-000000000000")
    moment = "2026-01-01T00:00:00.000000000Z"
    execution = {
        "name": str(name),
        "createTime": moment,
        "startTime": moment,
        "endTime": moment,
        "duration": "150.000000000s",
        "state": "SUCCEEDED",
        "argument": '{"seconds":150.0}',
        "result": "null",
        "workflowRevisionId": "000001-000",
        "status": {"currentSteps": [{"routine": "main", "step": "sleep"}]},
    }
    return {**execution_xcoms(name), **result_xcoms(execution), "return_value": execution}


class BeginsInTriggerer(BaseOperator):
    """
    Begin with a trigger, so that a thousand deferred tasks need no thousand worker processes.

    :param way: key of ``WAYS``.
    :param trigger_kwargs: the trigger's arguments; those that are templates must be attributes of it.
    """

    template_fields: Sequence[str] = ("execution_id", "ends")
    start_from_trigger = True

    def __init__(self, *, way: str, number: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.way = way
        self.number = number
        self.execution_id = f"{{{{ params.ids[{number}] }}}}"
        self.ends = f"{{{{ params.ends[{number}] }}}}"
        arguments: dict[str, Any] = {"ends": self.ends, "interval": 10.0, "xcoms": xcoms_of_an_end()}
        if way == "shared":
            arguments = {
                "project_id": WORKFLOW.project,
                "location": WORKFLOW.location,
                "workflow_id": WORKFLOW.workflow,
                "execution_id": self.execution_id,
                "poll_interval": 10.0,
                "end_task": True,
            }
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls=WAYS[way], trigger_kwargs=arguments, next_method="execute_complete"
        )

    def execute_complete(self, context: Any, event: Any = None) -> Any:  # noqa: ARG002 - Airflow's signature
        """Return the event."""
        return event


for each in WAYS:
    with DAG(
        f"bench_{each}", max_active_tasks=1000, schedule=None, params={"ids": [], "ends": []}, max_active_runs=1000
    ):
        for index in range(TASKS):
            BeginsInTriggerer(task_id=f"wait_{index}", way=each, number=index)
