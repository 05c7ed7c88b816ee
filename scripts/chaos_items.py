# SPDX-License-Identifier: Apache-2.0
"""Say which executions a chaos run wants and which task each belongs to; for the DAG and for the checks."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

EXECUTIONS = "CHAOS_EXECUTIONS"
SEED = "CHAOS_SEED"
SHORTEST, LONGEST = 2.0, 20.0  # seconds that an execution takes


@dataclass(frozen=True)
class Plan:
    """
    Hold the arguments of all executions, by the task that creates them, in the order of its map indexes.

    :param deferred: created and waited for by tasks that wait in the triggerer.
    :param waiting: created and waited for by tasks that wait in their worker.
    :param started: created by one task and waited for by another, a sensor.
    """

    deferred: list[dict[str, Any]]
    waiting: list[dict[str, Any]]
    started: list[dict[str, Any]]

    @property
    def results(self) -> dict[tuple[str, int], Any]:
        """Return (task, map index) -> the result that this task has to end with."""
        tasks = {"deferred": self.deferred, "waiting": self.waiting, "sensed": self.started}
        return {
            (task, index): argument["result"]
            for task, arguments in tasks.items()
            for index, argument in enumerate(arguments)
        }


def plan(executions: int, seed: int) -> Plan:
    """Make the arguments: of ten, one is started and waited for by two tasks; half of the others wait deferred."""
    chance = random.Random(seed)
    items = [_argument(number, chance) for number in range(executions)]
    rest = [each for each in items if each["item"] % 10]
    return Plan(
        deferred=[each for each in rest if each["item"] % 2],
        waiting=[each for each in rest if not each["item"] % 2],
        started=items[::10],
    )


def _argument(number: int, chance: random.Random) -> dict[str, Any]:
    """Return an argument for the emulator's workflow `sleep`, with a result that no other item has."""
    result = {"item": number, "proof": chance.getrandbits(32)}
    return {"item": number, "seconds": round(chance.uniform(SHORTEST, LONGEST), 1), "result": result}


def plan_of_environment(environment: Mapping[str, str] = os.environ) -> Plan:
    """Return the plan that `scripts/chaos.py` gives to Airflow's processes."""
    return plan(int(environment.get(EXECUTIONS, "20")), int(environment.get(SEED, "1")))
