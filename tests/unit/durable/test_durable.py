# SPDX-License-Identifier: Apache-2.0
"""
One execution, never two: each row of the event table in docs/durable.md, counted at the server.

The settings and the ways to lose a worker are in the conftest beside this file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_workflows.compat import AirflowFailException
from airflow_provider_workflows.durable.identity import GENERATION, KEY
from airflow_provider_workflows.durable.search import SETTLE
from airflow_provider_workflows.exceptions import AmbiguousCreate, ExecutionFailed
from airflow_provider_workflows.testing import Emulator
from tests.harness import AdvancingClock, TaskRun
from tests.log_lines import LogLine
from tests.unit.durable.conftest import Setting, ids, kill_in_create, kill_while_waiting, states

SETTINGS = [Setting(version, store) for version in ("v1", "v1beta") for store in (True, False)]
every_setting = pytest.mark.parametrize("setting", SETTINGS, ids=str)
labelled = pytest.mark.parametrize("setting", [each for each in SETTINGS if each.version == "v1"], ids=str)
remembering = pytest.mark.parametrize("setting", [each for each in SETTINGS if each.remembers], ids=str)
deferring = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])

LOST_AFTER = [
    pytest.param({"kind": "drop_after"}, id="dropped"),
    pytest.param({"status": 503, "after": True}, id="503"),
    pytest.param({"kind": "not_json"}, id="not-json"),
]
LOST_BEFORE = [
    pytest.param({"kind": "drop_before"}, id="dropped"),
    pytest.param({"kind": "unavailable"}, id="503"),
    pytest.param({"kind": "html"}, id="html"),
]


# --- within one try -------------------------------------------------------------------------------------------------


@every_setting
@deferring
def test_one_create_when_all_is_well(
    begin: Callable[..., TaskRun], emulator: Emulator, setting: Setting, deferrable: bool
) -> None:
    """A task that nothing happens to sends one create and asks for nothing else than its own execution."""
    execution = begin(setting, deferrable=deferrable).run()
    assert execution["state"] == "SUCCEEDED"
    assert emulator.count("create") == 1
    assert emulator.count("list") == 0


@labelled
@pytest.mark.parametrize("fault", LOST_AFTER)
@deferring
def test_goes_on_with_the_execution_when_only_the_answer_was_lost(
    begin: Callable[..., TaskRun], emulator: Emulator, setting: Setting, fault: dict[str, Any], deferrable: bool
) -> None:
    """A create that took effect without an answer is found again and not sent twice."""
    emulator.fail("create", **fault)
    run = begin(setting, deferrable=deferrable)
    assert run.run()["state"] == "SUCCEEDED"
    assert emulator.count("create") == 1
    assert ids(emulator) == [run.xcoms["execution_id"]]


@labelled
@pytest.mark.parametrize("fault", LOST_BEFORE)
def test_creates_again_when_surely_nothing_was_created(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock, setting: Setting, fault: dict[str, Any]
) -> None:
    """A create that had no effect is sent again, but only after looking for a while."""
    emulator.fail("create", **fault)
    run = begin(setting)
    assert run.run()["state"] == "SUCCEEDED"
    assert emulator.count("create") == 2
    assert len(ids(emulator)) == 1
    assert clock.slept[: len(SETTLE)] == list(SETTLE)


@labelled
def test_finds_an_execution_that_is_listed_late(
    begin: Callable[..., TaskRun], emulator: Emulator, setting: Setting
) -> None:
    """An execution that the list shows only seconds later is found all the same."""
    emulator.settings.list_delay = 6.0
    emulator.fail("create", "drop_after")
    assert begin(setting).run()["state"] == "SUCCEEDED"
    assert emulator.count("create") == 1


@labelled
def test_cancels_a_twin_that_appears_after_it_was_given_up(
    begin: Callable[..., TaskRun], emulator: Emulator, setting: Setting
) -> None:
    """When a lost create turns up after all, only the one that the task waits for goes on."""
    emulator.settings.list_delay = sum(SETTLE) + 1
    emulator.fail("create", "drop_after")
    emulator.fail("create", "rate_limited")  # the second create waits out its Retry-After meanwhile
    run = begin(setting)
    assert run.run()["state"] == "SUCCEEDED"
    assert sorted(states(emulator)) == ["CANCELLED", "SUCCEEDED"]
    kept = next(each for each in emulator.executions() if each["state"] == "SUCCEEDED")
    assert kept["name"].endswith(run.xcoms["execution_id"])


@every_setting
def test_repeats_a_create_that_surely_had_no_effect(
    begin: Callable[..., TaskRun], emulator: Emulator, setting: Setting
) -> None:
    """A create that was refused for the quota is repeated, on both versions."""
    emulator.fail("create", "rate_limited")
    assert begin(setting).run()["state"] == "SUCCEEDED"
    assert len(ids(emulator)) == 1


@pytest.mark.parametrize("setting", [each for each in SETTINGS if each.version == "v1beta"], ids=str)
@pytest.mark.parametrize("fault", [*LOST_AFTER, *LOST_BEFORE])
def test_v1beta_says_that_an_execution_may_exist(
    begin: Callable[..., TaskRun], emulator: Emulator, setting: Setting, fault: dict[str, Any]
) -> None:
    """Without labels a lost answer fails the task for good, and says what may exist and how to find it."""
    emulator.fail("create", **fault)
    with pytest.raises(AirflowFailException, match=r"may exist.*gcloud workflows executions list sleep") as caught:
        begin(setting).execute()
    assert isinstance(caught.value.__cause__, AmbiguousCreate)
    assert emulator.count("create") == 1


@labelled
def test_says_so_when_looking_for_it_fails(begin: Callable[..., TaskRun], emulator: Emulator, setting: Setting) -> None:
    """When the list cannot be read either, nothing is created blindly; the next try finds the execution."""
    emulator.fail("create", "drop_after")
    broken = emulator.fail("list", "unavailable", times=None)
    run = begin(setting)
    with pytest.raises(AmbiguousCreate, match="may exist"):
        run.execute()
    broken.remove()
    assert run.retry().run()["state"] == "SUCCEEDED"
    assert emulator.count("create") == 1


@labelled
def test_compares_labels_itself_when_the_filter_is_refused(
    begin: Callable[..., TaskRun], emulator: Emulator, setting: Setting
) -> None:
    """A service that does not take the label filter is no reason to create twice."""
    emulator.settings.label_filter = "refuse"
    emulator.add_executions("sleep", 250)
    emulator.fail("create", "drop_after")
    run = begin(setting)
    run.run()
    assert emulator.count("create") == 1


def test_durable_off_sends_one_create_and_no_labels(begin: Callable[..., TaskRun], emulator: Emulator) -> None:
    """With durable=False the lost answer is the task's failure, and the execution carries no labels of ours."""
    emulator.fail("create", "drop_after")
    with pytest.raises(AmbiguousCreate):
        begin(Setting("v1", store=True), durable=False).execute()
    assert emulator.count("create") == 1
    assert "labels" not in emulator.executions()[0]


