# SPDX-License-Identifier: Apache-2.0
"""Hold the emulator's state: projects, workflows, executions; create, get and cancel them.

It knows nothing of HTTP: it takes checked names and values, and returns JSON objects or raises `ApiError`. One lock
makes it safe to use from a test's thread while the server answers. Workflow functions run without the lock, so they
may ask the emulator themselves.
"""

from __future__ import annotations

import asyncio
import re
import threading
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_workflows.testing import resources
from airflow_provider_workflows.testing.errors import ApiError, error_info, invalid, not_found
from airflow_provider_workflows.testing.execution import Execution, WorkflowKey
from airflow_provider_workflows.testing.regions import Region
from airflow_provider_workflows.testing.runs import Run
from airflow_provider_workflows.testing.settings import Settings
from airflow_provider_workflows.testing.store import ExecutionStore
from airflow_provider_workflows.testing.threads import DaemonThreads
from airflow_provider_workflows.testing.validation import CreateRequest
from airflow_provider_workflows.testing.workflows import BUILT_IN, ENDLESS, Timeline, WorkflowFunction

_LOCATION = re.compile(r"[a-z][a-z0-9-]*\Z")
WORKFLOW_ID = re.compile(r"[A-Za-z](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?\Z")
#: A part of a workflow function's life: up to its end, or to the callback that it waits for.
Part = Callable[[], Timeline]


@dataclass(frozen=True)
class Workflow:
    """A registered workflow: what it does, its revision and the labels that its executions inherit.

    :ivar ours: whether the function is the emulator's own, which needs no thread.
    """

    function: WorkflowFunction
    revision: str
    labels: Mapping[str, str] = field(default_factory=dict)
    ours: bool = False


