# SPDX-License-Identifier: Apache-2.0
"""
Compare what a chaos run wanted, and what was stopped in it, with what the server and Airflow have at its end.

A task that is cleared does a new piece of work. So its executions fall into *generations*: those from before a stop,
and those from after it. A generation that was stopped must have nothing left that goes on; the last one, unless it
was stopped for good, must have one execution whose result arrived.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timezone
from typing import Any

from chaos_items import CLEARED, CLEARED_AFTER, FAILED, RUN_FAILED, SUCCEEDED, Key

GIVEN_UP = frozenset({"FAILED", "CANCELLED"})
GOING = frozenset({"ACTIVE", "QUEUED"})
#: What a task that was stopped for good must be in the end; a task of a failed DAG run may not have begun.
FINAL_STATES: Mapping[str, Collection[str | None]] = {
    FAILED: {"failed"},
    SUCCEEDED: {"success"},
    RUN_FAILED: {"failed", "skipped", "upstream_failed"},
}


@dataclass(frozen=True)
class Stop:
    """
    Hold one stop of a task, in epoch seconds.

    :param kind: one of those of `chaos_items`.
    :param sent: when Airflow was told; what was created before belongs to what was stopped.
    :param answered: when Airflow had answered; what had ended by then was not stopped.
    :param try_number: the last try that was stopped: what it creates after `sent` belongs to what was stopped, too.
    """

    key: Key
    kind: str
    sent: float
    answered: float
    try_number: int

    @property
    def final(self) -> bool:
        """Tell whether nothing of the task may go on after it."""
        return self.kind not in {CLEARED, CLEARED_AFTER}


@dataclass(frozen=True)
class Outcome:
    """
    Hold one task at the end of the run.

    :param result: its XCom ``result``; ``None`` where there is none.
    """

    task: str
    map_index: int
    state: str | None
    result: Any


@dataclass
class Verdict:
    """
    Hold the figures that must be zero, each as a list of what is wrong, and those that only inform.

    :param stopped: executions that were cancelled because their task was stopped.
    :param extra: executions that were cancelled although their task was not stopped.
    :param duplicates: of each generation of an item all executions beyond one that are neither FAILED nor CANCELLED:
        they were billed to their end, or still are.
    :param orphans: executions still ACTIVE or QUEUED when no task waits any more.
    :param not_cancelled: executions whose task was stopped, and that ended by themselves only after that, or that
        were begun after their task was stopped for good.
    :param lost: results that exist and did not arrive: a task that succeeded without its own item's result, and an
        item with a SUCCEEDED execution whose task did not succeed.
    :param wrong: tasks that did not end as they should, and XComs with another value than they should have.
    """

    wanted: int
    created: int
    stopped: int = 0
    extra: int = 0
    duplicates: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    not_cancelled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __add__(self, other: Verdict) -> Verdict:
        """Return the figures of both."""
        return Verdict(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})

    @property
    def rows(self) -> list[tuple[str, int]]:
        """Return the table, name and figure."""
        return [
            ("executions wanted", self.wanted),
            ("executions created", self.created),
            ("  cancelled, their task was stopped", self.stopped),
            ("  cancelled, they were extra", self.extra),
            ("duplicates", len(self.duplicates)),
            ("orphans still ACTIVE", len(self.orphans)),
            ("stopped and not cancelled", len(self.not_cancelled)),
            ("results lost", len(self.lost)),
            ("tasks wrong", len(self.wrong)),
        ]

    @property
    def fine(self) -> bool:
        """Tell whether everything that must be zero is."""
        return not self.complaints

    @property
    def complaints(self) -> list[str]:
        """Return every single thing that is wrong."""
        named = {
            "duplicate": self.duplicates,
            "orphan": self.orphans,
            "not cancelled": self.not_cancelled,
            "lost": self.lost,
            "wrong": self.wrong,
        }
        return [f"{kind}: {text}" for kind, texts in named.items() for text in texts]


def judge(
    expected: Mapping[Key, Any],
    executions: Iterable[Mapping[str, Any]],
    outcomes: Iterable[Outcome],
    gathered: Sequence[Any],
    stops: Iterable[Stop] = (),
) -> Verdict:
    """
    Compare the tasks of one DAG run, and all their executions.

    :param expected: task -> result that it has to end with unless it was stopped for good.
    :param executions: FULL resources of all executions at the server that these tasks created.
    :param outcomes: all task instances.
    :param gathered: what the last task put together from all results.
    :param stops: what was done to the tasks, in order.
    """
    every = list(executions)
    verdict = Verdict(wanted=len(expected), created=len(every))
    by_item: dict[int, list[Mapping[str, Any]]] = {result["item"]: [] for result in expected.values()}
    for execution in every:
        item = item_of(execution)
        if item in by_item:
            by_item[item].append(execution)
        else:
            verdict.wrong.append(f"an execution of no task: {describe(execution)}")
    stops_of: dict[Key, list[Stop]] = defaultdict(list)
    for stop in stops:
        stops_of[stop.key].append(stop)
    tasks = {(each.task, each.map_index): each for each in outcomes}
    for key, result in expected.items():
        _judge_item(verdict, by_item[result["item"]], stops_of[key])
        _judge_task(verdict, key, result, tasks.get(key), by_item[result["item"]], stops_of[key])
    for key, outcome in tasks.items():
        if key not in expected and outcome.state != "success":
            verdict.wrong.append(f"{name_of(key)} is {outcome.state}")
    arrive = [result for key, result in expected.items() if not _stopped_for_good(stops_of[key])]
    if sorted(gathered, key=str) != sorted(arrive, key=str):
        verdict.wrong.append(f"gather: {len(gathered)} results, not the {len(arrive)} expected ones")
    return verdict


def generation(execution: Mapping[str, Any], stops: Sequence[Stop]) -> int:
    """Return how many of its task's stops came before an execution."""
    created, try_number = epoch(execution["createTime"]), try_of(execution)
    for number, stop in enumerate(stops):
        if created <= stop.sent or try_number <= stop.try_number:
            return number
    return len(stops)


