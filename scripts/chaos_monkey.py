# SPDX-License-Identifier: Apache-2.0
"""
Kill processes of a real Airflow at random, all with SIGKILL.

A task on the LocalExecutor is two processes: the executor's worker, which supervises, and the task's own, its child.
Only busy workers are killed: an idle one may hold the lock of the executor's queue, and Airflow's executor then
never starts a task again. For a killed worker the executor keeps a slot occupied until the scheduler is started
anew, so there are fewer such kills than slots.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from airflow_cluster import AirflowCluster, ClusterError
from processes import ProcessInfo

SUPERVISOR = "airflow worker -- LocalExecutor"
#: Seconds between two kills, at random between these.
PAUSES = (1.0, 4.0)
#: On a slow machine a task takes long and would be killed again and again: kills at the start, and for each task
#: that is through.
FIRST_KILLS, KILLS_PER_TASK = 8, 0.5
#: How likely each kind of kill is.
WEIGHTS = {"task process": 12, "supervisor": 3, "triggerer": 2}
#: The triggerer is left alone for so many kills after it was killed, or it would never get to work.
TRIGGERER_REST = 8


class ChaosMonkey:
    """
    Kill in a thread of its own while a block runs.

    :param seed: decides the order and the times of the kills; which process it hits also depends on what runs.
    :param supervisors: the most supervisors to kill between two starts of the scheduler.
    :param scheduler_after: how many kills to do before the scheduler is killed, once.
    :param say: called with a line of text for each kill

    :ivar through: how many tasks are through, for its owner to keep up to date; the more, the more kills.
    """

    def __init__(
        self,
        cluster: AirflowCluster,
        seed: int,
        *,
        supervisors: int,
        scheduler_after: int,
        say: Callable[[str], None],
    ) -> None:
        self.kills: Counter[str] = Counter()
        self.through = 0
        self.failure: ClusterError | None = None
        self._cluster = cluster
        self._chance = random.Random(seed)
        self._supervisors = supervisors
        self._supervisors_left = supervisors
        self._scheduler_after = scheduler_after
        self._rest = 0
        self._say = say
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chaos monkey")

    def start(self) -> None:
        """Begin to kill."""
        self._thread.start()

    def stop(self) -> None:
        """
        Kill no more; what was being restarted is up when this returns.

        :raises ClusterError: when something did not start again
        """
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._chance.uniform(*PAUSES)):
                if sum(self.kills.values()) < FIRST_KILLS + KILLS_PER_TASK * self.through:
                    self._kill_something()
        except ClusterError as error:
            self.failure = error

    def _kill_something(self) -> None:
        if not self.kills["scheduler"] and sum(self.kills.values()) >= self._scheduler_after:
            self._kill_component("scheduler")
            self._supervisors_left = self._supervisors
            return
        kind = self._chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        self._rest -= 1
        if kind == "triggerer":
            if self._rest <= 0:
                self._kill_component("triggerer")
                self._rest = TRIGGERER_REST
        elif kind == "task process":
            self._kill_one(kind, [task for task, _supervisor in self._running()])
        elif self._supervisors_left > 0:
            self._supervisors_left -= self._kill_one(kind, [supervisor for _task, supervisor in self._running()])

    def _running(self) -> list[tuple[ProcessInfo, ProcessInfo]]:
        """List the tasks that run, each with its supervisor."""
        processes = {process.pid: process for process in self._cluster.processes("scheduler")}
        return [
            (process, processes[process.parent])
            for process in processes.values()
            if process.parent in processes and processes[process.parent].command.startswith(SUPERVISOR)
        ]

    def _kill_one(self, kind: str, candidates: list[ProcessInfo]) -> int:
        """Kill one of some processes; return how many it were, none when there was no candidate."""
        if not candidates:
            return 0
        victim = self._chance.choice(candidates)
        with suppress(ProcessLookupError):
            os.kill(victim.pid, signal.SIGKILL)
            self.kills[kind] += 1
            self._say(f"killed -9: {kind} {victim.pid} ({victim.command[:60]})")
            return 1
        return 0

    def _kill_component(self, component: str) -> None:
        self.kills[component] += 1
        self._say(f"killed -9: {component}, with all its processes")
        self._cluster.kill(component)
        self._cluster.restart(component)
