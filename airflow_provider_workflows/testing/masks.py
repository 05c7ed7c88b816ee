# SPDX-License-Identifier: Apache-2.0
"""Apply the `fields` system parameter: `executions(name,state),nextPageToken`, `status/currentSteps`, `*`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, TypeAlias

from airflow_provider_workflows.testing.discovery import ApiVersion, Schema
from airflow_provider_workflows.testing.errors import invalid

Mask: TypeAlias = dict[str, Any] | None  # a field's name to its own mask; None takes everything

_TOKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[*,()/]")


@lru_cache(maxsize=256)
def mask_for(text: str, version: ApiVersion, message: str) -> Mask:
    """Parse a mask for a message; None when the text is empty.

    :raises ApiError: 400, the text is not a mask, or the message has no such field.
    """
    try:
        mask = _parse(text)
    except RecursionError:
        raise _refuse(text) from None
    _check(mask, version.schema(message), version, text)
    return mask


def _check(mask: Mask, schema: Schema, version: ApiVersion, text: str) -> None:
    """Check that each name in a mask is a field; those of a map and of free JSON are whatever one likes."""
    schema = version.resolve(schema)
    while "items" in schema:
        schema = version.resolve(schema["items"])
    if schema.get("type") == "any" or "additionalProperties" in schema:
        return
    fields = schema.get("properties", {})
    for name, inner in (mask or {}).items():
        for each in [name] if name in fields else [*fields] if name == "*" else [None]:
            if each is None:
                raise invalid(
                    f"Error expanding 'fields' parameter. Cannot find matching fields for path '{name}'.", "fields"
                )
            _check(inner, fields[each], version, text)


def _parse(text: str) -> Mask:
    text = text.replace(" ", "")
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != text:
        raise _refuse(text)
    if not tokens:
        return None
    mask, rest = _parse_list(tokens, text)
    if rest:
        raise _refuse(text)
    return mask


def _parse_list(tokens: list[str], text: str) -> tuple[Mask, list[str]]:
    mask: dict[str, Any] = {}
    everything = False
    while True:
        name, inner, tokens = _parse_item(tokens, text)
        everything = everything or (name == "*" and inner is None)
        mask[name] = inner
        if not tokens or tokens[0] != ",":
            return (None if everything else mask), tokens
        tokens = tokens[1:]


def _parse_item(tokens: list[str], text: str) -> tuple[str, Mask, list[str]]:
    if not tokens or tokens[0] in {",", "(", ")", "/"}:
        raise _refuse(text)
    name, tokens = tokens[0], tokens[1:]
    if tokens and tokens[0] == "/":
        child, inner, tokens = _parse_item(tokens[1:], text)
        return name, (None if child == "*" and inner is None else {child: inner}), tokens
    if tokens and tokens[0] == "(":
        inner, tokens = _parse_list(tokens[1:], text)
        if not tokens or tokens[0] != ")":
            raise _refuse(text)
        return name, inner, tokens[1:]
    return name, None, tokens


def _refuse(text: str) -> Exception:
    return invalid(f"Invalid field selection {text!r}", "fields")


def apply_mask(mask: Mask, value: Any) -> Any:
    """Return `value` with only the fields that the mask names; lists are masked item by item."""
    if mask is None:
        return value
    if isinstance(value, list):
        return [apply_mask(mask, item) for item in value]
    if not isinstance(value, dict):
        return value
    wanted = {}
    for name, item in value.items():
        if name in mask or "*" in mask:
            wanted[name] = apply_mask(mask.get(name, mask.get("*")), item)
    return wanted
