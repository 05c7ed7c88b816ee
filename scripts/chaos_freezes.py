# SPDX-License-Identifier: Apache-2.0
"""
Freeze processes of a real Airflow with SIGSTOP, and let them go on as if nothing had been.

That is what a machine does that swaps, migrates, or is suspended. A task is frozen with its supervisor, which sends
its heartbeats, for so long that Airflow gives the try up and begins the next one: then the old one wakes up.
"""

from __future__ import annotations

import signal
import threading
import time

from chaos_scene import RunningTask, Scene

#: Seconds; Airflow misses heartbeats after 25 s, see `chaos.IMPATIENT`, and looks every 3 s.
WORKER = (32.0, 45.0)
SCHEDULER = (3.0, 12.0)
MOST = 2  # workers at the same time: each occupies a slot


class Freezer:
    """Freeze one thing with each call; return whether there was one."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._thaws: list[threading.Timer] = []
        self._lock = threading.Lock()

    def worker(self) -> bool:
        """Freeze one task that runs and its supervisor, and come back while it is frozen."""
        running = [each for each in self._scene.running() if each.task.pid not in self._scene.frozen]
        if not running or len(self._scene.frozen) >= 2 * MOST:
            return False
        victim = self._scene.chance.choice(running)
        seconds = self._scene.chance.uniform(*WORKER)
        # First the one that would tell Airflow that the other has stopped.
        if not all(self._scene.signal(each, signal.SIGSTOP) for each in reversed(victim)):
            self._thaw(victim)
            return False
        self._scene.frozen |= {each.pid for each in victim}
        self._scene.count("frozen: task and supervisor", f"{victim.task.pid} for {seconds:.0f} s")
        timer = threading.Timer(seconds, self._thaw, [victim])
        timer.start()
        self._thaws.append(timer)
        return True

    def scheduler(self) -> bool:
        """Freeze the scheduler for some seconds."""
        scheduler = self._scene.cluster.processes("scheduler")[0]
        seconds = self._scene.chance.uniform(*SCHEDULER)
        if not self._scene.signal(scheduler, signal.SIGSTOP):
            return False
        self._scene.count("frozen: scheduler", f"{scheduler.pid} for {seconds:.0f} s")
        try:
            time.sleep(seconds)
        finally:
            self._scene.signal(scheduler, signal.SIGCONT)
        return True

    def stop(self) -> None:
        """Let everything go on that is still frozen."""
        for timer in self._thaws:
            timer.cancel()
            timer.join()
            self._thaw(*timer.args)

    def _thaw(self, victim: RunningTask) -> None:
        with self._lock:
            for process in victim:
                self._scene.signal(process, signal.SIGCONT)
                self._scene.frozen.discard(process.pid)
