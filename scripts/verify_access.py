# SPDX-License-Identifier: Apache-2.0
"""Find out as whom to ask Google, whether that is allowed, and what to do first where it is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from verify_deploy import DeployError, WorkflowsApi

EXECUTIONS = "https://workflowexecutions.googleapis.com"
_SERVICES = "workflows.googleapis.com workflowexecutions.googleapis.com"


class AccessError(Exception):
    """Say what is missing, and with which commands to make it."""

    def __init__(self, problem: str, commands: list[str]) -> None:
        super().__init__("\n".join([problem, "", "Run first:", *(f"  {command}" for command in commands)]))


@dataclass(frozen=True)
class Access:
    """Know as whom, and where, Google is asked."""

    session: Any
    project: str
    location: str


def access(project: str, location: str, connection: str) -> Access:
    """Return a session with Application Default Credentials or those of an Airflow connection.

    :param connection: id of the connection; what it says of project and location is the default.
    :raises AccessError: there are no credentials.
    :raises ValueError: project or location are said nowhere, or there is no such connection.
    """
    from airflow_provider_workflows.auth.credentials import load_credentials
    from airflow_provider_workflows.auth.sessions import make_session
    from airflow_provider_workflows.auth.settings import ConnectionSettings
    from airflow_provider_workflows.compat import AirflowNotFoundException
    from airflow_provider_workflows.exceptions import WorkflowsError

    try:
        settings = _settings(connection) if connection else ConnectionSettings()
        resolved = load_credentials(settings)
    except WorkflowsError as error:
        raise AccessError(f"There are no credentials: {error}", ["gcloud auth application-default login"]) from error
    except AirflowNotFoundException as error:
        raise ValueError(str(error)) from error
    chosen, where = project or settings.project or resolved.project, location or settings.location
    if not chosen or not where:
        raise ValueError("say PROJECT= and LOCATION=, such as PROJECT=my-project LOCATION=us-central1")
    return Access(make_session(resolved.credentials, timeout=60), chosen, where)


def _settings(connection: str) -> Any:
    from airflow_provider_workflows.hooks.executions import WorkflowExecutionsHook

    with WorkflowExecutionsHook(connection) as hook:
        return hook.settings


def check(api: WorkflowsApi, at: Access, endpoint: str = EXECUTIONS) -> None:
    """Make sure that both APIs are on and may be used, before anything is made.

    :raises AccessError: they are not.
    """
    try:
        api.probe()
        nowhere = f"{endpoint}/v1/{api.parent}/workflows/contract-probe/executions"
        answer = at.session.get(nowhere, params={"pageSize": 1}, timeout=60)
    except DeployError as error:
        raise explained(error, at) from error
    except requests.RequestException as error:
        raise AccessError(f"{endpoint} cannot be reached ({type(error).__name__}).", _commands(at)) from error
    # A 404 is what there is to see: the workflow is not there, and one may look.
    if answer.status_code not in {200, 404}:
        said = _envelope(answer)
        raise explained(DeployError(str(said.get("message")), answer.status_code, said), at)


def _envelope(answer: Any) -> Mapping[str, Any]:
    try:
        return dict(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return {"message": f"something that is not the API answered {answer.status_code}"}


def explained(error: DeployError, at: Access) -> AccessError:
    """Return what to do about a refusal of Google's."""
    details = [each for each in error.answer.get("details", []) if isinstance(each, dict)]
    reasons = [str(each["reason"]) for each in details if "reason" in each]
    lacks = [each["metadata"]["permission"] for each in details if "permission" in each.get("metadata", {})]
    problem = f"Google refused: {error} {' '.join([*reasons, *lacks])}".rstrip()
    return AccessError(problem, _commands(at, only_services="SERVICE_DISABLED" in reasons))


def _commands(at: Access, *, only_services: bool = False) -> list[str]:
    enable = f"gcloud services enable {_SERVICES} --project={at.project}"
    if only_services:
        return [enable]
    grant = f"gcloud projects add-iam-policy-binding {at.project} --member=user:YOUR_ACCOUNT --role="
    return [
        "gcloud auth application-default login",
        enable,
        f"{grant}roles/workflows.admin",
        f"{grant}roles/iam.serviceAccountUser",
    ]
