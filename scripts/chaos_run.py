# SPDX-License-Identifier: Apache-2.0
"""Run both DAGs once while things break, and say how it went."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from airflow_api import AirflowApiError
from airflow_cluster import FINISHED_RUN, ClusterError
from chaos_account import Outcome, Verdict, item_of, judge
from chaos_faults import count_faults
from chaos_items import Key, Plan
from chaos_monkey import ChaosMonkey
from chaos_scene import Scene
from chaos_stops import Stopper

#: The share of tasks that are through when the breaking stops, if no stop is left by then.
BROKEN_SHARE = 0.85
#: Seconds that the last stops may take after that, and the share of the time after which it is over in any case.
LAST_STOPS = 90.0
BROKEN_TIME = 0.7
LOOK = 5.0  # seconds between two lines of progress
FINISHED_TASK = frozenset({"success", "failed"})


class ChaosRun:
    """
    Run the DAGs once while things break.

    :param timeout: seconds until it has to be over.
    """

    def __init__(self, scene: Scene, wanted: Plan, timeout: float) -> None:
        self.scene = scene
        self.wanted = wanted
        self.timeout = timeout
        self.tasks: list[dict[str, Any]] = []
        self.runs = {dag_id: scene.cluster.trigger(dag_id) for dag_id in ("chaos", "chaos_doomed")}
        self.stopper = Stopper(scene, wanted, self.runs)
        self.monkey = ChaosMonkey(scene, self.stopper)

    def finish(self) -> None:
        """
        Break things until most of the DAG run is through, then wait for its end.

        :raises ClusterError: when it does not end in time
        """
        say = self.scene.say
        deadline = time.monotonic() + self.timeout
        self._calm = time.monotonic() + BROKEN_TIME * self.timeout
        self.scene.spoil_requests()
        say(f"{len(self.wanted.results)} executions wanted; making trouble until {BROKEN_SHARE:.0%} are through")
        try:
            self.monkey.start()
            self._follow(deadline, until=self._broken_enough)
        except BaseException:
            self.scene.abandoned.set()
            raise
        finally:
            self.monkey.stop()
        self.monkey.put_right()
        self.scene.spare_requests()
        say(f"no more trouble; waiting for the rest ({self.stopper.left} stops were not made)")
        self.stopper.finish()
        self._follow(deadline, also=self.stopper.let_end)

    def _broken_enough(self) -> bool:
        if self._through() >= BROKEN_SHARE * len(self.wanted.results):
            if not self.stopper.left:
                return True
            self._calm = min(self._calm, time.monotonic() + LAST_STOPS)
        return time.monotonic() > self._calm

    def _through(self) -> int:
        wanted = self.wanted.results
        return sum(task["state"] in FINISHED_TASK and _key(task) in wanted for task in self.tasks)

    def _follow(
        self, deadline: float, until: Callable[[], bool] = lambda: False, also: Callable[[], None] = lambda: None
    ) -> None:
        while True:
            state = self._look()
            self._show()
            if state in FINISHED_RUN or until():
                return
            if self.monkey.failure is not None:
                return  # stop() tells
            if time.monotonic() > deadline:
                raise ClusterError(f"the DAG run is {state} after {self.timeout:.0f} s")
            also()
            time.sleep(LOOK)

    def _look(self) -> str:
        """Bring the list of tasks up to date, and return the state of the DAG run."""
        try:
            state = self.scene.cluster.run_state("chaos", self.runs["chaos"])
            self.tasks = self.scene.cluster.task_instances("chaos", self.runs["chaos"])
        except OSError as error:  # a machine that is too busy; the deadline ends it
            self.scene.say(f"Airflow does not answer: {error}")
            return "not known"
        self.monkey.through = self._through()
        return state

    def _show(self) -> None:
        states = Counter(str(task["state"]) for task in self.tasks if task["map_index"] >= 0)
        executions = Counter(execution["state"] for execution in self.scene.emulator.executions())
        self.scene.say(
            f"{self._through()}/{len(self.wanted.results)} through; tasks: {in_words(states)}; "
            f"executions: {in_words(executions)}; troubles: {self.scene.done.total()}; stops left: {self.stopper.left}"
        )

    # --- the end -------------------------------------------------------------------------------------------------

    def verdict(self) -> Verdict:
        """Judge what there is now."""
        doomed = {result["item"] for result in self.wanted.doomed_results.values()}
        executions = self.scene.emulator.executions()
        of_doomed = [each for each in executions if item_of(each) in doomed]
        others = [each for each in executions if item_of(each) not in doomed]
        self._look()
        gathered = self._xcom("chaos", ("gather", -1), "return_value") or []
        main = judge(self.wanted.results, others, self._outcomes("chaos"), gathered, self.stopper.stops)
        return main + judge(
            self.wanted.doomed_results, of_doomed, self._outcomes("chaos_doomed"), [], self.stopper.doomed_stops
        )

    def _outcomes(self, dag_id: str) -> list[Outcome]:
        tasks = self.scene.cluster.task_instances(dag_id, self.runs[dag_id])
        return [Outcome(*_key(task), task["state"], self._xcom(dag_id, _key(task), "result")) for task in tasks]

    def _xcom(self, dag_id: str, task: Key, name: str) -> Any:
        try:
            return self.scene.cluster.xcom(dag_id, self.runs[dag_id], task[0], name, task[1])
        except AirflowApiError as error:
            if error.status != 404:
                raise
            return None

    def print_report(self, verdict: Verdict, title: str) -> None:
        """Print the table of troubles and that of figures, then every single thing that is wrong."""
        faults = count_faults(self.scene.emulator.requests, self.scene.emulator.executions())
        troubles = {
            **dict(sorted(self.scene.done.items())),
            **{f"proxy: {kind}": count for kind, count in sorted(self.scene.proxy.lost.items())},
            **{f"service: {kind}": count for kind, count in sorted(faults.items())},
        }
        print(f"\n{title}")
        print_table("trouble", troubles.items())
        print_table("account", verdict.rows)
        for complaint in verdict.complaints:
            print(f"    {complaint}")
        retries: Counter[str] = Counter()
        for task in self.tasks:
            retries[task["task_id"]] += max(0, task["try_number"] - 1)
        print(f"requests          {in_words(self.scene.emulator.counts())}")
        print(f"tries after 1st   {in_words(retries)}", flush=True)


def print_table(title: str, rows: Any) -> None:
    """Print names and figures below each other."""
    print(f"  {title}")
    for name, figure in rows:
        print(f"    {name:<52}{figure:>6}")


def in_words(counts: Mapping[str, int]) -> str:
    """Write counts as text, without the zeros."""
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"


def _key(task: Mapping[str, Any]) -> Key:
    return task["task_id"], task["map_index"]
