# SPDX-License-Identifier: Apache-2.0
"""What Airflow moves from release to release is found in the installed one, and nothing of it is old there."""

from __future__ import annotations

import ast
import asyncio
import json
import warnings
from importlib.metadata import version
from pathlib import Path

import pytest

from airflow_provider_workflows import compat


@pytest.mark.parametrize("name", compat.HOMES)
def test_names_are_found_without_a_warning(name: str) -> None:
    """The first home that has a name is not deprecated."""
    getattr(compat, name)  # a module's first import may warn of more than the name
    vars(compat).pop(name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert getattr(compat, name) is not None
    assert [str(each.message) for each in caught] == []


def test_type_checkers_see_the_newest_homes() -> None:
    """What is imported for type checkers is what is found first, and all of it."""
    seen = {}
    for node in ast.walk(ast.parse(Path(compat.__file__).read_text(encoding="utf-8"))):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for each in node.body:
                assert isinstance(each, ast.ImportFrom)
                seen.update({alias.name: each.module for alias in each.names})
    assert seen == {name: homes[0] for name, homes in compat.HOMES.items()}
    assert set(compat.__all__) == {*seen, "HOMES", "get_connection_async"}


def test_other_names_are_not_there() -> None:
    """A name that is misspelt is an error of import."""
    with pytest.raises(AttributeError, match="BaseHock"):
        _ = compat.BaseHock


def test_connections_are_read_on_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection is read from a coroutine, several at a time; one that does not exist is Airflow's error."""
    monkeypatch.setenv("AIRFLOW_CONN_SOME", json.dumps({"conn_type": "generic", "extra": {"key": "value"}}))

    async def read() -> list[compat.Connection]:
        return await asyncio.gather(*(compat.get_connection_async("some") for _ in range(3)))

    assert [json.loads(connection.extra or "") for connection in asyncio.run(read())] == [{"key": "value"}] * 3
    with pytest.raises(compat.AirflowNotFoundException):
        asyncio.run(compat.get_connection_async("other"))


def test_none_is_no_xcom_on_airflow_3_0() -> None:
    """The one release line whose API server refuses None is known; all others store it."""
    line = ".".join(version("apache-airflow").split(".")[:2])
    assert compat.stores_none() == (line != "3.0")
