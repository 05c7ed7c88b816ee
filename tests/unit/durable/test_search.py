# SPDX-License-Identifier: Apache-2.0
"""Which executions a task finds by their labels, how far back, and which of several it goes on with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from airflow_provider_workflows.exceptions import ExecutionTimeout
from airflow_provider_workflows.testing import Emulator
from tests.harness import AdvancingClock, StateStore, TaskRun
from tests.killing import Killed, killing
from tests.unit.conftest import Connect
from tests.unit.durable.conftest import Setting, ids, kill_while_waiting, states
from tests.unit.durable.front import front, ignore_filter, queued_last

#: Only labels tell.
LABELS = Setting("v1", store=False)
#: Still going when ``LATER`` has passed.
LONG = {"argument": {"seconds": 900, "result": "done"}, "poll_interval": 60}
#: Well over the margin for clocks that differ.
LATER = 600.0


def test_executions_from_before_a_deleted_run_are_not_attached_to(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock
) -> None:
    """A DAG run that was deleted and made again with the same id does not take the old one's result."""
    deleted = begin(LABELS)
    deleted.dag_run_start = clock.now()
    deleted.run()
    clock.manual.advance(LATER)
    run = begin(LABELS)
    run.dag_run_start = clock.now()
    kill_while_waiting(run, clock)
    emulator.set_state(ids(emulator)[1], "FAILED")
    assert run.retry().run()["name"].endswith(ids(emulator)[2])
    assert states(emulator) == ["SUCCEEDED", "FAILED", "SUCCEEDED"]


def test_what_a_deleted_run_left_going_is_cancelled(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock
) -> None:
    """A DAG run that was deleted and made again with the same id does not wait for what the old one left going."""
    deleted = begin(LABELS, **LONG)
    deleted.dag_run_start = clock.now()
    kill_while_waiting(deleted, clock)
    clock.manual.advance(LATER)
    run = begin(LABELS, **LONG)
    run.dag_run_start = clock.now()
    kill_while_waiting(run, clock)
    emulator.set_state(ids(emulator)[1], "FAILED")
    run.retry().run()
    assert states(emulator) == ["CANCELLED", "FAILED", "SUCCEEDED"]


def test_a_cleared_finished_run_finds_what_is_older_without_a_filter(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock
) -> None:
    """Clearing a finished run moves its beginning, and what it left going before that is stopped all the same."""
    emulator.settings.label_filter = "refuse"
    run = begin(LABELS, **LONG)
    run.dag_run_start = clock.now()
    kill_while_waiting(run, clock)
    clock.manual.advance(LATER)
    run.dag_run_start = clock.now()
    run.clear().run()
    assert states(emulator) == ["CANCELLED", "SUCCEEDED"]


def test_a_kill_while_a_cleared_try_looks_back_without_a_filter(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock
) -> None:
    """A try that is killed while it looks back looks as far back as it would have done itself."""
    emulator.settings.label_filter = "refuse"
    run = begin(LABELS, **LONG)
    run.dag_run_start = clock.now()
    kill_while_waiting(run, clock)
    clock.manual.advance(LATER)
    run.dag_run_start = clock.now()
    run.clear()

    emulator.fail("list", "unavailable")
    clock.on_sleep(killing(run, clock))
    with pytest.raises(Killed):
        run.execute()
    assert states(emulator) == ["CANCELLED"]


def test_a_lost_create_is_looked_for_back_to_its_try_only(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock
) -> None:
    """Without a filter a look for this try's own create ends at the first execution that is older than the try."""
    emulator.settings.label_filter = "refuse"
    emulator.add_executions("sleep", 250, start=clock.time() - LATER)
    emulator.fail("create", "drop_after")
    assert begin(LABELS).run()["state"] == "SUCCEEDED"
    assert emulator.count("create") == 1
    assert emulator.count("list") == 2  # the refused one, and one page


