# SPDX-License-Identifier: Apache-2.0
"""Compare polling per execution, sleeping, and the shared poller: many waits in one process and event loop."""

from __future__ import annotations

from bench_processes import Bench, Wait, finish, waits
from bench_report import Check, Section, number

INTERVAL = 10.0
#: The executions end so many seconds after their start.
FIRST, LAST = 20.0, 55.0
COUNTS = (100, 1_000, 10_000)
WAYS = {"polling": "one get per execution", "sleeping": "sleeping only", "shared": "this package"}
#: Up to so many waits the three ways are measured at the same time: they hardly load one core together.
AT_ONCE = 1_000
#: Below this number of waits, memory per waiter is noise.
ENOUGH_FOR_MEMORY = 1_000

Results = dict[str, "Result"]


class Result:
    """Hold the figures of one way at one number of waits."""

    def __init__(self, wait: Wait) -> None:
        measured, counts = wait.measured, wait.emulator.counts()
        self.count = wait.specification.count
        self.get, self.list = counts["get"], counts["list"]
        self.requests = self.get + self.list
        self.cpu = measured.cpu
        self.stall = measured.stall
        self.median = measured.lateness[len(measured.lateness) // 2]
        self.p99 = measured.lateness[int(len(measured.lateness) * 0.99)]
        self.memory = measured.memory_per_waiter
        self.right = measured.events == {"SUCCEEDED": self.count}

    def row(self, way: str) -> list[str]:
        """Return the cells of the table."""
        return [
            f"{self.count:,}",
            WAYS[way],
            f"{self.get:,}",
            f"{self.list:,}",
            f"{self.cpu:.2f}",
            f"{self.stall * 1000:.0f}",
            f"{self.median:.1f}",
            f"{self.p99:.1f}",
            f"{self.memory / 1024:.1f}" if self.count >= ENOUGH_FOR_MEMORY else "-",
            "yes" if self.right else "**no**",
        ]


def run(bench: Bench, counts: tuple[int, ...] = COUNTS) -> Section:
    """Measure all; three runs of a minute for the largest number."""
    section = Section(
        "waiting",
        "Waiting in the triggerer",
        [
            "waits",
            "way",
            "get",
            "list",
            "CPU s",
            "longest stall ms",
            "late p50 s",
            "late p99 s",
            "KiB per waiter",
            "all ended well",
        ],
    )
    results: Results = {}
    for count in counts:
        results = measure(bench, count)
        section.rows += [result.row(way) for way, result in results.items()]
    section.checks = checks(results)
    section.notes = NOTES
    return section


def measure(bench: Bench, count: int) -> Results:
    """Measure the three ways for one number of waits."""
    groups = [list(WAYS)] if count <= AT_ONCE else [[way] for way in WAYS]
    results = {}
    for group in groups:
        bench.say(f"{count:,} waits for a minute: {', '.join(WAYS[way] for way in group)}")
        fields = {"count": count, "first": FIRST, "last": LAST, "interval": INTERVAL}
        wanted = [(f"{way}-{count}", {"way": way, **fields}) for way in group]
        with waits(bench, wanted) as started:
            finish(bench, started)
            results.update({way: Result(wait) for way, wait in zip(group, started, strict=True)})
    return results


def checks(results: Results) -> list[Check]:
    """Compare the largest number of waits with the thresholds."""
    polling, sleeping, shared = results["polling"], results["sleeping"], results["shared"]
    count = f"{shared.count:,} waits"
    return [
        Check(f"{count}: requests, share of polling's", shared.requests / polling.requests, 1 / 300),
        Check(f"{count}: CPU, multiple of sleeping's", shared.cpu / sleeping.cpu, 2.0),
        Check(f"{count}: CPU, share of polling's", shared.cpu / polling.cpu, 1 / 3),
        Check(f"{count}: longest stall", shared.stall * 1000, 250, " ms"),
        Check(f"{count}: lateness p99", shared.p99, INTERVAL + 1, " s"),
        Check(f"{count}: memory per waiter over sleeping's", (shared.memory - sleeping.memory) / 1024, 4, " KiB"),
    ]


NOTES = [
    f"""Each line is a fresh process with one event loop, a trigger object per execution and its `run()` consumed as a
    triggerer does, interval {number(INTERVAL)} s; all executions are of one workflow, start at the same time and end
    evenly spread between {number(FIRST)} and {number(LAST)} s later, in random order. Imports and connections are
    warmed up by one wait before anything is measured.""",
    """*One get per execution* is the least that polling as peers do it can cost: one aiohttp session shared by all,
    one GET with the BASIC view per execution and interval, the answer decoded with `json`, no client library, no
    credentials. With 10,000 of them the emulator answers about as fast as one core can, so rounds get longer than the
    interval. *Sleeping only* is `asyncio.sleep` of an interval until the end is past, without any request: what
    Airflow's own triggers cannot go below.""",
    """CPU is the process's user and system time from the first trigger's start to the last event; a stall is how much
    later than wanted the loop ran a task that sleeps 50 ms at a time; lateness is the event minus the execution's end.
    Memory is resident memory 15 s after the start, when all wait and none has ended, minus that before the first
    trigger was made, over the number of waits; below 1,000 waits that is noise.""",
]
