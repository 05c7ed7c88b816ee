# SPDX-License-Identifier: Apache-2.0
"""Answer a call that is a method of the API: read its query and body, have the service act, write the answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from airflow_provider_workflows.testing import callbacks, history, resources
from airflow_provider_workflows.testing.calls import Call
from airflow_provider_workflows.testing.discovery import Method
from airflow_provider_workflows.testing.execution import Execution
from airflow_provider_workflows.testing.listing import list_executions
from airflow_provider_workflows.testing.masks import apply_mask, mask_for
from airflow_provider_workflows.testing.proto_json import answer_format, enums_as_numbers, read_body, read_query
from airflow_provider_workflows.testing.service import ExecutionsService
from airflow_provider_workflows.testing.validation import check_create, check_pubsub

#: Pub/Sub sends this in the query, for a field of the body that no proto file would allow to have its name.
_EVENTS_MODE = "__GCP_CloudEventsMode"


async def answer(service: ExecutionsService, call: Call, method: Method) -> str:
    """Return the answer as JSON text, pretty if that is asked for (the real default is pretty).

    :raises ApiError: whatever is wrong.
    """
    sent = dict(call.query)
    mode = sent.pop(_EVENTS_MODE, "") if method.operation == "trigger_pubsub_execution" else ""
    query = read_query(sent, method)
    mask = mask_for(query["fields"], method.version, method.response)
    root = "execution" if method.operation == "create" else ""
    body = read_body(call.body, method, root) if method.request else {}
    names = call.names
    key = service.key(names["project"], names["location"], names["workflow"])
    if method.operation == "list":
        text = list_executions(service, key, method.version, query, mask)
    elif method.operation in {"create", "trigger_pubsub_execution"}:
        wanted = (
            check_create(body, service.settings.argument_limit)
            if method.operation == "create"
            else check_pubsub(body, mode)
        )
        execution = service.launch(key, wanted)
        await service.compute(execution)
        text = _dump(apply_mask(mask, resources.created(execution, method.version.name)))
    else:
        text = _dump(apply_mask(mask, _about_one(service, call, method, query)))
    return _as_asked(text, call, method)


def _about_one(service: ExecutionsService, call: Call, method: Method, query: dict[str, Any]) -> dict[str, Any]:
    """Answer what is about one execution that is there."""
    names, version = call.names, method.version.name
    where = service.key(names["project"], names["location"], names["workflow"]), names["execution"]
    answers: dict[str, Callable[[], dict[str, Any]]] = {
        "get": lambda: service.get(*where, version, query["view"]),
        "cancel": lambda: service.cancel(*where, version),
        "list_step_entries": lambda: history.list_step_entries(service, *where, query),
        "get_step_entry": lambda: history.get_step_entry(service, *where, names["entry"], query),
        "list_callbacks": lambda: callbacks.list_callbacks(service, *where, query),
        "export_data": lambda: history.export_data(service, *where),
        "delete_execution_history": lambda: history.delete_execution_history(service, *where),
    }
    return answers[method.operation]()


async def receive_callback(service: ExecutionsService, call: Call, endpoint: str) -> str:
    """Let a request to a callback's URL go on with its execution."""
    names = call.names
    key = service.key(names["project"], names["location"], names["workflow"])
    request = callbacks.as_http_request(call.verb, endpoint + call.path, call.query, call.headers, call.body)
    execution: Execution
    execution, part = callbacks.receive(service, key, names["execution"], names["callback"], request)
    if part is not None:
        await service.compute(execution, part)
    return "{}"


def _as_asked(text: str, call: Call, method: Method) -> str:
    numbers = any(answer_format(call.query[name]) for name in ("alt", "$alt") if name in call.query)
    pretty = any(call.query.get(name) in {"true", "1"} for name in ("prettyPrint", "$prettyPrint"))
    if not numbers and not pretty:
        return text
    value = json.loads(text)
    if numbers:
        value = enums_as_numbers(value, method.version.schema(method.response), method.version)
    return json.dumps(value, indent=2) if pretty else _dump(value)


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
