# SPDX-License-Identifier: Apache-2.0
"""
Create an execution once, whatever breaks: tag every attempt, look before repeating, attach instead of starting over.

The API has no idempotency key and chooses the execution's name itself, so a create whose answer got lost may or may
not have taken effect. What is left is to leave traces and to look for them:

* **Labels** (v1): each execution carries hashes that say which task instance it belongs to (``airflow-task-key``),
  which create it is (``airflow-key``: the same plus a fingerprint of workflow and body), after which clear of the
  task (``airflow-generation``) and by which single request (``airflow-attempt``).
* **The record**: where Airflow keeps state for a task (3.3 and later), the attempt is written down before the
  request and the execution's id right after the answer.

*Generation* tells a retry from a clear: Airflow raises ``max_tries`` on a clear only, so ``max_tries - retries``
stays the same from try to try and changes with each clear. A retry attaches; a cleared task starts anew.

The syntax of label filters is not confirmed for this service. So a filter is only trusted when it finds something;
when it is refused or finds nothing, the newest executions are read with their labels and compared here.

No Airflow in this module: the record is anything with ``get`` and ``set``.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_workflows.api.cancelling import cancel_bounded
from airflow_provider_workflows.core.execution import Execution, execution_id_of, is_ended, started_at
from airflow_provider_workflows.core.names import ExecutionName, WorkflowName
from airflow_provider_workflows.durable.identity import (
    ATTEMPT,
    GENERATION,
    KEY,
    TASK_KEY,
    Choice,
    TaskIdentity,
    choose,
    fingerprint_of,
    label_of,
)
from airflow_provider_workflows.exceptions import (
    AmbiguousCreate,
    ExecutionNotFound,
    WorkflowsApiError,
    WorkflowsError,
)

if TYPE_CHECKING:
    from airflow_provider_workflows.api.client import WorkflowsClient

RECORD_KEY = "workflow_execution"

#: Seconds before each look for an execution whose create got no clear answer. A request may be on its way, or taken
#: and not listed yet; nothing is documented, so the looks reach well over the time of a slow request.
SETTLE = (1.0, 2.0, 4.0, 8.0)
#: How often a create that surely had no effect is sent again within one try of the task.
MAX_CREATES = 3
#: Clocks differ: executions this much older than the attempt are still compared.
CLOCK_SKEW = 120.0
#: Executions read at most where no filter helps: 20 FULL pages.
MAX_SCANNED = 2000


class Record(Protocol):
    """Keep a small value from try to try: Airflow's task state store, or nothing."""

    def get(self, key: str) -> Any:
        """Return the value, ``None`` where there is none."""

    def set(self, key: str, value: Any) -> None:
        """Write the value down."""


@dataclass(frozen=True)
class Created:
    """
    Hold the execution that a task goes on with.

    :param execution: as the service returned it last.
    :param waiting_since: epoch seconds when the first try began to wait for it; deadlines count from here.
    :param attached: whether an earlier try created it.
    """

    execution: Execution
    waiting_since: float
    attached: bool


