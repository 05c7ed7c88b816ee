# SPDX-License-Identifier: Apache-2.0
"""
Kill each of the processes that a task lives in, and the task in each way a user can, on a real Airflow.

All tasks are brought to wait at the same time; each test then kills one and looks at the execution's fate at the
server. Airflow acts when it sees fit, so the tests wait for what they expect, up to a deadline.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import attrs
import pytest

from airflow_api import run_path
from airflow_cluster import AirflowCluster
from airflow_provider_workflows.testing import Emulator, ManualClock
from processes import wait_until

# A cluster that starts slowly, or a run that hangs, says so itself before that.
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

PATIENCE = 120.0  # seconds for Airflow, on a busy machine
DAG_OF = {"failed_run": "kills_run"}
RESULT = {"survived": True}


def _has(feature: str) -> bool:
    """Tell whether this Airflow can what a test needs."""
    if find_spec("airflow.sdk") is None:
        return False
    from airflow.sdk.execution_time import context, supervisor

    return {
        "retries": "_should_retry" in attrs.fields_dict(supervisor.ActivitySubprocess),
        "state": hasattr(context, "TaskStateStoreAccessor"),
    }[feature]


retries_killed_tasks = pytest.mark.skipif(
    not _has("retries"), reason="this Airflow fails a task whose process was killed, whatever its retries"
)
keeps_task_state = pytest.mark.skipif(not _has("state"), reason="this Airflow keeps no state for a task")


class Kills:
    """Hold the runs of both DAGs, with the means to look at one task and at its executions."""

    def __init__(self, cluster: AirflowCluster, emulator: Emulator) -> None:
        self.cluster = cluster
        self.emulator = emulator
        assert isinstance(emulator.clock, ManualClock)
        # An execution from long before the task began would not be taken for the task's own.
        emulator.clock.advance(max(0.0, time.time() - emulator.clock.time()))
        self.delayed = emulator.fail("create", "slow", when=lambda request: _task_of(request.body) == "unanswered")
        self.runs = {dag_id: cluster.trigger(dag_id) for dag_id in ("kills", "kills_run")}

    def _path(self, task_id: str) -> str:
        dag_id = DAG_OF.get(task_id, "kills")
        return f"{run_path(dag_id, self.runs[dag_id])}/taskInstances/{task_id}"

    def task(self, task_id: str) -> dict[str, Any]:
        """Return a task instance as the REST API has it."""
        task: dict[str, Any] = self.cluster.api("GET", self._path(task_id))
        return task

    def mark(self, task_id: str, state: str) -> None:
        """Mark a task, as its user would."""
        self.cluster.api("PATCH", self._path(task_id), {"new_state": state})

    def clear(self, task_id: str) -> None:
        """Clear a task, as its user would."""
        wanted = {"dry_run": False, "task_ids": [task_id], "dag_run_id": self.runs["kills"], "only_failed": False}
        self.cluster.api("POST", "/dags/kills/clearTaskInstances", wanted)

    def executions(self, task_id: str) -> list[dict[str, Any]]:
        """Return all executions that a task created, oldest first."""
        return [execution for execution in self.emulator.executions() if _task_of(execution) == task_id]

    def states(self, task_id: str) -> list[str]:
        """Return the states of all executions that a task created, oldest first."""
        return [execution["state"] for execution in self.executions(task_id)]

    def creates(self, task_id: str) -> int:
        """Count the create requests that a task sent."""
        return sum(each.operation == "create" and _task_of(each.body) == task_id for each in self.emulator.requests)

    def process(self, task_id: str) -> int:
        """Return the process that a running task's code is in."""
        ti_id = self.task(task_id)["id"]
        wanted = [each.pid for each in self.cluster.processes("scheduler") if each.command.endswith(f"-- {ti_id}")]
        assert len(wanted) == 1, wanted
        return wanted[0]

    def wait(self, task_id: str, *states: str, tries: int = 1) -> None:
        """Wait until a task is in one of some states, in its so-manyth try or a later one."""
        seen: dict[str, Any] = {}

        def there() -> bool:
            seen.update(self.task(task_id))
            return seen["state"] in states and seen["try_number"] >= tries

        assert wait_until(there, PATIENCE), f"{task_id}: {seen['state']}, try {seen['try_number']}, not {states}"

    def wait_for_trigger(self, task_id: str) -> None:
        """
        Wait until a deferred task's trigger runs in the triggerer, which is when it gets a log file.

        Until then Airflow has nobody to tell about a kill.
        """
        self.wait(task_id, "deferred")
        logs = self.cluster.home / "logs"
        assert wait_until(lambda: any(logs.glob(f"*/*/task_id={task_id}/*.trigger.*")), PATIENCE)
        assert self.states(task_id) == ["ACTIVE"]

    def wait_for_executions(self, task_id: str, *states: str) -> None:
        """Wait until a task's executions, oldest first, are in these states."""
        wait_until(lambda: self.states(task_id) == list(states), PATIENCE)
        assert self.states(task_id) == list(states)

    def finish(self, task_id: str) -> None:
        """Let the one execution of a task that still goes on succeed, and the task with it; check the result."""
        (going,) = [each for each in self.executions(task_id) if each["state"] == "ACTIVE"]
        if self.task(task_id)["state"] == "deferred":
            assert wait_until(lambda: self._deferral_noticed(task_id), PATIENCE)
        self.emulator.set_state(going["name"].rpartition("/")[2], "SUCCEEDED", result=RESULT)
        self.wait(task_id, "success", "failed")
        assert self.task(task_id)["state"] == "success"
        assert self.cluster.xcom("kills", self.runs["kills"], task_id, "result") == RESULT

    def _deferral_noticed(self, task_id: str) -> bool:
        """
        Tell whether the scheduler knows that the process which deferred a task is over.

        A task that resumes before that is failed by Airflow itself, see ``test_cluster.py``.
        """
        log = self.cluster.log_file("scheduler").read_text(errors="replace")
        task = self.task(task_id)
        # Before 3.2 the line does not have the id, which is another one in each try.
        named = f"dag_id={task['dag_id']}, task_id={task_id}, run_id={re.escape(task['dag_run_id'])},"
        line = rf"TaskInstance Finished: {named}.* state=deferred,.* try_number={task['try_number']},"
        return re.search(line, log) is not None


