# SPDX-License-Identifier: Apache-2.0
"""
Ask Airflow whether a deferred task was killed, or whether its trigger only stops running in this process.

A trigger is cancelled for both, and must cancel its execution for the first only. Airflow 2 keeps the answer in its
database; Airflow 3 gives it through the task's execution API. When there is no answer, the task counts as alive: an
execution that goes on can still be cancelled, one that was cancelled by mistake is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

DEFERRED = "deferred"


async def was_killed(trigger: BaseTrigger, log: Any) -> bool:
    """
    Tell whether the task that this trigger belongs to no longer waits for it.

    :param trigger: the trigger, with the ``task_instance`` that the triggerer gave it. ``DAG.test()`` gives none.
    """
    from asgiref.sync import sync_to_async

    ti = getattr(trigger, "task_instance", None)
    if ti is None:
        return False
    ask = _killed_in_airflow_3 if hasattr(ti, "id") and not hasattr(ti, "refresh_from_db") else _killed_in_airflow_2
    try:
        return bool(await sync_to_async(ask)(ti, trigger.trigger_id))
    except Exception:
        log.exception("Airflow did not tell whether the task was killed; its execution is left alone.")
        return False


def _killed_in_airflow_3(ti: Any, trigger_id: int | None) -> bool:  # noqa: ARG001 - same shape as for Airflow 2
    """Ask the execution API. A task that was cleared and deferred again counts as alive: its new try cleans up."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    states = RuntimeTaskInstance.get_task_states(
        dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id], map_index=ti.map_index
    )
    of_run = states.get(ti.run_id, {})
    # Mapped tasks come back as "<task id>_<map index>".
    state = of_run.get(ti.task_id, of_run.get(f"{ti.task_id}_{ti.map_index}"))
    return state is None or str(getattr(state, "value", state)) != DEFERRED


def _killed_in_airflow_2(ti: Any, trigger_id: int | None) -> bool:
    """Ask the database. A task that is deferred again, to another trigger, was killed, too."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        row = (
            session.query(TaskInstance.state, TaskInstance.trigger_id)
            .filter_by(dag_id=ti.dag_id, task_id=ti.task_id, run_id=ti.run_id, map_index=ti.map_index)
            .one_or_none()
        )
    return row is None or row[0] != DEFERRED or row[1] != trigger_id
