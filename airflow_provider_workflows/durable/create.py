# SPDX-License-Identifier: Apache-2.0
"""
Create an execution once, whatever breaks: tag every attempt, look before repeating, attach instead of starting over.

The API has no idempotency key and chooses the execution's name itself, so a create whose answer got lost may or may
not have taken effect. What is left is to leave traces and to look for them:

* **Labels** (v1): each execution carries hashes that say which task instance it belongs to (``airflow-task-key``),
  which create it is (``airflow-key``: the same plus a fingerprint of workflow and body), after which clear of the
  task (``airflow-generation``) and by which single request (``airflow-attempt``).
* **The record**: where Airflow keeps state for a task (3.3 and later), the attempt is written down before each
  request and the execution's id right after the answer. Airflow refuses to write for a try that it has given up. So
  one that wakes up late creates nothing more, and gives way with what it has made.

The client makes single attempts. This alone repeats a create: where the one before surely made nothing (429, nothing
was sent), and where looking for what it made says so.

*Generation* tells a retry from a clear: Airflow raises ``max_tries`` on a clear only, so ``max_tries - retries``
stays the same from try to try and changes with each clear. A retry attaches; a cleared task starts anew.

The steps are in files of their own: :class:`EarlierTries` looks back, :class:`TaskSearch` finds by label,
:func:`choose` decides, :class:`Record` remembers, :class:`LaterTries` notices where there is no record that another
try has taken over, :class:`Leaving` ends a try that is killed or taken over.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.api.cancelling import CANCEL_BOUND, cancel_bounded
from airflow_provider_workflows.api.retrying import made_nothing
from airflow_provider_workflows.core.execution import Execution, created_at, execution_id_of, is_ended
from airflow_provider_workflows.core.messages import cancels, failures, retries
from airflow_provider_workflows.core.names import ExecutionName, WorkflowName
from airflow_provider_workflows.durable.choice import Choice, choose
from airflow_provider_workflows.durable.earlier import EarlierTries
from airflow_provider_workflows.durable.identity import ATTEMPT, TaskIdentity, fingerprint_of, label_of
from airflow_provider_workflows.durable.later import LaterTries
from airflow_provider_workflows.durable.leaving import Attempt, Leaving, Progress
from airflow_provider_workflows.durable.record import Record, Store, check_not_taken_over
from airflow_provider_workflows.durable.recording import Recording, TaskKilled
from airflow_provider_workflows.durable.search import LOOK_BACK_MARGIN, TaskSearch
from airflow_provider_workflows.exceptions import AmbiguousCreate, WorkflowsError

if TYPE_CHECKING:
    from airflow_provider_workflows.api.client import WorkflowsClient

#: Creates without an answer in one try of the task, at most: after each the execution is looked for.
MAX_LOST = 3


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
        self._progress = Progress()
        self._recording = Recording(record, workflow, self._key, identity.generation, self._stop, log)
        self._later = LaterTries(client.clock, identity, log)
        self._search = TaskSearch(client, workflow, identity, log) if client.api.version == "v1" else None
        self._earlier = EarlierTries(client, identity, None, self._search, log)

    def run(self) -> Created:
        """
        Return the execution to go on with.

        :raises AmbiguousCreate: where it cannot be told whether an execution exists; nothing more was sent.
        """
        self._earlier = replace(self._earlier, record=Record.read(self._store))
        if self._earlier.may_exist:
            self._refuse_to_guess()
            choice = self._look_back()
            self._cancel(choice.cancel, retries.left_over)
            if choice.attach is not None:
                return self._attach(choice.attach)
            self._tell_why_anew(choice)
        return self._create()

    def note_kill(self) -> bool:
        """Note a kill that comes while Airflow is asked to write; tell whether it was noted and will be done."""
        return self._recording.note_kill()

    def heeds_kill(self, seconds: float) -> bool:
        """Wait so long for the answer to that write; tell whether it has come, so that a noted kill is being done."""
        return self._recording.is_answered(seconds)

    def _stop(self) -> None:
        self.leaving(self._client).cancel()

    def leaving(self, client: WorkflowsClient, seconds: float = CANCEL_BOUND) -> Leaving:
        """
        Return what ends this try, for a kill or where another try has taken over.

        :param client: sends for it; this object's own may be in the middle of a request.
        :param seconds: for all of it.
        """
        return Leaving(client, seconds, self._workflow, self._earlier, self._progress, self._name, self._log)

    # --- what earlier tries left ---

    def _refuse_to_guess(self) -> None:
        """Stop where an earlier create has no answer and no label to find its execution by; a clear overrules."""
        record = self._earlier.record
        if self._search is not None or record is None or not record.is_unanswered:
            return
        if (record.key, record.generation) == (self._key, self._identity.generation):
            raise self._unclear(failures.sent_before())

    def _look_back(self) -> Choice:
        try:
            return self._earlier.choose(self._choose)
        except WorkflowsError as exc:
            exc.args = (failures.not_looked_back(self._workflow, exc),)
            raise

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
        since = recorded.since if recorded is not None else created_at(execution).timestamp()
        since = min(since, self._client.clock.time())  # whoever wrote it may have had another clock
        self._log.info(retries.going_on(name, execution.get("state")))
        self._progress.execution = execution
        self._recording.goes_on_with(execution, since, label_of(execution, ATTEMPT))
        self._stop_if_killed()
        return Created(execution, since, attached=True)

    def _tell_why_anew(self, choice: Choice) -> None:
        """Log why nothing of an earlier try is gone on with; what is cancelled has its own line."""
        if choice.newest is None:
            self._log.info(retries.creating_because_none(self._workflow))
        elif choice.newest not in choice.cancel:
            reason = retries.creating_anew if choice.is_mine else retries.creating_after_change
            self._log.info(reason(self._name(choice.newest), choice.newest.get("state")))

    def _cancel(self, executions: Iterable[Execution], reason: Callable[[ExecutionName], str]) -> None:
        """Cancel what is nobody's any more, while the task is this try's: else it may be what the next one made."""
        for execution in executions:
            check_not_taken_over(self._store)
            name = self._name(execution)
            self._log.warning(reason(name))
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
        repeat, lost = self._client.retry.sync(made_nothing), 0
        while True:
            try:
                made: Execution | None = repeat(self._send)
            except AmbiguousCreate as exc:
                lost += 1
                made = self._settle(self._progress.attempts[-1], exc)
                if made is None and lost == MAX_LOST:
                    raise
            except WorkflowsError:
                self._recording.made_nothing(self._earlier.record)
                raise
            if made is not None:
                return self._created(made, self._progress.attempts[-1])

    def _send(self) -> Execution:
        """Make one attempt; it stays unanswered in whatever ends it without an answer, a kill for one."""
        attempt = self._next_attempt()
        self._progress.unanswered = attempt
        try:
            made = self._client.create(self._workflow, self._labelled_body(attempt))
        except AmbiguousCreate:
            raise
        except WorkflowsError:
            self._progress.unanswered = None
            raise
        return made

    def _next_attempt(self) -> Attempt:
        """
        Write down that a create is about to be sent.

        A failure stops it: Airflow refuses when another try has taken over this task, for example after missed
        heartbeats, and that try has already looked for what this one created.
        """
        self._stop_if_killed()
        self._check_later()
        attempt = Attempt(uuid.uuid4().hex, self._client.clock.time())
        self._recording.about_to_send(attempt.sent_at, attempt.id)
        self._progress.attempts.append(attempt)
        return attempt

    def _stop_if_killed(self) -> None:
        """End a task that was killed and goes on all the same; stop what it has learnt of meanwhile."""
        if self._progress.killed:
            self._stop()
            raise TaskKilled(cancels.killed_while_creating())

    def _check_later(self) -> None:
        """Notice that another try has taken over, where no store tells."""
        if self._store is None and self._search is not None:
            self._later.check(self._search)

    def _labelled_body(self, attempt: Attempt) -> dict[str, Any]:
        if self._search is None:
            return dict(self._body)
        labels = {**self._body.get("labels", {}), **self._identity.labels(self._fingerprint, attempt.id)}
        return {**self._body, "labels": labels}

    def _settle(self, attempt: Attempt, lost: AmbiguousCreate) -> Execution | None:
        """Find the execution of a create without an answer; ``None`` where it surely made none."""
        if self._search is None:
            raise self._unclear(failures.sent_and_lost(lost)) from None  # which says all that the other says
        self._log.warning(retries.no_clear_answer(self._workflow, lost))
        try:
            execution = self._search.settle(attempt.id)
        except WorkflowsError as exc:
            raise self._unclear(failures.looking_failed(exc)) from None
        if execution is None:
            self._progress.unanswered = None
            self._log.info(retries.made_none(self._workflow))
        else:
            self._log.info(retries.found_lost(self._name(execution)))
        return execution

    def _created(self, execution: Execution, attempt: Attempt) -> Created:
        self._progress.execution, self._progress.unanswered = execution, None
        try:
            self._recording.goes_on_with(execution, attempt.sent_at, attempt.id)
            self._stop_if_killed()
            self._check_later()
        except TaskKilled:
            raise
        except Exception:
            self._log.warning(retries.created_too_late(self._name(execution)))
            self.leaving(self._client).give_way()
            raise
        if len(self._progress.attempts) > 1:
            self._cancel_twins(execution)
        return Created(execution, attempt.sent_at, attached=False)

    def _cancel_twins(self, kept: Execution) -> None:
        """Cancel what an attempt that was given up made after all; where looking fails there may be one."""
        try:
            found = self._search.of_attempts(self._progress.ids) if self._search else []
        except WorkflowsError as exc:
            self._log.warning(retries.given_up_unknown(self._workflow, exc))
            return
        twins = [each for each in found if execution_id_of(each) != execution_id_of(kept)]
        self._cancel((each for each in twins if not is_ended(each.get("state"))), retries.twin)

    def _unclear(self, why: str) -> AmbiguousCreate:
        """Return the error to stop with; with labels the next try can tell, without them it could only guess."""
        text = failures.cannot_tell(self._workflow, why, self._client.clock.time())
        return AmbiguousCreate(text, retryable=self._search is not None)
