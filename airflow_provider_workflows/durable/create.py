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

The steps are in files of their own: :class:`EarlierTries` looks back, :class:`TaskSearch` finds by label,
:func:`choose` decides, :class:`Record` remembers.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.api.cancelling import cancel_bounded
from airflow_provider_workflows.core.execution import Execution, execution_id_of, is_ended, started_at
from airflow_provider_workflows.core.names import ExecutionName, WorkflowName
from airflow_provider_workflows.durable.choice import Choice, choose
from airflow_provider_workflows.durable.earlier import EarlierTries
from airflow_provider_workflows.durable.identity import TaskIdentity, fingerprint_of
from airflow_provider_workflows.durable.record import Record, Store
from airflow_provider_workflows.durable.search import LOOK_BACK_MARGIN, TaskSearch
from airflow_provider_workflows.durable.unclear import unclear
from airflow_provider_workflows.exceptions import AmbiguousCreate, WorkflowsError

if TYPE_CHECKING:
    from airflow_provider_workflows.api.client import WorkflowsClient

#: Creates that are sent at most within one try of the task: each but the first after one that surely had no effect.
MAX_CREATES = 3


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
class Attempt:
    """
    Name one single request to create.

    :param id: a random one, which the execution's label carries.
    :param sent_at: epoch seconds.
    """

    id: str
    sent_at: float


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
        record: Store | None,
        cancel_stale: bool,
        log: Any,
    ) -> None:
        self._client = client
        self._workflow = workflow
        self._body = body
        self._identity = identity
        self._store = record
        self._cancel_stale = cancel_stale
        self._log = log
        self._fingerprint = fingerprint_of(workflow, body)
        self._key = identity.create_key(self._fingerprint)
        self._attempts: list[Attempt] = []
        self._made: Execution | None = None  # or found
        self._stopped = False
        self._search = TaskSearch(client, workflow, identity, log) if client.api.version == "v1" else None
        self._earlier = EarlierTries(client, identity, None, self._search)

    def run(self) -> Created:
        """
        Return the execution to go on with.

        :raises AmbiguousCreate: where it cannot be told whether an execution exists; nothing more was sent.
        """
        self._earlier = replace(self._earlier, record=Record.read(self._store))
        if self._earlier.may_exist:
            self._refuse_to_guess()
            choice = self._earlier.choose(self._choose)
            for execution in choice.cancel:
                self._cancel(execution, "is left from before this task was cleared or changed")
            if choice.attach is not None:
                return self._attach(choice.attach)
        return self._create()

    def find_attempts(self) -> list[Execution]:
        """Find what this object's own creates made, or before the first one, what it would have gone on with."""
        if not self._attempts:
            return self._earlier.still_going()
        return self._search.of_attempts({each.id for each in self._attempts}) if self._search else []

    def cancel_attempts(self, client: WorkflowsClient, seconds: float) -> None:
        """
        Stop, and cancel what this object's own creates made, as far as it can be found; never raises for the API.

        For a kill, which comes from another thread.

        :param client: another one than this object's own, which may be in the middle of a request.
        :param seconds: for the search and all cancels together.
        """
        self._stopped = True
        until = client.clock.monotonic() + seconds
        try:
            found = [self._made] if self._made else self._apart(client.within(seconds)).find_attempts()
        except WorkflowsError as exc:
            self._log.error("An execution of %s may have been created and be going: %s", self._workflow, exc)
            return
        for each in found:
            cancel_bounded(client, self._name(each), self._log, until - client.clock.monotonic())

    def _apart(self, client: WorkflowsClient) -> DurableCreate:
        """Return the same with another client."""
        search = None if self._search is None else TaskSearch(client, self._workflow, self._identity, self._log)
        other = copy.copy(self)
        other._client, other._search = client, search  # noqa: SLF001 - its own kind
        other._earlier = replace(self._earlier, client=client, search=search)  # noqa: SLF001
        return other

    # --- what earlier tries left ---

    def _refuse_to_guess(self) -> None:
        """Stop where an earlier create has no answer and no label to find its execution by; a clear overrules."""
        record = self._earlier.record
        if self._search is not None or record is None or record.unanswered_since is None:
            return
        if (record.key, record.generation) == (self._key, self._identity.generation):
            raise self._unclear("an earlier try sent a create and did not live to see the answer")

    def _choose(self, found: Iterable[Execution]) -> Choice:
        return choose(
            found,
            self._key,
            self._identity.generation,
            not_before=self._identity.began_at - LOOK_BACK_MARGIN,
            cancel_stale=self._cancel_stale,
        )

    def _attach(self, execution: Execution) -> Created:
        name, record = self._name(execution), self._earlier.record
        recorded = record if record is not None and record.execution_id == name.execution_id else None
        since = recorded.since if recorded is not None else started_at(execution).timestamp()
        self._log.info("%s of an earlier try is %s: going on with it.", name, execution.get("state"))
        self._remember_execution(execution, since)
        return Created(execution, since, attached=True)

    def _cancel(self, execution: Execution, why: str) -> None:
        name = self._name(execution)
        self._log.warning("%s %s: cancelling it.", name, why)
        cancel_bounded(self._client, name, self._log)

    def _name(self, execution: Execution) -> ExecutionName:
        """Name an execution in full: the recorded one may be of another workflow, found ones are of this."""
        execution_id, record = execution_id_of(execution), self._earlier.record
        if record is not None and record.execution_id == execution_id:
            return record.workflow.execution(execution_id)
        return self._workflow.execution(execution_id)

    # --- creating ---

    def _create(self) -> Created:
        """Create; and again only when it is known that the create before made nothing."""
        while True:
            attempt = self._next_attempt()
            try:
                made: Execution | None = self._client.create(self._workflow, self._labelled_body(attempt))
            except AmbiguousCreate as lost:
                made = self._settle(attempt, lost)
                if made is None and len(self._attempts) == MAX_CREATES:
                    raise
            if made is not None:
                return self._created(made, attempt)

    def _next_attempt(self) -> Attempt:
        """
        Write down that a create is about to be sent.

        A failure stops it: Airflow refuses when another try has taken over this task, for example after missed
        heartbeats, and that try has already looked for what this one created.
        """
        if self._stopped:
            raise WorkflowsError("The task was killed before its execution was created.")
        attempt = Attempt(uuid.uuid4().hex, self._client.clock.time())
        self._record(None, attempt.sent_at).write(self._store)
        self._attempts.append(attempt)
        return attempt

    def _labelled_body(self, attempt: Attempt) -> dict[str, Any]:
        if self._search is None:
            return dict(self._body)
        labels = {**self._body.get("labels", {}), **self._identity.labels(self._fingerprint, attempt.id)}
        return {**self._body, "labels": labels}

    def _settle(self, attempt: Attempt, lost: AmbiguousCreate) -> Execution | None:
        """Find the execution of a create without an answer; ``None`` where it surely made none."""
        self._log.warning("%s", lost)
        if self._search is None:
            raise self._unclear(str(lost)) from lost
        try:
            execution = self._search.settle(attempt.id)
        except WorkflowsError as exc:
            raise self._unclear(f"looking for it failed: {exc}") from lost
        if execution is None:
            self._log.info("The create without an answer made no execution of %s.", self._workflow)
        else:
            self._log.info("%s is the one whose answer got lost: going on with it.", self._name(execution))
        return execution

    def _created(self, execution: Execution, attempt: Attempt) -> Created:
        self._remember_execution(execution, attempt.sent_at)
        if len(self._attempts) > 1:
            self._cancel_twins(execution)
        return Created(execution, attempt.sent_at, attached=False)

    def _cancel_twins(self, kept: Execution) -> None:
        """Cancel what an attempt that was given up made after all."""
        for each in self.find_attempts():
            if execution_id_of(each) != execution_id_of(kept) and not is_ended(each.get("state")):
                self._cancel(each, "appeared after it was given up")

    def _unclear(self, why: str) -> AmbiguousCreate:
        now, labelled = self._client.clock.time(), self._search is not None
        return unclear(self._workflow, why, now=now, labelled=labelled)

    # --- the record ---

    def _record(self, execution_id: str | None, since: float) -> Record:
        return Record(self._workflow, execution_id, self._key, self._identity.generation, since)

    def _remember_execution(self, execution: Execution, since: float) -> None:
        """Write the execution down; a failure is only logged: nothing may come between an execution and its wait."""
        self._made = execution
        try:
            self._record(execution_id_of(execution), since).write(self._store)
        except Exception:  # noqa: BLE001 - whatever Airflow refuses with
            self._log.exception("The task's state could not be written; the execution's labels still tell.")
