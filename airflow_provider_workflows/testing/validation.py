# SPDX-License-Identifier: Apache-2.0
"""Check what a request carries against what its API version knows.

The field and parameter names are those of the discovery documents of v1 and v1beta. An unknown one is a
400, with the texts of Google's common front end.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_workflows.core.labels import check_labels as check_documented
from airflow_provider_workflows.testing.errors import invalid
from airflow_provider_workflows.testing.workflows import dump_json

SYSTEM_PARAMETERS = frozenset(
    [
        "$.xgafv",
        "access_token",
        "alt",
        "callback",
        "fields",
        "key",
        "oauth_token",
        "prettyPrint",
        "quotaUser",
        "uploadType",
        "upload_protocol",
        "$alt",
        "$fields",
        "$prettyPrint",
        "$key",
        "$quotaUser",
    ]
)
VIEWS = ("EXECUTION_VIEW_UNSPECIFIED", "BASIC", "FULL")
DEFAULT_PAGE = 100

_LOG_LEVELS = ("CALL_LOG_LEVEL_UNSPECIFIED", "LOG_ALL_CALLS", "LOG_ERRORS_ONLY")
_HISTORY_LEVELS = (
    "EXECUTION_HISTORY_LEVEL_UNSPECIFIED",
    "EXECUTION_HISTORY_BASIC",
    "EXECUTION_HISTORY_DETAILED",
)
# Output-only fields in a create body are ignored, as Google's front end does with such fields.
_BETA_OUTPUT = frozenset(["name", "startTime", "endTime", "state", "result", "error", "workflowRevisionId", "status"])


@dataclass(frozen=True)
class ApiVersion:
    """What one version of the API accepts."""

    name: str
    enums: Mapping[str, tuple[str, ...]]
    inputs: frozenset[str]
    outputs: frozenset[str]
    list_parameters: frozenset[str]
    largest_page: Mapping[str, int]


V1BETA = ApiVersion(
    name="v1beta",
    enums={"callLogLevel": _LOG_LEVELS},
    inputs=frozenset({"argument"}),
    outputs=_BETA_OUTPUT,
    list_parameters=frozenset({"pageSize", "pageToken", "view"}),
    largest_page={"BASIC": 10_000, "FULL": 100},
)
V1 = ApiVersion(
    name="v1",
    enums={"callLogLevel": (*_LOG_LEVELS, "LOG_NONE"), "executionHistoryLevel": _HISTORY_LEVELS},
    inputs=frozenset({"argument", "labels", "disableConcurrencyQuotaOverflowBuffering"}),
    outputs=_BETA_OUTPUT | {"createTime", "duration", "stateError"},
    list_parameters=frozenset({"pageSize", "pageToken", "view", "filter", "orderBy"}),
    largest_page={"BASIC": 1_000, "FULL": 100},
)
VERSIONS = {version.name: version for version in (V1, V1BETA)}


@dataclass(frozen=True)
class CreateRequest:
    """A checked create body.

    :ivar argument: the compact JSON text that the service would store.
    :ivar value: the argument decoded, for the workflow function.
    :ivar options: the other fields, given back as they came.
    """

    argument: str
    value: Any
    labels: Mapping[str, str]
    options: Mapping[str, Any]

    @property
    def may_queue(self) -> bool:
        """Tell whether it may wait for concurrency quota."""
        return not self.options.get("disableConcurrencyQuotaOverflowBuffering")


def parse_create(body: bytes, version: ApiVersion, argument_limit: int) -> CreateRequest:
    """Check a create body.

    :raises ApiError: 400, naming the field.
    """
    fields = {_camel(name): value for name, value in _json_object(body).items() if value is not None}
    for name in fields:
        if name not in version.inputs and name not in version.enums and name not in version.outputs:
            text = f"Unknown name \"{name}\" at 'execution': Cannot find field."
            raise invalid(f"Invalid JSON payload received. {text}", "execution")
    options: dict[str, Any] = {}
    for name, values in version.enums.items():
        if name in fields:
            options[name] = _enum(fields[name], values, name)
    flag = "disableConcurrencyQuotaOverflowBuffering"
    if fields.get(flag) not in (None, False, True):
        raise invalid(f"Invalid value at 'execution.{flag}' (TYPE_BOOL)", f"execution.{flag}")
    if fields.get(flag):
        options[flag] = True
    value, text = _argument(fields.get("argument"), argument_limit)
    return CreateRequest(text, value, check_labels(fields.get("labels") or {}), options)


def check_cancel(body: bytes) -> None:
    """Check that a cancel body is empty.

    :raises ApiError: 400.
    """
    for name in _json_object(body):
        text = f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'
        raise invalid(text)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _json_object(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        value = json.loads(body)
    except ValueError:
        raise invalid("Invalid JSON payload received. Parsing terminated before end of input.") from None
    if not isinstance(value, dict):
        raise invalid("Invalid JSON payload received. Root element must be a message.")
    return value


def _enum(value: Any, values: tuple[str, ...], name: str) -> str:
    if value not in values:
        path = f"execution.{name}"
        raise invalid(f"Invalid value at '{path}' (TYPE_ENUM), {json.dumps(value)}", path)
    return str(value)


def _argument(text: Any, limit: int) -> tuple[Any, str]:
    field = "execution.argument"
    if text is None or text == "":
        return None, "null"
    if not isinstance(text, str):
        raise invalid(f"Invalid value at '{field}' (TYPE_STRING)", field)
    if len(text.encode()) > limit:
        raise invalid(f"argument is larger than {limit} bytes", field)
    try:
        value = json.loads(text)
        return value, dump_json(value)
    except ValueError:
        raise invalid("argument is not a valid JSON value", field) from None


def check_labels(labels: Any) -> dict[str, str]:
    """Check labels against the documented rules.

    :raises ApiError: 400, naming the key.
    """
    if not isinstance(labels, dict):
        raise invalid("Invalid value at 'execution.labels' (MAP)", "execution.labels")
    try:
        return check_documented(labels, "execution.labels")
    except ValueError as error:
        raise invalid(f"Invalid labels: {error}", "execution.labels") from None


def check_query(query: Mapping[str, str], known: frozenset[str]) -> None:
    """Check query parameter names and the system parameters with fixed values.

    :raises ApiError: 400, naming the parameter.
    """
    for name in query:
        if name not in known and name not in SYSTEM_PARAMETERS:
            raise invalid(
                f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. '
                f"Field '{name}' could not be found in request message.",
                name,
            )
    for name in ("alt", "$alt"):
        if query.get(name, "json") != "json":
            raise invalid(f"The emulator answers alt=json only, not {query[name]!r}", name)


def parse_view(query: Mapping[str, str], default: str) -> str:
    """Return BASIC or FULL.

    :raises ApiError: 400.
    """
    view = query.get("view") or default
    if view not in VIEWS:
        raise invalid(f"Invalid value at 'view' (TYPE_ENUM), {json.dumps(view)}", "view")
    return default if view == VIEWS[0] else view


def parse_page_size(query: Mapping[str, str], version: ApiVersion, view: str, limit: int | None) -> int:
    """Return the page size: absent or 0 is 100, and what is too large is coerced down.

    :param limit: the emulator's own, smaller bound; for tests that want several pages of few executions.
    :raises ApiError: 400, it is negative or no integer.
    """
    text = query.get("pageSize", "0")
    try:
        size = int(text)
    except ValueError:
        raise invalid(f"Invalid value at 'page_size' (TYPE_INT32), {json.dumps(text)}", "page_size") from None
    if size < 0:
        raise invalid("page_size must not be negative", "page_size")
    size = min(size or DEFAULT_PAGE, version.largest_page[view])
    return size if limit is None else min(size, limit)
