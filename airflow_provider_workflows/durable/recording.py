# SPDX-License-Identifier: Apache-2.0
"""
Write the record of a try that creates, and heed what Airflow's answers say: that the task is still this try's, or not.

A kill may come in the middle of a write. Then nothing else can be asked of Airflow, and its answer will tell whether
it is a kill or a take-over. So the kill is noted, and done when the answer is there: on the Airflows that have a store
a task goes on after ``on_kill``, for some seconds. Who notes it does it himself where the answer takes too long.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from airflow_provider_workflows.core.execution import Execution, execution_id_of
from airflow_provider_workflows.core.messages import cancels, retries
from airflow_provider_workflows.core.names import WorkflowName
from airflow_provider_workflows.durable.record import RECORD_KEY, Record, Store, is_taken_over
from airflow_provider_workflows.exceptions import WorkflowsError


class TaskKilled(WorkflowsError):
    """Say that a kill ended the task while it was creating."""


class Recording:
    """
    Write for one try.

    :param store: Airflow's task state store, or ``None`` where Airflow has none: then nothing is written.
    :param key: hash of the task instance with what it creates.
    :param generation: after which clear of the task.
    :param cancel: stops what the try has made, for a kill that was noted.
    :param log: the task's log.
    """

    def __init__(
        self,
        store: Store | None,
        workflow: WorkflowName,
        key: str,
        generation: int,
        cancel: Callable[[], None],
        log: Any,
    ) -> None:
        self._store = store
        self._workflow = workflow
        self._key = key
        self._generation = generation
        self._cancel = cancel
        self._log = log
        self._writing = self._killed = False
        self._answered = threading.Event()

    def note_kill(self) -> bool:
        """Note a kill, if Airflow is asked to write just now; tell whether it was noted."""
        self._killed = self._writing
        return self._killed

    def is_answered(self, seconds: float) -> bool:
        """Wait for Airflow's answer to what it is asked to write; tell whether it is there, and heeded."""
        return self._answered.wait(seconds)

    def about_to_send(self, since: float, attempt: str) -> None:
        """Write down a request that is about to be sent; a failure keeps it from being sent."""
        self._write(lambda store: self._record(None, since, attempt).write(store))

    def goes_on_with(self, execution: Execution, since: float, attempt: str | None) -> None:
        """Write the execution down, as far as that is possible: nothing may come between an execution and its wait."""
        record = self._record(execution_id_of(execution), since, attempt)
        self._write_if_possible(record.write)

    def made_nothing(self, earlier: Record | None) -> None:
        """Take back, as far as that is possible, what was written down: the next try has nothing to look for."""
        self._write_if_possible(earlier.write if earlier is not None else lambda store: store.delete(RECORD_KEY))

    def _record(self, execution_id: str | None, since: float, attempt: str | None) -> Record:
        return Record(self._workflow, execution_id, self._key, self._generation, since, attempt)

    def _write_if_possible(self, write: Callable[[Store], None]) -> None:
        try:
            self._write(write)
        except TaskKilled:
            raise
        except Exception as exc:
            if is_taken_over(exc):
                raise
            self._log.exception(retries.not_written())

    def _write(self, write: Callable[[Store], None]) -> None:
        """
        Write, where there is a store; then do a kill that was noted meanwhile, unless it was a take-over.

        :raises Exception: Airflow's refusal, where another try has taken over; and whatever else fails.
        """
        if self._store is None:
            return
        self._answered.clear()
        self._writing = True
        try:
            write(self._store)
        except Exception as exc:
            self._killed = self._killed and not is_taken_over(exc)
            raise
        finally:
            self._writing = False
            self._answered.set()
            if self._killed:
                self._cancel()
                raise TaskKilled(cancels.killed_while_creating())
