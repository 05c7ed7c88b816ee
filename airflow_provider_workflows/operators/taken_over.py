# SPDX-License-Identifier: Apache-2.0
"""Tell whether another try of a task has taken over while this process was still at work."""

from __future__ import annotations

import threading
from typing import Any

from airflow_provider_workflows.api.cancelling import TAKEN_OVER_BOUND
from airflow_provider_workflows.durable.record import check_not_taken_over


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
            check_not_taken_over(store)
        except Exception as exc:  # noqa: BLE001 - Airflow's own
            refusals.append(exc)

    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(TAKEN_OVER_BOUND)
    return bool(refusals)
