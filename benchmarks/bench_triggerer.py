# SPDX-License-Identifier: Apache-2.0
"""
Let a real Airflow 3 triggerer wait for a thousand deferred tasks, and count its "async thread was blocked" lines.

Airflow cannot say who blocked it, so the stack of the loop's thread is sampled all the time (``watched``). Beside it,
the same is done with triggers that only sleep: what they cause, too, is Airflow's own (it deserializes a DAG per
trigger that begins this way) or the machine's.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow_cluster import AirflowCluster
from airflow_provider_workflows.testing import RemoteEmulator
from bench_fleet import start_fleet
from bench_processes import PROGRAMS, Bench, BenchError
from bench_report import Check, Section
from chaos_postgres import postgres_server
from local_emulator import connection_environment
from processes import wait_until
from watched.sitecustomize import PERIOD, SAMPLES_FILE

TASKS = 20  # of one DAG run, see dags/bench_triggerer.py
RUNS = 50
COUNT = TASKS * RUNS
#: The executions end so many seconds after the first DAG run was asked for.
FIRST, LAST = 150.0, 180.0
#: The steady phase begins so many seconds after all are deferred, and ends before the first execution does.
SETTLING = 20.0
#: Seconds from which on Airflow says that its loop was blocked.
THRESHOLD = 0.2
BLOCKED = re.compile(r"^(\S+Z) .*async thread was blocked for ([0-9.]+) seconds", re.MULTILINE)
WATCHED = PROGRAMS / "watched"
WAYS = {"sleeping": "sleeping only", "shared": "this package"}
PHASES = ("while they start", "all waiting", "while they end")


@dataclass
class Blocked:
    """
    Hold one line that says that the loop was blocked.

    :ivar seconds: as Airflow says.
    :ivar ours: seconds of them in which code of this package, or what it called, was running.
    """

    seconds: float
    ours: float


def run(bench: Bench) -> Section:
    """Do the same with both kinds of triggers, each with a database and an Airflow of its own."""
    section = Section(
        "triggerer",
        f"A real triggerer with {COUNT:,} deferred tasks",
        ["trigger", "phase", "seconds", "blocked lines", "longest s", "this package's s", "requests", "in the end"],
    )
    lines = {}
    for way, title in WAYS.items():
        bench.say(f"{COUNT:,} deferred tasks: {title}")
        rows, lines[way] = one_way(bench, way)
        section.rows += rows
    caused = sum(line.ours >= THRESHOLD for phase in lines["shared"] for line in phase)
    section.checks = [Check("blocked lines with this package running long enough for a line of its own", caused, 0)]
    for phase in range(1, len(PHASES)):
        over = len(lines["shared"][phase]) - len(lines["sleeping"][phase])
        section.checks.append(Check(f"blocked lines {PHASES[phase]}, over those of sleeping triggers", over, 0))
    section.notes = [
        f"""Airflow's triggerer on PostgreSQL, interval 10 s. {RUNS} runs of a DAG with {TASKS} tasks that begin in the
        triggerer and end there. Airflow says that its loop was blocked above {THRESHOLD} s, not by whom: so the stack
        of the loop's thread is sampled every {PERIOD * 1000:.0f} ms, and *this package's s* is the time within those
        blocks in which code of this package was on it, in all of the phase. What the sleeping triggers have as well
        is Airflow's own."""
    ]
    return section


def one_way(bench: Bench, way: str) -> tuple[list[list[str]], list[list[Blocked]]]:
    """Run one kind of trigger; return its rows and the blocked lines of each phase."""
    home = bench.home / f"triggerer-{way}"
    samples = bench.home / f"triggerer-{way}.samples"
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
                SAMPLES_FILE: str(samples),
                # All at once, as after a triggerer's restart, rather than a few per scheduler loop.
                "AIRFLOW__SCHEDULER__MAX_DAGRUNS_TO_CREATE_PER_LOOP": "100",
                "AIRFLOW__SCHEDULER__MAX_DAGRUNS_PER_LOOP_TO_SCHEDULE": "100",
                "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": str(COUNT),
            },
            say=bench.say,
        ) as cluster,
    ):
        return Triggerer(bench, cluster, emulator, way, samples).measure()


class Triggerer:
    """Follow one run of the benchmark through its phases."""

    def __init__(
        self, bench: Bench, cluster: AirflowCluster, emulator: RemoteEmulator, way: str, samples: Path
    ) -> None:
        self.bench, self.cluster, self.emulator, self.way, self.samples = bench, cluster, emulator, way, samples
        self.dag_id = f"bench_{way}"
        self.rows: list[list[str]] = []
        self.lines: list[list[Blocked]] = []
        self.seen = 0
        self.counted = 0
        self.since = time.monotonic()

    def measure(self) -> tuple[list[list[str]], list[list[Blocked]]]:
        """Return the rows of the phases, and their blocked lines."""
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
        return self.rows, self.lines

    def begin(self) -> None:
        """Forget what the log holds so far."""
        self.seen, self.since = len(self.blocked()), time.monotonic()

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

    def blocked(self) -> list[Blocked]:
        """Return the lines so far that say that the loop was blocked."""
        text = self.cluster.log_file("triggerer").read_text(encoding="utf-8", errors="replace")
        if not self.samples.exists():
            raise BenchError(f"nobody has sampled the triggerer's stack into {self.samples}")
        samples = [float(line) for line in self.samples.read_text(encoding="utf-8").splitlines()]
        lines = []
        for when, duration in BLOCKED.findall(text):
            until, seconds = datetime.fromisoformat(when.replace("Z", "+00:00")).timestamp(), float(duration)
            ours = sum(until - seconds <= sample <= until for sample in samples)
            lines.append(Blocked(seconds, ours * PERIOD))
        return lines

    def end_phase(self, phase: str) -> None:
        """Add a row and the blocked lines of the phase."""
        lines = self.blocked()[self.seen :]
        requests = sum(self.emulator.counts().values())
        states = ", ".join(f"{count:,} {state}" for state, count in self.states().items() if count)
        self.rows.append(
            [
                WAYS[self.way],
                phase,
                f"{time.monotonic() - self.since:.0f}",
                str(len(lines)),
                f"{max((line.seconds for line in lines), default=0.0):.2f}",
                f"{sum(line.ours for line in lines):.2f}",
                f"{requests - self.counted:,}",
                states,
            ]
        )
        self.lines.append(lines)
        self.counted = requests
        self.begin()
