# SPDX-License-Identifier: Apache-2.0
"""Show the troublemakers of a chaos run what there is to break, and count what they did."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from airflow_cluster import AirflowCluster
from airflow_health import role_of
from airflow_provider_workflows.testing import RemoteEmulator
from chaos_faults import inject
from chaos_proxy import LossyProxy
from processes import ProcessInfo


class RunningTask(NamedTuple):
    """Hold the two processes of a task: its own, and its parent, which supervises it."""

    task: ProcessInfo
    supervisor: ProcessInfo

    def is_of(self, task_instance_id: str) -> bool:
        """Tell whether a task instance runs in it; a process that has only just begun does not say yet."""
        return self.task.command.endswith(f"-- {task_instance_id}")


@dataclass
class Scene:
    """
    Hold what all troublemakers share.

    :param say: called with a line of text for each thing that is done

    :ivar done: trouble -> how often it was made.
    :ivar abandoned: set when the run was interrupted, and nothing is worth waiting for.
    :ivar frozen: ids of the processes that are stopped right now.
    """

    cluster: AirflowCluster
    emulator: RemoteEmulator
    proxy: LossyProxy
    chance: random.Random
    say: Callable[[str], None]
    done: Counter[str] = field(default_factory=Counter)
    abandoned: threading.Event = field(default_factory=threading.Event)
    frozen: set[int] = field(default_factory=set)

    def components(self, role: str) -> list[str]:
        """Return the components that are something, such as all triggerers."""
        return [name for name in self.cluster.servers if role_of(name) == role]

    def running(self) -> list[RunningTask]:
        """List the tasks that run: grandchildren of a Celery worker, or of the scheduler with the LocalExecutor."""
        found = []
        for component in self.components("worker") or ["scheduler"]:
            processes = {process.pid: process for process in self.cluster.processes(component)}
            for process in processes.values():
                parent = processes.get(process.parent)
                if parent is not None and parent.parent == self.cluster.pid(component):
                    found.append(RunningTask(process, parent))
        return found

    def signal(self, process: ProcessInfo, number: signal.Signals) -> bool:
        """Send a signal; return whether the process was still there."""
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
            return True
        return False

    def count(self, trouble: str, detail: str) -> None:
        """Count a trouble that was made, and say so."""
        self.done[trouble] += 1
        self.say(f"{trouble}: {detail}")

    def spoil_requests(self) -> None:
        """Let requests fail from now on."""
        inject(self.emulator)
        self.proxy.losing = True

    def spare_requests(self) -> None:
        """Let no request fail from now on."""
        self.proxy.losing = False
        self.emulator.clear_faults()
        self.emulator.release()

    @contextmanager
    def requests_spared(self) -> Iterator[None]:
        """Let no request fail in the block."""
        self.spare_requests()
        try:
            yield
        finally:
            self.spoil_requests()

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return all tasks of a run that are mapped out."""
        return [task for task in self.cluster.task_instances(dag_id, run_id) if task["map_index"] >= 0]
