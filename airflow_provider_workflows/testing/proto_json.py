# SPDX-License-Identifier: Apache-2.0
"""Read queries and bodies, and write answers, as Google's proto3 JSON servers do.

Names come in lowerCamelCase or as in the proto file (`page_size`), enums by name or number. **Unconfirmed for this
service**: the numbers of enum values; here they are the values' places in the discovery document, which is what the
published proto files have.

See https://protobuf.dev/programming-guides/json/.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_workflows.testing.discovery import ApiVersion, Method, Schema
from airflow_provider_workflows.testing.errors import ApiError, invalid

_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
_INT32 = range(-(2**31), 2**31)
_INT64 = range(-(2**63), 2**63)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)\Z")


# -- names ----------------------------------------------------------------------------------------------------


def snake(name: str) -> str:
    """Return the proto file's name of a JSON field: `page_size` for `pageSize`."""
    return re.sub(r"(?<=[a-z0-9])[A-Z]", lambda match: f"_{match[0].lower()}", name)


def field_named(given: str, fields: Mapping[str, Schema]) -> str | None:
    """Return the JSON name of a field that is given in either spelling."""
    if given in fields:
        return given
    return next((name for name in fields if snake(name) == given), None)


# -- queries --------------------------------------------------------------------------------------------------


def read_query(query: Mapping[str, str], method: Method) -> dict[str, Any]:
    """Return a query's parameters by their JSON names, with defaults for what is absent.

    Those of every method are checked and left out, but for `fields`, which is "" when absent.

    :raises ApiError: 400, naming the parameter.
    """
    common = {"$alt": {"type": "string"}, **method.version.document["parameters"]}
    values: dict[str, Any] = {name: _default(schema) for name, schema in method.parameters.items()}
    values["fields"] = ""
    for given, text in query.items():
        name = field_named(given, method.parameters)
        if name is not None:
            values[name] = _query_value(text, method.parameters[name], snake(name))
        elif given.lstrip("$") == "fields":
            values["fields"] = text
        elif field_named(given.lstrip("$"), common) is not None or given in common:
            _check_common(given, text, common)
        else:
            raise invalid(
                f'Invalid JSON payload received. Unknown name "{given}": Cannot bind query parameter. '
                f"Field '{given}' could not be found in request message.",
                given,
            )
    return values


def _default(schema: Schema) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    return 0 if schema["type"] == "integer" else ""


def _query_value(text: str, schema: Schema, name: str) -> Any:
    if text == "":
        return _default(schema)
    if "enum" in schema:
        return _enum(int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text, schema, name)
    if schema["type"] == "integer":
        return _integer(text, name)
    return text


def _check_common(given: str, text: str, common: Mapping[str, Schema]) -> None:
    if given in {"alt", "$alt"}:
        answer_format(text)
    elif given.lstrip("$") == "prettyPrint" and text not in _BOOLEANS:
        raise _bad_value(given, "TYPE_BOOL", text)
    elif given == "$.xgafv" and text not in common[given]["enum"]:
        raise _bad_value(given, "TYPE_ENUM", text)


def answer_format(alt: str) -> bool:
    """Read `$alt`; tell whether enums shall be numbers.

    :raises ApiError: 400, it is not JSON that is asked for.
    """
    kind, *options = alt.split(";")
    if kind != "json" or options not in ([], ["enum-encoding=int"]):
        raise invalid(f"The emulator answers alt=json only, not {alt!r}", "alt")
    return bool(options)


# -- bodies ---------------------------------------------------------------------------------------------------


def read_body(body: bytes, method: Method, root: str) -> dict[str, Any]:
    """Return a body's fields by their JSON names; those that are null are absent.

    :param root: what errors call the message, such as `execution`; empty for the request itself.
    :raises ApiError: 400, naming the field.
    """
    if not body.strip():
        return {}
    try:
        value = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise invalid("Invalid JSON payload received. Parsing terminated before end of input.") from None
    if not isinstance(value, dict):
        raise invalid("Invalid JSON payload received. Root element must be a message.")
    return _message(value, method.version.schema(method.request or "Empty"), method.version, root)


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _message(value: dict[str, Any], schema: Schema, version: ApiVersion, path: str) -> dict[str, Any]:
    fields = schema.get("properties", {})
    read = {}
    for given, item in value.items():
        name = field_named(given, fields)
        if name is None:
            where = f" at '{path}'" if path else ""
            raise invalid(
                f"Invalid JSON payload received. Unknown name {_shown(given)}{where}: Cannot find field.", path
            )
        if item is not None:
            read[name] = _value(item, fields[name], version, f"{path}.{name}" if path else name)
    return read


