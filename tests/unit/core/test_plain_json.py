# SPDX-License-Identifier: Apache-2.0
"""What tasks hand to each other becomes the JSON that everybody expects, or an error that says what to write."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import OrderedDict
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from airflow_provider_workflows.core.values import encode_json
from tests.documents import names, tables


class Color(Enum):
    """Be an Enum."""

    RED = "red"


class Level(IntEnum):
    """Be a number with a name."""

    HIGH = 3


@dataclass
class Point:
    """Be a dataclass, with a field that is no field of JSON by itself."""

    x: Any
    y: Any


class Pair(NamedTuple):
    """Be a tuple with names."""

    a: Any
    b: Any


KNOWN: dict[str, Any] = {
    each.__name__: each
    for each in (date, datetime, time, timedelta, timezone, Decimal, UUID, Path, Color, Point, OrderedDict)
}
LIBRARIES = {"np": "numpy", "pd": "pandas"}


def value_of(code: str) -> Any:
    """Evaluate a value of a table, where the library that it needs is installed."""
    library = LIBRARIES.get(code.partition(".")[0])
    if library:
        if find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
        return eval(code, {code.partition(".")[0]: import_module(library)})
    return eval(code, dict(KNOWN))


def rows(heading: str, number: int) -> list[tuple[str, str]]:
    """Return code and text of the first or second table below a heading."""
    found = [(names(row[0])[0], names(row[1])[0]) for row in tables("docs/arguments.md", heading)]
    refused = next(index for index, row in enumerate(found) if row[1].startswith("argument"))
    return found[refused:] if number else found[:refused]


@pytest.mark.parametrize(("code", "text"), rows("## Values", 0))
def test_the_table_of_values(code: str, text: str) -> None:
    """Each value of the documented table is sent as the table says."""
    assert encode_json(value_of(code)) == text


@pytest.mark.parametrize(("code", "text"), rows("## Values", 1))
def test_the_table_of_refused_values(code: str, text: str) -> None:
    """Each value that has no JSON is refused with the documented text."""
    with pytest.raises(ValueError, match="argument") as caught:
        encode_json(value_of(code))
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            {"at": Point(Point(1, Color.RED), {"when": date(2026, 1, 2)})},
            {"at": {"x": {"x": 1, "y": "red"}, "y": {"when": "2026-01-02"}}},
        ),
        ([Level.HIGH, {Color.RED}], [3, ["red"]]),
        ({1, "a"}, ["a", 1]),
        (Pair(1, Decimal(2)), [1, 2]),
        (OrderedDict(a=Decimal("1E+3")), {"a": 1000}),
        (Decimal("-0.1"), -0.1),
    ],
)
def test_nested_and_special_values(value: Any, expected: Any) -> None:
    """The rules hold at any depth, for special cases of the types, too."""
    assert json.loads(encode_json(value)) == expected


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Point(1, float("inf"))])
def test_numbers_that_json_lacks(value: Any) -> None:
    """NaN and infinities are refused whatever type says them, with the path to them."""
    with pytest.raises(ValueError, match=r"^argument(\.y)? is .*which JSON does not have"):
        encode_json(value)


def test_models_are_their_own_json() -> None:
    """A pydantic model and an attrs class are objects of their fields."""
    from attrs import define

    pydantic: Any = pytest.importorskip("pydantic", reason="Airflow 2.11.0 came without")

    class Model(pydantic.BaseModel):  # type: ignore[misc]
        when: datetime
        rate: Decimal

    @define
    class Record:
        model: Model
        at: date

    model = Model(when=datetime(2026, 1, 2, tzinfo=timezone.utc), rate=Decimal("1.10"))
    assert json.loads(encode_json(Record(model, date(2026, 1, 3)))) == {
        "model": {"when": "2026-01-02T00:00:00Z", "rate": "1.10"},
        "at": "2026-01-03",
    }


def test_a_class_is_no_value() -> None:
    """A dataclass or model itself, where an instance was meant, is refused."""
    with pytest.raises(ValueError, match="is a type, which is not JSON"):
        encode_json(Point)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_a_set_is_the_same_text_in_each_process(seed: str) -> None:
    """A retry in another process sends the same text, so it finds the execution of the first try."""
    code = "from airflow_provider_workflows.core.values import encode_json; print(encode_json({'b', 'a', 'c', 'x', 1}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == '["a","b","c","x",1]'


@pytest.mark.parametrize(
    "code", ["np.array(5)", "np.float32(0.5)", "np.uint8(7)", "[np.int64(1), {'a': np.bool_(False)}]"]
)
def test_more_of_numpy(code: str) -> None:
    """Scalars of each width and arrays without a dimension are numbers, at any depth."""
    np = pytest.importorskip("numpy")
    assert json.loads(encode_json(eval(code, {"np": np}))) in (5, 0.5, 7, [1, {"a": False}])


@pytest.mark.parametrize("code", ["np.timedelta64(1, 'D')", "np.complex64(1)", "np.array([0.5, np.nan])"])
def test_what_of_numpy_is_refused(code: str) -> None:
    """What JSON does not have is refused in numpy's spelling, too."""
    np = pytest.importorskip("numpy")
    with pytest.raises(ValueError, match=r"^argument(\[1\])? is "):
        encode_json(eval(code, {"np": np}))
