# SPDX-License-Identifier: Apache-2.0
"""
Begin a sensor in the triggerer, within what Airflow can do there.

The scheduler hands a trigger the arguments that the DAG file has; only Airflow 3.3 and later render templates in
them. It reads no connection, and a plain ``xcom_pull`` in a template hangs there for ever, so both are refused when
the DAG is parsed: there is no later moment, no worker is ever asked.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.triggers.base import BaseTrigger, StartTriggerArgs

from airflow_provider_workflows.compat import XComArg
from airflow_provider_workflows.core.names import said
from airflow_provider_workflows.operators.waiting import WaitsForExecution

_RENDERED = (
    "project_id",
    "location",
    "workflow_id",
    "execution_id",
    "gcp_conn_id",
    "impersonation_chain",
    "api_version",
    "api_endpoint",
)


def start_trigger_args(sensor: WaitsForExecution, longest_wait: float) -> StartTriggerArgs:
    """
    Return what Airflow starts the sensor's trigger with.

    :param longest_wait: seconds after which the sensor is late.
    :raises ValueError: naming the parameter that cannot be used this way and what to do instead.
    """
    if not hasattr(BaseTrigger, "on_kill"):
        raise ValueError("start_from_trigger needs Airflow 3.3 or later. Use deferrable=True.")
    kwargs = {name: getattr(sensor, name) for name in _RENDERED}
    kwargs |= vars(said(sensor.workflow_id, kwargs["execution_id"], sensor.location, sensor.project_id))
    for name in ("project_id", "location"):
        if not kwargs[name]:
            raise ValueError(f"start_from_trigger needs {name}: the connection is not read before the trigger starts.")
    for name, value in kwargs.items():
        _check(name, value)
    return StartTriggerArgs(
        trigger_cls="airflow_provider_workflows.triggers.executions.WorkflowExecutionTrigger",
        trigger_kwargs={
            **kwargs,
            "poll_interval": sensor.check_interval(),
            "cancel_on_kill": False,
            **sensor.states(),
            "end_task": sensor.has_no_work_after_waiting(),
        },
        next_method="execute_complete",
        timeout=timedelta(seconds=longest_wait),
    )


def _check(name: str, value: Any) -> None:
    if isinstance(value, XComArg):
        raise ValueError(
            f"start_from_trigger: {name} is another task's output, which Airflow does not resolve for a trigger. "
            "Use deferrable=True."
        )
    if isinstance(value, str) and "xcom_pull" in value and "map_indexes" not in value:
        raise ValueError(
            f"start_from_trigger: {name} pulls an XCom, which hangs in the triggerer unless map_indexes is given. "
            "Add map_indexes=-1, or use deferrable=True."
        )
