# SPDX-License-Identifier: Apache-2.0
"""
Say what a test of a connection asks, for how long, and what it says; the same for both hooks.

Somebody looks at a form meanwhile, and can press the button again: so a request is repeated once at most, and none is
waited for as long as in a task.
"""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_workflows.auth.settings import ConnectionSettings
from airflow_provider_workflows.core.messages.looks import why
from airflow_provider_workflows.core.names import WorkflowName, check_workflow
from airflow_provider_workflows.exceptions import CredentialsError, ExecutionNotFound, WorkflowsError

#: A workflow that need not exist; no method of this API works without one, so a 404 for it is an answer, too.
NO_WORKFLOW = "airflow-connection-test"
#: Seconds before the one repeat, and for each answer at most.
ASK_AGAIN = 1.0
LONGEST_ANSWER = 10.0
CREDENTIALS_LOADED = "The credentials were loaded. Set project and location to have the API asked as well."


def for_a_form(settings: ConnectionSettings) -> ConnectionSettings:
    """Return the settings to test a connection with."""
    return replace(settings, timeout=min(settings.timeout, LONGEST_ANSWER))


def tested_workflow(settings: ConnectionSettings) -> str:
    """Return the workflow whose executions are listed."""
    return check_workflow("test_workflow", settings.test_workflow) if settings.test_workflow else NO_WORKFLOW


def is_answer(error: WorkflowsError, workflow: WorkflowName) -> bool:
    """Tell whether an error is what an API that works says: that there is no workflow which need not exist."""
    return isinstance(error, ExecutionNotFound) and workflow.workflow == NO_WORKFLOW


def worked(host: str, workflow: WorkflowName) -> str:
    """Return what to say of an API that answers."""
    about = "" if workflow.workflow == NO_WORKFLOW else f", and lists the executions of {workflow.workflow}"
    return f"{host} answers for project {workflow.project} in {workflow.location}{about}."


def failed(error: Exception, host: str, workflow: WorkflowName) -> str:
    """Return what to say of an error: what failed first, then who was asked; never a workflow that nobody named."""
    text = f"{why(error).rstrip('.')}."
    if workflow.workflow == NO_WORKFLOW:
        text = text.replace(str(workflow), workflow.place)
    about = f"project {workflow.project} in {workflow.location}"
    if workflow.workflow != NO_WORKFLOW:
        about = f"workflow {workflow.workflow} of {about}"
    # The token comes first; without one nobody is asked.
    if isinstance(error, CredentialsError) or text.startswith("no access token"):
        return f"{text} {host} was not asked about {about}."
    return f"{text} Asked {host} about {about}."