# --- from try to try ------------------------------------------------------------------------------------------------


@remembering
@deferring
def test_a_retry_goes_on_with_the_execution_that_is_still_going(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock, setting: Setting, deferrable: bool
) -> None:
    """A worker that is killed while it waits costs no second execution."""
    run = begin(setting, deferrable=deferrable)
    kill_while_waiting(run, clock)
    execution = run.retry().run()
    assert execution["state"] == "SUCCEEDED"
    assert emulator.count("create") == 1
    assert execution["name"].endswith(ids(emulator)[0])


@remembering
def test_a_retry_takes_the_result_that_nobody_watched(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock, setting: Setting
) -> None:
    """An execution that succeeded between two tries gives the second its result at once."""
    run = begin(setting)
    kill_while_waiting(run, clock)
    clock.manual.advance(600)
    run.retry().run()
    assert run.xcoms["result"] == "done"
    assert emulator.count("create") == 1


@every_setting
@pytest.mark.parametrize("fate", ["FAILED", "CANCELLED", "UNAVAILABLE", "gone"])
def test_a_retry_begins_anew_after_a_bad_end(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock, setting: Setting, fate: str
) -> None:
    """An execution that ended badly, or does not exist any more, is replaced by a new one."""
    run = begin(setting)
    kill_while_waiting(run, clock)
    emulator.delete(ids(emulator)[0]) if fate == "gone" else emulator.set_state(ids(emulator)[0], fate)
    assert run.retry().run()["state"] == "SUCCEEDED"
    assert emulator.count("create") == 2


