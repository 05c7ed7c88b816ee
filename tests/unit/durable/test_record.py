# SPDX-License-Identifier: Apache-2.0
"""What a try wrote down is used for what it says, and for nothing where it says nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_workflows.durable.record import RECORD_KEY
from airflow_provider_workflows.exceptions import ExecutionTimeout, PermissionDenied
from airflow_provider_workflows.testing import DEFAULT_LOCATION, DEFAULT_PROJECT, Emulator
from tests.harness import AdvancingClock, StateStore, TaskRun
from tests.killing import Killed
from tests.unit.durable.conftest import Setting, ids, kill_in_create, kill_while_waiting, states

STORE = Setting("v1", store=True)
with_store = pytest.mark.parametrize("setting", [STORE, Setting("v1beta", store=True)], ids=str)

#: A record as it is stored, and what it must not be.
STORED = {
    "execution_id": "0a1b",
    "workflow": "projects/p/locations/l/workflows/sleep",
    "key": "00ff",
    "generation": 0,
    "since": 1.0,
}
MALFORMED = [
    pytest.param("0a1b", id="text"),
    pytest.param(["execution_id"], id="list"),
    pytest.param({"execution_id": "0a1b"}, id="of-somebody-else"),
    *(
        pytest.param({key: STORED[key] for key in STORED if key != left_out}, id=f"no-{left_out}")
        for left_out in STORED
    ),
    *(
        pytest.param({**STORED, key: value}, id=f"{key}-{value!r:.12}")
        for key, value in [
            ("execution_id", "a/b"),
            ("execution_id", 7),
            ("workflow", "sleep"),
            ("workflow", None),
            ("workflow", "projects/p/locations/l/workflows/a b"),
            ("key", None),
            ("generation", "0"),
            ("since", None),
            ("since", "now"),
            ("since", 10**400),
            ("attempt", 7),
        ]
    ),
]


def store_of(run: TaskRun) -> StateStore:
    """Return the task state store of a task that has one."""
    assert run.state_store is not None
    return run.state_store


def another_workflow(begin: Callable[..., TaskRun], setting: Setting, run: TaskRun, **arguments: Any) -> TaskRun:
    """Begin the next try of a task whose DAG file meanwhile names another workflow."""
    other = begin(setting, workflow_id="echo", argument="other", **arguments)
    other.state_store, other._max_tries, other.try_number = run.state_store, run._max_tries, run.try_number
    return other.retry()


@with_store
def test_the_recorded_execution_of_another_workflow_is_cancelled(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock, setting: Setting
) -> None:
    """When the task creates another workflow now, what an earlier try left going is stopped where it is."""
    run = begin(setting)
    kill_while_waiting(run, clock)
    assert another_workflow(begin, setting, run).run()["state"] == "SUCCEEDED"
    assert [each["state"] for each in emulator.executions("sleep")] == ["CANCELLED"]
    assert [each["state"] for each in emulator.executions("echo")] == ["SUCCEEDED"]


def test_what_the_record_and_the_labels_name_is_cancelled_once(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock
) -> None:
    """A recorded execution that is found by its labels, too, is one execution."""
    run = begin(STORE)
    kill_while_waiting(run, clock)
    run.clear().run()
    assert states(emulator) == ["CANCELLED", "SUCCEEDED"]
    assert emulator.count("cancel") == 1


def test_a_kill_while_looking_back_cancels_the_recorded_execution_of_another_workflow(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock
) -> None:
    """A retry that is killed before it has stopped the recorded execution stops it by its own name."""
    run = begin(STORE)
    kill_while_waiting(run, clock)
    other = another_workflow(begin, STORE, run)

    def kill() -> None:
        clock.forget()
        other.kill()
        raise Killed

    emulator.fail("list", "unavailable")
    clock.on_sleep(kill)
    with pytest.raises(Killed):
        other.execute()
    assert states(emulator) == ["CANCELLED"]


def test_waiting_counts_from_the_execution_that_is_attached_to(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock
) -> None:
    """An execution that the record does not name has its whole time, not what the recorded one left of it."""
    run = begin(STORE, execution_timeout=timedelta(seconds=90))
    kill_while_waiting(run, clock)
    recorded = store_of(run).get(RECORD_KEY)
    emulator.set_state(ids(emulator)[0], "FAILED")
    clock.manual.advance(60)
    kill_while_waiting(run.retry(), clock)
    store_of(run).set(RECORD_KEY, recorded)
    assert run.retry().run()["state"] == "SUCCEEDED"
    assert states(emulator) == ["FAILED", "SUCCEEDED"]


def test_the_record_is_stored_as_it_always_was(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock
) -> None:
    """A task that waits while this package is upgraded or downgraded finds its record; older ones lack the attempt."""
    began = clock.time()
    run = begin(STORE)
    kill_in_create(run, emulator, clock)
    sent = store_of(run).get(RECORD_KEY)
    labels = emulator.executions()[0]["labels"]
    assert sent == {
        "execution_id": None,
        "workflow": f"projects/{DEFAULT_PROJECT}/locations/{DEFAULT_LOCATION}/workflows/sleep",
        "key": labels["airflow-key"],
        "generation": 0,
        "since": began,
        "attempt": labels["airflow-attempt"],
    }
    run.retry().run()
    assert store_of(run).get(RECORD_KEY).keys() == sent.keys()
    assert store_of(run).get(RECORD_KEY)["execution_id"] == ids(emulator)[0]


def test_a_record_makes_a_first_try_look_back(begin: Callable[..., TaskRun], emulator: Emulator) -> None:
    """A record that names an execution which is gone still says that there were earlier tries."""
    run = begin(STORE)
    store_of(run).set(RECORD_KEY, STORED)
    assert run.run()["state"] == "SUCCEEDED"
    assert emulator.count("list") > 0


@with_store
@pytest.mark.parametrize("value", MALFORMED)
def test_a_malformed_record_counts_as_none(
    begin: Callable[..., TaskRun], emulator: Emulator, setting: Setting, value: Any
) -> None:
    """Whatever is stored under the record's name, a first try creates and overwrites it."""
    run = begin(setting)
    store_of(run).set(RECORD_KEY, value)
    assert run.run()["state"] == "SUCCEEDED"
    assert emulator.count("create") == 1
    assert emulator.count("list") == 0
    assert store_of(run).get(RECORD_KEY)["execution_id"] == ids(emulator)[0]


