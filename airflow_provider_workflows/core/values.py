# SPDX-License-Identifier: Apache-2.0
"""
Encode arguments and decode results: any JSON value, and nothing that JSON does not have.

The API takes and gives JSON *text* in a field of its JSON. No error here quotes a text: arguments may hold secrets.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_workflows.core.catching import caught
from airflow_provider_workflows.core.quoting import quoted


def _plain_json(value: Any, path: str) -> Any:
    """Return ``value`` built from JSON's own types, or say where it is not JSON."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        _check_text(value, path)
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            msg = f"{path} is {value!r}, which JSON does not have. Send null or a string instead."
            raise ValueError(msg)
        return value
    if isinstance(value, Mapping):
        return {_plain_key(key, path): _plain_json(item, f"{path}[{quoted(key)}]") for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return [_plain_json(item, f"{path}[{index}]") for index, item in enumerate(value)]
    msg = (
        f"{path} is a {type(value).__name__}, which is not JSON. "
        f"Convert it to a string, number, boolean, None, list or dict first."
    )
    raise ValueError(msg)


def _plain_key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        msg = f"{path} has the key {quoted(key)} of type {type(key).__name__}; JSON keys are strings. Convert it first."
        raise ValueError(msg)
    _check_text(key, path)
    return key


def _check_text(text: str, path: str) -> None:
    with caught(UnicodeEncodeError) as wrong:  # it holds the text
        text.encode()
    if wrong.error:
        msg = f"{path} holds half of a surrogate pair, which cannot be sent as UTF-8."
        raise ValueError(msg)


def encode_json(value: Any, parameter: str = "argument") -> str:
    """
    Encode any JSON value as the JSON text that the API wants; tuples and lazy sequences become arrays.

    :param parameter: the name that errors give, with the path to the offending value behind it.
    :raises ValueError: for NaN and infinities, for objects that are not JSON, for keys that are not strings.
    """
    try:
        return json.dumps(_plain_json(value, parameter), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except RecursionError:
        msg = f"{parameter} is nested too deeply, or contains itself."
        raise ValueError(msg) from None


def check_json_text(text: str, parameter: str) -> str:
    """
    Return ``text`` if it is JSON.

    :raises ValueError: naming the parameter and the place, never the text itself: arguments may hold secrets.
    """

    def refuse(constant: str) -> Any:
        msg = f"{parameter} holds {constant}, which JSON does not have."
        raise ValueError(msg)

    wrong = None
    try:
        json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as exc:
        wrong = f"{exc.msg} at line {exc.lineno} column {exc.colno}"
    except RecursionError:
        wrong = "nested too deeply"
    if wrong is not None:
        # Raised outside of the handler: the parser's own error holds the whole text.
        msg = f"{parameter} must be JSON text ({wrong}). Pass a dict or list to have it encoded."
        raise ValueError(msg)
    return text


def decode_json(text: Any) -> Any:
    """
    Decode a JSON text of the service (``result``, ``error.payload``).

    What is no JSON text, or one that is nested too deeply to be decoded, comes back as it is.
    """
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def result_of(execution: Mapping[str, Any]) -> Any:
    """Return the decoded result of an execution: any JSON value, ``None`` where there is none."""
    return decode_json(execution.get("result"))
