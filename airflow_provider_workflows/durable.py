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

import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_workflows.cancelling import cancel_bounded
from airflow_provider_workflows.exceptions import (
    AmbiguousCreate,
    ExecutionNotFound,
    WorkflowsApiError,
    WorkflowsError,
)
from airflow_provider_workflows.execution import (
    MAX_LABELS,
    Execution,
    ExecutionName,
    WorkflowName,
    execution_id_of,
    is_ended,
    label_text,
    started_at,
)

if TYPE_CHECKING:
    from airflow_provider_workflows.client import WorkflowsClient

RECORD_KEY = "workflow_execution"
TASK_KEY = "airflow-task-key"
KEY = "airflow-key"
GENERATION = "airflow-generation"
ATTEMPT = "airflow-attempt"

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
class TaskIdentity:
    """
    Say which task instance creates, and for the how-manyth time.

    :param generation: how many tries had been used up when the task was last cleared; 0 if it never was.
    :param began_at: epoch seconds before which nothing of this task instance can have been created.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    generation: int
    began_at: float

    @property
    def key(self) -> str:
        """Return the hash that all creates of this task instance share."""
        return _digest([self.dag_id, self.run_id, self.task_id, self.map_index])

    def labels(self, fingerprint: str, attempt: str) -> dict[str, str]:
        """Return the labels of one attempt: readable ones for people, hashes to find it by."""
        return {
            "airflow-dag-id": label_text(self.dag_id),
            "airflow-task-id": label_text(self.task_id),
            "airflow-run-id": label_text(self.run_id),
            "airflow-map-index": label_text(str(self.map_index)),
            "airflow-try-number": str(self.try_number),
            TASK_KEY: self.key,
            KEY: self.create_key(fingerprint),
            GENERATION: str(self.generation),
            ATTEMPT: attempt,
        }

    def create_key(self, fingerprint: str) -> str:
        """Return the hash of this task instance with what it creates: another argument is another execution."""
        return _digest([self.key, fingerprint])


def _digest(parts: Sequence[Any]) -> str:
    """Hash to 40 hex digits, which are valid in a label."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:40]


def fingerprint_of(workflow: WorkflowName, body: Mapping[str, Any]) -> str:
    """Hash what is created: the workflow and everything that is sent."""
    return _digest([str(workflow), dict(body)])


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


@dataclass(frozen=True)
class Choice:
    """
    Say what to do with the executions that this task instance has created before.

    :param attach: the one to go on with; ``None`` to create one.
    :param cancel: those that nobody waits for any more.
    """

    attach: Execution | None
    cancel: tuple[Execution, ...]


def choose(found: Iterable[Execution], key: str, generation: int, *, not_before: float, cancel_stale: bool) -> Choice:
    """
    Decide by the executions' labels and states; the one place where that is decided.

    * Same create, same generation: one that is still going is attached to, else one that succeeded is taken; failed
      and cancelled ones are left behind.
    * Anything of this task instance from before a clear, or with another argument, that is still going is nobody's:
      it is cancelled, or, with ``cancel_stale`` off, attached to when it is the same create.

    :param not_before: epoch seconds; older ones belong to a deleted DAG run that had the same id.
    :param cancel_stale: whether executions may be cancelled at all (the operator's ``cancel_on_kill``).
    """
    every = list(found)
    mine = [each for each in every if _label(each, KEY) == key]
    now = [
        each
        for each in mine
        if _label(each, GENERATION) == str(generation) and started_at(each).timestamp() >= not_before
    ]
    going = [each for each in every if not is_ended(each.get("state"))]
    candidates = [each for each in going if each in now] or [each for each in now if each.get("state") == "SUCCEEDED"]
    if not candidates and not cancel_stale:
        candidates = [each for each in going if each in mine]
    attach = max(candidates, key=started_at, default=None)
    stale = tuple(each for each in going if each is not attach) if cancel_stale else ()
    return Choice(attach, stale)


def _label(execution: Execution, key: str) -> str | None:
    return (execution.get("labels") or {}).get(key)


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
        self._began = client.clock.time()
        self._elsewhere: dict[str, ExecutionName] = {}

    def run(self) -> Created:
        """
        Return the execution to go on with.

        :raises AmbiguousCreate: where it cannot be told whether an execution exists; nothing more was sent.
        """
        record = self._read()
        if self._identity.try_number > 1 or record:
            choice = self._look_back(record)
            for execution in choice.cancel:
                self._cancel(execution)
            if choice.attach is not None:
                return self._attach(choice.attach, record)
        return self._create()

    def find_attempts(self) -> list[Execution]:
        """Find what this object's own creates made, whether or not they were answered."""
        found = self._search(self._began - CLOCK_SKEW) if self._labelled and self._attempts else []
        return [each for each in found if _label(each, ATTEMPT) in self._attempts]

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
            searched = self._search(self._identity.began_at - CLOCK_SKEW)
            return self._choose([*found, *(each for each in searched if execution_id_of(each) not in known)])
        in_flight = not record.get("execution_id") and record.get("key") == self._key
        if in_flight and record.get("generation") == self._identity.generation:
            raise self._unclear("an earlier try sent a create and did not live to see the answer")
        return choice

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
        return (each for each in executions if _label(each, TASK_KEY) == self._identity.key)

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
            self._log.info("Created %s.", self._name(execution))
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
                if _label(execution, ATTEMPT) == attempt:
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


def check_room_for_labels(labels: Mapping[str, Any], parameter: str = "labels") -> None:
    """
    Check that the user's labels leave room for those that make a create durable, and do not use their names.

    :raises ValueError: naming the label or the number that is left.
    """
    identity = TaskIdentity("", "", "", -1, 1, 0, 0.0)
    own = identity.labels("", "")
    for name in own:
        if name in labels:
            raise ValueError(f"{parameter}: the key {name!r} is set by durable=True. Rename it, or use durable=False.")
    if len(labels) + len(own) > MAX_LABELS:
        raise ValueError(
            f"{parameter} has {len(labels)} entries; durable=True adds {len(own)}, and an execution can have "
            f"{MAX_LABELS}. Leave out {len(labels) + len(own) - MAX_LABELS}, or use durable=False."
        )


def _workflow_named(name: str) -> WorkflowName:
    _, project, _, location, _, workflow = name.split("/")
    return WorkflowName(project, location, workflow)


def _clock_text(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, timezone.utc).isoformat(timespec="seconds")
