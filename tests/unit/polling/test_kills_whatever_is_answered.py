# SPDX-License-Identifier: Apache-2.0
"""
Kills in the triggerer leave nothing going, whatever Google's service answers where nobody knows.

In `tests/unit/durable/unknown.py` is why these questions and no others; filters are nothing to a kill that knows its
execution's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest

from tests.polling_world import Lines, World, play

#: Seconds until new executions are found: longer than one look, and less than a kill's time.
DELAYS = (0.0, 8.0)
ANSWERS = [
    dict(zip(("get_delay", "list_delay", "cancel_mode", "cancel_finished", "cancel_delay"), each, strict=True))
    for each in product(DELAYS, DELAYS, ("immediate", "late"), ("error", "ok"), (2.0,))
]


@pytest.mark.parametrize("answers", ANSWERS, ids=lambda answers: "-".join(map(str, answers.values())))
@pytest.mark.parametrize("state", ["running", "queued", "over"])
@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_a_killed_wait_leaves_nothing_going(answers: Mapping[str, Any], state: str, version: str) -> None:
    """What a trigger waits for is cancelled unless it is over, and whoever waits for it sees the end."""

    async def scene(world: World) -> None:
        if state == "queued":
            world.emulator.start("forever")
        execution_id = world.emulator.start("forever")
        (waiting,) = world.start([execution_id], workflow="forever", poll_interval=5.0)
        await world.pass_time(1.0)
        if state == "over":
            world.emulator.set_state(execution_id, "SUCCEEDED")
        async with world.joined("forever") as poller:
            assert await poller.cancel(execution_id, Lines())
        expected = "SUCCEEDED" if state == "over" else "CANCELLED"
        assert world.emulator.execution(execution_id)["state"] == expected
        assert await waiting == expected

    play(scene, version=version, concurrency_limit=1 if state == "queued" else None, **answers)
