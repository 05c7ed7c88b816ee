# SPDX-License-Identifier: Apache-2.0
"""Let tests look into the emulator and steer it; safe to call from any thread."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_workflows.testing import resources
from airflow_provider_workflows.testing.clock import Clock
from airflow_provider_workflows.testing.definitions import function_of, labels_of
from airflow_provider_workflows.testing.errors import not_found
from airflow_provider_workflows.testing.execution import ENDED_STATES, Execution, WorkflowKey
from airflow_provider_workflows.testing.faults import Drop, Fault, FaultInjector
from airflow_provider_workflows.testing.requestlog import OPERATIONS, LoggedRequest, RequestLog
from airflow_provider_workflows.testing.service import WORKFLOW_ID, ExecutionsService
from airflow_provider_workflows.testing.settings import DEFAULT_LOCATION, DEFAULT_PROJECT, Settings
from airflow_provider_workflows.testing.store import ExecutionStore
from airflow_provider_workflows.testing.validation import CreateRequest, check_labels
from airflow_provider_workflows.testing.workflows import (
    ENDLESS,
    SUCCEEDED_AT_ONCE,
    Outcome,
    WorkflowError,
    WorkflowFunction,
    describe_error,
    dump_json,
)


class Controls:
    """Everything about an emulator that is not serving it.

    :param settings: all settings at once; single ones may be given by name instead, see `Settings`.
    :param seed: for the faults with a `probability`.
    """

    def __init__(self, settings: Settings | None = None, *, seed: int | None = None, **options: Any) -> None:
        if settings is not None and options:
            raise TypeError("give either settings or single options, not both")
        self.settings = settings or Settings(**options)
        self.service = ExecutionsService(self.settings)
        self.faults = FaultInjector(seed)
        self.log = RequestLog()

    # -- workflows and executions -------------------------------------------------------------------------

    @property
    def clock(self) -> Clock:
        """Return the clock that the emulator reads."""
        return self.settings.clock

    def workflow(
        self, name: str, *, labels: Mapping[str, str] | None = None
    ) -> Callable[[WorkflowFunction], WorkflowFunction]:
        """Register the decorated function as a workflow, in every project and location.

        :param labels: labels that its executions inherit.
        """

        def register(function: WorkflowFunction) -> WorkflowFunction:
            self.service.register(name, function, labels)
            return function

        return register

    def define(self, name: str, definition: Mapping[str, Any]) -> None:
        """Register a workflow that JSON describes, such as `{"steps": ["read"], "seconds": 2, "result": [1]}`.

        :param definition: see the module `definitions`.
        :raises ValueError: naming what is wrong with it.
        """
        if not WORKFLOW_ID.match(name):
            raise ValueError(f"a workflow's id has up to 64 letters, digits, _ and -, got {name!r}")
        self.service.register(name, function_of(definition), labels_of(definition), ours=True)

    def start(
        self,
        workflow: str,
        argument: Any = None,
        labels: Mapping[str, str] | None = None,
        *,
        project: str = DEFAULT_PROJECT,
        location: str = DEFAULT_LOCATION,
    ) -> str:
        """Create an execution as if somebody else had, without a request; return its id.

        :param argument: the decoded value.
        """
        execution = self.launch(workflow, argument, labels, project=project, location=location)
        self.service.compute_here(execution)
        return execution.id

    def launch(
        self,
        workflow: str,
        argument: Any = None,
        labels: Mapping[str, str] | None = None,
        *,
        project: str = DEFAULT_PROJECT,
        location: str = DEFAULT_LOCATION,
    ) -> Execution:
        """Create an execution whose function is still to be computed; `start` does both."""
        wanted = CreateRequest(dump_json(argument), argument, check_labels(dict(labels or {})), {})
        return self.service.launch(self.service.key(project, location, workflow), wanted)

    def executions(self, workflow: str | None = None, *, version: str = "v1") -> list[dict[str, Any]]:
        """Return the FULL resources of all executions, or of one workflow's, oldest first."""
        with self.service.lock:
            now = self.service.settle()
            stores = [store for key, store in self.service.stores() if workflow in (None, key.workflow)]
            found = [execution for store in stores for execution in store]
            found.sort(key=lambda execution: execution.order)
            return [resources.full(execution, version, now) for execution in found]

    def execution(self, execution_id: str, *, version: str = "v1") -> dict[str, Any]:
        """Return the FULL resource of one execution.

        :raises ApiError: 404, there is none.
        """
        with self.service.lock:
            now = self.service.settle()
            return resources.full(self._find(execution_id)[1], version, now)

    def created_per(self, *, label: str | None = None, argument_key: str | None = None) -> Counter[str]:
        """Count the stored executions per value of a label, or of a top-level key of the argument.

        More than one for an idempotency key is a duplicate; those without it are not counted.
        """
        counts: Counter[str] = Counter()
        with self.service.lock:
            for _, store in self.service.stores():
                for execution in store:
                    if label is not None and label in execution.labels:
                        counts[execution.labels[label]] += 1
                    if argument_key is not None:
                        argument = json.loads(execution.argument)
                        if isinstance(argument, dict) and argument_key in argument:
                            counts[str(argument[argument_key])] += 1
        return counts

    def set_state(self, execution_id: str, state: str, *, result: Any = None, error: Any = None) -> None:
        """Force a state, an invented one too; a state that ends an execution ends it now.

        :param result: any JSON value, for SUCCEEDED.
        :param error: an API `Error` object, or the payload of one (any JSON value), for FAILED and CANCELLED.
        :raises ApiError: 404, there is no such execution.
        """
        with self.service.lock:
            execution = self._find(execution_id)[1]
            now = self.service.settle()
            if execution.begun is None and state != "QUEUED":
                execution.begin(now)
            execution.force(state, now, forced_outcome(state, result, error))

    def add_executions(
        self,
        workflow: str,
        count: int,
        state: str = "SUCCEEDED",
        *,
        start: float | None = None,
        interval: float = 0.0,
        project: str = DEFAULT_PROJECT,
        location: str = DEFAULT_LOCATION,
        labels: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Add many executions of somebody else's quickly; return their ids, oldest first.

        They are in `state` from their start on; ACTIVE ones never end.

        :param start: the first one's start in epoch seconds; by default they start now, as the newest of
            all, a nanosecond apart.
        :param interval: with `start`, the seconds between two of them.
        """
        with self.service.lock:
            key = self.service.key(project, location, workflow)
            step = 1 if start is None else max(1, round(interval * 1e9))
            first = self.service.next_time(count) if start is None else round(start * 1e9)
            outcome = None if state == "ACTIVE" else forced_outcome(state, None, None)
            revision = self.service.workflow(workflow).revision
            added = []
            for index in range(count):
                at = first + index * step
                execution = Execution(str(uuid.uuid4()), key, at, revision, labels=labels or {})
                execution.timeline = SUCCEEDED_AT_ONCE if state == "SUCCEEDED" else ENDLESS
                execution.begin(at)
                if outcome is not None and state != "SUCCEEDED":
                    execution.force(state, at, outcome)
                added.append(execution)
            self.service.store(key).extend(added)
            return [execution.id for execution in added]

    def delete(self, execution_id: str) -> None:
        """Forget an execution, as retention does.

        :raises ApiError: 404, there is no such execution.
        """
        with self.service.lock:
            self._find(execution_id)[0].remove(execution_id)

    def _find(self, execution_id: str) -> tuple[ExecutionStore, Execution]:
        for _, store in self.service.stores():
            execution = store.get(execution_id)
            if execution is not None:
                return store, execution
        raise not_found(f"execution '{execution_id}'")

    def workflow_key(
        self, workflow: str, project: str = DEFAULT_PROJECT, location: str = DEFAULT_LOCATION
    ) -> WorkflowKey:
        """Return where a workflow's executions live: project number, location, workflow."""
        return self.service.key(project, location, workflow)

    # -- requests and faults ------------------------------------------------------------------------------

    @property
    def requests(self) -> list[LoggedRequest]:
        """Return the requests so far, oldest first."""
        return self.log.entries()

    def count(self, operation: str) -> int:
        """Return how many requests of an operation (create, get, list, …) arrived.

        :raises ValueError: an unknown operation.
        """
        if operation not in OPERATIONS:
            raise ValueError(f"operation must be one of {', '.join(OPERATIONS)}, got {operation!r}")
        return self.log.counts()[operation]

    def counts(self) -> dict[str, int]:
        """Return the number of requests by operation."""
        return self.log.counts()

    def clear_requests(self) -> None:
        """Forget the requests so far, counts included."""
        self.log.clear()

    def fail(
        self,
        operation: str,
        kind: str | None = None,
        *,
        times: int | None = 1,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        content_type: str | None = None,
        reason: str | None = None,
        drop: Drop | None = None,
        delay: float | None = None,
        after: bool | None = None,
        probability: float | None = None,
        when: Callable[[LoggedRequest], bool] | None = None,
    ) -> Fault:
        """Spoil the next requests of an operation (`*` for any); `.remove()` on what is returned stops it.

        :param kind: one of `faults.KINDS`, such as "unavailable", "html" or "drop_after"; what else is
            given wins over it. The module `faults` has the table of what each parameter does.
        :param times: how many requests; None until removed.
        """
        return self.faults.add(
            operation,
            kind,
            times=times,
            status=status,
            headers=headers,
            body=body,
            content_type=content_type,
            reason=reason,
            drop=drop,
            delay=delay,
            after=after,
            probability=probability,
            when=when,
        )

    def clear_faults(self) -> None:
        """Remove all faults."""
        self.faults.clear()


def forced_outcome(state: str, result: Any, error: Any) -> Outcome:
    """Return result and error for a state that was set by hand."""
    if state == "SUCCEEDED":
        return Outcome(state, result=dump_json(result))
    if state == "FAILED" and error is None:
        error = {"message": "failed by the emulator's user", "tags": ["SystemError"]}
    if error is None or state not in ENDED_STATES:
        return Outcome(state)
    if isinstance(error, dict) and isinstance(error.get("payload"), str):
        return Outcome(state, error=dict(error))
    return Outcome(state, error=describe_error(WorkflowError(error)))
