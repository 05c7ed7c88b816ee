# SPDX-License-Identifier: Apache-2.0
"""
Kill processes of a real Airflow with SIGKILL.

Of tasks only those that run are killed with their supervisors: an idle worker of the LocalExecutor may hold the lock
of the executor's queue, and Airflow's executor then never starts a task again. For a killed one the executor keeps a
slot occupied until the scheduler is started anew, so there are fewer such kills than slots.
"""

from __future__ import annotations

import signal
from itertools import cycle

from chaos_scene import Scene

#: The executor loses a slot for each killed supervisor.
SUPERVISORS = 3


class Killer:
    """
    Kill one thing with each call; return whether there was one.

    Components that there are several of are killed in turn.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._supervisors_left = SUPERVISORS
        self._triggerers = cycle(scene.components("triggerer"))
        self._workers = cycle(scene.components("worker"))

    def task_process(self) -> bool:
        """Kill the process of one task that runs."""
        running = self._scene.running()
        if not running:
            return False
        victim = self._scene.chance.choice(running).task
        if killed := self._scene.signal(victim, signal.SIGKILL):
            self._scene.count("killed: task process", f"{victim.pid} ({victim.command[:60]})")
        return killed

    def supervisor(self) -> bool:
        """Kill the process that supervises one task that runs."""
        running = [each.supervisor for each in self._scene.running() if each.supervisor.pid not in self._scene.frozen]
        if not running or self._supervisors_left <= 0:
            return False
        victim = self._scene.chance.choice(running)
        if killed := self._scene.signal(victim, signal.SIGKILL):
            self._supervisors_left -= 1
            self._scene.count("killed: supervisor", f"{victim.pid} ({victim.command[:60]})")
        return killed

    def scheduler(self) -> bool:
        """Kill the scheduler, with the tasks of the LocalExecutor."""
        self._component("scheduler")
        self._supervisors_left = SUPERVISORS
        return True

    def triggerer(self) -> bool:
        """Kill a triggerer, unless its clock is wrong: its heartbeats from the future would outlive it."""
        name = next(self._triggerers)
        if self._scene.cluster.health.clocks.get(name):
            return False
        self._component(name)
        return True

    def worker(self) -> bool:
        """Kill a Celery worker, with all its tasks."""
        self._component(next(self._workers))
        return True

    def _component(self, name: str) -> None:
        self._scene.count(f"killed: {name}", "with all its processes")
        self._scene.cluster.kill(name)
        self._scene.cluster.restart(name)
