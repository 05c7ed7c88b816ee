# SPDX-License-Identifier: Apache-2.0
"""
Break everything at random while executions run, and count what got lost.

A real Airflow 3 (LocalExecutor, on a PostgreSQL of our own) starts many executions over mapped tasks, at the
emulator in a process of its own. Meanwhile a fifth of all requests fails, some after they took effect, and task
processes, their supervisors, the triggerer and the scheduler are killed with SIGKILL. When most tasks are through,
the breaking stops, and the rest may end in peace.

Ends with status 0 when there is no duplicate, no orphan, no lost result and no wrong task; 1 when there is; 130
after Ctrl-C. Everything that was started is stopped in any case.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_api import AirflowApiError
from airflow_cluster import FINISHED_RUN, AirflowCluster, ClusterError, inherited_environment
from airflow_provider_workflows.testing import RemoteEmulator
from chaos_faults import TIMEOUT, count_faults, inject
from chaos_items import EXECUTIONS, SEED, Plan, plan
from chaos_monkey import ChaosMonkey
from chaos_postgres import PostgresError, postgres_server
from chaos_report import Outcome, Verdict, judge
from local_emulator import connection_environment, emulator_process
from processes import Progress, interruptible

SCRIPTS = Path(__file__).resolve().parent
DAGS = SCRIPTS / "chaos_dags"
DAG_ID = "chaos"
PARALLELISM = 8
#: The executor loses a slot for each killed supervisor, see chaos_monkey.
SUPERVISORS = 3
#: The share of tasks that are through when the breaking stops.
BROKEN_SHARE = 0.85
LOOK = 5.0  # seconds between two lines of progress

#: Airflow's own times are made for machines that fail once a month; these make it notice within seconds.
IMPATIENT = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "4",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "25",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
    # Not less: a scheduler that is slow on a busy machine takes itself for dead and begins all its tasks anew.
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "80",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
    # With the default of 15 connections the API server stands still for 30 s when as many tasks start at once: each
    # of these requests holds a connection while it waits for another one.
    "AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE": "40",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_MAX_OVERFLOW": "20",
}


class ChaosRun:
    """
    Run the DAG once while things break.

    :param timeout: seconds until it has to be over.
    """

    def __init__(
        self, cluster: AirflowCluster, emulator: RemoteEmulator, wanted: Plan, seed: int, timeout: float, say: Progress
    ) -> None:
        self.cluster = cluster
        self.emulator = emulator
        self.expected = wanted.results
        self.timeout = timeout
        self.say = say
        self.monkey = ChaosMonkey(
            cluster, seed, supervisors=SUPERVISORS, scheduler_after=len(self.expected) // 8, say=say
        )
        self.tasks: list[dict[str, Any]] = []
        self.run_id = ""

    def start(self) -> None:
        """Start the DAG run."""
        self.run_id = self.cluster.trigger(DAG_ID)

    def finish(self) -> None:
        """
        Break things until most of the DAG run is through, then wait for its end.

        :raises ClusterError: when it does not end in time
        """
        inject(self.emulator)
        wanted = len(self.expected)
        self.say(f"{wanted} executions wanted; breaking things until {BROKEN_SHARE:.0%} of the tasks are through")
        deadline = time.monotonic() + self.timeout
        try:
            self.monkey.start()
            self._follow(deadline, until=lambda through: through >= BROKEN_SHARE * len(self.expected))
        finally:
            self.monkey.stop()
        self.emulator.clear_faults()
        self.say("the breaking is over; waiting for the rest")
        self._follow(deadline)

    def _follow(self, deadline: float, until: Any = lambda _through: False) -> None:
        while True:
            state = self._look()
            through = sum(
                task["state"] == "success" and (task["task_id"], task["map_index"]) in self.expected
                for task in self.tasks
            )
            self._show(through)
            if state in FINISHED_RUN or until(through):
                return
            if time.monotonic() > deadline:
                raise ClusterError(f"the DAG run is {state} after {self.timeout:.0f} s")
            time.sleep(LOOK)

    def _look(self) -> str:
        """Bring the list of tasks up to date, and return the state of the DAG run."""
        try:
            state = self.cluster.run_state(DAG_ID, self.run_id)
            self.tasks = self.cluster.task_instances(DAG_ID, self.run_id)
        except OSError as error:  # a machine that is too busy; the deadline ends it
            self.say(f"Airflow does not answer: {error}")
            return "not known"
        self.monkey.through = sum(task["state"] == "success" for task in self.tasks)
        return state

    def _show(self, through: int) -> None:
        states = Counter(str(task["state"]) for task in self.tasks if task["map_index"] >= 0)
        executions = Counter(execution["state"] for execution in self.emulator.executions())
        self.say(
            f"{through}/{len(self.expected)} through; tasks: {in_words(states)}; executions: {in_words(executions)}; "
            f"killed: {in_words(self.monkey.kills)}"
        )

    def verdict(self) -> Verdict:
        """Judge what there is now."""
        outcomes = [
            Outcome(task["task_id"], task["map_index"], task["state"], self._xcom(task, "result"))
            for task in self.tasks
        ]
        gathered = self._xcom({"task_id": "gather", "map_index": -1}, "return_value") or []
        return judge(self.expected, self.emulator.executions(), outcomes, gathered)

    def _xcom(self, task: Mapping[str, Any], key: str) -> Any:
        try:
            return self.cluster.xcom(DAG_ID, self.run_id, task["task_id"], key, task["map_index"])
        except AirflowApiError as error:
            if error.status != 404:
                raise
            return None

    def print_report(self, verdict: Verdict, seed: int) -> None:
        """Print the table."""
        requests = self.emulator.requests
        retries: Counter[str] = Counter()
        for task in self.tasks:
            retries[task["task_id"]] += max(0, task["try_number"] - 1)
        print(f"\nseed {seed}")
        for name, figure in verdict.rows:
            print(f"  {name:<32}{figure:>6}")
        for complaint in verdict.complaints:
            print(f"    {complaint}")
        print(f"killed with SIGKILL   {in_words(self.monkey.kills)}")
        print(f"requests              {in_words(self.emulator.counts())}")
        print(f"requests that failed  {in_words(count_faults(requests, self.emulator.executions()))}")
        print(f"retries of tasks      {in_words(retries)}", flush=True)


def in_words(counts: Mapping[str, int]) -> str:
    """Write counts as text, without the zeros."""
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"


def chaos(home: Path, executions: int, seed: int, timeout: float) -> bool:
    """Do one run in a folder; return whether nothing got lost."""
    say = Progress()
    say(f"chaos with seed {seed}; logs in {home}")
    settings = {
        EXECUTIONS: str(executions),
        SEED: str(seed),
        "PYTHONPATH": ":".join(filter(None, [str(SCRIPTS), inherited_environment().get("PYTHONPATH")])),
        **IMPATIENT,
    }
    logs = home / "processes"
    with (
        postgres_server(logs / "postgres.log", say) as database,
        emulator_process(logs / "emulator.log", inherited_environment(), ["--seed", str(seed)]) as emulator,
    ):
        connection = connection_environment(emulator.endpoint, timeout=TIMEOUT)
        with AirflowCluster(
            home, DAGS, database=database, env={**connection, **settings}, parallelism=PARALLELISM, say=say
        ) as cluster:
            run = ChaosRun(cluster, emulator, plan(executions, seed), seed, timeout, say)
            run.start()
            try:
                run.finish()
            except ClusterError as error:
                say(f"error: {error}")
            verdict = run.verdict()
            run.print_report(verdict, seed)
    return verdict.fine


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--seed", type=int, default=None, help="for everything random (default: a new one)")
    parser.add_argument("--executions", type=int, default=200, help="how many (default: %(default)s)")
    parser.add_argument("--timeout", type=float, default=1500, help="seconds for the DAG run (default: %(default)s)")
    options = parser.parse_args()
    seed = random.randrange(1_000_000) if options.seed is None else options.seed
    home = Path(tempfile.mkdtemp(prefix="workflows-chaos-"))
    fine = False
    try:
        with interruptible():
            fine = chaos(home, options.executions, seed, options.timeout)
    except KeyboardInterrupt:
        print("interrupted; everything is stopped", file=sys.stderr)
        return 130
    except (ClusterError, PostgresError) as error:
        print(f"error: {error}", file=sys.stderr)
    finally:
        if fine:
            shutil.rmtree(home, ignore_errors=True)
        else:
            print(f"logs are in {home}", file=sys.stderr)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
