# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: Airflow stops at the hooks, Google's libraries at the modules that know them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import airflow_provider_workflows

ROOT = Path(airflow_provider_workflows.__file__).parent
PACKAGE = "airflow_provider_workflows"

#: The folders and modules that are Airflow's; everything else does without it.
AIRFLOW_SIDE = {"decorators", "hooks", "links", "operators", "sensors", "triggers"}
#: From top to bottom: what stands higher may import what stands lower.
HEIGHT = {"operators": 5, "sensors": 5, "decorators": 5, "triggers": 4, "links": 3, "hooks": 3}
#: The only modules that know these libraries.
OWNERS = {
    "googleapiclient": {"executions_api"},
    "httplib2": {"executions_api"},
    "google.auth": {"credentials", "transport", "client", "executions_api"},
    "tenacity": {"retrying"},
}


def modules() -> list[Path]:
    """Return the files of the package."""
    return sorted(ROOT.rglob("*.py"))


def role(path: Path) -> str:
    """Return the folder or the module directly below the package that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path, *, at_run_time: bool = False) -> Iterator[str]:
    """Yield what a file imports; with ``at_run_time`` without what only type checkers read."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {id(each) for node in ast.walk(tree) if at_run_time and _is_typing_block(node) for each in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_typing_block(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def is_of(name: str, package: str) -> bool:
    """Tell whether an imported name belongs to a package."""
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize("path", [path for path in modules() if role(path) not in AIRFLOW_SIDE], ids=str)
def test_below_the_hooks_nothing_imports_airflow(path: Path) -> None:
    """Client, poller and testing work without Airflow: neither its modules nor ours that need it are imported."""
    ours = {f"{PACKAGE}.{name}" for name in AIRFLOW_SIDE}
    wrong = [name for name in imports(path) if is_of(name, "airflow") or any(is_of(name, each) for each in ours)]
    assert wrong == []


@pytest.mark.parametrize("path", [path for path in modules() if role(path) in HEIGHT], ids=str)
def test_arrows_point_downwards(path: Path) -> None:
    """Operators and sensors know triggers and hooks, not the other way round."""
    for name in imports(path, at_run_time=True):
        if is_of(name, PACKAGE):
            imported = name.split(".")[1]
            assert HEIGHT.get(imported, 0) <= HEIGHT[role(path)], f"{path} imports {name}"


@pytest.mark.parametrize("library", OWNERS)
def test_libraries_have_one_home(library: str) -> None:
    """One place knows each library, so that it can be replaced and its habits be kept in check there."""
    users = {
        role(path)
        for path in modules()
        if role(path) != "testing" and any(is_of(name, library) for name in imports(path))
    }
    assert users <= OWNERS[library]


def test_execution_and_exceptions_need_nothing() -> None:
    """The pure core imports the standard library and itself only."""
    for core in ("execution", "exceptions"):
        wrong = [
            name
            for name in imports(ROOT / f"{core}.py")
            if not is_of(name, PACKAGE) and name.partition(".")[0] not in _standard_library()
        ]
        assert wrong == []


def _standard_library() -> frozenset[str]:
    import sys

    return sys.stdlib_module_names


def test_every_file_names_its_licence() -> None:
    """Each file begins with the licence's identifier."""
    for path in modules():
        assert path.read_text(encoding="utf-8").startswith("# SPDX-License-Identifier: Apache-2.0"), path
