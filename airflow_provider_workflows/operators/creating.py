# SPDX-License-Identifier: Apache-2.0
"""Create an execution on behalf of a task, so that a kill finds it however early it comes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.compat import AirflowFailException
from airflow_provider_workflows.core.names import ExecutionName, WorkflowName
from airflow_provider_workflows.exceptions import AmbiguousCreate
from airflow_provider_workflows.operators.waiting import WaitsForExecution

if TYPE_CHECKING:
    from airflow_provider_workflows.compat import Context
    from airflow_provider_workflows.durable.create import Created
    from airflow_provider_workflows.operators.kill import Kill


class CreatesExecution(WaitsForExecution):
    """Give an operator the creating; it says what is created, and whether durably."""

    argument: Any
    execution: Mapping[str, Any] | None
    labels: Mapping[str, str] | None
    durable: bool

    @cached_property
    def _kill(self) -> Kill:
        from airflow_provider_workflows.operators.kill import Kill

        return Kill(self.log)

    def pre_execute(self, context: Any) -> None:
        """Have a kill know the task, however early it comes."""
        super().pre_execute(context)
        self._be_ready(context)

    def _be_ready(self, context: Context) -> None:
        """Have a kill know where to ask about this task."""
        self._kill.left = lambda: self.noted(context)
        self._kill.store = context.get("task_state_store") if self.durable else None

    def _create(self, context: Context) -> Created:
        from airflow_provider_workflows.api.body import create_body
        from airflow_provider_workflows.durable.create import Created

        workflow = self.hook.workflow(self.workflow_id, self.location, self.project_id)
        body = create_body(self.argument, self.labels, self.execution)
        client = self.hook.client
        client.api.check_body(body)
        self._kill.check(self.hook)
        if self.durable:
            return self._create_durably(context, workflow, body)
        began = client.clock.time()
        return Created(self.hook.create(workflow, body), began, attached=False)

    def _create_durably(self, context: Context, workflow: WorkflowName, body: Mapping[str, Any]) -> Created:
        from airflow_provider_workflows.durable.create import DurableCreate
        from airflow_provider_workflows.durable.identity import check_room_for_labels
        from airflow_provider_workflows.operators.identity import identity_of

        client = self.hook.client
        if client.api.version == "v1":
            check_room_for_labels(body.get("labels", {}))
        creating = self._kill.creating = DurableCreate(
            client,
            workflow,
            body,
            identity=identity_of(context, retries=self.retries or 0),
            record=self._kill.store,
            cancel_stale=self.cancel_on_kill,
            log=self.log,
        )
        try:
            return creating.run()
        except AmbiguousCreate as exc:
            if exc.retryable:
                raise
            raise AirflowFailException(str(exc)) from exc

    def announce(self, context: Context, name: ExecutionName) -> None:
        """Store the XComs; from here on a kill cancels this execution, also where a deferred task resumes."""
        self._be_ready(context)
        self._kill.name = name
        self._kill.check(self.hook)
        super().announce(context, name)

    def on_kill(self) -> None:
        """
        Cancel the execution that this task waits for, also one whose create is just being answered.

        In a bounded time; an execution that is already over is no error. Where another try has taken over, the
        execution is that one's: it goes on with it, or after a clear cancels it.
        """
        if self.cancel_on_kill:
            self._kill.happens(lambda: self.hook)
