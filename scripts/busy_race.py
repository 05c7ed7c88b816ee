# SPDX-License-Identifier: Apache-2.0
"""
Count the deferrable tasks that a busy Airflow fails although their executions succeed.

Executions of 1 to 15 s are waited for by tasks without retries on a real Airflow, while processes that only compute
keep the machine busy. Run it in the environment of ``make demo``::

    python scripts/busy_race.py --tasks 100 --busy 4
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_cluster import AirflowCluster, inherited_environment
from local_emulator import connection_environment, emulator_process
from processes import Progress

DAGS = Path(__file__).resolve().parent / "race_dags"
SLOTS = 8


def main() -> int:
    """Measure once, and print what became of the tasks; return 1 where one failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--tasks", type=int, default=100, help="executions to wait for (default: %(default)s)")
    parser.add_argument("--busy", type=int, default=4, help="processes that only compute (default: %(default)s)")
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="workflows-busy-"))
    say = Progress()
    with emulator_process(home / "emulator.log", inherited_environment()) as emulator:
        environment = {
            **connection_environment(emulator.endpoint),
            "RACE_TASKS": str(options.tasks),
            "RACE_SECONDS": "1",
            "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": str(SLOTS),
        }
        with AirflowCluster(home, DAGS, env=environment, parallelism=SLOTS, say=say) as cluster, busy(options.busy):
            began = time.monotonic()
            run = cluster.trigger("busy")
            cluster.wait_for_run("busy", run, timeout=3600)
            ends = Counter(task["state"] for task in cluster.task_instances("busy", run))
            seconds = time.monotonic() - began
        made = emulator.counts()["create"]
    say(f"{options.tasks} tasks, {options.busy} busy processes, {seconds:.0f} s: {dict(ends)}; {made} creates; {home}")
    return int(ends != {"success": options.tasks})


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep the machine busy."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


if __name__ == "__main__":
    sys.exit(main())
