# SPDX-License-Identifier: Apache-2.0
"""
Say which executions a chaos run wants, which task each belongs to, and which tasks are to be stopped.

For the DAGs and for the checks. Every execution is an *item*, with a number and a result that no other has.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

EXECUTIONS = "CHAOS_EXECUTIONS"
SEED = "CHAOS_SEED"
SHORTEST, LONGEST = 2.0, 20.0  # seconds that an execution takes
#: An execution that is to be stopped does not end by itself while the run lasts, so it ends for one reason only.
ENDLESS = 7200.0

CLEARED = "cleared"
CLEARED_AFTER = "cleared after its success"
FAILED = "marked failed"
SUCCEEDED = "marked success"
RUN_FAILED = "DAG run marked failed"
#: What is done to the tasks that are stopped, one after the other.
FATES = ((CLEARED,), (FAILED,), (SUCCEEDED,), (CLEARED_AFTER,), (CLEARED, CLEARED), (CLEARED, FAILED))
LEAST_STOPPED = 3  # of each kind of task

Key = tuple[str, int]  # a task's id and its map index


@dataclass(frozen=True)
class Plan:
    """
    Hold the arguments of all executions, by the task that creates them, in the order of its map indexes.

    :param deferred: created and waited for by tasks that wait in the triggerer.
    :param waiting: created and waited for by tasks that wait in their worker.
    :param started: created by one task and waited for by another, a sensor.
    :param doomed: of a DAG run of their own, which is marked failed; task id -> arguments.
    :param stops: what is done to a task, in order.
    """

    deferred: list[dict[str, Any]]
    waiting: list[dict[str, Any]]
    started: list[dict[str, Any]]
    doomed: dict[str, list[dict[str, Any]]]
    stops: dict[Key, tuple[str, ...]] = field(default_factory=dict)

    @property
    def results(self) -> dict[Key, Any]:
        """Return task -> the result that it has to end with unless it is stopped for good."""
        tasks = {"deferred": self.deferred, "waiting": self.waiting, "sensed": self.started}
        return _results(tasks)

    @property
    def doomed_results(self) -> dict[Key, Any]:
        """Return task of the doomed DAG run -> the result that it would have ended with."""
        return _results(self.doomed)

    @property
    def endless(self) -> dict[int, Any]:
        """Return item -> result of the executions that do not end by themselves."""
        arguments = [*self.deferred, *self.waiting]
        return {each["item"]: each["result"] for each in arguments if each["seconds"] == ENDLESS}


def _results(tasks: Mapping[str, list[dict[str, Any]]]) -> dict[Key, Any]:
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
    made = Plan(
        deferred=[each for each in rest if each["item"] % 2],
        waiting=[each for each in rest if not each["item"] % 2],
        started=items[::10],
        doomed=_doomed(executions, chance),
    )
    fates = cycle(FATES)
    for task, arguments in (("deferred", made.deferred), ("waiting", made.waiting)):
        count = min(len(arguments), max(LEAST_STOPPED, len(arguments) // 5))
        for index in sorted(chance.sample(range(len(arguments)), count)):
            made.stops[task, index] = stops = next(fates)
            if stops != (CLEARED_AFTER,):
                arguments[index]["seconds"] = ENDLESS
    return made


def _doomed(executions: int, chance: random.Random) -> dict[str, list[dict[str, Any]]]:
    """Return the arguments of the doomed DAG run, whose items have the numbers after all others."""
    count = 4 + executions // 50
    items = [_argument(executions + number, chance) for number in range(count)]
    for each in items:
        each["seconds"] = ENDLESS
    return {"deferred": items[::2], "waiting": items[1::2]}


def _argument(number: int, chance: random.Random) -> dict[str, Any]:
    """Return an argument for the emulator's workflow `sleep`, with a result that no other item has."""
    result = {"item": number, "proof": chance.getrandbits(32)}
    return {"item": number, "seconds": round(chance.uniform(SHORTEST, LONGEST), 1), "result": result}


def plan_of_environment(environment: Mapping[str, str] = os.environ) -> Plan:
    """Return the plan that `scripts/chaos.py` gives to Airflow's processes."""
    return plan(int(environment.get(EXECUTIONS, "20")), int(environment.get(SEED, "1")))
