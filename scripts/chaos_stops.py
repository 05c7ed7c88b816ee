# SPDX-License-Identifier: Apache-2.0
"""
Clear and mark tasks while their executions go on, and keep a book of it.

A deferred task that is cleared begins anew, so whatever happens meanwhile its next try cancels the execution. Of a
task that is marked nothing begins any more: Airflow must be able to tell the process that waits. The clear of a task
in a worker leaves no trace in Airflow unless its end is reported, so it is the same there. Such tasks are stopped only
when there is a process to tell, and nothing is killed until that has had its effect (docs/durable.md says what happens
otherwise). A worker's process has 5 seconds for it, so requests are spared then.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from airflow_api import AirflowApiError, run_path
from chaos_account import GOING, Stop, epoch, item_of, try_of
from chaos_items import CLEARED, CLEARED_AFTER, FAILED, RUN_FAILED, SUCCEEDED, Key, Plan
from chaos_scene import Scene
from processes import wait_until

NEW_STATES = {FAILED: "failed", SUCCEEDED: "success"}
#: Seconds that Airflow and the package have to cancel, on a busy machine.
PATIENCE = 60.0
#: An execution of so many seconds is one whose create was answered.
SETTLED = 5.0
WAITS_IN_WORKER = "waiting"
ATTEMPTS = 5  # to say something to a busy Airflow

Executions = Mapping[int, list[dict[str, Any]]]


class Stopper:
    """
    Stop tasks as the plan says, one with each call of :meth:`step`.

    :param runs: DAG id -> run id, of `chaos` and `chaos_doomed`.

    :ivar stops: what was done, in order, for the account of `chaos`.
    :ivar doomed_stops: the same for the account of `chaos_doomed`.
    """

    def __init__(self, scene: Scene, wanted: Plan, runs: Mapping[str, str]) -> None:
        self.stops: list[Stop] = []
        self.doomed_stops: list[Stop] = []
        self._scene = scene
        self._plan = wanted
        self._runs = runs
        self._patient_until = math.inf
        self._left: dict[Key, list[str]] = {key: list(kinds) for key, kinds in wanted.stops.items()}

    @property
    def left(self) -> int:
        """Return how many stops are still to be made."""
        return sum(map(len, self._left.values())) + (not self.doomed_stops)

    def step(self) -> bool:
        """Stop one task, or the doomed DAG run, if one is ready for it; return whether it did."""
        executions = self._executions()
        self._let_end(executions)
        if not self.doomed_stops and self._doomed_is_ready():
            self._fail_run()
            return True
        tasks = {_key(task): task for task in self._scene.tasks("chaos", self._runs["chaos"])}
        ready = [key for key in self._left if key in tasks and self._ready(key, tasks[key], executions)]
        if not ready:
            return False
        key = self._scene.chance.choice(ready)
        self._stop(key, tasks[key])
        return True

    def finish(self) -> None:
        """Make what is left to end the run: everything that was not stopped ends with its result."""
        for kinds in self._left.values():
            kinds.clear()
        self._patient_until = time.monotonic() + 2 * PATIENCE
        if not self.doomed_stops:
            wait_until(self._doomed_is_ready, 2 * PATIENCE, interval=1.0)
            self._fail_run()
        self.let_end()

    def let_end(self) -> None:
        """
        Let the executions end that are not to be stopped any more.

        When the next tries have had their time, what a clear should have cancelled, too: a task may wait for it. That
        it ended by itself then tells on it.
        """
        executions = self._executions()
        if time.monotonic() < self._patient_until:
            self._let_end(executions)
            return
        for key in self._left:
            if not any(stop.final for stop in self._of(key)):
                self._end(self._plan.results[key], executions)

    # --- what is ready -------------------------------------------------------------------------------------------

    def _executions(self) -> Executions:
        found: dict[int, list[dict[str, Any]]] = {}
        for execution in self._scene.emulator.executions():
            found.setdefault(item_of(execution), []).append(execution)
        return found

    def _ready(self, key: Key, task: Mapping[str, Any], executions: Executions) -> bool:
        kinds = self._left[key]
        if not kinds:
            return False
        if kinds[0] == CLEARED_AFTER:
            return bool(task["state"] == "success")
        going = self._going(self._plan.results[key]["item"], executions, self._last_try(key))
        if not any(_settled(each) for each in going):
            return False
        if _survives_all(kinds[0], task):
            return True
        return self._in_reach(task, going) and (kinds[0] != CLEARED or self._will_be_reported(task))

    def _doomed(self) -> list[dict[str, Any]]:
        return self._scene.tasks("chaos_doomed", self._runs["chaos_doomed"])

    def _doomed_is_ready(self) -> bool:
        """Tell whether most tasks of the doomed DAG run wait, and those that have an execution are all in reach."""
        waiting = 0
        executions = self._executions()
        for task in self._doomed():
            going = self._going(self._plan.doomed_results[_key(task)]["item"], executions)
            if (going or task["state"] == "running") and not self._in_reach(task, going):
                return False
            if not all(map(_settled, going)):
                return False
            waiting += bool(going)
        return waiting > len(self._plan.doomed_results) // 2

    def _in_reach(self, task: Mapping[str, Any], going: Sequence[Mapping[str, Any]]) -> bool:
        """Tell whether there is a process that waits and that Airflow can tell about the end of its task."""
        # A trigger that has begun has a log of its own; a worker's log names the execution that it waits for.
        logs = self._scene.cluster.home / "logs"
        where = f"dag_id={task['dag_id']}/*/task_id={task['task_id']}/map_index={task['map_index']}"
        attempt = f"{where}/attempt={task['try_number']}.log"
        if task["state"] == "deferred":
            job = (task.get("triggerer_job") or {}).get("id")
            return job in self._scene.cluster.health.jobs.values() and any(logs.glob(f"{attempt}.trigger.{job}.log"))
        if task["state"] != "running" or task["task_id"] != WAITS_IN_WORKER:
            return False  # what is about to defer, or to end, Airflow may not be able to tell any more
        said = "".join(log.read_text(errors="replace") for log in logs.glob(attempt))
        mine = [each for each in self._scene.running() if each.is_of(task["id"])]
        return (
            bool(going)
            and all(each["name"].rpartition("/")[2] in said for each in going)
            and any(each.task.pid not in self._scene.frozen for each in mine)
        )

    def _will_be_reported(self, task: Mapping[str, Any]) -> bool:
        """
        Tell whether the scheduler that began a task still serves.

        It hears from its executor that the cleared process has ended, and only then notes the clear; to another one
        it is a task that died, whose next try goes on with the execution.
        """
        return epoch(task["start_date"]) > self._scene.cluster.servers["scheduler"].started_at

    def _last_try(self, key: Key) -> int:
        return max((stop.try_number for stop in self._of(key)), default=0)

    def _going(self, item: int, executions: Executions, after_try: int = 0) -> list[dict[str, Any]]:
        found = executions.get(item, [])
        return [each for each in found if each["state"] in GOING and try_of(each) > after_try]

    def _let_end(self, executions: Executions) -> None:
        for key, kinds in self._left.items():
            if not kinds and not any(stop.final for stop in self._of(key)):
                self._end(self._plan.results[key], executions, self._last_try(key))

    def _end(self, result: Any, executions: Executions, after_try: int = 0) -> None:
        if result["item"] not in self._plan.endless:
            return
        for each in self._going(result["item"], executions, after_try):
            # Not one that was begun by a try that nobody has told yet.
            if time.time() - epoch(each["createTime"]) > 2 * SETTLED:
                self._scene.emulator.set_state(each["name"].rpartition("/")[2], "SUCCEEDED", result=result)

    def _of(self, key: Key) -> list[Stop]:
        return [stop for stop in self.stops if stop.key == key]

    # --- what is done --------------------------------------------------------------------------------------------

    def _stop(self, key: Key, task: Mapping[str, Any]) -> None:
        kind = self._left[key][0]
        waits_in_worker = task["state"] == "running"
        with self._scene.requests_spared() if waits_in_worker else nullcontext():
            self._note(task, kind, *self._tell_task(key, kind))
            self._left[key].pop(0)
            if kind in NEW_STATES:
                self._wait_for_end({self._plan.results[key]["item"]})
            elif waits_in_worker:
                self._wait("its end is reported", lambda: self._state_of(key) != "restarting")

    def _tell_task(self, key: Key, kind: str) -> tuple[float, float]:
        if kind in NEW_STATES:
            return self._tell("PATCH", self._path(key), {"new_state": NEW_STATES[kind]})
        run_id = self._runs["chaos"]
        wanted = {"dry_run": False, "dag_run_id": run_id, "task_ids": [list(key)], "only_failed": False}
        return self._tell("POST", "/dags/chaos/clearTaskInstances", wanted)

    def _fail_run(self) -> None:
        tasks = self._doomed()
        with self._scene.requests_spared():
            path = run_path("chaos_doomed", self._runs["chaos_doomed"])
            sent, answered = self._tell("PATCH", path, {"state": "failed"})
            self.doomed_stops += [Stop(_key(task), RUN_FAILED, sent, answered, task["try_number"]) for task in tasks]
            states = ", ".join(f"{task['task_id']}[{task['map_index']}] {task['state']}" for task in tasks)
            self._scene.count(RUN_FAILED, f"chaos_doomed with {states}")
            self._wait_for_end({result["item"] for result in self._plan.doomed_results.values()})

    def _note(self, task: Mapping[str, Any], kind: str, sent: float, answered: float) -> None:
        self.stops.append(Stop(_key(task), kind, sent, answered, task["try_number"]))
        where = "waits in its worker" if task["state"] == "running" else f"is {task['state']}"
        name = f"{task['task_id']}[{task['map_index']}]"
        self._scene.count(kind, f"{name}, try {task['try_number']}, which {where}")

    def _wait_for_end(self, items: set[int]) -> None:
        """Wait until what goes on now has ended."""
        executions = self._executions()
        stopped = {each["name"] for item in items for each in self._going(item, executions)}

        def ended() -> bool:
            executions = self._scene.emulator.executions()
            return not any(each["name"] in stopped and each["state"] in GOING for each in executions)

        self._wait("nothing goes on", ended)

    def _wait(self, what: str, there: Callable[[], bool]) -> None:
        began = time.monotonic()
        wait_until(lambda: there() or self._scene.abandoned.is_set(), PATIENCE, interval=0.5)
        self._scene.say(f"  {what}: {there()}, after {time.monotonic() - began:.1f} s")

    def _state_of(self, key: Key) -> Any:
        return self._scene.cluster.api("GET", self._path(key))["state"]

    def _path(self, key: Key) -> str:
        return f"{run_path('chaos', self._runs['chaos'])}/taskInstances/{key[0]}/{key[1]}"

    def _tell(self, method: str, path: str, body: Mapping[str, Any]) -> tuple[float, float]:
        """
        Tell Airflow until it answers; return when it was told last, and when it had answered.

        Twice does no harm: what was begun between is stopped, too.
        """
        for attempt in range(1, ATTEMPTS + 1):
            sent = time.time()
            try:
                self._scene.cluster.api(method, path, body)
                break
            except (OSError, AirflowApiError) as error:
                if attempt == ATTEMPTS or (isinstance(error, AirflowApiError) and error.status < 500):
                    raise
                self._scene.say(f"Airflow does not take {method} {path}: {error}")
                time.sleep(1.0)
        return sent, time.time()


def _key(task: Mapping[str, Any]) -> Key:
    return task["task_id"], task["map_index"]


def _survives_all(kind: str, task: Mapping[str, Any]) -> bool:
    """Tell whether a stop cancels even when the processes that wait are killed at the same time."""
    return kind == CLEARED and task["state"] == "deferred"


def _settled(execution: Mapping[str, Any]) -> bool:
    return time.time() - epoch(execution["createTime"]) > SETTLED