def _judge_item(verdict: Verdict, executions: Sequence[Mapping[str, Any]], stops: Sequence[Stop]) -> None:
    generations: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for execution in executions:
        generations[generation(execution, stops)].append(execution)
    for number, members in sorted(generations.items()):
        stop = stops[number] if number < len(stops) else None
        cancelled = sum(each["state"] == "CANCELLED" for each in members)
        kept = [each for each in members if each["state"] not in GIVEN_UP]
        if stop is None:
            verdict.extra += cancelled
        else:
            verdict.stopped += cancelled
        verdict.duplicates += [describe(each) for each in kept[1:]]
        verdict.orphans += [describe(each) for each in kept if each["state"] in GOING]
        verdict.not_cancelled += [
            f"{describe(each)}, {blame.kind} at {_clock(blame.answered)}"
            for each in kept
            if (blame := _forbids(each, stop, stops))
        ]


def _forbids(execution: Mapping[str, Any], stop: Stop | None, stops: Sequence[Stop]) -> Stop | None:
    """Return the stop after which an execution that was not given up should not have gone on."""
    if stop is None:
        return stops[-1] if _stopped_for_good(stops) else None
    ended = execution.get("endTime")
    return None if ended and epoch(ended) <= stop.answered else stop


def _stopped_for_good(stops: Sequence[Stop]) -> bool:
    return bool(stops) and stops[-1].final


def _judge_task(
    verdict: Verdict,
    key: Key,
    result: Any,
    outcome: Outcome | None,
    executions: Sequence[Mapping[str, Any]],
    stops: Sequence[Stop],
) -> None:
    name = f"{name_of(key)} (item {result['item']})"
    state = outcome and outcome.state
    if _stopped_for_good(stops):
        if state not in FINAL_STATES[stops[-1].kind]:
            verdict.wrong.append(f"{name} is {state}, though it was {stops[-1].kind}")
        return
    if outcome is not None and state == "success":
        if outcome.result is None:
            verdict.lost.append(f"{name} succeeded without a result")
        elif outcome.result != result:
            verdict.wrong.append(f"{name} has {outcome.result}, not {result}")
        elif not any(_arrived(each, stops) for each in executions):
            verdict.wrong.append(f"{name} has a result, but no execution of its own SUCCEEDED")
        return
    verdict.wrong.append(f"{name} is {state}")
    if any(_arrived(each, stops) for each in executions):
        verdict.lost.append(f"{name} is {state}, but its execution SUCCEEDED")


def _arrived(execution: Mapping[str, Any], stops: Sequence[Stop]) -> bool:
    """Tell whether an execution of the last generation has a result."""
    return execution["state"] == "SUCCEEDED" and generation(execution, stops) == len(stops)


def item_of(execution: Mapping[str, Any]) -> int:
    """Return the number of the item that an execution is of."""
    return int(json.loads(execution["argument"])["item"])


def try_of(execution: Mapping[str, Any]) -> int:
    """Return the try that created an execution."""
    return int(execution["labels"]["airflow-try-number"])


def epoch(time: str) -> float:
    """Return a time of the service in epoch seconds; Python 3.10 reads no nanoseconds."""
    whole, _, fraction = time.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def name_of(key: Key) -> str:
    """Name a task."""
    return f"{key[0]}[{key[1]}]"


def describe(execution: Mapping[str, Any]) -> str:
    """Name an execution with what helps to find it in the logs."""
    labels = execution.get("labels", {})
    ended = f", ended at {execution['endTime']}" if execution.get("endTime") else ""
    return (
        f"item {item_of(execution)}: {execution['name'].rpartition('/')[2]} is {execution['state']}, created by "
        f"{labels.get('airflow-task-id')}[{labels.get('airflow-map-index')}] try {labels.get('airflow-try-number')} "
        f"at {execution['createTime']}{ended}"
    )