def _task_of(execution: Any) -> str | None:
    return ((execution or {}).get("labels") or {}).get("airflow-task-id")


@pytest.fixture(scope="module")
def kills(cluster: AirflowCluster, cluster_emulator: Emulator) -> Iterator[Kills]:
    """Bring all tasks to the point where they are to be killed."""
    running = Kills(cluster, cluster_emulator)
    yield running
    cluster_emulator.clear_faults()
    cluster_emulator.release()


@retries_killed_tasks
def test_worker_killed_between_post_and_answer(kills: Kills) -> None:
    """A create whose worker died before the answer is not sent again: the retry finds its execution."""
    assert wait_until(lambda: kills.creates("unanswered") == 1, PATIENCE)
    os.kill(kills.process("unanswered"), signal.SIGKILL)
    kills.emulator.release()
    kills.wait("unanswered", "deferred", tries=2)
    assert kills.creates("unanswered") == 1
    kills.finish("unanswered")
    assert kills.states("unanswered") == ["SUCCEEDED"]


@retries_killed_tasks
@keeps_task_state
def test_worker_killed_between_answer_and_persist(kills: Kills) -> None:
    """A create whose worker died with the answer in its hands is not sent again: the retry finds its execution."""
    kills.wait("unpersisted", "deferred", tries=2)
    assert kills.creates("unpersisted") == 1
    kills.finish("unpersisted")
    assert kills.states("unpersisted") == ["SUCCEEDED"]


@retries_killed_tasks
def test_worker_killed_while_waiting(kills: Kills) -> None:
    """The retry of a task whose worker died while waiting waits for the same execution."""
    kills.wait("worker", "running")
    kills.wait_for_executions("worker", "ACTIVE")
    os.kill(kills.process("worker"), signal.SIGKILL)
    kills.wait("worker", "running", tries=2)
    kills.finish("worker")
    assert kills.creates("worker") == 1


def test_marked_failed_in_worker(kills: Kills) -> None:
    """Marking a task failed that waits in its worker cancels its execution."""
    kills.wait("marked_in_worker", "running")
    kills.wait_for_executions("marked_in_worker", "ACTIVE")
    kills.mark("marked_in_worker", "failed")
    kills.wait_for_executions("marked_in_worker", "CANCELLED")
    assert kills.creates("marked_in_worker") == 1


def test_cleared_in_worker(kills: Kills) -> None:
    """Clearing a task that waits in its worker cancels its execution, and the new try waits for a new one."""
    kills.wait("cleared_in_worker", "running")
    kills.wait_for_executions("cleared_in_worker", "ACTIVE")
    kills.clear("cleared_in_worker")
    if not _has("retries"):  # Airflow 3.0 leaves such a task "restarting" for good
        kills.wait_for_executions("cleared_in_worker", "CANCELLED")
        return
    kills.wait_for_executions("cleared_in_worker", "CANCELLED", "ACTIVE")
    kills.finish("cleared_in_worker")
    assert kills.states("cleared_in_worker") == ["CANCELLED", "SUCCEEDED"]


@pytest.mark.parametrize(("task_id", "state"), [("marked_failed", "failed"), ("marked_success", "success")])
def test_marked_while_deferred(kills: Kills, task_id: str, state: str) -> None:
    """Marking a deferred task failed or successful cancels its execution."""
    kills.wait_for_trigger(task_id)
    kills.mark(task_id, state)
    kills.wait_for_executions(task_id, "CANCELLED")
    assert kills.task(task_id)["state"] == state


def test_cleared_while_deferred(kills: Kills) -> None:
    """Clearing a deferred task cancels its execution, and the new try waits for a new one."""
    kills.wait_for_trigger("cleared")
    kills.clear("cleared")
    kills.wait_for_executions("cleared", "CANCELLED", "ACTIVE")
    kills.wait("cleared", "deferred", tries=2)
    kills.finish("cleared")
    assert kills.states("cleared") == ["CANCELLED", "SUCCEEDED"]


def test_dag_run_marked_failed(kills: Kills) -> None:
    """Marking a DAG run failed cancels the executions that its deferred tasks wait for."""
    kills.wait_for_trigger("failed_run")
    kills.cluster.api("PATCH", run_path("kills_run", kills.runs["kills_run"]), {"state": "failed"})
    kills.wait_for_executions("failed_run", "CANCELLED")
    assert kills.creates("failed_run") == 1


def test_triggerer_killed(kills: Kills) -> None:
    """A killed triggerer cancels nothing, and the next one waits for the same execution."""
    kills.wait_for_trigger("triggerer")
    kills.cluster.kill("triggerer")
    kills.cluster.restart("triggerer")
    assert kills.states("triggerer") == ["ACTIVE"]
    kills.finish("triggerer")
    assert kills.creates("triggerer") == 1
