# SPDX-License-Identifier: Apache-2.0
"""Follow DAG runs of a local Airflow and remember the states that each task passed through."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from airflow_cluster import FINISHED_RUN, AirflowCluster


@dataclass
class TaskHistory:
    """Hold what was seen of one task instance; ``map_index`` is -1 for a task that is not mapped."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    states: list[str] = field(default_factory=list)
    first_seen: float = math.inf  # seconds on the monotonic clock when it first had a state

    @property
    def label(self) -> str:
        """Name it the way Airflow's UI does: ``task`` or ``task[2]``."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"


class RunWatcher:
    """
    Poll some DAG runs until they are over.

    A state that lasts shorter than the interval can be missed: Airflow keeps no history of states.

    :param runs: pairs of DAG id and run id
    :param on_change: called with a task's history whenever a new state was appended to it
    :param interval: seconds between two looks
    """

    def __init__(
        self,
        cluster: AirflowCluster,
        runs: Sequence[tuple[str, str]],
        on_change: Callable[[TaskHistory], None] = lambda _history: None,
        interval: float = 0.4,
    ) -> None:
        self._cluster = cluster
        self._runs = list(runs)
        self._on_change = on_change
        self._interval = interval
        self._tasks: dict[tuple[str, str, str, int], TaskHistory] = {}
        self.run_states: dict[tuple[str, str], str] = {}

    def watch(self, timeout: float, *, until: Callable[[], bool] = lambda: False) -> dict[tuple[str, str], str]:
        """
        Poll until all runs are over, or the time is; return (DAG id, run id) -> last seen state of the run.

        :param timeout: seconds
        :param until: asked after each round whether to stop watching already
        """
        deadline = time.monotonic() + timeout
        going = [run for run in self._runs if self.run_states.get(run) not in FINISHED_RUN]
        while going and time.monotonic() < deadline and not until():
            for run in list(going):
                # The run's state first: its tasks are then at least as far.
                self.run_states[run] = self._cluster.run_state(*run)
                self._look(*run)
                if self.run_states[run] in FINISHED_RUN:
                    going.remove(run)
            time.sleep(self._interval)
        return self.run_states

    def _look(self, dag_id: str, run_id: str) -> None:
        present = set()
        for task in self._cluster.task_instances(dag_id, run_id):
            key = (dag_id, run_id, task["task_id"], task["map_index"])
            present.add(key)
            history = self._tasks.setdefault(key, TaskHistory(*key))
            if task["state"] and history.states[-1:] != [task["state"]]:
                history.first_seen = min(history.first_seen, time.monotonic())
                history.states.append(task["state"])
                self._on_change(history)
        # The placeholder of a mapped task goes when the task is expanded.
        for key in [key for key in self._tasks if key[:2] == (dag_id, run_id) and key not in present]:
            del self._tasks[key]

    @property
    def histories(self) -> list[TaskHistory]:
        """Everything seen, in the order of the runs given and of the tasks' first states."""
        order = {run: position for position, run in enumerate(self._runs)}
        return sorted(self._tasks.values(), key=lambda task: (order[task.dag_id, task.run_id], task.first_seen))
