# SPDX-License-Identifier: Apache-2.0
"""
Create and wait in each environment that is asked for, in a process of its own.

The lines of the input are JSON: ``environment``, and the ``execution_id`` of one to wait for. For each it forks a
process that has only Airflow imported so far, and says in the lines of the output what came of each of :data:`FACES`;
``null`` is a success. It goes on after each when it has read a line.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from airflow_provider_workflows.hooks.executions import WorkflowExecutionsAsyncHook, WorkflowExecutionsHook
from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator
from airflow_provider_workflows.triggers.executions import WorkflowExecutionTrigger
from tests.harness import AdvancingClock, TaskRun, make_trigger, only_event, through_json
from tests.log_lines import record_logs

CONNECTION = "network"
#: Seconds for which a deferred wait that cannot look goes on; nobody waits for them.
PATIENCE = 200.0

Said = dict[str, Any] | None


def operator(_: str) -> Said:
    """Create as a task does, and look once before it would be deferred."""
    task = WorkflowsCreateExecutionOperator(
        task_id="task", workflow_id="echo", gcp_conn_id=CONNECTION, deferrable=True, do_xcom_push=False
    )
    return _said(lambda: TaskRun(task, clock=AdvancingClock()).execute())


def hook(_: str) -> Said:
    """Create with the hook."""

    def create() -> None:
        with WorkflowExecutionsHook(CONNECTION) as hook:
            hook.create_execution("echo")

    return _said(create)


def async_hook(_: str) -> Said:
    """Create with the async hook."""

    async def create() -> None:
        async with WorkflowExecutionsAsyncHook(CONNECTION) as hook:
            await hook.create_execution("echo")

    return _said(lambda: asyncio.run(create()))


def deferred_wait(execution_id: str) -> Said:
    """Wait as the triggerer does; where that is in vain, return the last warning, or the error that ended it."""
    clock = AdvancingClock()
    extra = json.loads(os.environ[f"AIRFLOW_CONN_{CONNECTION.upper()}"])["extra"]
    trigger = WorkflowExecutionTrigger(
        extra["project"], extra["location"], "echo", execution_id, CONNECTION, deadline=clock.time() + PATIENCE
    )
    classpath, kwargs = trigger.serialize()
    with record_logs() as lines:
        event = asyncio.run(only_event(make_trigger(classpath, through_json(kwargs), clock)))
    if event["status"] == "success":
        return None
    warnings = [
        line.text.partition(" timestamp=")[0]
        for line in lines
        if line.level == "warning" and execution_id[:8] in line.text
    ]
    return {"type": event["status"], "text": warnings[-1] if event["status"] == "timeout" else event["message"]}


FACES: dict[str, Callable[[str], Said]] = {
    "operator": operator,
    "hook": hook,
    "async hook": async_hook,
    "deferred wait": deferred_wait,
}


def _said(create: Callable[[], Any]) -> Said:
    try:
        create()
    except Exception as exc:  # noqa: BLE001 - whatever it is, it is said
        return {"type": type(exc).__name__, "text": str(exc), **vars(exc)}
    return None


def try_all(execution_id: str) -> None:
    """Say what comes of each."""
    import google.auth.credentials

    # New versions of google-auth look up the account's allowed locations on the internet.
    boundary: Any = getattr(google.auth.credentials, "CredentialsWithRegionalAccessBoundary", None)
    if boundary:
        boundary._is_regional_access_boundary_lookup_required = lambda _: False
    for face in FACES.values():
        print("said", json.dumps(face(execution_id)), flush=True)
        sys.stdin.readline()


def main() -> None:
    """Serve the lines of the input."""
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if not child:
            wanted = json.loads(line)
            os.environ.clear()
            os.environ.update(wanted["environment"])
            try:
                try_all(wanted["execution_id"])
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        print("done", flush=True)


if __name__ == "__main__":
    main()
