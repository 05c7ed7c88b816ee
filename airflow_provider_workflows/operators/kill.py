# SPDX-License-Identifier: Apache-2.0
"""
Cancel what a task waits for when the task is killed in its worker.

Airflow calls ``on_kill`` in the main thread, wherever the task was interrupted: with a lock of Airflow's, of a session
or of Python held, in the middle of a create. So all of a kill is done in a thread of its own with a session of its
own, and waited for no longer than ``api.cancelling`` allows. On Airflow 3 the task then goes on as if nothing had
happened, until SIGKILL: what it learns in that time (the connection, the answer to its create) is not lost, and
:meth:`Kill.check` stops it from starting anything.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.api.cancelling import TAKEN_OVER_BOUND, cancel_bounded, kill_bound
from airflow_provider_workflows.compat import AirflowFailException, seconds_after_sigterm
from airflow_provider_workflows.core.messages import cancels
from airflow_provider_workflows.core.names import ExecutionName
from airflow_provider_workflows.durable.record import check_not_taken_over

if TYPE_CHECKING:
    from airflow_provider_workflows.durable.create import DurableCreate
    from airflow_provider_workflows.hooks.executions import WorkflowExecutionsHook


class Kill:
    """
    Know what a kill is to cancel, and whether there has been one.

    :ivar name: the execution that the task waits for, as soon as that is known.
    :ivar creating: the create under way.
    :ivar store: Airflow's task state store, of a durable task.
    :ivar left: returns the execution that an earlier process of this try waited for; asked where nothing else is known.
    """

    def __init__(self, log: Any) -> None:
        self.name: ExecutionName | None = None
        self.creating: DurableCreate | None = None
        self.store: Any = None
        self.left: Callable[[], ExecutionName | None] = lambda: None
        self._log = log
        self._happened = False

    def happens(self, hook: Callable[[], WorkflowExecutionsHook]) -> None:
        """
        Cancel, in a bounded time; never raises.

        In the middle of a write it returns at once: the write goes on in this thread, and its answer is awaited.
        """
        seconds = kill_bound(seconds_after_sigterm())
        creating = self.creating if self.name is None else None
        writing = creating if creating is not None and creating.note_kill() else None
        work = contextvars.copy_context().run
        thread = threading.Thread(target=work, args=(self._cancel_logged, hook, seconds, writing), daemon=True)
        thread.start()
        if writing is not None:
            return
        thread.join(seconds)
        if thread.is_alive():
            self._log.warning(cancels.goes_on(seconds))

    def check(self, hook: WorkflowExecutionsHook) -> None:
        """
        Stop a task that was killed and goes on all the same.

        :raises AirflowFailException: after cancelling what it has learnt of meanwhile.
        """
        if not self._happened:
            return
        if self.name is not None:
            cancel_bounded(hook.client, self.name, self._log, kill_bound(seconds_after_sigterm()))
        raise AirflowFailException(cancels.killed())

    def _cancel_logged(
        self, hook: Callable[[], WorkflowExecutionsHook], seconds: float, writing: DurableCreate | None
    ) -> None:
        try:
            self._cancel(hook, seconds, writing)
        except Exception as exc:  # noqa: BLE001 - Airflow, credentials and backends raise what they like, and nobody catches
            self._log.exception(cancels.kill_failed(self.name, exc))

    def _cancel(
        self, hook: Callable[[], WorkflowExecutionsHook], seconds: float, writing: DurableCreate | None
    ) -> None:
        self._log.warning(cancels.to_be_cancelled(self.name))
        if writing is not None and writing.heeds_kill(TAKEN_OVER_BOUND):
            self._log.info(cancels.answer_will_tell())
            return
        taken_over = writing is None and was_taken_over(self.store)
        self._happened = not taken_over
        if taken_over:
            self._log.info(cancels.left_to_other_try())
            if self.name is not None or self.creating is None:
                return
        with hook().apart() as apart:
            # All that follows has the one time; the question before it has had its own.
            client = apart.client.within(seconds - TAKEN_OVER_BOUND)
            if taken_over and self.creating is not None:
                self.creating.leaving(client, seconds).give_way(patient=False)
            elif self.name is None and self.creating is not None:
                self.creating.leaving(client, seconds).cancel()
            elif (name := self.name or self.left()) is not None:
                cancel_bounded(client, name, self._log, client.retry.left())


def was_taken_over(store: Any) -> bool:
    """
    Tell whether Airflow has given this task to another try while this process was still at work.

    That happens when its heartbeats were missed: the next try attaches to the execution, and then this process is
    killed. A user's kill looks the same from here, but for one thing: after it the task state store still takes
    writes for this try. Where there is no store (before Airflow 3.3) or no answer, this is ``False``.

    :param store: the context's ``task_state_store``.
    """
    if store is None:
        return False
    refusals: list[Exception] = []

    def probe() -> None:
        try:
            check_not_taken_over(store)
        except Exception as exc:  # noqa: BLE001 - Airflow's own
            refusals.append(exc)

    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(TAKEN_OVER_BOUND)
    return bool(refusals)
