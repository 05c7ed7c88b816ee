# SPDX-License-Identifier: Apache-2.0
"""Say which task instance is executing, from what Airflow 2 and 3 tell alike."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.compat import clears_while_running
from airflow_provider_workflows.core.messages import retries
from airflow_provider_workflows.durable.identity import TaskIdentity

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from airflow_provider_workflows.compat import Context


def identity_of(context: Context, *, retries: int) -> TaskIdentity:
    """
    Return the identity of the running task instance.

    The generation is what ``max_tries`` has more than ``retries``: Airflow adds the tries used up so far when a
    task is cleared, and only then. The base sensor counts its timeout from the same number. Airflow 2 adds nothing
    when the task is cleared while it runs, so such clears are counted by themselves.
    """
    ti: Any = context["ti"]
    return TaskIdentity(
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        map_index=ti.map_index if ti.map_index is not None else -1,
        try_number=ti.try_number,
        generation=ti.max_tries - retries + _clears_while_running(ti),
        began_at=_began_at(context),
    )


def _clears_while_running(ti: Any) -> int:
    try:
        return clears_while_running(ti)
    except Exception:  # a worker may have no way to the database
        log.exception(retries.clears_unknown())
        return 0


def _began_at(context: Context) -> float:
    """Return when the DAG run began, or 0 where that is not known: clearing a finished run moves it forward."""
    run: Any = context.get("dag_run")
    began = getattr(run, "start_date", None)
    return float(began.timestamp()) if began else 0.0
