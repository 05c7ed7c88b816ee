# SPDX-License-Identifier: Apache-2.0
"""Ask with google-api-python-client on httplib2: one call after the other, or all in a batch; see `client_answers`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from google.auth.credentials import AnonymousCredentials
from googleapiclient.discovery import build

Asked = dict[str, Any]


def requests_by_method(service: Any, facts: dict[str, str]) -> Asked:
    """Return the request of each method that the library has for this version."""
    workflows = service.projects().locations().workflows()
    executions = workflows.executions()
    root = facts["workflows"]
    callbacks, entries = (getattr(executions, name, lambda: None)() for name in ("callbacks", "stepEntries"))
    calls: dict[str, tuple[Any, str, dict[str, Any]]] = {
        "create": (executions, "create", {"parent": f"{root}/echo", "body": {"argument": '{"pieces": 2}'}}),
        "get": (executions, "get", {"name": facts["known"]}),
        "list": (executions, "list", {"parent": f"{root}/crowd"}),
        "list, all pages": (executions, "list", {"parent": f"{root}/crowd", "pageSize": 2}),
        "cancel": (executions, "cancel", {"name": facts["forever"], "body": {}}),
        "exportData": (executions, "exportData", {"name": facts["stepped"]}),
        "deleteExecutionHistory": (executions, "deleteExecutionHistory", {"name": facts["forgotten"], "body": {}}),
        "callbacks.list": (callbacks, "list", {"parent": facts["waiting"]}),
        "stepEntries.list": (entries, "list", {"parent": facts["stepped"]}),
        "stepEntries.get": (entries, "get", {"name": f"{facts['stepped']}/stepEntries/1"}),
        "triggerPubsubExecution": (
            workflows,
            "triggerPubsubExecution",
            {
                "workflow": f"{root}/event",
                "body": {"message": {"data": "e30="}, "subscription": "any", "GCPCloudEventsMode": "any"},
            },
        ),
    }
    return {
        method: getattr(resource, name)(**arguments)
        for method, (resource, name, arguments) in calls.items()
        if hasattr(resource, name)
    }


def further_pages(service: Any, request: Any, page: Any, execute: Callable[[Any], Any]) -> list[Any]:
    """Return what is on a page and on those behind it, by `list_next`."""
    found = list(page.get("executions", []))
    executions = service.projects().locations().workflows().executions()
    while request := executions.list_next(request, page):
        page = execute(request)
        found += page.get("executions", [])
    return found


def one_by_one(service: Any, asked: Asked, retries: int) -> Asked:
    """Execute the requests one after the other; pauses before a repeat are left out."""

    def execute(request: Any) -> Any:
        request._rand = lambda: 0.0
        return request.execute(num_retries=retries)

    answers = {method: attempt(partial(execute, request)) for method, request in asked.items()}
    pages = "list, all pages"
    return {**answers, pages: attempt(lambda: further_pages(service, asked[pages], answers[pages], execute))}


def in_batches(service: Any, asked: Asked) -> Asked:
    """Execute all requests in one batch, and each further page in another."""
    answers: Asked = {}

    def keep(method: str, answer: Any, error: Any) -> None:
        answers[method] = answer if error is None else {"error": str(error)}

    def execute(request: Any) -> Any:
        batch = service.new_batch_http_request(callback=keep)
        batch.add(request, request_id="page")
        batch.execute()
        return answers.pop("page")

    batch = service.new_batch_http_request(callback=keep)
    for method, request in asked.items():
        batch.add(request, request_id=method)
    batch.execute()
    pages = "list, all pages"
    return {**answers, pages: attempt(lambda: further_pages(service, asked[pages], answers[pages], execute))}


def attempt(call: Callable[[], Any]) -> Any:
    """Return an answer, or what was wrong."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - whatever it is becomes a cell of the table
        return {"error": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Print the answers: `google_api.py plain|batch|retries FACTS`."""
    facts, mode = json.loads(sys.argv[2]), sys.argv[1]
    where: Asked = {"client_options": {"api_endpoint": facts["endpoint"]}}
    if mode == "batch":  # where batches go is in the document, so it must be the emulator's own
        document = f"{facts['endpoint']}/$discovery/rest?version={{apiVersion}}"
        where = {"static_discovery": False, "discoveryServiceUrl": document}
    anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call]
    service = build("workflowexecutions", facts["version"], credentials=anonymous, **where)
    asked = requests_by_method(service, facts)
    retries = 1 if mode == "retries" else 0
    print(json.dumps(in_batches(service, asked) if mode == "batch" else one_by_one(service, asked, retries)))


if __name__ == "__main__":
    main()
