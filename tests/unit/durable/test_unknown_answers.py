# SPDX-License-Identifier: Apache-2.0
"""
One execution, and none left going, whatever Google's service answers where nobody knows.

The worlds are in `unknown.py`, with why these questions and no others. Each test takes all combinations of those that
it can meet.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_workflows.compat import AirflowFailException
from airflow_provider_workflows.testing import Emulator
from tests.harness import AdvancingClock, TaskRun
from tests.unit.conftest import Connect
from tests.unit.durable.conftest import Setting, kill_in_create, kill_while_waiting
from tests.unit.durable.unknown import TAKES, World, own, worlds

Begin = Callable[..., TaskRun]

FILTERS = ("accept", "refuse", "ignore", "blind")
DELAYS = (0.0, 6.0)
BOTH = (False, True)
#: All that can decide whether an execution is found; on v1beta there is no filter.
FINDING = worlds(label_filter=FILTERS, list_delay=DELAYS, get_delay=DELAYS, queued=BOTH, queued_last=BOTH)
WAITING = worlds(list_delay=DELAYS, get_delay=DELAYS, queued=BOTH, queued_last=BOTH)
SHORT = {"argument": {"seconds": TAKES, "result": "done"}, "poll_interval": 5}
deferring = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
in_each_world = pytest.mark.parametrize("world", FINDING, ids=str)


def check_one(emulator: Emulator, run: TaskRun) -> None:
    """Hold that one execution was created, and that it is the task's result."""
    assert own(emulator) == ["SUCCEEDED"]
    assert emulator.count("create") == 1
    assert run.xcoms["result"] == "done"
    assert emulator.executions()[-1]["name"].endswith(run.xcoms["execution_id"])


@pytest.mark.parametrize("world", WAITING, ids=str)
@deferring
@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_waits_to_the_end(
    begin: Begin, connect: Connect, emulator: Emulator, world: World, version: str, deferrable: bool
) -> None:
    """A wait sees the end of its execution, however late that is shown and wherever it is listed."""
    run = begin(Setting(version, store=False), deferrable=deferrable, **SHORT)
    with world.serve(emulator, connect, version):
        run.run()
    check_one(emulator, run)


@in_each_world
@deferring
def test_a_lost_answer(begin: Begin, connect: Connect, emulator: Emulator, world: World, deferrable: bool) -> None:
    """A create whose answer is lost is found, in whatever way lists let it be found."""
    run = begin(Setting("v1", store=False), deferrable=deferrable, **SHORT)
    emulator.fail("create", "drop_after")
    with world.serve(emulator, connect, "v1"):
        run.run()
    check_one(emulator, run)


@in_each_world
def test_a_worker_that_dies_waiting(
    begin: Begin, connect: Connect, emulator: Emulator, clock: AdvancingClock, world: World
) -> None:
    """A retry goes on with the execution of a worker that died; where only labels tell, once a list shows it."""
    run = begin(Setting("v1", store=False), **SHORT)
    with world.serve(emulator, connect, "v1"):
        kill_while_waiting(run, clock)
        clock.manual.advance(world.list_delay)  # Airflow takes longer to notice
        run.retry().run()
    check_one(emulator, run)


@pytest.mark.parametrize("world", WAITING, ids=str)
@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_a_worker_that_dies_waiting_with_a_record(
    begin: Begin, connect: Connect, emulator: Emulator, clock: AdvancingClock, world: World, version: str
) -> None:
    """Where Airflow keeps the execution's name, a retry goes on with it at once, whatever is shown."""
    run = begin(Setting(version, store=True), **SHORT)
    with world.serve(emulator, connect, version):
        kill_while_waiting(run, clock)
        run.retry().run()
    check_one(emulator, run)


@pytest.mark.parametrize(
    ("store", "world"), [*((False, each) for each in FINDING), *((True, each) for each in WAITING)], ids=str
)
def test_a_worker_that_dies_creating(
    begin: Begin, connect: Connect, emulator: Emulator, clock: AdvancingClock, world: World, store: bool
) -> None:
    """A retry finds what a worker had created that died before it knew the answer."""
    run = begin(Setting("v1", store=store), **SHORT)
    with world.serve(emulator, connect, "v1"):
        kill_in_create(run, emulator, clock)
        if not store:
            clock.manual.advance(world.list_delay)
        run.retry().run()
    check_one(emulator, run)


@pytest.mark.parametrize("world", WAITING, ids=str)
def test_v1beta_creates_no_second_one(
    begin: Begin, connect: Connect, emulator: Emulator, clock: AdvancingClock, world: World
) -> None:
    """Where nothing can be found, a create without an answer fails its task, and the next try, too."""
    run = begin(Setting("v1beta", store=True), **SHORT)
    with world.serve(emulator, connect, "v1beta"):
        kill_in_create(run, emulator, clock)
        with pytest.raises(AirflowFailException, match="may exist"):
            run.retry().execute()
    assert emulator.count("create") == 1
