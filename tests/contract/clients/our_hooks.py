# SPDX-License-Identifier: Apache-2.0
"""Ask with this package's two hooks; see `client_answers`."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from airflow_provider_workflows.hooks.executions import WorkflowExecutionsAsyncHook, WorkflowExecutionsHook

Calls = dict[str, Callable[[], Any]]


def calls_by_method(hook: Any, facts: dict[str, str]) -> Calls:
    """Return how to call what each method is to a hook; both hooks have the same methods."""
    known, stepped = {"execution_id": facts["known"]}, {"execution_id": facts["stepped"]}
    return {
        "create": lambda: hook.create_execution("echo", argument={"pieces": 2}),
        "get": lambda: hook.get_execution(**known),
        "list": lambda: hook.list_executions("crowd"),
        "list, all pages": lambda: hook.list_executions("crowd", page_size=2),
        "cancel": lambda: hook.cancel_execution(execution_id=facts["forever"]),
        "exportData": lambda: hook.export_data(**stepped),
        "deleteExecutionHistory": lambda: hook.delete_execution_history(execution_id=facts["forgotten"]),
        "callbacks.list": lambda: hook.list_callbacks(execution_id=facts["waiting"]),
        "stepEntries.list": lambda: hook.list_step_entries(**stepped),
        "stepEntries.get": lambda: hook.get_step_entry(**stepped, entry_id=1),
    }


async def answer(call: Callable[[], Any]) -> Any:
    """Return what a call of either hook gives, lists whole, or what was wrong."""
    try:
        given = call()
        if inspect.isasyncgen(given):
            return [each async for each in given]
        if inspect.isgenerator(given):
            return list(given)
        return await given if inspect.isawaitable(given) else given
    except Exception as error:  # noqa: BLE001 - whatever it is becomes a cell of the table
        return {"error": f"{type(error).__name__}: {error}"}


async def async_answers(facts: dict[str, str]) -> dict[str, Any]:
    """Call everything on the async hook."""
    async with WorkflowExecutionsAsyncHook() as hook:
        return {method: await answer(call) for method, call in calls_by_method(hook, facts).items()}


def sync_answers(facts: dict[str, str]) -> dict[str, Any]:
    """Call everything on the hook."""
    with WorkflowExecutionsHook() as hook:
        return {method: asyncio.run(answer(call)) for method, call in calls_by_method(hook, facts).items()}


def main() -> None:
    """Print the answers: `our_hooks.py sync|async FACTS`."""
    facts, mode = json.loads(sys.argv[2]), sys.argv[1]
    extra = {
        "project": "test-project",
        "location": "us-central1",
        "api_endpoint": facts["endpoint"],
        "api_version": facts["version"],
        "is_anonymous": True,
    }
    connection = {"conn_type": "google_cloud_workflows", "extra": extra}
    os.environ["AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT"] = json.dumps(connection)
    print(json.dumps(sync_answers(facts) if mode == "sync" else asyncio.run(async_answers(facts))))


if __name__ == "__main__":
    main()
