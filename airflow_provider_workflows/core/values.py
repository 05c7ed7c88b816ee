# SPDX-License-Identifier: Apache-2.0
"""
Encode arguments and decode results: any JSON value, and nothing that JSON does not have.

The API takes and gives JSON *text* in a field of its JSON. No error here quotes a text: arguments may hold secrets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def encode_json(value: Any, parameter: str = "argument") -> str:
    """
    Encode any JSON value as the JSON text that the API wants; :mod:`…plain_json` says what else is taken.

    :param parameter: the name that errors give, with the path to the offending value behind it.
    :raises ValueError: for NaN and infinities, for what has no JSON, for keys that are not strings.
    """
    # Every DAG file imports this module, and few encode anything.
    from airflow_provider_workflows.core.plain_json import plain_json

    try:
        return json.dumps(plain_json(value, parameter), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except RecursionError:
        msg = f"{parameter} is nested too deeply, or contains itself."
        raise ValueError(msg) from None


def check_json_text(text: str | bytes, parameter: str) -> str:
    """
    Return ``text`` if it is JSON; bytes are UTF-8, as the client libraries take them.

    :raises ValueError: naming the parameter and the place, never the text itself: arguments may hold secrets.
    """

    def refuse(constant: str) -> Any:
        msg = f"{parameter} holds {constant}, which JSON does not have."
        raise ValueError(msg)

    wrong = None
    try:
        text = text.decode() if isinstance(text, bytes) else text
        json.loads(text, parse_constant=refuse)
    except UnicodeDecodeError:
        wrong = "it is not UTF-8"
    except json.JSONDecodeError as exc:
        wrong = f"{exc.msg} at line {exc.lineno} column {exc.colno}"
    except RecursionError:
        wrong = "nested too deeply"
    if wrong is not None:
        # Raised outside of the handler: the parser's own error holds the whole text.
        msg = f"{parameter} must be JSON text ({wrong}). Pass a dict or list to have it encoded."
        raise ValueError(msg)
    return str(text)


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
