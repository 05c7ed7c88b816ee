# SPDX-License-Identifier: Apache-2.0
"""Check what the chaos run makes of what it finds at its end: nothing wrong may pass, nothing right may be blamed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import pytest

from chaos_account import Outcome, Stop, Verdict, epoch, judge
from chaos_items import CLEARED, CLEARED_AFTER, ENDLESS, FAILED, RUN_FAILED, SUCCEEDED, plan

RESULT = {"item": 7, "proof": 1}
KEY = ("deferred", 0)
START = 1_700_000_000.0


def execution(
    state: str = "SUCCEEDED", *, at: float = 0, to: float | None = None, try_number: int = 1
) -> dict[str, Any]:
    """Return an execution of the item from one second of the run to another."""
    return {
        "name": f"projects/p/locations/l/workflows/w/executions/e{at}",
        "argument": json.dumps({"item": 7, "result": RESULT}),
        "state": state,
        "createTime": _time(at),
        **({} if state in {"ACTIVE", "QUEUED"} else {"endTime": _time(at + 5 if to is None else to)}),
        "labels": {"airflow-task-id": "deferred", "airflow-map-index": "0", "airflow-try-number": str(try_number)},
    }


def _time(second: float) -> str:
    return datetime.fromtimestamp(START + second, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def stop(kind: str, at: float, *, try_number: int = 1) -> Stop:
    """Return a stop of the item's task that Airflow took half a second to answer."""
    return Stop(KEY, kind, START + at, START + at + 0.5, try_number)


def account(
    executions: Sequence[dict[str, Any]],
    stops: Sequence[Stop] = (),
    *,
    state: str | None = "success",
    result: Any = RESULT,
) -> Verdict:
    """Judge a run of one item; it gathers what its task has, if that is not stopped for good."""
    gathered = [] if result is None else [result]
    return judge({KEY: RESULT}, executions, [Outcome(*KEY, state, result)], gathered, stops)


def figures(verdict: Verdict) -> dict[str, int]:
    """Return the figures that must be zero and are not."""
    must = {"duplicates", "orphans still ACTIVE", "stopped and not cancelled", "results lost", "tasks wrong"}
    return {name: figure for name, figure in verdict.rows if name in must and figure}


CANCELLED = "CANCELLED"
FINE: dict[str, tuple[list[dict[str, Any]], list[Stop], dict[str, Any]]] = {
    "one execution, its result arrived": ([execution()], [], {}),
    "a failed one before it": ([execution("FAILED"), execution(at=9, try_number=2)], [], {}),
    "an extra one that was cancelled": ([execution(), execution(CANCELLED, at=1)], [], {}),
    "cleared, cancelled, done again": (
        [execution(CANCELLED, to=12), execution(at=15, try_number=2)],
        [stop(CLEARED, 10)],
        {},
    ),
    "cleared after its success": ([execution(to=5), execution(at=15, try_number=2)], [stop(CLEARED_AFTER, 10)], {}),
    "it ended while Airflow was told": ([execution(to=10.4), execution(at=15, try_number=2)], [stop(CLEARED, 10)], {}),
    "cleared twice": (
        [execution(CANCELLED), execution(CANCELLED, at=15, try_number=2), execution(at=30, try_number=3)],
        [stop(CLEARED, 10), stop(CLEARED, 20, try_number=2)],
        {},
    ),
    "the old try created after the clear, and cancelled": (
        [execution(CANCELLED, at=11), execution(at=15, try_number=2)],
        [stop(CLEARED, 10)],
        {},
    ),
    "marked failed": ([execution(CANCELLED, to=12)], [stop(FAILED, 10)], {"state": "failed", "result": None}),
    "marked success": ([execution(CANCELLED, to=12)], [stop(SUCCEEDED, 10)], {"result": None}),
    "cleared, then marked": (
        [execution(CANCELLED), execution(CANCELLED, at=15, try_number=2)],
        [stop(CLEARED, 10), stop(FAILED, 20, try_number=2)],
        {"state": "failed", "result": None},
    ),
    "its DAG run failed before it began": (
        [],
        [stop(RUN_FAILED, 10, try_number=0)],
        {"state": "skipped", "result": None},
    ),
}


@pytest.mark.parametrize("case", FINE)
def test_nothing_is_blamed(case: str) -> None:
    """What ends as it should has no figure that is not zero."""
    executions, stops, task = FINE[case]
    verdict = account(executions, stops, **task)
    assert verdict.complaints == []
    assert verdict.fine


