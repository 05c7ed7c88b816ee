# SPDX-License-Identifier: Apache-2.0
"""
A kill stops what its task started, and a clear leaves none going but its own, whatever Google's service answers.

The worlds are in `unknown.py`. Deferred tasks are killed in `tests/unit/triggers/`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_workflows.testing import Emulator
from tests.harness import AdvancingClock, TaskRun
from tests.killing import Killed
from tests.unit.conftest import Connect
from tests.unit.durable.conftest import Setting, ids
from tests.unit.durable.unknown import TAKES, World, own, worlds

Begin = Callable[..., TaskRun]

BOTH = (False, True)
#: A kill on Airflow 3 has four seconds, so what is listed later than that is left to the next try.
IN_TIME, TOO_LATE = 2.0, 6.0
#: After the first look, at which the kill comes, and before a kill's time is over.
GET_DELAY = 4.0
CANCELS = {"cancel_mode": ("immediate", "late"), "cancel_finished": ("error", "ok")}
QUEUES = {"queued": BOTH, "queued_last": BOTH}
KNOWN = worlds(get_delay=(0.0, GET_DELAY), **CANCELS, **QUEUES)
LOOKED_FOR = worlds(
    label_filter=("accept", "refuse", "ignore", "blind"), list_delay=(IN_TIME, TOO_LATE), **CANCELS, **QUEUES
)
SHORT = {"argument": {"seconds": TAKES, "result": "done"}, "poll_interval": 3}


def kill(run: TaskRun, clock: AdvancingClock, before: Callable[[], object] = lambda: None) -> None:
    """Begin a try and have it killed by a user while it sleeps."""

    def stop() -> None:
        clock.forget()
        before()
        run.kill()
        raise Killed

    clock.on_sleep(stop)
    with pytest.raises(Killed):
        run.execute()


@pytest.mark.parametrize("world", KNOWN, ids=str)
@pytest.mark.parametrize(("version", "store"), [("v1", False), ("v1beta", True)])
@pytest.mark.parametrize("over", BOTH, ids=["going", "over"])
def test_a_kill_while_waiting(
    begin: Begin,
    connect: Connect,
    emulator: Emulator,
    clock: AdvancingClock,
    world: World,
    version: str,
    store: bool,
    over: bool,
) -> None:
    """A killed task's execution is cancelled if it is not over; a clear makes one more, which is waited for."""
    run = begin(Setting(version, store=store), **SHORT)
    with world.serve(emulator, connect, version):
        kill(run, clock, lambda: emulator.set_state(ids(emulator)[-1], "SUCCEEDED") if over else None)
        assert own(emulator) == ["SUCCEEDED" if over else "CANCELLED"]
        run.clear().run()
    assert own(emulator) == ["SUCCEEDED" if over else "CANCELLED", "SUCCEEDED"]
    assert emulator.executions()[-1]["name"].endswith(run.xcoms["execution_id"])


@pytest.mark.parametrize("world", LOOKED_FOR, ids=str)
def test_a_kill_while_creating(
    begin: Begin, connect: Connect, emulator: Emulator, clock: AdvancingClock, world: World
) -> None:
    """What a killed create made is cancelled when a list shows it in time, and else by the next try."""
    run = begin(Setting("v1", store=False), argument={"seconds": 3 * TAKES}, poll_interval=TAKES)
    emulator.fail("create", "drop_after")
    with world.serve(emulator, connect, "v1"):
        kill(run, clock)
        if world.list_delay <= IN_TIME:
            assert own(emulator) == ["CANCELLED"]
        clock.manual.advance(world.list_delay)
        run.clear().run()
    assert own(emulator) == ["CANCELLED", "SUCCEEDED"]