def _value(value: Any, schema: Schema, version: ApiVersion, path: str) -> Any:
    schema = version.resolve(schema)
    if "enum" in schema:
        return _enum(value, schema, path)
    kind = schema["type"]
    if kind == "any":
        return value
    if kind == "array":
        if not isinstance(value, list):
            raise _bad_value(path, "TYPE_MESSAGE", value)
        return [_value(item, schema["items"], version, f"{path}[{index}]") for index, item in enumerate(value)]
    if kind == "object":
        return _object(value, schema, version, path)
    return _SCALARS[kind](value, path) if kind != "string" else _string(value, schema.get("format"), path)


def _object(value: Any, schema: Schema, version: ApiVersion, path: str) -> dict[str, Any]:
    inner = schema.get("additionalProperties")
    if not isinstance(value, dict):
        raise _bad_value(path, "TYPE_MESSAGE" if inner is None else "MAP", value)
    if inner is None:
        return _message(value, schema, version, path)
    return {
        _string(key, None, path): _value(item, inner, version, path) for key, item in value.items() if item is not None
    }


def _string(value: Any, form: str | None, path: str) -> str:
    if form == "int64":
        return str(_integer(value, path, "TYPE_INT64", _INT64))
    if not isinstance(value, str):
        raise _bad_value(path, "TYPE_STRING", value)
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise invalid(f"Invalid value at '{path}' (TYPE_STRING): it is not valid Unicode", path)
    if form == "byte" and not _is_base64(value):
        raise invalid(f"Invalid value at '{path}' (TYPE_BYTES), Base64 decoding failed for {_shown(value)}", path)
    if form == "google-datetime" and not _TIME.match(value):
        raise _bad_value(path, "type.googleapis.com/google.protobuf.Timestamp", value)
    return value


def _is_base64(text: str) -> bool:
    """Tell whether a text is base64 of either alphabet, padded or not."""
    try:
        base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=_altchars(text), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _altchars(text: str) -> bytes:
    return b"-_" if "-" in text or "_" in text else b"+/"


def _integer(value: Any, path: str, kind: str = "TYPE_INT32", bounds: range = _INT32) -> int:
    try:
        number = int(value) if isinstance(value, str) and len(value) <= 20 else value
    except ValueError:
        raise _bad_value(path, kind, value) from None
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int) or number not in bounds:
        raise _bad_value(path, kind, value)
    return number


def _boolean(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise _bad_value(path, "TYPE_BOOL", value)
    return value


_SCALARS: Mapping[str, Callable[[Any, str], Any]] = {"integer": _integer, "boolean": _boolean}


def _enum(value: Any, schema: Schema, path: str) -> str:
    names: list[str] = schema["enum"]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return names[value]
    if not isinstance(value, str) or value not in names:
        raise _bad_value(path, "TYPE_ENUM", value)
    return value


def _bad_value(path: str, kind: str, value: Any) -> ApiError:
    return invalid(f"Invalid value at '{path}' ({kind}), {_shown(value)}", path.removeprefix("$"))


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


# -- answers --------------------------------------------------------------------------------------------------


def enums_as_numbers(value: Any, schema: Schema, version: ApiVersion) -> Any:
    """Return an answer with numbers for enum values, as `$alt=json;enum-encoding=int` asks; unknown ones stay."""
    schema = version.resolve(schema)
    if "enum" in schema:
        return schema["enum"].index(value) if value in schema["enum"] else value
    if isinstance(value, list):
        return [enums_as_numbers(item, schema["items"], version) for item in value]
    if isinstance(value, dict) and "properties" in schema:
        fields = schema["properties"]
        return {name: enums_as_numbers(item, fields[name], version) for name, item in value.items()}
    return value
