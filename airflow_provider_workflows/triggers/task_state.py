# SPDX-License-Identifier: Apache-2.0
"""
Ask Airflow whether a deferred task was killed, or whether its trigger only stops running in this process.

A trigger is cancelled for both, and must cancel its execution for the first only. Airflow 2 keeps the answer in its
database; Airflow 3 gives it through the task's execution API. When there is no answer in time, the task counts as
alive: an execution that goes on can still be cancelled, one that was cancelled by mistake is lost.

A trigger that has moved may have fired elsewhere, and its task may be anywhere on its way by now: resumed, waiting for
its retry, deferred again to another trigger. Each of these goes on with the execution, or, after a clear, cancels it
itself. So only a state in which nobody is left to wait says that a user stopped the task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.core.messages import cancels
from airflow_provider_workflows.core.names import ExecutionName

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

#: Seconds for Airflow to tell. The first question to a fresh triggerer starts an API server in it, which took 13 to
#: 23 s on loaded machines. A kill outlives Airflow's own patience with it (``[triggerer] on_kill_timeout``, 30 s).
ASK_BOUND = 120.0
#: Seconds after which the log says that there is no answer yet; less than Airflow's patience, with which the log ends.
SAY_AFTER = 20.0
#: The states of a task that waits for nothing any more. None is that of a task that was cleared and is not scheduled
#: yet, and of one that was removed.
STOPPED = frozenset({None, "failed", "removed", "skipped", "success", "upstream_failed"})
#: Of these, the states that stay: a cleared task, and one that a scheduler has put back, is on its way again.
MARKED = STOPPED - {None}


async def was_killed(
    trigger: BaseTrigger, name: ExecutionName, log: Any, states: Collection[str | None] = STOPPED
) -> bool | None:
    """
    Tell whether nobody waits any longer for what this trigger's task waited for; ``None`` where Airflow does not tell.

    :param trigger: the trigger, with the ``task_instance`` that the triggerer gave it. ``DAG.test()`` gives none.
    :param states: those that say so.
    """
    from asgiref.sync import sync_to_async

    ti = getattr(trigger, "task_instance", None)
    if ti is None:
        return False
    ask = _state_in_airflow_3 if hasattr(ti, "id") and not hasattr(ti, "refresh_from_db") else _state_in_airflow_2
    try:
        asking = asyncio.ensure_future(sync_to_async(ask)(ti))
        answered, _ = await asyncio.wait({asking}, timeout=SAY_AFTER)
        if not answered:
            log.warning(cancels.not_told_yet(name, SAY_AFTER))
        return _word(await asyncio.wait_for(asking, ASK_BOUND - SAY_AFTER)) in states
    except asyncio.TimeoutError:
        log.error(cancels.not_told_in_time(name, ASK_BOUND))  # noqa: TRY400 - a traceback of waiting says nothing
    except Exception:
        log.exception(cancels.not_told(name))
    return None


def _word(state: Any) -> str | None:
    """Return a state as its word, however this Airflow gives it."""
    return None if state is None else str(getattr(state, "value", state))


def _state_in_airflow_3(ti: Any) -> Any:
    """Ask the execution API."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    states = RuntimeTaskInstance.get_task_states(
        dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id], map_index=ti.map_index
    )
    of_run = states.get(ti.run_id, {})
    # Mapped tasks come back as "<task id>_<map index>".
    return of_run.get(ti.task_id, of_run.get(f"{ti.task_id}_{ti.map_index}"))


def _state_in_airflow_2(ti: Any) -> Any:
    """
    Ask the database.

    A clear raises ``max_tries``, so a task that is on its way again may still say that it was cleared.
    """
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        row = (
            session.query(TaskInstance.state, TaskInstance.max_tries)
            .filter_by(dag_id=ti.dag_id, task_id=ti.task_id, run_id=ti.run_id, map_index=ti.map_index)
            .one_or_none()
        )
    known = getattr(ti, "max_tries", None)
    return None if row is None or (known is not None and row[1] > known) else row[0]
