# SPDX-License-Identifier: Apache-2.0
"""
End a try that must go while it creates: what it made is cancelled, found first where no answer has come yet.

Two ways to go. A *kill* ends the task: everything that it made, or would have gone on with, is stopped. A *take-over*
(Airflow has given the try up, and the next one is at work) ends this try only. Which of both goes on with an execution
that this one has made, the service can tell: an execution of a later try says that the later one has looked and found
nothing, so this one's is an extra. As long as there is none, the later try is to find it by its labels.

All of it takes a bounded time: after it nothing new begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.api.cancelling import cancel_several
from airflow_provider_workflows.core.execution import Execution, execution_id_of, is_ended
from airflow_provider_workflows.core.messages import failures, retries
from airflow_provider_workflows.core.names import ExecutionName, WorkflowName
from airflow_provider_workflows.durable.earlier import EarlierTries
from airflow_provider_workflows.durable.identity import ATTEMPT, label_of
from airflow_provider_workflows.exceptions import WorkflowsError

if TYPE_CHECKING:
    from airflow_provider_workflows.api.client import WorkflowsClient


@dataclass(frozen=True)
class Attempt:
    """
    Name one single request to create.

    :param id: a random one, which the execution's label carries.
    :param sent_at: epoch seconds.
    """

    id: str
    sent_at: float


@dataclass
class Progress:
    """
    Hold how far a try has come; a kill may read it at any moment.

    :ivar attempts: the creates that were sent.
    :ivar unanswered: the one of them of which is not known what it made.
    :ivar execution: the one that the try goes on with.
    :ivar killed: whether a kill has been done, after which Airflow 3 lets the task go on for some seconds.
    """

    attempts: list[Attempt] = field(default_factory=list)
    unanswered: Attempt | None = None
    execution: Execution | None = None
    killed: bool = False

    @property
    def ids(self) -> set[str | None]:
        """Return what the labels of the attempts carry."""
        return {each.id for each in self.attempts}


@dataclass(frozen=True)
class Leaving:
    """
    End one try.

    :param client: sends for it.
    :param seconds: the time for each search, and for all cancels that follow it.
    :param earlier: what earlier tries left, with the search by label.
    :param name_of: names an execution in full.
    :param log: the task's log.
    """

    client: WorkflowsClient
    seconds: float
    workflow: WorkflowName
    earlier: EarlierTries
    progress: Progress
    name_of: Callable[[Execution], ExecutionName]
    log: Any

    def cancel(self) -> None:
        """
        Cancel what this try made or goes on with; before it has decided, what earlier tries left going.

        Never raises for the API, and says what may be going and could not be found.
        """
        self.progress.killed = True
        known = self._known()
        self._cancel(known)  # before anything is looked for: there may be few seconds
        if known and len(self.progress.attempts) < 2:
            return
        try:
            found = self._found()
        except WorkflowsError as exc:
            self._report((), failures.looking_failed(exc))
            return
        self._cancel(each for each in found if not _is_among(each, known))
        self._report(found, "no execution was found")

    def give_way(self, *, patient: bool = True) -> None:
        """
        Cancel what this try made, unless it may be what the try that has taken over goes on with.

        :param patient: wait until the other try's execution, if there is one, must be listed.
        """
        if not self.progress.attempts:
            return
        made = self._known()
        later = True  # without labels nobody finds what was not recorded
        try:
            if search := self._bounded().search:
                is_later = self.earlier.identity.is_before
                found = search.of_any_try(is_later if patient else None)
                later = any(map(is_later, found))
                made += [each for each in found if self._is_mine(each) and not _is_among(each, made)]
        except WorkflowsError as exc:
            self.log.warning(retries.other_try_unknown(self.workflow, exc))
        if later:
            self._cancel(made)
        else:
            self.log.info(retries.left_to_later(self.workflow))

    def _bounded(self) -> EarlierTries:
        return self.earlier.within(self.seconds, self.client)

    def _known(self) -> list[Execution]:
        return [self.progress.execution] if self.progress.execution is not None else []

    def _found(self) -> list[Execution]:
        """Find what was made: until the list shows what has no answer yet, or has settled."""
        earlier, lost = self._bounded(), self.progress.unanswered
        if not self.progress.attempts:
            return earlier.still_going()
        return earlier.search.of_attempts(self.progress.ids, lost.id if lost else None) if earlier.search else []

    def _is_mine(self, execution: Execution) -> bool:
        return label_of(execution, ATTEMPT) in self.progress.ids

    def _cancel(self, executions: Iterable[Execution]) -> None:
        going = [each for each in executions if not is_ended(each.get("state"))]
        cancel_several(self.client, [self.name_of(each) for each in going], self.log, self.seconds)

    def _report(self, found: Iterable[Execution], why: str) -> None:
        """Log that a create has no answer, and no execution that was found."""
        lost = self.progress.unanswered
        if lost is None or any(label_of(each, ATTEMPT) == lost.id for each in found):
            return
        trace = f"its label {ATTEMPT} is {lost.id}" if self.earlier.search else "v1beta has no label to find it by"
        self.log.error(retries.may_be_going(self.workflow, why, trace))


def _is_among(execution: Execution, others: Iterable[Execution]) -> bool:
    return execution_id_of(execution) in {execution_id_of(each) for each in others}