@pytest.mark.parametrize("setting", [Setting("v1beta", store=False)], ids=str)
def test_without_labels_and_store_a_retry_cannot_know(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock, setting: Setting
) -> None:
    """On v1beta below Airflow 3.3 a killed worker's execution is not found again; the docs say so."""
    run = begin(setting)
    kill_while_waiting(run, clock)
    run.retry().run()
    assert emulator.count("create") == 2


@labelled
def test_a_retry_finds_what_a_worker_created_that_died_in_between(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock, setting: Setting
) -> None:
    """A worker that is killed between its create and the answer costs no second execution."""
    run = begin(setting)
    kill_in_create(run, emulator, clock)
    assert run.retry().run()["state"] == "SUCCEEDED"
    assert emulator.count("create") == 1


def test_a_quick_retry_waits_for_what_is_not_listed_yet(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock
) -> None:
    """Where the record says that a create was sent a moment ago, a list that does not show it yet is asked again."""
    run = begin(Setting("v1", store=True))
    kill_in_create(run, emulator, clock)
    emulator.settings.list_delay = 10.0
    assert run.retry().run()["state"] == "SUCCEEDED"
    assert emulator.count("create") == 1


@pytest.mark.parametrize("setting", [Setting("v1beta", store=True)], ids=str)
def test_v1beta_refuses_to_guess_what_a_dead_worker_created(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock, setting: Setting
) -> None:
    """On v1beta the record says that a create was sent; only a clear makes the task create again."""
    run = begin(setting)
    kill_in_create(run, emulator, clock)
    with pytest.raises(AirflowFailException, match="may exist"):
        run.retry().execute()
    assert emulator.count("create") == 1
    assert run.clear().run()["state"] == "SUCCEEDED"
    assert emulator.count("create") == 2


@remembering
def test_a_retry_does_not_wait_for_another_argument(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock, setting: Setting
) -> None:
    """When the argument changed from try to try (another item of a mapped list), the old execution is stopped."""
    run = begin(setting)
    kill_while_waiting(run, clock)
    other = begin(setting, argument={"seconds": 60, "result": "other"})
    other.state_store, other._max_tries, other.try_number = run.state_store, run._max_tries, run.try_number
    other.retry().run()
    assert other.xcoms["result"] == "other"
    assert states(emulator) == ["CANCELLED", "SUCCEEDED"]


def test_mapped_items_and_runs_do_not_share_executions(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock
) -> None:
    """Same argument, other map index or DAG run: another execution."""
    first = begin(Setting("v1", store=False))
    kill_while_waiting(first, clock)
    for attribute, value in (("map_index", 1), ("run_id", "run2"), ("dag_id", "other")):
        run = begin(Setting("v1", store=False))
        setattr(run, attribute, value)
        kill_while_waiting(run.retry(), clock)
    labels = [each["labels"][KEY] for each in emulator.executions()]
    assert len(set(labels)) == len(labels) == 4


# --- after a clear --------------------------------------------------------------------------------------------------


@every_setting
def test_a_cleared_success_runs_again(begin: Callable[..., TaskRun], emulator: Emulator, setting: Setting) -> None:
    """Clearing a task that had succeeded starts a new execution; the state store survives clears."""
    run = begin(setting)
    run.run()
    run.clear().run()
    assert emulator.count("create") == 2
    assert states(emulator) == ["SUCCEEDED", "SUCCEEDED"]


@remembering
@deferring
def test_a_cleared_wait_starts_anew_and_leaves_nothing_running(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock, setting: Setting, deferrable: bool
) -> None:
    """The new try neither waits for the execution that the clear is about to cancel nor leaves it running."""
    run = begin(setting, deferrable=deferrable)
    kill_while_waiting(run, clock)
    run.clear().run()
    assert states(emulator) == ["CANCELLED", "SUCCEEDED"]


