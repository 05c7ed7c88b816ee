# SPDX-License-Identifier: Apache-2.0
"""
Build the requests about one execution's history, which only v1 has: step entries, callbacks, export, deletion.

API reference: https://cloud.google.com/workflows/docs/reference/executions/rest
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from airflow_provider_workflows.api.requests import Call, ExecutionsApi, check_page_size, check_text
from airflow_provider_workflows.core.names import ExecutionName
from airflow_provider_workflows.core.quoting import quoted

#: The largest pages, from the discovery document.
_MAX_STEP_ENTRIES = 1000
_MAX_CALLBACKS = 100


def _any_object(decoded: Mapping[str, Any]) -> dict[str, Any]:
    return dict(decoded)


def _resource(decoded: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a resource; ``None`` for what has no name."""
    return dict(decoded) if isinstance(decoded.get("name"), str) else None


def _page(items: str, decoded: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a page of a list with the resources that are some; ``None`` where it is no such page."""
    found, token = decoded.get(items, []), decoded.get("nextPageToken", "")
    if not isinstance(found, list) or not isinstance(token, str):
        return None
    return {**decoded, items: [each for each in found if isinstance(each, dict) and isinstance(each.get("name"), str)]}


def _export(decoded: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the answer to an export; ``None`` where it has no text."""
    return dict(decoded) if isinstance(decoded.get("data"), str) else None


class HistoryApi:
    """
    Build the requests of ``executions.stepEntries``, ``executions.callbacks`` and what else is about one execution.

    :param api: of the version; every method raises a ValueError where that is not v1.
    """

    def __init__(self, api: ExecutionsApi) -> None:
        self._api = api

    def list_step_entries(
        self,
        name: ExecutionName,
        *,
        filter: str | None = None,  # noqa: A002 - the API's own name
        order_by: str | None = None,
        page_size: int | None = None,
        skip: int | None = None,
    ) -> Call:
        """Build the first page of a list of step entries; see :meth:`ExecutionsApi.list_next` for the others."""
        entries = self._api.v1_only("list_step_entries", "stepEntries")()
        arguments: dict[str, Any] = {"parent": str(name), "pageSize": check_page_size(page_size, _MAX_STEP_ENTRIES)}
        if skip is not None and (not isinstance(skip, int) or skip < 0):
            raise ValueError(f"skip must be a whole number, 0 or more, got {quoted(skip)}.")
        given = {"filter": check_text(filter, "filter"), "orderBy": check_text(order_by, "order_by"), "skip": skip}
        arguments.update({key: value for key, value in given.items() if value})
        return self._page(name, "list step entries of", entries.list(**arguments), "stepEntries", entries)

    def get_step_entry(self, name: ExecutionName, entry_id: int | str) -> Call:
        """Build a get of one step entry; its id is the number of its ``entryId``."""
        entries = self._api.v1_only("get_step_entry", "stepEntries")()
        if isinstance(entry_id, bool) or not str(entry_id).isdecimal():
            raise ValueError(f"entry_id must be a step entry's number (its entryId), got {quoted(entry_id)}.")
        number = int(entry_id)
        request = entries.get(name=f"{name}/stepEntries/{number}")
        return self._api.call("get step entry", name, request, part=str(number), read=_resource)

    def list_callbacks(self, name: ExecutionName, *, page_size: int | None = None) -> Call:
        """Build the first page of a list of callbacks; see :meth:`ExecutionsApi.list_next` for the others."""
        callbacks = self._api.v1_only("list_callbacks", "callbacks")()
        request = callbacks.list(parent=str(name), pageSize=check_page_size(page_size, _MAX_CALLBACKS))
        return self._page(name, "list callbacks of", request, "callbacks", callbacks)

    def export_data(self, name: ExecutionName) -> Call:
        """Build an export of an execution's metadata."""
        request = self._api.v1_only("export_data", "exportData")(name=str(name))
        return self._api.call("export data of", name, request, read=_export)

    def delete_execution_history(self, name: ExecutionName) -> Call:
        """Build a deletion of an execution's step entries."""
        request = self._api.v1_only("delete_execution_history", "deleteExecutionHistory")(name=str(name))
        return self._api.call("delete the history of", name, request, read=_any_object)

    def _page(self, name: ExecutionName, operation: str, request: Any, items: str, pages: Any) -> Call:
        read = functools.partial(_page, items)
        return self._api.call(operation, name, request, read=read, items=items, pages=pages)
