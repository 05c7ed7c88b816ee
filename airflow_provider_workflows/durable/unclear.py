# SPDX-License-Identifier: Apache-2.0
"""Say that an execution may exist and nobody can tell, and what its owner can do about it."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow_provider_workflows.core.names import WorkflowName
from airflow_provider_workflows.exceptions import AmbiguousCreate


def unclear(workflow: WorkflowName, why: str, *, now: float, labelled: bool) -> AmbiguousCreate:
    """
    Return the error to stop with instead of guessing.

    :param now: epoch seconds.
    :param labelled: with labels the next try of the task can tell, so it may begin; without them it could only guess.
    """
    around = datetime.fromtimestamp(now, timezone.utc).isoformat(timespec="seconds")
    message = (
        f"An execution of {workflow} may exist, and it cannot be told for sure: {why} "
        f"Look for one that began around {around} in the console or with "
        f"'gcloud workflows executions list {workflow.workflow} --location={workflow.location} "
        f"--project={workflow.project}'; cancel it or let it end, then clear this task."
    )
    return AmbiguousCreate(message, retryable=labelled)