@remembering
def test_clearing_a_create_that_did_not_wait_cancels_its_execution(
    begin: Callable[..., TaskRun], emulator: Emulator, setting: Setting
) -> None:
    """A create that only starts is cleared like one that waits: the execution that is going makes way for a new one."""
    run = begin(setting, wait_for_completion=False)
    run.run()
    run.clear().run()
    assert states(emulator) == ["CANCELLED", "ACTIVE"]


@remembering
def test_a_clear_with_cancel_on_kill_off_goes_on_with_the_execution(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock, setting: Setting
) -> None:
    """Who does not want executions cancelled on a kill gets no second one beside it."""
    run = begin(setting, cancel_on_kill=False)
    kill_while_waiting(run, clock)
    run.clear().run()
    assert states(emulator) == ["SUCCEEDED"]


@labelled
def test_generation_changes_with_each_clear_only(
    begin: Callable[..., TaskRun], emulator: Emulator, clock: AdvancingClock, setting: Setting
) -> None:
    """Labels tell the clears apart and not the tries."""
    run = begin(setting)
    for step in (run.retry, run.clear, run.retry):
        kill_while_waiting(run, clock)
        emulator.set_state(ids(emulator)[-1], "FAILED")
        step()
    kill_while_waiting(run, clock)
    generations = [each["labels"][GENERATION] for each in emulator.executions()]
    assert generations == ["0", "0", "2", "2"]


# --- labels ---------------------------------------------------------------------------------------------------------


def test_labels_say_which_task_created(begin: Callable[..., TaskRun], emulator: Emulator) -> None:
    """An execution in the console shows its DAG, task and run, next to the user's own labels."""
    run = begin(Setting("v1", store=False), labels={"team": "data"})
    run.dag_id = "My DAG"
    run.run_id = "scheduled__2026-01-01T00:00:00+00:00"
    run.run()
    labels = emulator.executions()[0]["labels"]
    assert labels["team"] == "data"
    assert labels["airflow-dag-id"] == "my-dag"
    assert labels["airflow-run-id"] == "scheduled__2026-01-01t00-00-00-00-00"


@pytest.mark.parametrize("name", ["ʰdagー", "\u2102dag", "日本" * 60, "\U0001d400" * 250])
def test_names_of_any_letters_make_labels(begin: Callable[..., TaskRun], emulator: Emulator, name: str) -> None:
    """A DAG whose name has letters that labels cannot have creates all the same."""
    run = begin(Setting("v1", store=False))
    run.dag_id = name
    assert run.run()["state"] == "SUCCEEDED"
    assert emulator.count("create") == 1


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"Team": "data"}, "labels: the key 'Team'"),
        ({"team": "Data Science"}, r"labels\['team'\]"),
        ({"airflow-key": "x"}, "'airflow-key' is set by durable=True"),
        ({f"label{number}": "" for number in range(60)}, "labels has 60 entries"),
    ],
)
def test_labels_are_checked_before_any_request(
    begin: Callable[..., TaskRun], emulator: Emulator, labels: dict[str, str], message: str
) -> None:
    """A label that the service would refuse is named before anything is sent."""
    with pytest.raises(ValueError, match=message):
        begin(Setting("v1", store=True), labels=labels).execute()
    assert not emulator.requests


def test_labels_that_just_fit_are_taken(begin: Callable[..., TaskRun], emulator: Emulator) -> None:
    """As many labels as durable=True leaves room for are sent, and one more is refused by name."""
    own = {f"label{number}": "" for number in range(55)}
    begin(Setting("v1", store=False), labels=own).run()
    assert len(emulator.executions()[0]["labels"]) == 64
    with pytest.raises(ValueError, match=r"labels has 56 entries; .* Leave out 1, "):
        begin(Setting("v1", store=False), labels={**own, "more": ""}).execute()
    assert emulator.count("create") == 1


def test_a_failed_execution_is_created_anew_with_its_own_error(
    begin: Callable[..., TaskRun], emulator: Emulator, logs: list[LogLine]
) -> None:
    """A failure of the workflow is the task's failure, and the next try is a new execution."""
    run = begin(Setting("v1", store=True), workflow_id="fail", argument={"message": "no"})
    with pytest.raises(ExecutionFailed, match="no"):
        run.run()
    with pytest.raises(ExecutionFailed, match="no"):
        run.retry().run()
    assert emulator.count("create") == 2
    assert not [line for line in logs if "Traceback" in line.text]
