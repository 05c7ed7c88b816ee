# SPDX-License-Identifier: Apache-2.0
"""Give the emulator a workflow that starts many executions of others at once; loaded with ``--workflows``."""

from __future__ import annotations

import json
import random
from typing import Any

from airflow_provider_workflows.testing import Emulator, RemoteEmulator
from airflow_provider_workflows.testing.workflows import BUILT_IN

FLEET = "fleet"


def register(emulator: Emulator) -> None:
    """Register ``fleet``: see :func:`start_fleet` for its argument and result."""

    @emulator.workflow(FLEET)
    def fleet(argument: dict[str, Any]) -> list[list[Any]]:
        count, workflows = argument["count"], argument["workflows"]
        names = [f"{argument['prefix']}-{number:03d}" for number in range(workflows)]
        for name in names:
            emulator.workflow(name)(BUILT_IN["sleep"])
        spread = (argument["last"] - argument["first"]) / max(1, count - 1)
        durations = [argument["first"] + index * spread for index in range(count)]
        random.Random(1).shuffle(durations)
        started = []
        for index, seconds in enumerate(durations):
            name = names[index % workflows]
            ends = emulator.clock.time() + seconds
            started.append([name, emulator.start(name, {"seconds": seconds}), ends])
        return started


def start_fleet(
    emulator: RemoteEmulator, count: int, first: float, last: float, *, workflows: int = 1, prefix: str = "bench"
) -> list[tuple[str, str, float]]:
    """
    Start executions that end evenly spread between ``first`` and ``last`` seconds from now.

    :return: workflow, execution id and end (epoch seconds) of each, in random order of their ends.
    """
    argument = {"count": count, "first": first, "last": last, "workflows": workflows, "prefix": prefix}
    fleet = emulator.start(FLEET, argument)
    for execution in emulator.executions(FLEET):
        if execution["name"].endswith(fleet):
            return [(workflow, name, ends) for workflow, name, ends in json.loads(execution["result"])]
    raise RuntimeError("the emulator did not start the executions")
