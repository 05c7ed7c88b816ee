# SPDX-License-Identifier: Apache-2.0
"""Run the example DAGs through a real scheduler and a real triggerer."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from airflow_cluster import AirflowCluster
from airflow_provider_workflows.testing import Emulator, ManualClock
from run_watcher import RunWatcher, TaskHistory

# A cluster that starts slowly, or a run that hangs, says so itself before that.
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

# The tasks that wait for an execution.
WAITING = {
    ("example_fan_out", "count_rows[0]"),
    ("example_fan_out", "count_rows[1]"),
    ("example_fan_out", "count_rows[2]"),
    ("example_run_and_use_result", "run_workflow"),
    ("example_wait_for_execution", "wait"),
}
EXAMPLES = sorted({dag_id for dag_id, _task in WAITING} | {"example_cancel_in_teardown"})
PATIENCE = 180.0  # seconds for Airflow, on a busy machine


class ExampleRuns:
    """Hold what happened to one run of each example DAG."""

    def __init__(self, cluster: AirflowCluster, emulator: Emulator) -> None:
        assert isinstance(emulator.clock, ManualClock)
        self.cluster = cluster
        before = len(emulator.executions())
        self.run_ids = {dag_id: cluster.trigger(dag_id) for dag_id in EXAMPLES}
        watcher = RunWatcher(cluster, list(self.run_ids.items()))

        def all_deferred() -> bool:
            deferred = {(task.dag_id, task.label) for task in watcher.histories if "deferred" in task.states}
            return deferred == WAITING and self._deferrals_noticed() >= len(WAITING)

        watcher.watch(PATIENCE, until=all_deferred)
        # Only now the executions end, so however slow the machine is, none is over before its task could wait.
        emulator.clock.advance(60)
        states = watcher.watch(PATIENCE)
        self.run_states = {dag_id: state for (dag_id, _run_id), state in states.items()}
        self.tasks: list[TaskHistory] = watcher.histories
        self.executions = emulator.executions()[before:]

    def _deferrals_noticed(self) -> int:
        """
        Count the deferred tasks whose first process the scheduler knows to be over.

        A task that resumes before that is failed by Airflow itself: its executor reports the end of the first
        process while the second one is queued, which looks as if the task had been killed.
        """
        log = self.cluster.log_file("scheduler").read_text(errors="replace")
        return len(re.findall(r"TaskInstance Finished: .* state=deferred,", log))

    def xcom(self, dag_id: str, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return an XCom of one of the runs."""
        return self.cluster.xcom(dag_id, self.run_ids[dag_id], task_id, key, map_index)


@pytest.fixture(scope="module")
def runs(cluster: AirflowCluster, cluster_emulator: Emulator) -> ExampleRuns:
    """Run all examples once, at the same time."""
    return ExampleRuns(cluster, cluster_emulator)


@pytest.mark.parametrize("dag_id", EXAMPLES)
def test_example_succeeds(dag_id: str, runs: ExampleRuns) -> None:
    """The scheduler brings every example to success."""
    tasks = {task.label: task.states for task in runs.tasks if task.dag_id == dag_id}
    assert runs.run_states[dag_id] == "success", tasks
    assert {states[-1] for states in tasks.values()} == {"success"}


def test_waiting_tasks_are_deferred(runs: ExampleRuns) -> None:
    """Exactly the tasks that wait give their worker slot back, and each runs on a worker again afterwards."""
    deferred = [task for task in runs.tasks if "deferred" in task.states]
    assert {(task.dag_id, task.label) for task in deferred} == WAITING
    for task in deferred:
        assert task.states.count("deferred") == 1
        assert task.states.index("deferred") < len(task.states) - 1
        assert task.states[-1] == "success"


def test_results_reach_the_next_tasks(runs: ExampleRuns) -> None:
    """The XCom ``result`` is the decoded result, of a mapped task one for each item, and downstream tasks use it."""
    expected = {"customer": "Ada", "total": 42, "paid": True}
    assert runs.xcom("example_run_and_use_result", "run_workflow", "result") == expected
    assert runs.xcom("example_run_and_use_result", "report") == "Ada owes nothing"
    assert runs.xcom("example_fan_out", "count_rows", "result", 1) == {"region": "east", "rows": 200}
    assert runs.xcom("example_fan_out", "gather") == {"north": 100, "east": 200, "south": 300}
    assert runs.xcom("example_wait_for_execution", "wait", "result") == ["a.csv", "b.csv"]
    assert runs.xcom("example_wait_for_execution", "load") == 2


def test_xcoms_name_the_execution(runs: ExampleRuns, cluster_emulator: Emulator) -> None:
    """A deferred task's return value is the finished Execution, and its id and name are XComs of their own."""
    returned = runs.xcom("example_run_and_use_result", "run_workflow")
    execution_id = runs.xcom("example_run_and_use_result", "run_workflow", "execution_id")
    assert returned == cluster_emulator.execution(execution_id)
    assert returned["state"] == "SUCCEEDED"
    assert runs.xcom("example_run_and_use_result", "run_workflow", "execution_name").endswith(f"/{execution_id}")


def test_executions_started_once_each(runs: ExampleRuns) -> None:
    """Six executions were created for six tasks; the teardown cancelled the endless one."""
    states = Counter(execution["state"] for execution in runs.executions)
    assert states == {"SUCCEEDED": 5, "CANCELLED": 1}
    assert runs.xcom("example_cancel_in_teardown", "cancel")["state"] == "CANCELLED"
