# SPDX-License-Identifier: Apache-2.0
"""Start many executions from mapped tasks and wait for them in every way there is; run by `scripts/chaos.py`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, XComArg, task

from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator
from airflow_provider_workflows.sensors.executions import WorkflowExecutionSensor
from chaos_items import plan_of_environment

PLAN = plan_of_environment()
COMMON: dict[str, Any] = {
    "max_active_tasks": 64,
    # Every kill costs a try, and so does Airflow itself at times; no task may fail for lack of tries. The time is
    # longer than a run and the clock that is most wrong.
    "default_args": {"retries": 25, "retry_delay": timedelta(seconds=1), "execution_timeout": timedelta(minutes=60)},
}
WAITS: dict[str, Any] = {"workflow_id": "sleep", "wait_for_completion": True, "poll_interval": 2.0}


def id_of(execution: dict[str, Any]) -> str:
    """Return an execution's id; only return values can be mapped over."""
    return str(execution["name"]).rpartition("/")[2]


def create_and_wait(task_id: str, arguments: list[dict[str, Any]]) -> Any:
    """Return mapped tasks that wait in the triggerer, or in their worker."""
    deferrable = task_id == "deferred"
    return WorkflowsCreateExecutionOperator.partial(task_id=task_id, deferrable=deferrable, **WAITS).expand(
        argument=arguments
    )


with DAG("chaos", schedule=None, **COMMON):
    deferred = create_and_wait("deferred", PLAN.deferred)
    waiting = create_and_wait("waiting", PLAN.waiting)
    started = WorkflowsCreateExecutionOperator.partial(task_id="started", workflow_id="sleep").expand(
        argument=PLAN.started
    )
    sensed = WorkflowExecutionSensor.partial(
        task_id="sensed", workflow_id="sleep", deferrable=True, poke_interval=2.0, timeout=3600
    ).expand(execution_id=started.output.map(id_of))

    @task(trigger_rule="all_done")
    def gather(*results: list[Any]) -> list[Any]:
        """Put all results into one list; a task that was marked has none."""
        return [each for several in results for each in several]

    gather(XComArg(deferred, "result"), XComArg(waiting, "result"), XComArg(sensed, "result"))

with DAG("chaos_doomed", schedule=None, **COMMON):
    for name, arguments in PLAN.doomed.items():
        create_and_wait(name, arguments)