@with_store
@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
def test_a_recorded_execution_that_is_not_found_yet_is_waited_for(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock, setting: Setting, deferrable: bool
) -> None:
    """A 404 of a recorded execution may come too early, in a retry as in every wait: no second one is created."""
    emulator.settings.get_delay = emulator.settings.list_delay = 25.0
    run = begin(setting, deferrable=deferrable)
    kill_while_waiting(run, clock)
    assert run.retry().run()["state"] == "SUCCEEDED"
    assert emulator.count("create") == 1


@with_store
def test_a_recorded_execution_that_stays_away_counts_as_gone(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock, setting: Setting
) -> None:
    """After 30 seconds of 404 a recorded execution is gone, and a new one is created."""
    run = begin(setting)
    kill_while_waiting(run, clock)
    emulator.delete(ids(emulator)[0])
    began = clock.time()
    run.retry().run()
    assert 90 <= clock.time() - began <= 100  # the new one takes a minute
    assert emulator.count("create") == 2


def test_a_create_that_was_refused_is_not_written_down(begin: Callable[..., TaskRun], emulator: Emulator) -> None:
    """A create that surely made nothing leaves the next try nothing to look for, and nothing to be unsure of."""
    emulator.fail("create", "permission_denied")
    run = begin(Setting("v1beta", store=True))
    with pytest.raises(PermissionDenied):
        run.execute()
    assert store_of(run).values == {}
    assert run.retry().run()["state"] == "SUCCEEDED"


def test_a_refused_create_leaves_the_record_before_it(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock
) -> None:
    """A create without an answer stays to be looked for, though a later one surely made nothing."""
    run = begin(STORE)
    kill_in_create(run, emulator, clock)
    unanswered = store_of(run).get(RECORD_KEY)
    emulator.settings.list_delay = 100.0
    emulator.fail("create", "permission_denied")
    with pytest.raises(PermissionDenied):
        run.retry().execute()
    assert store_of(run).get(RECORD_KEY) == unanswered
    emulator.settings.list_delay = 0.0
    run.retry().run()
    assert len(ids(emulator)) == 1


@pytest.mark.parametrize("ahead", [3600.0, -3600.0], ids=["ahead", "behind"])
def test_clocks_of_workers_differ(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock, ahead: float
) -> None:
    """Looking for a create without an answer takes the same seconds, whatever the time was where it was written."""
    run = begin(STORE)
    kill_in_create(run, emulator, clock)
    record = store_of(run).get(RECORD_KEY)
    store_of(run).set(RECORD_KEY, {**record, "since": record["since"] + ahead})
    emulator.settings.list_delay = 10.0
    began = clock.time()
    run.retry().run()
    assert clock.time() - began < 90  # the execution takes a minute
    assert emulator.count("create") == 1


def test_waiting_never_counts_from_the_future(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock
) -> None:
    """A record whose time is ahead of this worker's clock gives the execution no more than its whole time."""
    run = begin(STORE, execution_timeout=timedelta(seconds=90), argument={"seconds": 9000})
    kill_while_waiting(run, clock)
    record = store_of(run).get(RECORD_KEY)
    store_of(run).set(RECORD_KEY, {**record, "since": record["since"] + 3600})
    began = clock.time()
    with pytest.raises(ExecutionTimeout):
        run.retry().run()
    assert clock.time() - began < 120


def test_what_is_not_listed_yet_is_waited_for_beside_older_ones(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock
) -> None:
    """A create without an answer is waited for also where an older execution of the task is listed already."""
    run = begin(STORE)
    kill_while_waiting(run, clock)
    emulator.set_state(ids(emulator)[0], "FAILED")
    clock.manual.advance(60)
    kill_in_create(run.retry(), emulator, clock)
    emulator.settings.list_delay = 10.0
    assert run.retry().run()["state"] == "SUCCEEDED"
    assert states(emulator) == ["FAILED", "SUCCEEDED"]
