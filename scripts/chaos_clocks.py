# SPDX-License-Identifier: Apache-2.0
"""
Give triggerers a clock that is minutes ahead or behind.

They are stopped in order for it. A triggerer that is killed while its clock is ahead leaves a heartbeat in the future,
so Airflow believes for minutes that it lives, and gives its triggers to nobody.
"""

from __future__ import annotations

from itertools import cycle

from chaos_scene import Scene
from clocks import Clock

MINUTES = (2.0, 8.0)


class ClockSetter:
    """Set the clock of one triggerer with each call: ahead, right, behind, right, and so on."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._triggerers = cycle(scene.components("triggerer"))
        self._signs = cycle((1, -1))
        self._wrong = ""

    def change(self) -> bool:
        """Make a clock wrong, or the wrong one right."""
        if self._wrong:
            self.stop()
            return True
        self._wrong = next(self._triggerers)
        minutes = next(self._signs) * self._scene.chance.uniform(*MINUTES)
        direction = "ahead" if minutes > 0 else "behind"
        self._scene.count(f"wrong clock: minutes {direction}", f"{self._wrong} {minutes:+.1f} minutes")
        self._scene.cluster.restart(self._wrong, clock=Clock(round(minutes * 60)))
        return True

    def stop(self) -> None:
        """Make the wrong clock right."""
        if self._wrong:
            name, self._wrong = self._wrong, ""
            self._scene.say(f"the clock of {name} is right again")
            self._scene.cluster.restart(name, clock=Clock())