class DurableCreate:
    """
    Create an execution for one try of a task, or find the one an earlier attempt made.

    :param client: talks to the API; its clock is the one waited on.
    :param body: the create's body as the user wants it, argument encoded.
    :param identity: the task instance.
    :param record: Airflow's task state store, or ``None`` where Airflow has none.
    :param cancel_stale: cancel what earlier generations left running.
    :param log: the task's log.
    """

    def __init__(
        self,
        client: WorkflowsClient,
        workflow: WorkflowName,
        body: Mapping[str, Any],
        *,
        identity: TaskIdentity,
        record: Record | None,
        cancel_stale: bool,
        log: Any,
    ) -> None:
        self._client = client
        self._workflow = workflow
        self._body = body
        self._identity = identity
        self._record = record
        self._cancel_stale = cancel_stale
        self._log = log
        self._labelled = client.api.version == "v1"
        self._fingerprint = fingerprint_of(workflow, body)
        self._key = identity.create_key(self._fingerprint)
        self._attempts: list[str] = []
        self._known: dict[str, Any] = {}
        self._began = client.clock.time()
        self._elsewhere: dict[str, ExecutionName] = {}

    def run(self) -> Created:
        """
        Return the execution to go on with.

        :raises AmbiguousCreate: where it cannot be told whether an execution exists; nothing more was sent.
        """
        record = self._known = self._read()
        if self._identity.try_number > 1 or record:
            choice = self._look_back(record)
            for execution in choice.cancel:
                self._cancel(execution)
            if choice.attach is not None:
                return self._attach(choice.attach, record)
        return self._create()

    def find_attempts(self) -> list[Execution]:
        """Find what this object's own creates made, or before the first one, what it would have gone on with."""
        if not self._attempts:
            return self._left_behind()
        found = self._search(self._began - CLOCK_SKEW) if self._labelled else []
        return [each for each in found if label_of(each, ATTEMPT) in self._attempts]

    def _left_behind(self) -> list[Execution]:
        """Find what earlier tries left going; for whoever is killed while it looks back and has attached to nothing."""
        found = self._recorded(self._known) if self._known.get("execution_id") else []
        if self._labelled and (self._known or self._identity.try_number > 1):
            found += self._search(self._identity.began_at - CLOCK_SKEW)
        return [each for each in found if not is_ended(each.get("state"))]

    def cancel_attempts(self) -> None:
        """Cancel what this object's own creates made, as far as it can be found; never raises for the API."""
        try:
            found = self.find_attempts()
        except WorkflowsError as exc:
            self._log.error("An execution of %s may have been created and be going: %s", self._workflow, exc)
            return
        for each in found:
            cancel_bounded(self._client, self._name(each), self._log)

    # --- looking back ---

    def _look_back(self, record: Mapping[str, Any]) -> Choice:
        """Look at the recorded execution first; only when it is none to go on with, search for others."""
        found = self._recorded(record) if record.get("execution_id") else []
        choice = self._choose(found)
        if choice.attach is not None:
            return choice
        if self._labelled:
            # Also beside a recorded one: an earlier try may have died between its create and the record.
            known = {execution_id_of(each) for each in found}
            searched = self._search_until_settled(None if record.get("execution_id") else record.get("since"))
            return self._choose([*found, *(each for each in searched if execution_id_of(each) not in known)])
        in_flight = not record.get("execution_id") and record.get("key") == self._key
        if in_flight and record.get("generation") == self._identity.generation:
            raise self._unclear("an earlier try sent a create and did not live to see the answer")
        return choice

    def _search_until_settled(self, sent_at: float | None) -> list[Execution]:
        """Search; and again where a dead try's create, sent a moment ago, may not be listed yet."""
        # Clearing a task of a finished DAG run moves the run's beginning; what is to be stopped is older.
        since = 0.0 if self._identity.generation else self._identity.began_at
        found = self._search(since - CLOCK_SKEW)
        left = 0.0 if sent_at is None else sent_at + sum(SETTLE) - self._client.clock.time()
        if found or left <= 0:
            return found
        self._client.clock.sleep(left)
        return self._search(since - CLOCK_SKEW)

    def _choose(self, found: Iterable[Execution]) -> Choice:
        return choose(
            found,
            self._key,
            self._identity.generation,
            not_before=self._identity.began_at - CLOCK_SKEW,
            cancel_stale=self._cancel_stale,
        )

    def _recorded(self, record: Mapping[str, Any]) -> list[Execution]:
        """Get the recorded execution, labelled by the record: v1beta has no labels of its own."""
        name = _workflow_named(record["workflow"]).execution(record["execution_id"])
        self._elsewhere[name.execution_id] = name
        try:
            execution = self._client.get(name)
        except ExecutionNotFound:
            return []
        labels = {KEY: str(record.get("key")), GENERATION: str(record.get("generation"))}
        return [{**execution, "labels": {**execution.get("labels", {}), **labels}}]

    def _attach(self, execution: Execution, record: Mapping[str, Any]) -> Created:
        name = self._name(execution)
        since = record.get("since") if record.get("execution_id") == name.execution_id else None
        since = since or started_at(execution).timestamp()
        self._log.info("%s of an earlier try is %s: going on with it.", name, execution.get("state"))
        self._write(name.execution_id, since)
        return Created(execution, since, attached=True)

    def _cancel(self, execution: Execution) -> None:
        name = self._name(execution)
        self._log.warning("%s is left from before this task was cleared or changed: cancelling it.", name)
        cancel_bounded(self._client, name, self._log)

    def _search(self, since: float) -> list[Execution]:
        """Find this task instance's executions by label: through the filter, or else by reading the newest."""
        try:
            found = list(self._mine(self._client.list(self._workflow, view="FULL", filter=self._filter())))
        except WorkflowsApiError as exc:
            if exc.status_code != 400:
                raise
            self._log.info("The service refused the label filter: comparing labels here.")
            found = []
        return found or list(self._mine(self._newer(since)))

    def _filter(self) -> str:
        return f'labels.{TASK_KEY}="{self._identity.key}"'

    def _mine(self, executions: Iterable[Execution]) -> Iterator[Execution]:
        return (each for each in executions if label_of(each, TASK_KEY) == self._identity.key)

    def _newer(self, since: float) -> Iterator[Execution]:
        oldest = datetime.fromtimestamp(since, timezone.utc)
        for number, execution in enumerate(self._client.list(self._workflow, view="FULL")):
            if started_at(execution) < oldest:
                return
            if number >= MAX_SCANNED:
                self._log.warning(
                    "Looked through the newest %d executions of %s without an end.", MAX_SCANNED, self._workflow
                )
                return
            yield execution

    # --- creating ---

    def _create(self) -> Created:
        for last in (False,) * (MAX_CREATES - 1) + (True,):
            attempt = uuid.uuid4().hex
            began = self._client.clock.time()
            self._write(None, began)
            self._attempts.append(attempt)
            try:
                execution = self._client.create(self._workflow, self._labelled_body(attempt))
            except AmbiguousCreate as exc:
                self._log.warning("%s", exc)
                found = self._settle(attempt, began, exc)
                if found is None and last:
                    raise
                if found is None:
                    continue
                execution = found
            self._write(execution_id_of(execution), began)
            self._cancel_twins(execution)
            return Created(execution, began, attached=False)
        raise AssertionError("unreachable")  # pragma: no cover

    def _labelled_body(self, attempt: str) -> dict[str, Any]:
        if not self._labelled:
            return dict(self._body)
        labels = {**self._body.get("labels", {}), **self._identity.labels(self._fingerprint, attempt)}
        return {**self._body, "labels": labels}

    def _settle(self, attempt: str, began: float, cause: AmbiguousCreate) -> Execution | None:
        """Look for the execution of an attempt until it is found or surely was never made."""
        if not self._labelled:
            raise self._unclear(str(cause)) from cause
        for pause in SETTLE:
            self._client.clock.sleep(pause)
            try:
                found = self._search(began - CLOCK_SKEW)
            except WorkflowsError as exc:
                raise self._unclear(f"looking for it failed: {exc}") from cause
            for execution in found:
                if label_of(execution, ATTEMPT) == attempt:
                    self._log.info("%s is the one whose answer got lost: going on with it.", self._name(execution))
                    return execution
        self._log.info("The create without an answer made no execution of %s.", self._workflow)
        return None

    def _cancel_twins(self, execution: Execution) -> None:
        """Cancel what an attempt that was given up made after all; nothing to do after a single attempt."""
        if len(self._attempts) < 2:
            return
        for each in self.find_attempts():
            if execution_id_of(each) != execution_id_of(execution) and not is_ended(each.get("state")):
                self._log.warning("%s appeared after it was given up: cancelling it.", self._name(each))
                cancel_bounded(self._client, self._name(each), self._log)

    def _unclear(self, why: str) -> AmbiguousCreate:
        message = (
            f"An execution of {self._workflow} may exist, and it cannot be told for sure: {why} "
            f"Look for one that began around {_clock_text(self._client.clock.time())} in the console or with "
            f"'gcloud workflows executions list {self._workflow.workflow} --location={self._workflow.location} "
            f"--project={self._workflow.project}'; cancel it or let it end, then clear this task."
        )
        # With labels the next try of the task can tell; without them it could only guess.
        return AmbiguousCreate(message, retryable=self._labelled)

    # --- the record ---

    def _read(self) -> dict[str, Any]:
        value = self._record.get(RECORD_KEY) if self._record is not None else None
        return dict(value) if isinstance(value, Mapping) else {}

    def _write(self, execution_id: str | None, since: float) -> None:
        """
        Write the attempt down, before the request and again with its answer.

        A failure before the request stops the create: Airflow refuses when another try has taken over this task, for
        example after missed heartbeats, and that try has already looked for what this one created. After the answer
        a failure is only logged: nothing may come between an execution and its wait, and the labels still tell.
        """
        if self._record is None:
            return
        value = {
            "execution_id": execution_id,
            "workflow": str(self._workflow),
            "key": self._key,
            "generation": self._identity.generation,
            "since": since,
        }
        try:
            self._record.set(RECORD_KEY, value)
        except Exception:
            if execution_id is None:
                raise
            self._log.exception("The task's state could not be written; the execution's labels still tell.")

    def _name(self, execution: Execution) -> ExecutionName:
        execution_id = execution_id_of(execution)
        return self._elsewhere.get(execution_id) or self._workflow.execution(execution_id)


def _workflow_named(name: str) -> WorkflowName:
    _, project, _, location, _, workflow = name.split("/")
    return WorkflowName(project, location, workflow)


def _clock_text(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, timezone.utc).isoformat(timespec="seconds")
