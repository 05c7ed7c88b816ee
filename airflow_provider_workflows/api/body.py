# SPDX-License-Identifier: Apache-2.0
"""Make the body of a create from what users pass; the same for the hooks and the operator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_workflows.core.quoting import quoted
from airflow_provider_workflows.core.values import check_json_text, encode_json


def create_body(
    argument: Any = None, labels: Mapping[str, str] | None = None, execution: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """
    Make the body of a create from what users pass.

    :param argument: any JSON value; ``None`` leaves the field out, which the service takes as ``null``.
    :param labels: labels of the execution (v1).
    :param execution: further Execution fields, in the API's spelling or in that of the client libraries
        (``call_log_level``); its ``argument`` may be a JSON value, or JSON *text* as str or bytes.
    :raises ValueError: for values that are not JSON, and for a field that is given twice.
    """
    for name, given in (("labels", labels), ("execution", execution)):
        if given is not None and not isinstance(given, Mapping):
            raise ValueError(
                f"{name} must be a dict, got {type(given).__name__}. Templates make one in a dict's values."
            )
    body = _fields(execution or {})
    if body.get("argument") in ("", b""):
        del body["argument"]  # an empty text is how the client libraries say that there is none
    for name, value in (("argument", argument), ("labels", labels)):
        if value is not None and name in body:
            msg = f"{name} is given twice: as {name}= and in execution[{name!r}]. Keep one."
            raise ValueError(msg)
    if argument is not None:
        body["argument"] = encode_json(argument)
    elif "argument" in body:
        encode = check_json_text if isinstance(body["argument"], (str, bytes)) else encode_json
        body["argument"] = encode(body["argument"], "execution['argument']")
    if labels:
        body["labels"] = {key: _label_value(value) for key, value in labels.items()}
    return body


def _label_value(value: Any) -> Any:
    """Make a text of a number: native rendering of templates makes numbers of values that look like one."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _fields(execution: Mapping[Any, Any]) -> dict[str, Any]:
    """Spell the fields as the API does."""
    body: dict[str, Any] = {}
    for field, value in execution.items():
        if not isinstance(field, str):
            raise ValueError(f"execution has the key {quoted(field)}; the names of an Execution's fields are strings.")
        if (name := _camel_case(field)) in body:
            raise ValueError(f"execution[{quoted(name)}] is given twice, in two spellings. Keep one.")
        body[name] = value
    return body


def _camel_case(field: str) -> str:
    first, *others = field.split("_")
    return first + "".join(other[:1].upper() + other[1:] for other in others)
