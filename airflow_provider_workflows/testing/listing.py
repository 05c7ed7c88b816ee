# SPDX-License-Identifier: Apache-2.0
"""List executions page by page: newest first without sorting, or in the order that `orderBy` asks for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from airflow_provider_workflows.testing import resources
from airflow_provider_workflows.testing.discovery import ApiVersion
from airflow_provider_workflows.testing.execution import Execution, WorkflowKey
from airflow_provider_workflows.testing.filters import parse_filter, parse_order, sort_items
from airflow_provider_workflows.testing.masks import Mask, apply_mask
from airflow_provider_workflows.testing.paging import decode_token, encode_token, fingerprint
from airflow_provider_workflows.testing.queryable import EXECUTION_FIELDS, Look
from airflow_provider_workflows.testing.service import ExecutionsService
from airflow_provider_workflows.testing.validation import DEFAULT_PAGE, page_size

_Walk = Callable[[Any], Iterator[Execution]]


def list_executions(
    service: ExecutionsService, key: WorkflowKey, version: ApiVersion, query: Mapping[str, Any], mask: Mask
) -> str:
    """Return a page as JSON text; BASIC pages are put together from kept pieces, for speed."""
    settings = service.settings
    view = "FULL" if query["view"] == "FULL" else "BASIC"
    largest = 100 if view == "FULL" else version.largest_basic_page
    size = page_size(query["pageSize"], DEFAULT_PAGE, largest, settings.page_limit)
    filter_text, order_text = query.get("filter", ""), query.get("orderBy", "")
    order = parse_order(order_text, EXECUTION_FIELDS)
    bound_to = fingerprint(version.name, key, view, query["pageSize"], filter_text, order_text)
    position = decode_token(query["pageToken"], bound_to)
    with service.lock:
        now = service.settle()
        matching = _matching(service, key, filter_text, now)
        if order:
            page, token = _ordered_page(matching(None), order, position, size, now)
        else:
            page, token = _newest_page(matching, position, size)
        parts = []
        if page and (mask is None or "executions" in mask or "*" in mask):
            inner = mask.get("executions", mask.get("*")) if mask else None
            if view == "BASIC":
                texts = [resources.basic_text(each, version.name, now, inner, query["fields"]) for each in page]
            else:
                items = (resources.full(each, version.name, now) for each in page)
                texts = [_dump(apply_mask(inner, item)) for item in items]
            parts.append(f'"executions":[{",".join(texts)}]')
    if token is not None and (mask is None or "nextPageToken" in mask or "*" in mask):
        parts.append(f'"nextPageToken":"{encode_token(bound_to, token)}"')
    return "{" + ",".join(parts) + "}"


def _matching(service: ExecutionsService, key: WorkflowKey, filter_text: str, now: int) -> _Walk:
    """Return a function that walks what a list may show, newest first, from a position."""
    labels = service.settings.label_filter == "accept"
    keep = parse_filter(filter_text, EXECUTION_FIELDS, labels=labels) if filter_text.strip() else None
    store, delay = service.store(key), service.settings.list_delay

    def walk(before: tuple[int, str] | None) -> Iterator[Execution]:
        for execution in store.newest_first(before):
            if execution.is_visible(delay, now) and (keep is None or keep(Look(execution, now))):
                yield execution

    return walk


def _newest_page(matching: _Walk, position: Any, size: int) -> tuple[list[Execution], Any]:
    """Return a page and the next position, None when nothing follows."""
    page: list[Execution] = []
    for execution in matching(tuple(position) if position else None):
        if len(page) == size:
            return page, page[-1].order
        page.append(execution)
    return page, None


def _ordered_page(
    executions: Iterator[Execution], order: list[tuple[str, bool]], position: Any, size: int, now: int
) -> tuple[list[Execution], Any]:
    looks = sort_items((Look(execution, now) for execution in executions), order, EXECUTION_FIELDS)
    end = (position or 0) + size
    return [look.execution for look in looks[end - size : end]], end if end < len(looks) else None


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
