# SPDX-License-Identifier: Apache-2.0
"""
Let a real Airflow 3 triggerer wait for a thousand deferred tasks, and count its "async thread was blocked" lines.

Airflow cannot say who blocked it, so ``watched`` notes all the time what the loop is doing. Beside it, the same is
done with triggers that only sleep: what they cause, too, is Airflow's own (it deserializes a DAG per trigger that
begins this way) or the machine's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airflow_cluster import AirflowCluster
from airflow_provider_workflows.testing import RemoteEmulator
from bench_fleet import start_fleet
from bench_processes import PROGRAMS, Bench, BenchError
from bench_report import Check, Section
from bench_stalls import Stall, caused_by_us, mostly, read_stalls, total, unexplained
from chaos_postgres import postgres_server
from local_emulator import connection_environment
from processes import wait_until
from watched.sitecustomize import NOTES_FILE, PERIOD, THRESHOLD

TASKS = 20  # of one DAG run, see dags/bench_triggerer.py
RUNS = 50
COUNT = TASKS * RUNS
#: The executions end so many seconds after the first DAG run was asked for.
FIRST, LAST = 150.0, 180.0
#: The steady phase begins so many seconds after all are deferred, and ends before the first execution does.
SETTLING = 20.0
WATCHED = PROGRAMS / "watched"
WAYS = {"sleeping": "sleeping only", "shared": "this package"}
PHASES = ("while they start", "all waiting", "while they end")


def run(bench: Bench) -> Section:
    """Do the same with both kinds of triggers, each with a database and an Airflow of its own."""
    section = Section(
        "triggerer",
        f"A real triggerer with {COUNT:,} deferred tasks",
        [
            "trigger",
            "phase",
            "seconds",
            "blocked lines",
            "stalls",
            "longest s",
            "Airflow's s",
            "garbage s",
            "no core s",
            "this package's s",
            "mostly in",
            "requests",
            "in the end",
        ],
    )
    stalls, lines = {}, {}
    for way, title in WAYS.items():
        bench.say(f"{COUNT:,} deferred tasks: {title}")
        triggerer = one_way(bench, way)
        section.rows += triggerer.rows
        stalls[way], lines[way] = triggerer.stalls, triggerer.lines
    over = lines["shared"][1] - lines["sleeping"][1]
    section.checks = [
        Check("stalls with this package running long enough for a line of its own", caused_by_us(stalls["shared"]), 0),
        Check(
            "stalls that Airflow, the garbage collection and the machine do not explain",
            unexplained(stalls["shared"]),
            0,
        ),
        Check(f"blocked lines {PHASES[1]}, over those of sleeping triggers", over, 0),
    ]
    section.notes = [
        f"""Airflow's triggerer on PostgreSQL, interval 10 s. {RUNS} runs of a DAG with {TASKS} tasks that begin in the
        triggerer and end there, with the same XComs. *Blocked lines* are Airflow's "async thread was blocked": its
        loop came more than {THRESHOLD} s late. They do not say by whom, and come late themselves when the log is
        stuck. So *stalls* are measured once more by the same measure, and the stack of the loop's thread is looked at
        every {PERIOD * 1000:.0f} ms. The seconds in which Airflow's code ran, Python collected garbage, other
        processes had the cores, and this package's code or what it called ran, are sums over the stalls; *mostly in*
        names the innermost functions of Airflow or this package.""",
        """Airflow's share is its own whatever triggers do. It deserializes the whole DAG for each trigger that begins
        this way, and keeps it: that is what collecting garbage goes through. And it writes some log lines on the loop
        (`run_trigger` that a trigger starts, `arun` once a minute how many there are) into a pipe that nobody reads
        while its other process stores events.""",
    ]
    return section


def one_way(bench: Bench, way: str) -> Triggerer:
    """Run one kind of trigger to its end; return what was measured."""
    home = bench.home / f"triggerer-{way}"
    notes = bench.home / f"triggerer-{way}.notes"
    logs = home / "processes"
    with (
        postgres_server(logs / "postgres.log", bench.say) as database,
        bench.emulator(f"triggerer-{way}") as emulator,
        AirflowCluster(
            home,
            PROGRAMS / "dags",
            database=database,
            env={
                **connection_environment(emulator.endpoint),
                "PYTHONPATH": os.pathsep.join([str(WATCHED), os.environ.get("PYTHONPATH", "")]),
                NOTES_FILE: str(notes),
                # All at once, as after a triggerer's restart, rather than a few per scheduler loop.
                "AIRFLOW__SCHEDULER__MAX_DAGRUNS_TO_CREATE_PER_LOOP": "100",
                "AIRFLOW__SCHEDULER__MAX_DAGRUNS_PER_LOOP_TO_SCHEDULE": "100",
                "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": str(COUNT),
            },
            say=bench.say,
        ) as cluster,
    ):
        triggerer = Triggerer(bench, cluster, emulator, way, notes)
        triggerer.measure()
        return triggerer


class Triggerer:
    """
    Follow one run of the benchmark through its phases.

    :ivar rows: the phases' rows of the table.
    :ivar stalls: all stalls.
    :ivar lines: the number of Airflow's blocked lines in each phase.
    """

    def __init__(self, bench: Bench, cluster: AirflowCluster, emulator: RemoteEmulator, way: str, notes: Path) -> None:
        self.bench, self.cluster, self.emulator, self.way, self.notes = bench, cluster, emulator, way, notes
        self.dag_id = f"bench_{way}"
        self.rows: list[list[str]] = []
        self.stalls: list[Stall] = []
        self.lines: list[int] = []
        self.counted = 0
        self.since = time.monotonic()

    def measure(self) -> None:
        """Go through the phases."""
        self.cluster.wait_for_dag(self.dag_id)
        fleet = start_fleet(self.emulator, COUNT, FIRST, LAST)
        self.emulator.clear_requests()
        self.begin()
        for start in range(0, COUNT, TASKS):
            part = fleet[start : start + TASKS]
            params = {"ids": [name for _, name, _ in part], "ends": [str(ends) for _, _, ends in part]}
            self.cluster.trigger(self.dag_id, params)
        self.until(lambda: self.states().get("deferred", 0) == COUNT, "all are deferred")
        time.sleep(SETTLING)
        self.end_phase(PHASES[0])
        first_end = min(ends for _, _, ends in fleet)
        if time.time() > first_end - 20:
            raise BenchError("this machine is too slow: executions ended before all tasks were deferred")
        time.sleep(first_end - time.time() - 2)
        self.end_phase(PHASES[1])
        self.until(lambda: self.states().get("success", 0) == COUNT, "all have ended")
        self.end_phase(PHASES[2])

    def begin(self) -> None:
        """Forget what has been noted and logged so far."""
        if not self.notes.exists():
            raise BenchError(f"nobody notes what the triggerer does in {self.notes}")
        self.earlier_stalls, self.earlier_lines = len(read_stalls(self.notes)), self.blocked_lines()
        self.since = time.monotonic()

    def until(self, condition: Callable[[], bool], text: str) -> None:
        """Wait for something, saying how far it is when it takes long."""
        for _ in range(30):
            if wait_until(condition, 15.0, interval=2.0):
                self.bench.say(text)
                return
            states = self.states()
            self.bench.say(f"waiting until {text}: {states}")
            if states["failed"]:
                break
        raise BenchError(f"not true after minutes: {text}; {self.states()}\n{self.log_tail()}")

    def log_tail(self) -> str:
        """Return the end of the triggerer's log."""
        return self.cluster.servers["triggerer"].log_tail()

    def states(self) -> dict[str, int]:
        """Return the number of tasks by state."""
        found = {}
        for state in ("deferred", "success", "failed"):
            path = f"/dags/{self.dag_id}/dagRuns/~/taskInstances?state={state}&limit=1"
            answer: dict[str, Any] = self.cluster.api("GET", path)
            found[state] = int(answer["total_entries"])
        return found

    def blocked_lines(self) -> int:
        """Return how often Airflow has said so far that its loop was blocked."""
        text = self.cluster.log_file("triggerer").read_text(encoding="utf-8", errors="replace")
        return text.count("async thread was blocked")

    def end_phase(self, phase: str) -> None:
        """Add a row and the stalls of the phase."""
        stalls = read_stalls(self.notes)[self.earlier_stalls :]
        lines = self.blocked_lines() - self.earlier_lines
        requests = sum(self.emulator.counts().values())
        states = ", ".join(f"{count:,} {state}" for state, count in self.states().items() if count)
        self.rows.append(
            [
                WAYS[self.way],
                phase,
                f"{time.monotonic() - self.since:.0f}",
                str(lines),
                str(len(stalls)),
                f"{max((stall.seconds for stall in stalls), default=0.0):.2f}",
                total(stalls, "airflow"),
                total(stalls, "gc"),
                f"{sum(stall.waited for stall in stalls):.1f}",
                total(stalls, "ours"),
                mostly(stalls),
                f"{requests - self.counted:,}",
                states,
            ]
        )
        self.stalls += stalls
        self.lines.append(lines)
        self.counted = requests
        self.begin()
