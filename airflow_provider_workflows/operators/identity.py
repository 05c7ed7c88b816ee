# SPDX-License-Identifier: Apache-2.0
"""Say which task instance is executing, from what Airflow 2 and 3 tell alike."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.durable.identity import TaskIdentity

if TYPE_CHECKING:
    from airflow_provider_workflows.compat import Context

#: Seconds to wait for Airflow's answer. A kill may arrive while the task talks to Airflow, and then none comes.
ANSWER_BOUND = 5.0
_ABSENT = "workflow_execution_probe"


def identity_of(context: Context, *, retries: int) -> TaskIdentity:
    """
    Return the identity of the running task instance.

    The generation is what ``max_tries`` has more than ``retries``: Airflow adds the tries used up so far when a
    task is cleared, and only then. The base sensor counts its timeout from the same number.
    """
    ti: Any = context["ti"]
    return TaskIdentity(
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        map_index=ti.map_index if ti.map_index is not None else -1,
        try_number=ti.try_number,
        generation=ti.max_tries - retries,
        began_at=_began_at(context),
    )


def _began_at(context: Context) -> float:
    """Return when the DAG run began, or 0 where that is not known: clearing a finished run moves it forward."""
    run: Any = context.get("dag_run")
    began = getattr(run, "start_date", None)
    return float(began.timestamp()) if began else 0.0


def was_taken_over(store: Any) -> bool:
    """
    Tell whether Airflow has given this task to another try while this process was still at work.

    That happens when its heartbeats were missed: the next try attaches to the execution, and then this process is
    killed. A user's kill looks the same from here, but for one thing: after it the task state store still takes
    writes for this try. Where there is no store (before Airflow 3.3) or no answer, this is ``False``.

    :param store: the context's ``task_state_store``.
    """
    if store is None:
        return False
    refusals: list[Exception] = []

    def probe() -> None:
        try:
            store.delete(_ABSENT)  # the one write that changes nothing
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is looked at below
            refusals.append(exc)

    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(ANSWER_BOUND)
    return any(_status_of(refusal) == 404 for refusal in refusals)


def _status_of(refusal: Exception) -> Any:
    """Return the HTTP status that Airflow's API server refused with."""
    detail = getattr(getattr(refusal, "error", None), "detail", None)
    return detail.get("status_code") if isinstance(detail, dict) else None
