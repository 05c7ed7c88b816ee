# SPDX-License-Identifier: Apache-2.0
"""Answer the methods about an execution's history: step entries, their deletion, and the export of its data.

Step entries are the `Step`s and `Callback`s of the workflow function, up to where the execution is. An execution's
history level decides whether there are any, and whether they hold variables; `Settings.history_level` stands in for
the workflow's. **Unconfirmed for the real service**: the default page size; what a view that is not given means (here:
variables, where the level is detailed); how a filter spells states (`SUCCEEDED` and `STATE_SUCCEEDED` both work here);
what `exportData` holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from airflow_provider_workflows.testing.errors import ApiError, not_found
from airflow_provider_workflows.testing.execution import Execution, WorkflowKey
from airflow_provider_workflows.testing.filters import (
    Fields,
    parse_filter,
    parse_number,
    parse_order,
    parse_time,
    sort_items,
)
from airflow_provider_workflows.testing.paging import cut_page, fingerprint
from airflow_provider_workflows.testing.resources import timestamp
from airflow_provider_workflows.testing.service import ExecutionsService
from airflow_provider_workflows.testing.validation import page_size
from airflow_provider_workflows.testing.workflows import Step, dump_json

_LARGEST_PAGE = 1000
_LEVELS = {"EXECUTION_HISTORY_BASIC": "basic", "EXECUTION_HISTORY_DETAILED": "detailed"}
_LAST_STATES = {"ACTIVE": "STATE_IN_PROGRESS", "SUCCEEDED": "STATE_SUCCEEDED", "FAILED": "STATE_FAILED"}


@dataclass(frozen=True)
class Entry:
    """One step entry; times are epoch nanoseconds.

    :ivar last: whether no step follows it, as things stand.
    """

    number: int
    step: Step
    state: str
    created: int
    updated: int
    last: bool


def _state(text: str) -> str:
    return text if text.startswith("STATE_") else f"STATE_{text}"


ENTRY_FIELDS = Fields(
    getters={
        "entryId": lambda entry: entry.number,
        "createTime": lambda entry: entry.created,
        "updateTime": lambda entry: entry.updated,
        "routine": lambda entry: entry.step.routine,
        "step": lambda entry: entry.step.name,
        "stepType": lambda entry: entry.step.type,
        "parent": lambda _: None,
        "state": lambda entry: entry.state,
    },
    unordered=frozenset({"parent"}),
    readers={
        "entryId": parse_number,
        "parent": parse_number,
        "createTime": parse_time,
        "updateTime": parse_time,
        "state": _state,
    },
)


def _level(service: ExecutionsService, execution: Execution) -> str:
    return _LEVELS.get(execution.options.get("executionHistoryLevel", ""), service.settings.history_level)


def _entries(service: ExecutionsService, execution: Execution, now: int) -> Iterator[Entry]:
    """Walk the steps that have begun and are not deleted, oldest first."""
    timeline, begun = execution.timeline, execution.begun
    if timeline is None or begun is None or _level(service, execution) == "none":
        return
    elapsed, ended, state = execution.elapsed(now), execution.ended(now), execution.state(now)
    ends = zip_longest(timeline.steps, timeline.offsets, timeline.offsets[1:])
    for number, (step, offset, end) in enumerate(ends, start=1):
        if offset > elapsed:
            return
        last = end is None or end > elapsed
        if begun + offset > execution.forgotten:
            updated = begun + (elapsed if last and ended else end if end is not None and not last else offset)
            reached = _LAST_STATES.get(state, "STATE_CANCELLED") if last else "STATE_SUCCEEDED"
            yield Entry(number, step, reached, begun + offset, updated, last)


def _resource(execution: Execution, entry: Entry, now: int, *, variables: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "name": f"{execution.parent}/executions/{execution.id}/stepEntries/{entry.number}",
        "entryId": str(entry.number),
        "createTime": timestamp(entry.created),
        "updateTime": timestamp(entry.updated),
        "routine": entry.step.routine,
        "step": entry.step.name,
        "stepType": entry.step.type,
        "state": entry.state,
    }
    neighbours = {"previous": entry.number - 1, "next": 0 if entry.last else entry.number + 1}
    fields["navigationInfo"] = {name: str(number) for name, number in neighbours.items() if number}
    outcome = execution.outcome(now)
    if entry.state == "STATE_FAILED" and outcome is not None and outcome.error is not None:
        fields["exception"] = {"payload": outcome.error["payload"]}
    if variables and entry.step.variables:
        fields["variableData"] = {"variables": dict(entry.step.variables)}
    return fields


def _with_variables(service: ExecutionsService, execution: Execution, view: str) -> bool:
    return view != "EXECUTION_ENTRY_VIEW_BASIC" and _level(service, execution) == "detailed"


def list_step_entries(
    service: ExecutionsService, key: WorkflowKey, execution_id: str, query: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a page of an execution's step entries, by ascending id unless `orderBy` says otherwise."""
    size = page_size(query["pageSize"], _LARGEST_PAGE, _LARGEST_PAGE, service.settings.page_limit)
    order = parse_order(query["orderBy"], ENTRY_FIELDS)
    keep = parse_filter(query["filter"], ENTRY_FIELDS) if query["filter"].strip() else None
    bound = [query[name] for name in ("pageSize", "filter", "orderBy", "view")]
    bound_to = fingerprint("stepEntries", key, execution_id, *bound)
    with service.lock:
        now = service.settle()
        execution = service.find(key, execution_id, now)
        entries = [entry for entry in _entries(service, execution, now) if keep is None or keep(entry)]
        page, following = cut_page(
            sort_items(entries, order, ENTRY_FIELDS), size, query["pageToken"], bound_to, query["skip"]
        )
        variables = _with_variables(service, execution, query["view"])
        found = [_resource(execution, entry, now, variables=variables) for entry in page]
        return {
            **({"stepEntries": found} if found else {}),
            **following,
            **({"totalSize": len(entries)} if entries else {}),
        }


def get_step_entry(
    service: ExecutionsService, key: WorkflowKey, execution_id: str, number: str, query: Mapping[str, Any]
) -> dict[str, Any]:
    """Return one step entry.

    :raises ApiError: 404.
    """
    with service.lock:
        now = service.settle()
        execution = service.find(key, execution_id, now)
        for entry in _entries(service, execution, now):
            if str(entry.number) == number:
                variables = _with_variables(service, execution, query["view"])
                return _resource(execution, entry, now, variables=variables)
        raise not_found(f"step entry '{key}/executions/{execution_id}/stepEntries/{number}'")


def delete_execution_history(service: ExecutionsService, key: WorkflowKey, execution_id: str) -> dict[str, Any]:
    """Delete the step entries so far.

    :raises ApiError: 400 FAILED_PRECONDITION, it goes on and `delete_active_history` is "error".
    """
    with service.lock:
        now = service.settle()
        execution = service.find(key, execution_id, now)
        if execution.ended(now) is None and service.settings.delete_active_history == "error":
            text = f"execution '{key}/executions/{execution_id}' is active"
            raise ApiError(400, text, status="FAILED_PRECONDITION")
        execution.forgotten = now
        return {}


def export_data(service: ExecutionsService, key: WorkflowKey, execution_id: str) -> dict[str, Any]:
    """Return what is stored about an execution and no other method tells, which is little."""
    with service.lock:
        now = service.settle()
        execution = service.find(key, execution_id, now)
        metadata = {
            "name": f"{execution.parent}/executions/{execution.id}",
            "historyLevel": _level(service, execution),
            "callbacks": sorted(execution.callbacks),
        }
        return {"data": dump_json(metadata)}