WRONG: dict[str, tuple[list[dict[str, Any]], list[Stop], dict[str, Any], dict[str, int]]] = {
    "two that ran to their end": ([execution(), execution(at=1)], [], {}, {"duplicates": 1}),
    "two in the piece of work after a clear": (
        [execution(CANCELLED), execution(at=15, try_number=2), execution(at=16, try_number=3)],
        [stop(CLEARED, 10)],
        {},
        {"duplicates": 1},
    ),
    "one that still goes on beside it": (
        [execution(), execution("ACTIVE", at=1)],
        [],
        {},
        {"duplicates": 1, "orphans still ACTIVE": 1},
    ),
    "a clear left one going": (
        [execution("ACTIVE"), execution(at=15, try_number=2)],
        [stop(CLEARED, 10)],
        {},
        {"orphans still ACTIVE": 1, "stopped and not cancelled": 1},
    ),
    "a clear let one run to its end": (
        [execution(to=14), execution(at=15, try_number=2)],
        [stop(CLEARED, 10)],
        {},
        {"stopped and not cancelled": 1},
    ),
    "the task took the result of the piece of work before the clear": (
        [execution(to=5)],
        [stop(CLEARED_AFTER, 10)],
        {},
        {"tasks wrong": 1},
    ),
    "marked failed, and it ran to its end": (
        [execution(to=14)],
        [stop(FAILED, 10)],
        {"state": "failed", "result": None},
        {"stopped and not cancelled": 1},
    ),
    "marked failed, and it still goes on": (
        [execution("ACTIVE")],
        [stop(FAILED, 10)],
        {"state": "failed", "result": None},
        {"orphans still ACTIVE": 1, "stopped and not cancelled": 1},
    ),
    "marked failed, and a later try began another": (
        [execution(CANCELLED), execution(at=15, try_number=2)],
        [stop(FAILED, 10)],
        {"state": "failed", "result": None},
        {"stopped and not cancelled": 1},
    ),
    "marked failed, and the task succeeded": (
        [execution(CANCELLED)],
        [stop(FAILED, 10)],
        {"result": None},
        {"tasks wrong": 1},
    ),
    "marked failed, and its result was gathered": (
        [execution(CANCELLED)],
        [stop(FAILED, 10)],
        {"state": "failed"},
        {"tasks wrong": 1},
    ),
    "no result": ([execution()], [], {"result": None}, {"results lost": 1, "tasks wrong": 1}),
    "another's result": ([execution()], [], {"result": {"item": 8}}, {"tasks wrong": 2}),
    "a result of nothing": ([], [], {}, {"tasks wrong": 1}),
    "the task failed, its execution did not": (
        [execution()],
        [],
        {"state": "failed", "result": None},
        {"results lost": 1, "tasks wrong": 2},
    ),
    "the task never began": ([], [], {"state": None, "result": None}, {"tasks wrong": 2}),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_counted(case: str) -> None:
    """Each thing that went wrong is counted where it belongs, and the run is not fine."""
    executions, stops, task, expected = WRONG[case]
    verdict = account(executions, stops, **task)
    assert figures(verdict) == expected
    assert not verdict.fine


def test_a_missing_task_and_a_foreign_execution_are_wrong() -> None:
    """A task that Airflow does not list, and an execution of an item that nobody wanted, are told."""
    foreign = {**execution(), "argument": '{"item": 99}'}
    verdict = judge({KEY: RESULT}, [execution(), foreign], [], [RESULT])
    assert figures(verdict) == {"results lost": 1, "tasks wrong": 2}


def test_a_failed_task_that_creates_nothing_is_wrong() -> None:
    """A task beside those with results has to succeed, too."""
    outcomes = [Outcome(*KEY, "success", RESULT), Outcome("gather", -1, "failed", None)]
    assert figures(judge({KEY: RESULT}, [execution()], outcomes, [RESULT])) == {"tasks wrong": 1}


def test_cancelled_executions_are_told_apart() -> None:
    """A cancelled execution counts as stopped or as extra, by the piece of work it belongs to."""
    cancelled = [execution(CANCELLED), execution(CANCELLED, at=14, try_number=2)]
    verdict = account([*cancelled, execution(at=15, try_number=2)], [stop(CLEARED, 10)])
    assert (verdict.stopped, verdict.extra) == (1, 1)
    assert verdict.fine


def test_verdicts_add_up() -> None:
    """The sum of two accounts has the figures of both, and is fine only if both are."""
    fine, wrong = account([execution()]), account([execution(), execution(at=1)])
    both = fine + wrong
    assert (both.wanted, both.created, len(both.duplicates)) == (2, 3, 1)
    assert not both.fine


def test_epoch_reads_nanoseconds() -> None:
    """The service's times with any number of digits are read, on Python 3.10 too."""
    assert epoch("2023-11-14T22:13:20Z") == START
    assert epoch("2023-11-14T22:13:20.123456789Z") == pytest.approx(START + 0.123456789)


@pytest.mark.parametrize("executions", [20, 60, 200])
def test_every_stop_has_an_execution_that_waits_for_it(executions: int) -> None:
    """The plan stops both kinds of tasks in every way; what is stopped while it goes on does not end by itself."""
    for seed in range(5):
        made = plan(executions, seed)
        assert {kind for kinds in made.stops.values() for kind in kinds} == {CLEARED, CLEARED_AFTER, FAILED, SUCCEEDED}
        assert {task for task, _index in made.stops} == {"deferred", "waiting"}
        endless = {made.results[key]["item"] for key, kinds in made.stops.items() if kinds != (CLEARED_AFTER,)}
        assert set(made.endless) == endless
        assert all(each["seconds"] == ENDLESS for arguments in made.doomed.values() for each in arguments)
        numbers = [result["item"] for result in [*made.results.values(), *made.doomed_results.values()]]
        assert len(numbers) == len(set(numbers))
