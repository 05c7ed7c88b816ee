# SPDX-License-Identifier: Apache-2.0
"""
Say everything about a cancel but how it is sent: its bounds and their sum, its rules, its words.

A cancel is asked for when a task is killed or late. There it must be over before Airflow loses patience, and leave a
line that says what became of the execution. Whether the answer to a cancel already says CANCELLED is not documented,
so a short confirmation follows: a retry of the task must not find the execution still ACTIVE and go on with one that
is about to be cancelled.

Two send it. A worker blocks (:func:`cancel_bounded`). The triggerer sends it with the client and within the budget of
the poller that all kills share (``polling.cancel``). Both ask :class:`Cancelling` what an answer means, whether there
is time left, whether to look, and what to say; they differ in how they send, look and sleep.

**The bounds**, in seconds. After its seconds a part begins nothing new; what is under way may end later.

=============================  ====================  =================================================================
part                           worker                triggerer
=============================  ====================  =================================================================
is the task still this try's?  TAKEN_OVER_BOUND 0.5  ASK_BOUND 120, of ``triggers.task_state``
attempts to send               CANCEL_BOUND 20, and  CANCEL_BOUND 20; DELAY_BOUND 20 until the log says that none
                               4 in a kill on 3.x    got out
a request without an answer    0.4 of that           the connection's ``timeout``
looks whether it has worked    what is left of it    CONFIRM_BOUND 20, from the answer
**sum, requests answered**     **20, and 4 on 3.x**  **160**
**sum, a silent service**      **20, and 4 on 3.x**  **160**, the opening of a client, and requests
=============================  ====================  =================================================================

All parts in a worker share the one time, the first question included: a silent service, a refusal and the look after
it do not add up. ``durable`` cancels what a killed try has made together (:func:`cancel_several`), and in a kill the
search for it has the same time.

**What Airflow gives.** A worker: Airflow 3's supervisor sends SIGKILL 5 s after SIGTERM, Airflow 2's
``[core] killed_task_cleanup_time`` is 60 s; :func:`kill_bound` takes four fifths of it. So the first request leaves
within a second, whatever Airflow's own answers do, and the log says before it what is not known yet: nobody may be
there to say it later. A task that is late, or finds something left over, is not being killed and has its own
timeouts. A triggerer: ``[triggerer] on_kill_timeout``, 30 s, after which Airflow 3.3 stops waiting for the trigger;
the kill is done beside it and goes on (``triggers.kill``), and DELAY_BOUND and SAY_AFTER are less, so that the task's
log still takes the line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from airflow_provider_workflows.core.clock import Clock
from airflow_provider_workflows.core.execution import Execution, is_ended
from airflow_provider_workflows.core.messages import cancels
from airflow_provider_workflows.core.names import ExecutionName
from airflow_provider_workflows.exceptions import ExecutionNotFound, PermissionDenied, WorkflowsApiError, WorkflowsError

# --- the bounds -----------------------------------------------------------------------------------------------------

#: Seconds for Airflow to say whether another try has taken the task over. A kill may arrive while the task talks to
#: Airflow, and then no answer comes. What is left of the first second is for the request.
TAKEN_OVER_BOUND = 0.5
#: Seconds after which no attempt to send begins; in a worker no look either.
CANCEL_BOUND = 20.0
#: The share of the time between a kill and the end of its process that is used.
KILL_SHARE = 0.8
#: Seconds, in the triggerer, until the log says that nothing could be sent so far.
DELAY_BOUND = CANCEL_BOUND
#: Seconds, in the triggerer, for which it is looked whether a cancel has worked, from its answer.
CONFIRM_BOUND = 20.0
#: Seconds between two of these looks.
CONFIRM_INTERVAL = 1.0


def kill_bound(given: float) -> float:
    """Return the seconds for all of a kill, of those that Airflow gives until it ends the process."""
    return min(CANCEL_BOUND, KILL_SHARE * given)


# --- the rules ------------------------------------------------------------------------------------------------------

_ALREADY_OVER = {"FAILED_PRECONDITION", "ABORTED", "ALREADY_EXISTS"}


def says_already_over(error: Exception) -> bool:
    """
    Tell whether a refused cancel may mean that the execution has ended.

    What the service answers is not documented; 400 FAILED_PRECONDITION and 409 are what other Google APIs use, so
    the caller looks the execution up before it believes it.
    """
    if not isinstance(error, WorkflowsApiError):
        return False
    return error.status_code == 409 or (error.status_code == 400 and error.reason in _ALREADY_OVER)


def may_come_to_be(error: Exception) -> bool:
    """
    Tell whether a cancel or a look may only have come before the service finds what it has created.

    How soon it does is not documented, and a kill may follow a create by moments. Nobody asks to cancel here what was
    never there, so it is asked again while there is time.
    """
    return isinstance(error, ExecutionNotFound)


def ended_or_raise(execution: Execution, refused: WorkflowsApiError) -> Execution:
    """Return an execution that has ended; otherwise the refused cancel was no misunderstanding."""
    if is_ended(execution.get("state")):
        return execution
    raise refused


def may_need_credentials(error: Exception) -> bool:
    """
    Tell whether an error of a cancel may speak of the credentials, so that others are worth an attempt.

    A missing permission to cancel says nothing about the credentials that everybody else looks with.
    """
    return isinstance(error, WorkflowsError) and not isinstance(error, PermissionDenied)


class Cancelling:
    """
    Decide about one cancel, from its beginning on; whoever sends it reports each answer and asks what is next.

    :param clock: tells how much of the time is left.
    :param log: the task's log.
    :param seconds: the time for it.
    """

    def __init__(self, name: ExecutionName, clock: Clock, log: Any, seconds: float = CANCEL_BOUND) -> None:
        self._name = name
        self._clock = clock
        self._log = log
        self._until = clock.monotonic() + seconds
        self._state: str | None = None
        self._error: Exception | None = None

    def has_time(self, pause: float = 0.0) -> bool:
        """Tell whether something may begin after a pause of so many seconds."""
        return self._clock.monotonic() + pause < self._until

    def saw(self, state: str | None) -> None:
        """Take note of the state that an answer or a look shows."""
        self._state = state
        if self.is_too_early():
            self._error = None

    def failed(self, error: Exception) -> None:
        """Take note of an error; once a cancel was taken, a look that does not find the execution says nothing."""
        if self._state is None or not may_come_to_be(error):
            self._error = error

    def is_too_early(self) -> bool:
        """Tell whether the cancel is to be asked again, because the execution was not found yet."""
        return self._error is not None and may_come_to_be(self._error)

    def is_answered(self) -> bool:
        """Tell whether what is left is to look."""
        return self._state is not None or (self._error is not None and not self.is_too_early())

    def is_open(self) -> bool:
        """Tell whether asking again can say more: no end was seen, and no error that is the last word."""
        final = self._error is not None and not says_already_over(self._error) and not self.is_too_early()
        return not is_ended(self._state) and not final

    def report_delay(self) -> None:
        """Log that a cancel has not been sent yet, though it should have been."""
        self._log.warning(cancels.not_asked_yet(self._name))

    def report(self) -> bool:
        """Log what became of the cancel; returns whether the execution is known to have ended."""
        ended = is_ended(self._state)
        if self._state == "CANCELLED":
            self._log.info(cancels.cancelled(self._name))
        elif ended:
            self._log.info(cancels.was_over(self._name, self._state))
        elif self._error is not None:
            self._log.error(cancels.not_cancelled(self._name, self._error))
        else:
            self._log.warning(cancels.still_going(self._name, self._state))
        return ended


# --- a worker's cancel ----------------------------------------------------------------------------------------------


class CancelClient(Protocol):
    """Send for a worker: the blocking client, which itself imports the rules from here."""

    @property
    def clock(self) -> Clock:
        """Return the clock that retries wait on."""

    def within(self, seconds: float) -> CancelClient:
        """Return the same client with all calls together repeated, while it helps, for so long."""

    def cancel(self, name: ExecutionName) -> Execution:
        """Cancel, and look at an execution that refuses it as already over."""

    def get(self, name: ExecutionName, view: str) -> Execution:
        """Get an execution."""


def cancel_bounded(client: CancelClient, name: ExecutionName, log: Any, seconds: float = CANCEL_BOUND) -> bool:
    """
    Cancel an execution; never raises for what the API does, because its callers have something else to report.

    :param seconds: for all of it: attempts, and looks whether it has worked.
    :return: whether the execution is known to have ended.
    """
    return cancel_several(client, [name], log, seconds)


def cancel_several(
    client: CancelClient, names: Sequence[ExecutionName], log: Any, seconds: float = CANCEL_BOUND
) -> bool:
    """
    Cancel executions in the time of one: all are asked before the first is looked at; never raises for the API.

    :param seconds: for all of it.
    :return: whether all are known to have ended.
    """
    bounded = client.within(seconds)
    every = {name: Cancelling(name, client.clock, log, seconds) for name in names}
    for number, (name, cancelling) in enumerate(every.items()):
        if number == 0 or cancelling.has_time():
            _ask(bounded, name, cancelling)
        else:
            cancelling.failed(WorkflowsError(cancels.no_time_left()))
    while asked := [name for name, each in every.items() if each.is_open() and each.has_time(CONFIRM_INTERVAL)]:
        client.clock.sleep(CONFIRM_INTERVAL)
        for name in asked:
            _ask(bounded, name, every[name])
    ended = [cancelling.report() for cancelling in every.values()]
    return all(ended)


def _ask(client: CancelClient, name: ExecutionName, cancelling: Cancelling) -> None:
    """Cancel, or look where that was taken already; take note of what comes of it."""
    try:
        answer = client.get(name, "BASIC") if cancelling.is_answered() else client.cancel(name)
        cancelling.saw(answer.get("state"))
    except WorkflowsError as exc:
        cancelling.failed(exc)
