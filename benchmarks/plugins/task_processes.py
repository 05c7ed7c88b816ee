# SPDX-License-Identifier: Apache-2.0
"""Note every worker process that runs a task: Airflow calls this listener once in each, also when a task resumes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

#: Names the file that a line is appended to for each process.
PROCESSES_FILE = "BENCH_PROCESSES_FILE"


@hookimpl
def on_task_instance_running(previous_state: Any, task_instance: Any) -> None:  # noqa: ARG001 - Airflow's signature
    """Append the task and this process."""
    line = json.dumps({"task": task_instance.task_id, "process": os.getpid()})
    with Path(os.environ[PROCESSES_FILE]).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


class TaskProcesses(AirflowPlugin):
    """Register this module as a listener."""

    name = "bench_task_processes"
    listeners = [sys.modules[__name__]]  # noqa: RUF012 - as Airflow declares it
