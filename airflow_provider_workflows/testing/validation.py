# SPDX-License-Identifier: Apache-2.0
"""Check what the discovery documents do not say about a request: arguments, labels, pages, Pub/Sub messages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_workflows.core.labels import check_labels as check_documented
from airflow_provider_workflows.testing.errors import invalid
from airflow_provider_workflows.testing.workflows import dump_json

DEFAULT_PAGE = 100


@dataclass(frozen=True)
class CreateRequest:
    """A checked create body.

    :ivar argument: the compact JSON text that the service would store.
    :ivar value: the argument decoded, for the workflow function.
    :ivar options: the other fields, given back as they came.
    :ivar may_queue: whether it may wait for concurrency quota.
    """

    argument: str
    value: Any
    labels: Mapping[str, str]
    options: Mapping[str, Any]
    may_queue: bool = True


def check_create(fields: Mapping[str, Any], argument_limit: int) -> CreateRequest:
    """Check the fields of a create body, in which output-only ones are ignored.

    :raises ApiError: 400, naming the field.
    """
    value, text = _argument(fields.get("argument", ""), argument_limit)
    options = {
        name: fields[name]
        for name in ("callLogLevel", "executionHistoryLevel")
        if name in fields and not fields[name].endswith("_UNSPECIFIED")
    }
    flag = "disableConcurrencyQuotaOverflowBuffering"
    if fields.get(flag):
        options[flag] = True
    return CreateRequest(text, value, check_labels(fields.get("labels", {})), options, flag not in options)


def _argument(text: str, limit: int) -> tuple[Any, str]:
    field = "execution.argument"
    if text == "":
        return None, "null"
    if len(text.encode()) > limit:
        raise invalid(f"argument is larger than {limit} bytes", field)
    try:
        value = json.loads(text)
        return value, dump_json(value)
    except (ValueError, RecursionError):
        raise invalid("argument is not a valid JSON value", field) from None


def check_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Check labels against the documented rules.

    :raises ApiError: 400, naming the key.
    """
    try:
        return check_documented(labels, "execution.labels")
    except ValueError as error:
        raise invalid(f"Invalid labels: {error}", "execution.labels") from None


def page_size(wanted: int, default: int, largest: int, limit: int | None) -> int:
    """Return the page size: absent or 0 is the default, and what is too large is coerced down.

    :param limit: the emulator's own, smaller bound; for tests that want several pages of few executions.
    :raises ApiError: 400, it is negative.
    """
    if wanted < 0:
        raise invalid("page_size must not be negative", "page_size")
    size = min(wanted or default, largest)
    return size if limit is None else min(size, limit)


def check_pubsub(fields: Mapping[str, Any], mode: str) -> CreateRequest:
    """Check a Pub/Sub push; its execution gets the event that Eventarc makes of one, and never queues.

    **Unconfirmed**: what the real service makes the argument. Documents describe Eventarc's events.

    :param mode: the query parameter `__GCP_CloudEventsMode`, which Pub/Sub sends instead of the field.
    :raises ApiError: 400, naming the field.
    """
    message = fields.get("message", {})
    for name, given in (
        ("message", message.get("data") or message.get("attributes")),
        ("subscription", fields.get("subscription")),
        ("GCPCloudEventsMode", fields.get("GCPCloudEventsMode") or mode),
    ):
        if not given:
            raise invalid(f"{name} is required", name)
    event = {
        "data": {"message": message, "subscription": fields["subscription"]},
        "datacontenttype": "application/json",
        "id": message.get("messageId", ""),
        "specversion": "1.0",
        "time": message.get("publishTime", ""),
        "type": "google.cloud.pubsub.topic.v1.messagePublished",
    }
    return CreateRequest(dump_json(event), event, {}, {}, may_queue=False)
