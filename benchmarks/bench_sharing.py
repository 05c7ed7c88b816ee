# SPDX-License-Identifier: Apache-2.0
"""Show how the shared poller behaves where it is hard: foreign executions, many workflows, a service that refuses."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from airflow_provider_workflows.polling.budget import Limits
from bench_processes import Bench, Wait, finish, waits
from bench_report import Check, Section, number

FOREIGN = 100_000
FOREIGN_INTERVAL = 2.0
WORKFLOWS = 100
SPREAD_COUNT = 1_000
SPREAD_INTERVAL = 1.0
SPREAD_SECONDS = 100.0
REFUSING_COUNT = 1_000
REFUSING_INTERVAL = 5.0
REFUSING_FROM, REFUSING_FOR = 8.0, 60.0

WANTED: list[tuple[str, dict[str, Any]]] = [
    (
        "foreign",
        {"count": 3, "first": 60.0, "last": 62.0, "interval": FOREIGN_INTERVAL, "foreign": FOREIGN},
    ),
    (
        "spread",
        {
            "count": SPREAD_COUNT,
            "first": SPREAD_SECONDS,
            "last": SPREAD_SECONDS,
            "interval": SPREAD_INTERVAL,
            "workflows": WORKFLOWS,
        },
    ),
    ("refusing", {"count": REFUSING_COUNT, "first": 20.0, "last": 80.0, "interval": REFUSING_INTERVAL}),
]


def run(bench: Bench) -> Section:
    """Run the three cases at the same time; none of them is about CPU."""
    section = Section("sharing", "Within the quota", ["case", "figure", "value"])
    bench.say(f"{FOREIGN:,} foreign executions; {WORKFLOWS} workflows; a service that answers 429: two minutes")
    with waits(bench, [(name, {"way": "shared", **fields}) for name, fields in WANTED]) as started:
        foreign, spread, refusing = started
        refused = refuse_for_a_while(bench, refusing)
        finish(bench, started)
        add_foreign(section, foreign)
        add_spread(section, spread)
        add_refusing(section, refusing, refused)
    section.notes = NOTES
    return section


def refuse_for_a_while(bench: Bench, wait: Wait) -> tuple[float, float]:
    """Let the emulator answer 429 to everything; return from when to when (epoch seconds)."""
    while not wait.emulator.count("list"):
        wait.done()
        time.sleep(0.1)
    time.sleep(REFUSING_FROM)
    fault = wait.emulator.fail("*", times=None, status=429)
    began = time.time()
    bench.say(f"429 for {REFUSING_FOR:.0f} s")
    time.sleep(REFUSING_FOR)
    fault.remove()
    bench.say("no more 429")
    return began, time.time()


def reads(wait: Wait) -> list[dict[str, Any]]:
    """Return the get and list requests."""
    return [request for request in wait.emulator.requests if request["operation"] in ("get", "list")]


def rounds(times: Sequence[float], gap: float) -> list[int]:
    """Count requests that follow each other more closely than a gap."""
    sizes: list[int] = []
    last = -gap
    for at in times:
        if at - last >= gap:
            sizes.append(0)
        sizes[-1] += 1
        last = at
    return sizes


def most_in_a_minute(times: Sequence[float]) -> int:
    """Return the most requests in any 60 s."""
    most = start = 0
    for end, at in enumerate(times):
        while at - times[start] >= 60.0:
            start += 1
        most = max(most, end - start + 1)
    return most


def add_foreign(section: Section, wait: Wait) -> None:
    """Count the requests of each round."""
    sizes = rounds([request["time"] for request in reads(wait)], FOREIGN_INTERVAL / 3)
    case = f"3 waits, {FOREIGN:,} newer foreign executions"
    section.rows += [
        [case, "rounds", f"{len(sizes)}"],
        [case, "requests in the first two rounds", " and ".join(str(size) for size in sizes[:2])],
        [case, "most requests in a later round", f"{max(sizes[2:])}"],
        [case, "ended well", f"{wait.measured.events.get('SUCCEEDED', 0)} of 3"],
    ]
    section.checks.append(Check(f"{case}: requests a round after the first two", max(sizes[2:]), 3))


def longest_gap(wait: Wait) -> float:
    """Return the longest time between two looks at an execution: a get of it, or a list of its workflow."""
    looks: dict[str, list[float]] = defaultdict(list)
    for request in reads(wait):
        looks[request["path"].rpartition("/workflows/")[2]].append(request["time"])
    until = min(ends for _, _, ends in wait.measured.executions)
    longest = 0.0
    for workflow, execution_id, _ in wait.measured.executions:
        own = looks[f"{workflow}/executions"] + looks[f"{workflow}/executions/{execution_id}"]
        longest = max(longest, gap_of([wait.measured.began, *own], until))
    return longest


def gap_of(times: Iterable[float], until: float) -> float:
    """Return the longest time without any of these before ``until``."""
    ordered = [*sorted(at for at in times if at < until), until]
    return max(after - before for before, after in pairwise(ordered))


def allowed_gap() -> float:
    """
    Return the seconds for one look at everybody when the whole budget is used in the best way.

    A list shows all the executions of one workflow here, and as many gets do the same.
    """
    limits = Limits()
    per_workflow = SPREAD_COUNT / WORKFLOWS
    looks_a_second = limits.list_requests_per_minute / 60 + limits.get_requests_per_minute / 60 / per_workflow
    return WORKFLOWS / looks_a_second


def add_spread(section: Section, wait: Wait) -> None:
    """Compare the requests with the budget and the longest gap with what the budget allows."""
    limits = Limits()
    case = f"{SPREAD_COUNT:,} waits in {WORKFLOWS} workflows, interval {number(SPREAD_INTERVAL)} s"
    for kind in ("get", "list"):
        times = [request["time"] for request in reads(wait) if request["operation"] == kind]
        most, limit = most_in_a_minute(times), limits.of("get" if kind == "get" else "list")
        section.rows.append([case, f"most {kind} requests in any minute (budget {limit:,})", f"{most:,}"])
        section.checks.append(Check(f"{case}: {kind} requests in any minute", most, limit))
    gap, allowed = longest_gap(wait), allowed_gap()
    section.rows += [
        [case, "longest time between two looks, s", f"{gap:.1f}"],
        [case, "what the budget allows at best, s", f"{allowed:.1f}"],
        [case, "ended well", f"{wait.measured.events.get('SUCCEEDED', 0):,} of {SPREAD_COUNT:,}"],
    ]
    section.checks.append(Check(f"{case}: longest time between two looks, multiple of that", gap / allowed, 1.5))


def add_refusing(section: Section, wait: Wait, refused: tuple[float, float]) -> None:
    """Count the requests while the service refused, and who ended well."""
    began, ended = refused
    sent = sum(began <= request["time"] < ended for request in reads(wait))
    rate = sent / (ended - began)
    right = wait.measured.events.get("SUCCEEDED", 0)
    case = f"{REFUSING_COUNT:,} waits, 429 for {REFUSING_FOR:.0f} s"
    section.rows += [
        [case, "requests while it refused", f"{sent}"],
        [case, "requests a second on average", f"{rate:.2f}"],
        [case, "ended well", f"{right:,} of {REFUSING_COUNT:,}"],
        [case, "last event after the last 429 or execution's end, s", f"{last_event(wait, ended):.1f}"],
    ]
    section.checks += [
        Check(f"{case}: requests a second meanwhile", rate, 1.0),
        Check(f"{case}: waits that did not end well", REFUSING_COUNT - right, 0),
    ]


def last_event(wait: Wait, refused_until: float) -> float:
    """Return how long the last event came after both the refusing and the executions were over."""
    over = max(refused_until, *(ends for _, _, ends in wait.measured.executions))
    return wait.measured.ended - over


NOTES = [
    f"""Requests and their times are the emulator's own log. The budget is the default of
    `[workflows] get_requests_per_minute` and `list_requests_per_minute`. "What the budget allows at best" is one look
    at everybody with both kinds of requests used up fully, gets and lists shared out in the best way. A round of the
    foreign case is what comes without a break of {number(FOREIGN_INTERVAL / 3)} s (interval
    {number(FOREIGN_INTERVAL)} s). The 429s carry no Retry-After.""",
]
