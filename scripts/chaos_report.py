# SPDX-License-Identifier: Apache-2.0
"""Compare what a chaos run wanted with what the server and Airflow have at its end."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

GIVEN_UP = frozenset({"FAILED", "CANCELLED"})
GOING = frozenset({"ACTIVE", "QUEUED"})


@dataclass
class Verdict:
    """
    Hold the figures that must be zero, each as a list of what is wrong, and those that only inform.

    :param duplicates: for each item all its executions beyond one that are neither FAILED nor CANCELLED: they were
        billed to their end, or still are. An extra execution that was cancelled is counted in ``cancelled``.
    :param orphans: executions still ACTIVE or QUEUED when no task waits any more.
    :param lost: results that exist and did not arrive: a task that succeeded without its own item's result, and an
        item with a SUCCEEDED execution whose task did not succeed.
    :param wrong: tasks that did not end in success, and XComs with another value than they should have.
    """

    wanted: int
    created: int
    cancelled: int
    duplicates: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def rows(self) -> list[tuple[str, int]]:
        """Return the table, name and figure."""
        return [
            ("executions wanted", self.wanted),
            ("executions created", self.created),
            ("  of them extra, and cancelled", self.cancelled),
            ("duplicates", len(self.duplicates)),
            ("orphans still ACTIVE", len(self.orphans)),
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
        named = {"duplicate": self.duplicates, "orphan": self.orphans, "lost": self.lost, "wrong": self.wrong}
        return [f"{kind}: {text}" for kind, texts in named.items() for text in texts]


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


def judge(
    expected: Mapping[tuple[str, int], Any],
    executions: Iterable[Mapping[str, Any]],
    outcomes: Iterable[Outcome],
    gathered: Sequence[Any],
) -> Verdict:
    """
    Compare.

    :param expected: (task, map index) -> result that the task has to end with.
    :param executions: FULL resources of all executions at the server.
    :param outcomes: all task instances.
    :param gathered: what the last task put together from all results.
    """
    every = list(executions)
    by_item: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for execution in every:
        by_item[json.loads(execution["argument"])["item"]].append(execution)
    states = Counter(execution["state"] for execution in every)
    verdict = Verdict(wanted=len(expected), created=len(every), cancelled=states["CANCELLED"])
    for item, candidates in sorted(by_item.items()):
        kept = [each for each in candidates if each["state"] not in GIVEN_UP]
        verdict.duplicates += [f"item {item}: {describe(each)}" for each in kept[1:]]
        verdict.orphans += [f"item {item}: {describe(each)}" for each in kept if each["state"] in GOING]
    succeeded = {item for item, found in by_item.items() if any(each["state"] == "SUCCEEDED" for each in found)}
    _judge_tasks(verdict, expected, {(each.task, each.map_index): each for each in outcomes}, succeeded)
    if sorted(gathered, key=str) != sorted(expected.values(), key=str):
        verdict.wrong.append(f"gather: {len(gathered)} results, not the {len(expected)} expected ones")
    return verdict


def _judge_tasks(
    verdict: Verdict,
    expected: Mapping[tuple[str, int], Any],
    outcomes: Mapping[tuple[str, int], Outcome],
    succeeded: set[int],
) -> None:
    for key, result in expected.items():
        name = f"{key[0]}[{key[1]}] (item {result['item']})"
        outcome = outcomes.get(key)
        if outcome is not None and outcome.state == "success":
            if outcome.result is None:
                verdict.lost.append(f"{name} succeeded without a result")
            elif outcome.result != result:
                verdict.wrong.append(f"{name} has {outcome.result}, not {result}")
        elif result["item"] in succeeded:
            verdict.lost.append(f"{name} is {outcome and outcome.state}, but its execution SUCCEEDED")
    for outcome in outcomes.values():
        if outcome.state != "success":
            verdict.wrong.append(f"{outcome.task}[{outcome.map_index}] is {outcome.state}")


def describe(execution: Mapping[str, Any]) -> str:
    """Name an execution with what helps to find it in the logs."""
    labels = execution.get("labels", {})
    return (
        f"{execution['name'].rpartition('/')[2]} is {execution['state']}, created by {labels.get('airflow-task-id')}"
        f"[{labels.get('airflow-map-index')}] try {labels.get('airflow-try-number')} at {execution['createTime']}"
    )
