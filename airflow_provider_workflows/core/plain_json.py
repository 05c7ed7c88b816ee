# SPDX-License-Identifier: Apache-2.0
"""
Make JSON of what tasks hand to each other.

A value becomes the JSON that everybody expects of it, or an error says what to write instead; ``docs/arguments.md``
has the table. What belongs to numpy, pandas, pydantic and attrs is known by what it offers; none of them is imported.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from airflow_provider_workflows.core.catching import caught
from airflow_provider_workflows.core.quoting import quoted

#: What to write instead of what has no JSON that everybody expects, by the first type that fits.
_INSTEAD: Sequence[tuple[Callable[[Any], bool], str]] = (
    (lambda value: isinstance(value, (bytes, bytearray, memoryview)), "Decode it to a str, or encode it as base64."),
    (lambda value: isinstance(value, timedelta), "Write its seconds: .total_seconds()."),
    (lambda value: hasattr(value, "to_dict") and hasattr(value, "columns"), "Write .to_dict(orient='records')."),
    (lambda value: type(value).__name__ == "NAType", "Write None."),
    (lambda value: hasattr(value, "to_list"), "Write .to_list()."),
    (lambda value: isinstance(value, Iterable), "Write list(...) around it."),
)


def plain_json(value: Any, path: str) -> Any:
    """
    Return ``value`` built from JSON's own types.

    :param path: how errors name the value.
    :raises ValueError: saying where ``value`` has no JSON that everybody expects, and what to write instead.
    """
    for convert in (_scalar, _standard, _object, _array):
        converted = convert(value, path)
        if converted is not _NOT_MINE:
            return converted
    instead = next((text for fits, text in _INSTEAD if fits(value)), "Convert it to JSON's own types first.")
    raise ValueError(f"{path} is a {type(value).__name__}, which is not JSON. {instead}")


_NOT_MINE: Any = object()


def _scalar(value: Any, path: str) -> Any:
    """Take JSON's own scalars; an Enum that is one, too, is its value."""
    if isinstance(value, Enum):
        return plain_json(value.value, path)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return _checked_text(value, path)
    return _number(value, path) if isinstance(value, (float, Decimal)) else _NOT_MINE


def _number(value: float | Decimal, path: str) -> int | float:
    if not (value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)):
        raise ValueError(f"{path} is {value}, which JSON does not have. Send null or a string instead.")
    if isinstance(value, float):
        return value
    if value == value.to_integral_value():
        return int(value)
    if Decimal(repr(float(value))) != value:
        raise ValueError(f"{path} is a Decimal with more digits than a number keeps. Write str() or float() around it.")
    return float(value)


def _standard(value: Any, path: str) -> Any:
    """Take the standard library's values that are written as texts."""
    if isinstance(value, (date, time)):
        return _checked_time(value.isoformat(), path)
    # Paths of object stores offer what Python's own do; `os.fspath` would leave their store out.
    if isinstance(value, (UUID, PurePath)) or (hasattr(value, "as_uri") and hasattr(value, "__fspath__")):
        return _checked_text(str(value), path)
    return _NOT_MINE


def _checked_time(text: str, path: str) -> str:
    if text == "NaT":  # the missing time of pandas, which is a datetime, and of numpy
        raise ValueError(f"{path} is NaT, which JSON does not have. Send null or a string instead.")
    return text


def _object(value: Any, path: str) -> Any:
    """Take mappings, dataclasses, pydantic's models and attrs' classes."""
    if isinstance(value, Mapping):
        return {_checked_key(key, path): plain_json(item, f"{path}[{quoted(key)}]") for key, item in value.items()}
    if isinstance(value, type):
        return _NOT_MINE
    if hasattr(value, "model_dump") and hasattr(value, "model_fields_set"):
        return plain_json(value.model_dump(mode="json"), path)
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
    elif hasattr(value, "__attrs_attrs__"):
        names = [field.name for field in value.__attrs_attrs__]
    else:
        return _NOT_MINE
    return {name: plain_json(getattr(value, name), f"{path}.{name}") for name in names}


def _array(value: Any, path: str) -> Any:
    """Take sequences, sets in an order that is the same in each process, and what numpy has."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _NOT_MINE
    if isinstance(value, (set, frozenset)):
        return _sorted([plain_json(item, path) for item in value])
    if type(value).__module__.partition(".")[0] == "numpy":
        return _of_numpy(value, path)
    if isinstance(value, Sequence):
        return [plain_json(item, f"{path}[{index}]") for index, item in enumerate(value)]
    return _NOT_MINE


def _sorted(items: list[Any]) -> list[Any]:
    try:
        return sorted(items)
    except TypeError:
        return sorted(items, key=repr)


def _of_numpy(value: Any, path: str) -> Any:
    kind = type(value).__name__
    if getattr(value, "ndim", 0):
        return [plain_json(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if kind == "ndarray":
        return plain_json(value[()], path)
    if kind == "datetime64":
        return _checked_time(str(value), path)
    item = value.item() if kind != "timedelta64" and hasattr(value, "item") else None
    return plain_json(item, path) if isinstance(item, (bool, int, float)) else _NOT_MINE


def _checked_key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise ValueError(
            f"{path} has the key {quoted(key)} of type {type(key).__name__}; JSON keys are strings. Convert it first."
        )
    return _checked_text(key, path)


def _checked_text(text: str, path: str) -> str:
    with caught(UnicodeEncodeError) as wrong:  # it holds the text
        text.encode()
    if wrong.error:
        raise ValueError(f"{path} holds half of a surrogate pair, which cannot be sent as UTF-8.")
    return text
