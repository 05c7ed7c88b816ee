# SPDX-License-Identifier: Apache-2.0
"""
Show what a scheduler that lags does to deferred tasks whose executions end soon.

Airflow fails a task that is queued again, after its trigger fired, before its scheduler has noticed the end of the
process that deferred it. Here the scheduler of a real Airflow is stopped for some seconds around the deferral, as a
loaded one is late for as long, and the tasks that fail are counted: with the options that there are for this set to 0,
and with their defaults. Run it in the environment of ``make demo``::

    python scripts/resume_race.py --lags 3,6,12 --rounds 2
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from airflow_cluster import AirflowCluster, inherited_environment
from airflow_provider_workflows.operators.options import DEFER_AFTER, RESUME_AFTER
from airflow_provider_workflows.testing import RemoteEmulator
from local_emulator import connection_environment, emulator_process
from processes import Progress, wait_until

DAGS = Path(__file__).resolve().parent / "race_dags"
TASKS = 6
#: Seconds from the deferral to the end of the executions.
ENDS_AFTER = 2.0
#: The scheduler stops so many seconds before the deferral.
BEFORE = 0.7
#: Name of a setting -> ``defer_after`` and ``resume_after``.
SETTINGS = {"before": (0.0, 0.0), "after": (DEFER_AFTER, RESUME_AFTER)}
RACE = "but the task instance's state attribute is queued"


def main() -> int:
    """Measure, and print a table; return 1 where a task failed with the defaults."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--lags", default="3,6,12", help="seconds to stop the scheduler for (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="runs for each of them (default: %(default)s)")
    parser.add_argument("--settings", default=",".join(SETTINGS), help="of before, after (default: %(default)s)")
    options = parser.parse_args()
    lags = [float(lag) for lag in options.lags.split(",")]
    failed = {}
    for setting in options.settings.split(","):
        for lag, count in measure(setting, lags, options.rounds).items():
            failed[setting, lag] = count
    print(f"\n| defer_after | resume_after | scheduler stopped for | tasks failed of {options.rounds * TASKS} |")
    print("|---|---|---|---|")
    for (setting, lag), count in failed.items():
        defer_after, resume_after = SETTINGS[setting]
        print(f"| {defer_after:g} | {resume_after:g} | {lag:g} s | {count} |")
    return int(any(count for (setting, _), count in failed.items() if setting == "after"))


def measure(setting: str, lags: list[float], rounds: int) -> dict[float, int]:
    """Return how many tasks failed for each lag, on an Airflow of their own."""
    defer_after, resume_after = SETTINGS[setting]
    home = Path(tempfile.mkdtemp(prefix="workflows-race-"))
    say = Progress()
    with emulator_process(home / "emulator.log", inherited_environment()) as emulator:
        environment = {
            **connection_environment(emulator.endpoint),
            "AIRFLOW__WORKFLOWS__DEFER_AFTER": str(defer_after),
            "AIRFLOW__WORKFLOWS__RESUME_AFTER": str(resume_after),
            "RACE_SECONDS": str(defer_after + ENDS_AFTER),
            "RACE_TASKS": str(TASKS),
        }
        with AirflowCluster(home, DAGS, env=environment, parallelism=TASKS + 2, say=say) as cluster:
            cluster.wait_for_run("race", cluster.trigger("race"))  # the first of everything is slow
            failed = {}
            for lag in lags:
                failed[lag] = sum(race(cluster, emulator, lag, defer_after) for _ in range(rounds))
                say(f"{setting}: stopped for {lag:g} s: {failed[lag]} of {rounds * TASKS} tasks failed")
            lines = cluster.log_file("scheduler").read_text(encoding="utf-8", errors="replace").splitlines()
            say(f"{setting}: the scheduler says so {sum(RACE in line for line in lines)} times; logs in {home}")
    return failed


def race(cluster: AirflowCluster, emulator: RemoteEmulator, lag: float, defer_after: float) -> int:
    """Stop the scheduler around the deferrals of one run; return how many of its tasks failed."""
    created = emulator.counts()["create"]
    run = cluster.trigger("race")
    # With the first create, the others are about to come: all of them defer within a moment.
    wait_until(lambda: emulator.counts()["create"] > created, 120.0, interval=0.02)
    time.sleep(max(0.0, defer_after - BEFORE))
    server = cluster.servers["scheduler"]
    server.kill(signal.SIGSTOP, whole=False)
    time.sleep(lag)
    server.kill(signal.SIGCONT, whole=False)
    cluster.wait_for_run("race", run)
    return sum(task["state"] != "success" for task in cluster.task_instances("race", run))


if __name__ == "__main__":
    sys.exit(main())
