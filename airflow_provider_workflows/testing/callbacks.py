# SPDX-License-Identifier: Apache-2.0
"""List an execution's callbacks, and let a request to one go on with the execution.

A callback is there from when the execution first waits for it until the execution ends. What comes while nobody waits
is kept for the next wait. **Unconfirmed for the real service**: what a callback's request is answered with (here: an
empty object), and that another HTTP method than the callback's is a 405.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from airflow_provider_workflows.testing.errors import ApiError, not_found
from airflow_provider_workflows.testing.execution import Execution, Payload, WorkflowKey
from airflow_provider_workflows.testing.paging import cut_page, fingerprint
from airflow_provider_workflows.testing.requestlog import safe_headers, safe_query
from airflow_provider_workflows.testing.resources import timestamp
from airflow_provider_workflows.testing.service import ExecutionsService, Part
from airflow_provider_workflows.testing.validation import DEFAULT_PAGE, page_size
from airflow_provider_workflows.testing.workflows import dump_json


def list_callbacks(
    service: ExecutionsService, key: WorkflowKey, execution_id: str, query: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a page of the callbacks that can be requested, by id."""
    size = page_size(query["pageSize"], DEFAULT_PAGE, DEFAULT_PAGE, service.settings.page_limit)
    bound_to = fingerprint("callbacks", key, execution_id, query["pageSize"])
    with service.lock:
        now = service.settle()
        execution = service.find(key, execution_id, now)
        page, following = cut_page(_open(execution, now), size, query["pageToken"], bound_to)
        found = [_resource(execution, name, now) for name in page]
        return {**({"callbacks": found} if found else {}), **following}


def _open(execution: Execution, now: int) -> list[str]:
    """Return the names of the callbacks that exist by now."""
    if execution.state(now) != "ACTIVE" or execution.timeline is None:
        return []
    return sorted(execution.timeline.begun_by(execution.elapsed(now)) & execution.callbacks.keys())


def _resource(execution: Execution, name: str, now: int) -> dict[str, Any]:
    callback, payloads = execution.callbacks[name]
    fields: dict[str, Any] = {
        "name": f"{execution.parent}/executions/{execution.id}/callback/{quote(name)}",
        "method": callback.method,
    }
    if execution.waiting(now) == callback:
        fields["waiters"] = "1"
    available = [payload.value for payload in payloads if payload.taken is None or payload.taken > now]
    if available:
        fields["availablePayloads"] = [dump_json(value) for value in available]
    return fields


def receive(
    service: ExecutionsService, key: WorkflowKey, execution_id: str, name: str, request: Mapping[str, Any]
) -> tuple[Execution, Part | None]:
    """Hand a request to an execution that waits for it, or keep it for later.

    :param request: what the execution gets as `http_request`.
    :return: the execution, and how it goes on.
    :raises ApiError: 404, no such callback waits or will; 405, it wants another HTTP method.
    """
    with service.lock:
        now = service.settle()
        execution = service.find(key, execution_id, now)
        if name not in _open(execution, now):
            raise not_found(f"callback '{key}/executions/{execution_id}/callbacks/{name}'")
        callback, payloads = execution.callbacks[name]
        if request["method"] != callback.method:
            raise ApiError(405, f"The callback takes {callback.method}, not {request['method']}")
        value = {"http_request": dict(request), "received_time": timestamp(now), "type": "HTTP"}
        payloads.append(Payload(value, now))
        return execution, service.next_part(execution)


def as_http_request(
    method: str, url: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
) -> dict[str, Any]:
    """Return a request as workflows see it; a body that is JSON comes decoded, credentials do not come."""
    text = body.decode(errors="replace")
    try:
        content = json.loads(text) if text else None
    except (ValueError, RecursionError):
        content = text
    return {"body": content, "headers": safe_headers(headers), "method": method, "query": safe_query(query), "url": url}
