# SPDX-License-Identifier: Apache-2.0
"""Deploy the contract's workflows under names of their own, and remove them again whatever happens in between."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from verify_sources import DEFINITIONS, SOURCES

GOOGLE = "https://workflows.googleapis.com"
#: Seconds that a deployment or a removal may take, and between two looks at it.
PATIENCE, PAUSE = 180.0, 2.0
#: How often a removal is tried: one that comes while a deployment goes on may be refused.
_REMOVALS = 5


class DeployError(Exception):
    """Say which workflow could not be deployed or removed, and why; `answer` is the service's."""

    def __init__(self, text: str, status: int = 0, answer: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.answer = answer or {}


def names(roles: Mapping[str, Any]) -> dict[str, str]:
    """Return a name for each role, which nobody else has."""
    suffix = uuid.uuid4().hex[:10]
    return {role: f"contract-{role.replace('_', '-')}-{suffix}" for role in roles}


class WorkflowsApi:
    """Ask Google's Workflows API (v1) to create and delete workflows.

    Requests are built from the discovery document that google-api-python-client ships, and sent once each.

    :param session: a `requests.Session` that authenticates.
    :param sleep: waits between two looks at an operation.
    """

    def __init__(
        self,
        session: Any,
        project: str,
        location: str,
        endpoint: str = GOOGLE,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        from googleapiclient.discovery import build

        from airflow_provider_workflows.api.resource import SessionHttp

        options = {"api_endpoint": endpoint}
        http = SessionHttp(session, 60)
        api = build("workflows", "v1", http=http, client_options=options, static_discovery=True, cache_discovery=False)
        self._locations = api.projects().locations()
        self._session = session
        self._sleep = sleep
        self.parent = f"projects/{project}/locations/{location}"

    def create(self, name: str, source: str, labels: Mapping[str, str], service_account: str = "") -> None:
        """Deploy a workflow, and wait until it is there.

        :raises DeployError: it is refused, or takes too long.
        """
        body = {
            "description": "Made by verify_google.py of airflow-provider-workflows; may be deleted.",
            "sourceContents": source,
            "labels": dict(labels),
            "callLogLevel": "LOG_NONE",
            **({"serviceAccount": service_account} if service_account else {}),
        }
        workflows = self._locations.workflows()
        self._finish(self._send(workflows.create(parent=self.parent, workflowId=name, body=body), name), name)

    def delete(self, name: str) -> None:
        """Delete a workflow with its executions; without effect where there is none.

        :raises DeployError: it is refused, or takes too long.
        """
        for left in reversed(range(_REMOVALS)):
            try:
                request = self._locations.workflows().delete(name=f"{self.parent}/workflows/{name}")
                self._finish(self._send(request, name), name)
                return
            except DeployError as error:
                if error.status == 404:
                    return
                if not left or error.status in {401, 403}:
                    raise
            self._sleep(PAUSE)

    def probe(self) -> None:
        """Ask for a list of workflows, which tells whether the API is there and may be used.

        :raises DeployError: it may not.
        """
        self._send(self._locations.workflows().list(parent=self.parent, pageSize=1), "the list of workflows")

    def _finish(self, operation: Mapping[str, Any], name: str) -> None:
        waited = 0.0
        while not operation.get("done"):
            if waited >= PATIENCE:
                raise DeployError(f"{name}: the operation is not done after {PATIENCE:g} seconds")
            self._sleep(PAUSE)
            waited += PAUSE
            operation = self._look(operation, name)
        if "error" in operation:
            raise DeployError(f"{name}: {operation['error'].get('message')}", answer=operation["error"])

    def _look(self, operation: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        try:
            return self._send(self._locations.operations().get(name=operation["name"]), name)
        except DeployError as error:
            if 0 < error.status < 500:
                raise
            return operation  # a look that failed says nothing about what is looked at

    @staticmethod
    def _send(request: Any, name: str) -> dict[str, Any]:
        from googleapiclient.errors import HttpError

        from airflow_provider_workflows.exceptions import WorkflowsError

        try:
            return dict(request.execute(num_retries=0))
        except HttpError as error:
            try:
                answer = json.loads(error.content).get("error", {})
            except (ValueError, AttributeError):
                answer = {}
            raise DeployError(f"{name}: {error.status_code} {error.reason}", error.status_code, answer) from None
        except WorkflowsError as error:
            raise DeployError(f"{name}: {error}") from error


@contextmanager
def at_google(api: WorkflowsApi, service_account: str, say: Callable[[str], None]) -> Iterator[dict[str, str]]:
    """Deploy the workflows for the block; remove them after it, those too whose creation was not answered."""
    chosen = names(SOURCES)
    tried: list[str] = []
    try:
        for role, (source, labels) in SOURCES.items():
            say(f"deploying {chosen[role]}")
            tried.append(chosen[role])
            try:
                api.create(chosen[role], source, labels, service_account)
            except DeployError as error:
                if role != "fail" or error.status not in {0, 400}:
                    raise
                # Its source does what workflows should not: where that is refused, the rest is still worth asking.
                say(f"{error}; going on without the workflow that fails")
                del chosen[role]
        yield chosen
    finally:
        _remove(api, tried, say)


def _remove(api: WorkflowsApi, tried: list[str], say: Callable[[str], None]) -> None:
    left = [name for name in tried if not _is_removed(api, name, say)]
    _, project, _, location = api.parent.split("/")
    for name in left:
        say(f"remove it yourself: gcloud workflows delete {name} --project={project} --location={location} --quiet")


def _is_removed(api: WorkflowsApi, name: str, say: Callable[[str], None]) -> bool:
    try:
        api.delete(name)
    except Exception as error:  # noqa: BLE001 - the others are to be removed, too
        say(f"could not remove {name}: {error}")
        return False
    say(f"removed {name}")
    return True


@contextmanager
def at_emulator(session: Any, endpoint: str) -> Iterator[dict[str, str]]:
    """Register the workflows at an emulator for the block; forget their executions after it.

    :raises DeployError: what answers is no emulator.
    """
    chosen = names(DEFINITIONS)
    for role, definition in DEFINITIONS.items():
        answer = session.post(f"{endpoint}/emulator/workflows/{chosen[role]}", json=definition, timeout=30)
        if answer.status_code != 200:
            raise DeployError(f"{endpoint} is no emulator: it answers {answer.status_code}", answer.status_code)
    try:
        yield chosen
    finally:
        for name in chosen.values():
            left = session.get(f"{endpoint}/emulator/executions", params={"workflow": name}, timeout=30).json()
            for execution in left["executions"]:
                execution_id = quote(execution["name"].rpartition("/")[2])
                session.delete(f"{endpoint}/emulator/executions/{execution_id}", timeout=30)
