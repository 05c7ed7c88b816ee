# SPDX-License-Identifier: Apache-2.0
"""Make trouble of every kind in a random order, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

from airflow_api import AirflowApiError
from airflow_cluster import ClusterError
from chaos_clocks import ClockSetter
from chaos_freezes import Freezer
from chaos_kills import Killer
from chaos_scene import Scene
from chaos_stops import Stopper

#: Seconds between two troubles, at random between these.
PAUSES = (1.0, 4.0)
#: On a slow machine a task takes long and would be hit again and again: troubles at the start, and for each task
#: that is through.
FIRST, FOR_EACH_TASK = 10, 0.5
#: How many of each kind there are in a deck of cards, which is made anew when all were drawn.
DECK = {
    "task process": 7,
    "supervisor": 2,
    "triggerer": 2,
    "worker": 2,
    "scheduler": 1,
    "frozen worker": 2,
    "frozen scheduler": 1,
    "clock": 2,
}
#: The share of pauses after which a task is cleared or marked, if one is ready for it.
STOPS = 0.5


class ChaosMonkey:
    """
    Make trouble until it is stopped.

    What is broken, and when, is decided by the scene's chance; which process it hits also depends on what runs.

    :ivar through: how many tasks are through, for its owner to keep up to date; the more, the more trouble.
    """

    def __init__(self, scene: Scene, stopper: Stopper) -> None:
        self.through = 0
        self.failure: Exception | None = None
        self._scene = scene
        self._stopper = stopper
        self._freezer = Freezer(scene)
        self._clocks = ClockSetter(scene)
        killer = Killer(scene)
        self._troubles: dict[str, Callable[[], bool]] = {
            "task process": killer.task_process,
            "supervisor": killer.supervisor,
            "triggerer": killer.triggerer,
            "scheduler": killer.scheduler,
            "frozen worker": self._freezer.worker,
            "frozen scheduler": self._freezer.scheduler,
            "clock": self._clocks.change,
        }
        if scene.components("worker"):
            self._troubles["worker"] = killer.worker
        self._made = 0
        self._deck: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chaos monkey")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """
        Make no more trouble; what was being restarted is up when this returns.

        :raises ClusterError: when something did not start again
        """
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._freezer.stop()
        if self.failure is not None:
            raise ClusterError(f"the chaos monkey stumbled: {self.failure!r}") from self.failure

    def put_right(self) -> None:
        """
        End what is still wrong after :meth:`stop`.

        A supervisor that was killed just before its task began leaves a task that the LocalExecutor never starts and
        Airflow keeps as queued for ever: another scheduler takes it up.
        """
        self._clocks.stop()
        self._troubles["scheduler"]()

    def _run(self) -> None:
        try:
            while not self._over.wait(self._scene.chance.uniform(*PAUSES)):
                self._make_trouble()
        except Exception as error:  # noqa: BLE001 - told by stop(), in the thread that waits for it
            self.failure = error

    def _make_trouble(self) -> None:
        try:
            if self._scene.chance.random() < STOPS and self._stopper.step():
                return
        except OSError as error:  # a machine that is too busy
            self._scene.say(f"Airflow does not answer: {error}")
            return
        except AirflowApiError as error:
            self._scene.say(f"Airflow does not do it: {error}")
            return
        if self._made >= FIRST + FOR_EACH_TASK * self.through:
            return
        if not self._deck:
            self._deck = self._shuffled_deck()
        kind = self._deck.pop()
        if self._troubles[kind]():
            self._made += 1
        else:
            self._deck.insert(0, kind)  # nothing to hit now; later

    def _shuffled_deck(self) -> list[str]:
        """Return the cards, one of each kind last: those are drawn first, so that a short run has all of them."""
        once = list(self._troubles)
        more = [kind for kind in once for _ in range(DECK[kind] - 1)]
        self._scene.chance.shuffle(once)
        self._scene.chance.shuffle(more)
        return more + once
