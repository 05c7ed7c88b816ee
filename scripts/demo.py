# SPDX-License-Identifier: Apache-2.0
"""
Show the provider at work: the example DAGs on a real Airflow, against the emulator of the Executions API.

Prints each task's states as they happen, and at the end a table; of a task that failed, its error and its log. Ends
with status 0 when every DAG succeeded and tasks were seen deferred, 1 when not, 130 after Ctrl-C. Everything that was
started is stopped in any case.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow_api import AirflowApiError
from airflow_cluster import AirflowCluster, ClusterError, inherited_environment
from local_emulator import connection_environment, emulator_process
from processes import Progress, interruptible
from run_watcher import RunWatcher, TaskHistory

EXAMPLES = Path(__file__).resolve().parent.parent / "example_dags"
SHORT_RESULT = 48
SHORT_ID = 8
# Every task passes these on its way; the table shows what is special.
USUAL_STATES = frozenset({"scheduled", "queued"})


def shorten(text: str, length: int) -> str:
    """Cut a text that is too long for its column."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def readable(value: Any) -> str:
    """Write a JSON value as people do: ``customer: Ada, paid: true``."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {readable(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(f"({readable(item)})" if isinstance(item, Mapping) else readable(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value)


def xcom_or_none(cluster: AirflowCluster, task: TaskHistory, key: str) -> Any:
    """Return an XCom's value, None when the task pushed none."""
    try:
        return cluster.xcom(task.dag_id, task.run_id, task.task_id, key, task.map_index)
    except AirflowApiError:
        return None


def table_row(cluster: AirflowCluster, task: TaskHistory) -> list[str]:
    """Describe a finished task: DAG, task, states, execution, result."""
    returned = xcom_or_none(cluster, task, "return_value")
    execution_id = xcom_or_none(cluster, task, "execution_id")
    result = xcom_or_none(cluster, task, "result")
    if isinstance(returned, Mapping) and "state" in returned and "name" in returned:
        # An Execution resource: its name ends with its id.
        execution_id = execution_id or returned["name"].rpartition("/")[2]
        shown = f"{returned['state']}" + (f"; {readable(result)}" if result is not None else "")
    else:
        shown = "-" if returned is None else readable(returned)
    return [
        task.dag_id,
        task.label,
        " > ".join(state for state in task.states if state not in USUAL_STATES),
        shorten(execution_id, SHORT_ID) if execution_id else "-",
        shorten(shown, SHORT_RESULT),
    ]


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns as wide as their widest cell."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, ["-" * width for width in widths], *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def run_examples(cluster: AirflowCluster, say: Progress, timeout: float) -> tuple[dict[str, str], list[TaskHistory]]:
    """Run every example DAG at the same time; return DAG id -> state of its run, and the tasks' histories."""
    dag_ids = sorted(path.stem for path in EXAMPLES.glob("example_*.py"))
    say(f"running {len(dag_ids)} DAGs at the same time: {', '.join(dag_ids)}")
    runs = [(dag_id, cluster.trigger(dag_id)) for dag_id in dag_ids]

    def tell(task: TaskHistory) -> None:
        if task.states[-1] not in USUAL_STATES:
            say(f"{task.dag_id:<28} {task.label:<18} {task.states[-1]}")

    watcher = RunWatcher(cluster, runs, tell)
    states = watcher.watch(timeout)
    return {dag_id: state for (dag_id, _run_id), state in states.items()}, watcher.histories


def log_of(home: Path, task: TaskHistory) -> Path | None:
    """Return the log of a task's last try."""
    folder = home / "logs" / f"dag_id={task.dag_id}" / f"run_id={task.run_id}" / f"task_id={task.task_id}"
    if task.map_index >= 0:
        folder /= f"map_index={task.map_index}"
    return max(folder.glob("attempt=*.log"), key=lambda path: path.stat().st_mtime, default=None)


def error_in(log: Path) -> str:
    """Return what a task's log says last about an exception, or else its last error."""
    error = "no error is in its log"
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry.get("error_detail"):
            raised = entry["error_detail"][0]
            error = f"{raised.get('exc_type')}: {raised.get('exc_value')}"
        elif entry.get("level") in ("error", "critical"):
            error = str(entry.get("event"))
    return error


def print_failures(home: Path, states: Mapping[str, str], tasks: Sequence[TaskHistory]) -> None:
    """Print which DAGs did not succeed, and the error and the log of each of their tasks that failed."""
    for dag_id in [dag_id for dag_id, state in states.items() if state != "success"]:
        print(f"\n{dag_id} is {states[dag_id]}:")
        failed = [task for task in tasks if task.dag_id == dag_id and task.states[-1:] == ["failed"]]
        for task in failed:
            log = log_of(home, task)
            print(f"  {task.label}: {error_in(log) if log else 'it has written no log'}")
            print(f"  log: {log or home / 'logs'}")
        if not failed:
            print(f"  no task of it failed; Airflow's own logs are in {home / 'processes'}")


def report(
    cluster: AirflowCluster, states: Mapping[str, str], tasks: Sequence[TaskHistory], counts: Mapping[str, int]
) -> bool:
    """Print the table and the requests; return whether all is well."""
    print()
    rows = [table_row(cluster, task) for task in tasks]
    print_table(["DAG", "task", "states passed", "execution", "result"], rows)
    requests = ", ".join(f"{count} {operation}" for operation, count in counts.items() if count)
    print(f"\nAPI requests: {requests or 'none'}")
    unsuccessful = [dag_id for dag_id, state in states.items() if state != "success"]
    deferred = sum("deferred" in task.states for task in tasks)
    print_failures(cluster.home, states, tasks)
    print(
        f"{len(states) - len(unsuccessful)} of {len(states)} DAGs succeeded; {deferred} tasks waited in the triggerer."
    )
    sys.stdout.flush()
    return not unsuccessful and deferred > 0


def wait_for_interrupt(cluster: AirflowCluster) -> None:
    """Leave Airflow up until Ctrl-C."""
    print(f"\nAirflow's web UI: {cluster.base_url}   (Ctrl-C stops everything)", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        print(flush=True)


def demo(home: Path, *, ui: bool, timeout: float) -> bool:
    """Run the demo in a folder; return whether all is well."""
    say = Progress()
    say("starting the emulator of the Workflow Executions API")
    with emulator_process(home / "processes" / "emulator.log", inherited_environment()) as emulator:
        environment = connection_environment(emulator.endpoint)
        with AirflowCluster(home, EXAMPLES, env=environment, say=say) as cluster:
            states, tasks = run_examples(cluster, say, timeout)
            fine = report(cluster, states, tasks, emulator.counts())
            if ui:
                wait_for_interrupt(cluster)
    say("everything is stopped" + ("; logs are removed" if fine else ""))
    return fine


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--ui", action="store_true", help="leave the web UI up until Ctrl-C")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for the DAG runs (default: %(default)s)")
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="workflows-demo-"))
    fine = False
    try:
        with interruptible():
            fine = demo(home, ui=options.ui, timeout=options.timeout)
    except KeyboardInterrupt:
        print("interrupted; everything is stopped", file=sys.stderr)
        return 130
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
    finally:
        if fine:
            shutil.rmtree(home, ignore_errors=True)
        else:
            print(f"logs are kept in {home}", file=sys.stderr)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