class ExecutionsService:
    """Keep one store of executions for both versions."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.lock = threading.RLock()
        self._numbers: dict[str, str] = {}
        self._workflows: dict[str, Workflow] = {}
        self._stores: dict[WorkflowKey, ExecutionStore] = {}
        self._regions: dict[tuple[str, str], Region] = {}
        self._latest = 0
        self._skew = 0
        for name, function in BUILT_IN.items():
            self.register(name, function, ours=True)

    # -- time, names, workflows ---------------------------------------------------------------------------

    def now(self) -> int:
        """Return the time in epoch ns.

        The clock's microseconds (a float has no more to give near today), plus a nanosecond for every
        creation that would otherwise have had the time of the one before.
        """
        return round(self.settings.clock.time() * 1e6) * 1000 + self._skew

    def next_time(self, count: int = 1) -> int:
        """Return a creation time later than every earlier one, the first of `count` in successive ns."""
        first = max(self.now(), self._latest + 1)
        self._latest = first + count - 1
        self._skew += self._latest - self.now()
        return first

    def register(
        self, name: str, function: WorkflowFunction, labels: Mapping[str, str] | None = None, *, ours: bool = False
    ) -> None:
        """Make a workflow known in every project and location; a second time, as its next revision."""
        with self.lock:
            earlier = self._workflows.get(name)
            ordinal = int(earlier.revision[:6]) + 1 if earlier else 1
            revision = f"{ordinal:06d}-{zlib.crc32(f'{name}{ordinal}'.encode()) & 0xFFF:03x}"
            self._workflows[name] = Workflow(function, revision, dict(labels or {}), ours)

    def key(self, project: str, location: str, workflow: str) -> WorkflowKey:
        """Return the store's key for names from a path.

        :raises ApiError: 403 unknown project, 404 unknown workflow, 400 a location that is none.
        """
        if not _LOCATION.match(location):
            raise invalid(f"Location {location!r} is not found or access is unauthorized.", "parent")
        key = WorkflowKey(self.number_of(project), location, workflow)
        if workflow not in self._workflows:
            if not self.settings.any_workflow or not WORKFLOW_ID.match(workflow):
                raise not_found(f"workflow '{key}'")
            self.register(workflow, lambda _: self.settings.any_result, ours=True)
        return key

    def number_of(self, project: str) -> str:
        """Return a project's number; a number stands for itself.

        :raises ApiError: 403 PERMISSION_DENIED, `projects` is set and it is none of them.
        """
        with self.lock:
            for known in self.settings.projects or ():
                self._assign(known)
            allowed = self.settings.projects is None
            if project.isdigit() and (allowed or project in self._numbers.values()):
                return project
            if allowed or project in (self.settings.projects or ()):
                return self._assign(project)
        text = f"Permission denied on resource project {project} (or it may not exist)."
        detail = error_info("IAM_PERMISSION_DENIED", consumer=f"projects/{project}")
        raise ApiError(403, text, details=[detail])

    def _assign(self, project: str) -> str:
        if project not in self._numbers:
            self._numbers[project] = str(int(self.settings.project_number) + len(self._numbers))
        return self._numbers[project]

    def store(self, key: WorkflowKey) -> ExecutionStore:
        """Return the executions of a workflow."""
        return self._stores.setdefault(key, ExecutionStore())

    def stores(self) -> Iterator[tuple[WorkflowKey, ExecutionStore]]:
        """Walk all workflows that have had an execution."""
        return iter(list(self._stores.items()))

    def workflow(self, name: str) -> Workflow:
        """Return a registered workflow.

        :raises KeyError: there is none of this name.
        """
        return self._workflows[name]

    # -- executions ---------------------------------------------------------------------------------------

    def launch(self, key: WorkflowKey, wanted: CreateRequest) -> Execution:
        """Store a new execution and begin it, unless it must queue; then its function is to be computed."""
        with self.lock:
            workflow = self._workflows[key.workflow]
            limit = self.settings.concurrency_limit
            region = self._regions.setdefault((key.project, key.location), Region())
            if limit is not None:
                region.settle(self.now(), limit)
                region.check_room(may_queue=wanted.may_queue, limit=limit, backlog=self.settings.backlog_limit)
            execution = Execution(
                id=str(uuid.uuid4()),
                parent=key,
                created=self.next_time(),
                revision=workflow.revision,
                argument=wanted.argument,
                labels={**workflow.labels, **wanted.labels},
                options=wanted.options,
                run=Run(workflow.function, wanted.value),
            )
            if limit is None:
                execution.begin(execution.created)
            else:
                region.add(execution)
                region.settle(execution.created, limit)
            self.store(key).add(execution)
            if workflow.ours and execution.run is not None:
                self._have(execution, execution.run.begin())
            return execution

    async def compute(self, execution: Execution, part: Part | None = None) -> None:
        """Let the function of an execution run as far as it goes, beside the event loop."""
        part = part or _beginning(execution)
        while part is not None:
            threads = DaemonThreads(self.settings.function_timeout)
            try:
                timeline = await asyncio.get_running_loop().run_in_executor(threads, part)
            except TimeoutError as error:
                timeline = _given_up(execution, error)
            part = self._have(execution, timeline)

    def compute_here(self, execution: Execution) -> None:
        """Let the function of an execution run as far as it goes, and wait for it."""
        part = _beginning(execution)
        while part is not None:
            try:
                timeline = DaemonThreads(self.settings.function_timeout).submit(part).result()
            except TimeoutError as error:
                timeline = _given_up(execution, error)
            part = self._have(execution, timeline)

    def _have(self, execution: Execution, timeline: Timeline) -> Part | None:
        """Take what a function did; return how it goes on at once, where its callback has been requested before."""
        with self.lock:
            execution.timeline = timeline
            if timeline.waiting is None:
                execution.run = None
                return None
            name = timeline.waiting.name
            _, payloads = execution.callbacks.get(name, (None, []))
            execution.callbacks[name] = (timeline.waiting, payloads)
            return self.next_part(execution)

    def next_part(self, execution: Execution) -> Part | None:
        """Return how an execution goes on, if the callback that it waits for, or will, has been requested."""
        timeline, run, begun = execution.timeline, execution.run, execution.begun
        if timeline is None or timeline.waiting is None or run is None or begun is None:
            return None
        _, payloads = execution.callbacks[timeline.waiting.name]
        payload = next((each for each in payloads if each.taken is None), None)
        if payload is None:
            return None
        elapsed = max(timeline.offsets[-1], payload.received - begun)
        payload.taken = begun + elapsed
        # From here on nobody waits, though the function may take a while to say what comes next.
        execution.timeline = replace(timeline, outcome=ENDLESS.outcome, length=None, waiting=None)
        return run.going_on(payload.value, elapsed)

    def settle(self) -> int:
        """Let queued executions begin as far as they should have by now; return the time."""
        now = self.now()
        if self.settings.concurrency_limit is not None:
            for region in self._regions.values():
                region.settle(now, self.settings.concurrency_limit)
        return now

    def find(self, key: WorkflowKey, execution_id: str, now: int | None = None) -> Execution:
        """Return an execution.

        :param now: with it, one that get and cancel do not find yet is not there.
        :raises ApiError: 404.
        """
        execution = self.store(key).get(execution_id)
        if execution is None or (now is not None and not execution.is_visible(self.settings.get_delay, now)):
            raise not_found(f"execution '{key}/executions/{execution_id}'")
        return execution

    def get(self, key: WorkflowKey, execution_id: str, version: str, view: str) -> dict[str, Any]:
        """Return an execution, FULL unless BASIC is asked for."""
        with self.lock:
            now = self.settle()
            render = resources.basic if view == "BASIC" else resources.full
            return render(self.find(key, execution_id, now), version, now)

    def cancel(self, key: WorkflowKey, execution_id: str, version: str) -> dict[str, Any]:
        """Cancel an execution as the settings say; return it.

        :raises ApiError: 400 FAILED_PRECONDITION, it is over and `cancel_finished` is "error".
        """
        with self.lock:
            now = self.settle()
            execution = self.find(key, execution_id, now)
            ended = execution.ended(now)
            if ended is None:
                late = self.settings.cancel_mode == "late"
                execution.cancel(now + (round(self.settings.cancel_delay * 1e9) if late else 0))
                now = self.settle()
            elif self.settings.cancel_finished == "error":
                text = f"execution '{key}/executions/{execution_id}' is not active (state: {ended.state})"
                raise ApiError(400, text, status="FAILED_PRECONDITION")
            return resources.full(execution, version, now)


def _beginning(execution: Execution) -> Part | None:
    """Return the first part of a function that has not been called."""
    return execution.run.begin if execution.run is not None and execution.timeline is None else None


def _given_up(execution: Execution, error: TimeoutError) -> Timeline:
    run, execution.run = execution.run, None
    assert run is not None  # noqa: S101 - only what has a run is computed
    return run.give_up(error)
