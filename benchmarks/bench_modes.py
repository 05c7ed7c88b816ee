# SPDX-License-Identifier: Apache-2.0
"""Count the worker processes that Airflow starts for one task, for each way of waiting, on a real Airflow 3."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from airflow_cluster import AirflowCluster
from airflow_provider_workflows.testing import RemoteEmulator
from bench_processes import PROGRAMS, Bench
from bench_report import Check, Section
from local_emulator import connection_environment

SECONDS = 12
#: The sensors' execution must still be going when the last of them starts.
SENSED_SECONDS = 30
END_FROM_TRIGGER = "AIRFLOW__WORKFLOWS__END_FROM_TRIGGER"


@dataclass(frozen=True)
class Mode:
    """Describe a way of waiting: its task, and the most processes it should start (``None``: as many as looks)."""

    task: str
    title: str
    expected: int | None


MODES = (
    Mode("create_in_worker", "create, waiting in the worker", 1),
    Mode("create_deferrable", "create, deferrable", 2),
    Mode("create_short_deferrable", "create, deferrable, an execution of 3 s", 1),
    Mode("create_end_from_trigger", "create, deferrable, `end_from_trigger`", 1),
    Mode("sensor_poke", "sensor, poke", 1),
    Mode("sensor_reschedule", "sensor, reschedule every 10 s", None),
    Mode("sensor_deferrable", "sensor, deferrable", 2),
    Mode("sensor_end_from_trigger", "sensor, deferrable, `end_from_trigger`", 1),
    Mode("sensor_start_from_trigger", "sensor, `start_from_trigger`", 0),
)


def run(bench: Bench) -> Section:
    """Run each task once; the second DAG with ``end_from_trigger`` switched on."""
    section = Section("modes", "Worker processes per task", ["way of waiting", "worker processes", "result", "seconds"])
    home = bench.home / "modes"
    processes = bench.home / "processes.jsonl"
    processes.touch()
    with bench.emulator("modes") as emulator:
        environment = {
            **connection_environment(emulator.endpoint),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROGRAMS / "plugins"),
            "BENCH_PROCESSES_FILE": str(processes),
        }
        with AirflowCluster(home, PROGRAMS / "dags", env=environment, say=bench.say) as cluster:
            outcomes = run_dag(bench, cluster, emulator, "bench_modes")
            for component in ("scheduler", "triggerer"):
                cluster.servers[component].environment[END_FROM_TRIGGER] = "True"
                cluster.restart(component)
            outcomes |= run_dag(bench, cluster, emulator, "bench_end_from_trigger")
    started = count_processes(processes)
    for mode in MODES:
        state, seconds = outcomes[mode.task]
        section.rows.append([mode.title, str(started[mode.task]), state, f"{seconds:.0f}"])
        if mode.expected is not None:
            section.checks.append(Check(mode.title, started[mode.task] if state == "success" else None, mode.expected))
    section.notes = [
        f"""Airflow's LocalExecutor on sqlite; a created execution takes {SECONDS} s where nothing else is said, the one
        that the sensors wait for {SENSED_SECONDS} s from before the DAG run. Processes are counted by a listener
        (`on_task_instance_running`), which Airflow calls in each process that runs or resumes a task. Seconds are from
        the task's start to its end as Airflow has them; for a rescheduled one Airflow begins anew with each look."""
    ]
    return section


def run_dag(
    bench: Bench, cluster: AirflowCluster, emulator: RemoteEmulator, dag_id: str
) -> dict[str, tuple[str, float]]:
    """Run a DAG with an execution for its sensors; return the state and duration of each task."""
    execution_id = emulator.start("sleep", {"seconds": SENSED_SECONDS, "result": "done"})
    run_id = cluster.trigger(dag_id, {"execution_id": execution_id})
    bench.say(f"{dag_id} is {cluster.wait_for_run(dag_id, run_id)}")
    return {
        task["task_id"]: (str(task["state"]), float(task["duration"] or 0.0))
        for task in cluster.task_instances(dag_id, run_id)
    }


def count_processes(file: Path) -> Counter[str]:
    """Count the processes of each task."""
    lines = {line for line in file.read_text(encoding="utf-8").splitlines() if line}
    return Counter(json.loads(line)["task"] for line in lines)