@pytest.mark.parametrize("cancel_on_kill", [True, False])
def test_of_two_that_are_going_the_newest_is_attached_to(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock, cancel_on_kill: bool
) -> None:
    """Where two executions of the same create are going, the task waits for the newer one."""
    kill_while_waiting(begin(LABELS, cancel_on_kill=cancel_on_kill), clock)
    run = begin(LABELS, cancel_on_kill=cancel_on_kill)
    kill_while_waiting(run, clock)
    assert run.retry().run()["name"].endswith(ids(emulator)[1])
    assert states(emulator) == ["CANCELLED" if cancel_on_kill else "SUCCEEDED", "SUCCEEDED"]


def test_what_is_queued_is_found_wherever_it_is_listed(
    begin: Callable[..., TaskRun], connect: Connect, emulator: Emulator, clock: AdvancingClock
) -> None:
    """An execution that has not started yet is found, also where a list by start times has it last."""
    emulator.settings.concurrency_limit = 1
    emulator.settings.label_filter = "refuse"
    emulator.start("sleep", {"seconds": LATER})
    clock.manual.advance(LATER / 2)
    run = begin(LABELS)
    run.dag_run_start = clock.now()
    with front(emulator.endpoint, answered=queued_last) as endpoint:
        connect(api_endpoint=endpoint)
        kill_while_waiting(run, clock)
        assert run.retry().run()["state"] == "SUCCEEDED"
    assert emulator.count("create") == 1


def test_a_filter_that_is_not_heeded(
    begin: Callable[..., TaskRun], connect: Connect, emulator: Emulator, clock: AdvancingClock
) -> None:
    """A service that shows everything whatever the filter says is not read to its end."""
    emulator.add_executions("sleep", 5000, start=clock.time() - 7 * 24 * 3600, interval=60)
    run = begin(LABELS)
    run.dag_run_start = clock.now()
    with front(emulator.endpoint, asked=ignore_filter) as endpoint:
        connect(api_endpoint=endpoint)
        kill_while_waiting(run, clock)
        assert run.retry().run()["state"] == "SUCCEEDED"
    assert emulator.count("create") == 1
    assert emulator.count("list") <= 3


def test_a_service_that_refuses_to_order(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock
) -> None:
    """A service that neither filters by labels nor orders by creation is read in its own order."""
    emulator.settings.label_filter = "refuse"
    emulator.fail("list", status=400, times=None, when=lambda request: "orderBy" in request.query)
    run = begin(LABELS)
    kill_while_waiting(run, clock)
    assert run.retry().run()["state"] == "SUCCEEDED"
    assert emulator.count("create") == 1


@pytest.mark.parametrize("store", [True, False], ids=["store", "no-store"])
def test_a_deadline_counts_from_the_create_not_from_the_start(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock, store: bool
) -> None:
    """The time that an execution was queued is not given to it again when a retry finds it by its labels."""
    emulator.settings.concurrency_limit = 1
    blocking = emulator.start("sleep", {"seconds": 590})
    run = begin(Setting("v1", store=store), argument={"seconds": 9000}, execution_timeout=timedelta(seconds=900))
    began = clock.time()
    kill_while_waiting(run, clock)
    clock.manual.advance(600)
    assert emulator.execution(blocking)["state"] == "SUCCEEDED"
    if store:  # not written down: the worker died between the answer and the record
        run.state_store = StateStore()
    with pytest.raises(ExecutionTimeout):
        run.retry().run()
    assert clock.time() - began < 900 + 30


def test_a_list_that_fails_after_a_good_create(begin: Callable[..., TaskRun], emulator: Emulator) -> None:
    """Looking for what an attempt that was given up may have made cannot fail a task that has its execution."""
    emulator.fail("create", "drop_before")
    emulator.fail("list", "permission_denied", times=None, when=lambda _: emulator.count("create") > 1)
    assert begin(LABELS).run()["state"] == "SUCCEEDED"
    assert emulator.count("create") == 2
