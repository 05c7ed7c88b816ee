# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: the arrows of ``scripts/architecture.py``, no circle, and one home for each library."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

import airflow_provider_workflows
from architecture import ARROWS

ROOT = Path(airflow_provider_workflows.__file__).parent
PACKAGE = "airflow_provider_workflows"

#: Airflow's faces, and what they import of it; everything else does without Airflow.
FACES = {"compat", "hooks", "links", "operators", "sensors", "triggers"}
#: What has the same home in every supported Airflow, by module.
SAME_HOME = {"airflow.triggers.base"}
#: The only files that know where releases differ: one for imports, one that asks each Airflow in its own way.
KNOWS_RELEASES = {"compat.py", "triggers/task_state.py"}
#: The only files that know these libraries.
OWNERS = {
    "googleapiclient": {"api/resource.py"},
    "httplib2": {"api/requests.py", "api/resource.py"},
    "google.auth": {
        *("auth/async_session.py", "auth/credentials.py", "auth/sessions.py", "auth/token_errors.py", "auth/tokens.py"),
        *("auth/refreshing.py", "auth/universe.py"),
        *("api/client.py", "api/resource.py", "api/transport.py"),
    },
    "tenacity": {"api/retrying.py"},
}


def modules() -> list[Path]:
    """Return the files of the package."""
    return sorted(ROOT.rglob("*.py"))


def room(path: Path) -> str:
    """Return the folder, or the file at the root, that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def module_name(path: Path) -> str:
    """Return the name by which a file is imported."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Yield what a file imports, anywhere in it: also in functions, and what only type checkers read."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_of(name: str, package: str) -> bool:
    """Tell whether an imported name belongs to a package."""
    return name == package or name.startswith(f"{package}.")


def our_imports(path: Path, names: Iterable[str]) -> set[str]:
    """Return those of the package's modules that a file imports; a name in a module counts as the module."""
    known = set(names)
    found = {name for name in imports(path) if is_of(name, PACKAGE)}
    return {name if name in known else name.rpartition(".")[0] for name in found} - {module_name(path)}


def test_every_room_has_its_arrows() -> None:
    """A new folder is given its place on purpose."""
    assert {room(path) for path in modules()} == set(ARROWS)


@pytest.mark.parametrize("path", modules(), ids=str)
def test_arrows_point_downwards(path: Path) -> None:
    """A file imports from its own folder and from those that its folder may know."""
    names = [module_name(each) for each in modules()]
    rooms = {[*name.split("."), "__init__"][1] for name in our_imports(path, names)}
    assert rooms - {room(path)} <= ARROWS[room(path)]


def test_no_circle_among_the_rooms() -> None:
    """The table itself has no circle; ``__init__`` stands for the version, which has no imports."""
    below = {name: set(arrows) - {"__init__"} for name, arrows in ARROWS.items()}
    assert circle(below) is None


def test_no_circle_among_the_files() -> None:
    """No file imports, directly or through others, a file that imports it; what type checkers read counts, too."""
    names = [module_name(path) for path in modules()]
    assert circle({module_name(path): our_imports(path, names) - {PACKAGE} for path in modules()}) is None


def circle(arrows: Mapping[str, set[str]]) -> list[str] | None:
    """Return a walk along arrows that ends where it began; ``None`` where there is none."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str] | None:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return None
        for other in sorted(arrows.get(name, ())):
            if found := walk(other, [*path, name]):
                return found
        done.add(name)
        return None

    return next((found for name in arrows if (found := walk(name, []))), None)


def test_circles_are_found() -> None:
    """The search itself finds a circle over three, and none in a tree."""
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None


@pytest.mark.parametrize("path", [path for path in modules() if room(path) not in FACES], ids=str)
def test_below_the_hooks_nothing_imports_airflow(path: Path) -> None:
    """Client, poller and testing work without Airflow: neither its modules nor ours that need it are imported."""
    ours = {f"{PACKAGE}.{name}" for name in FACES}
    wrong = [name for name in imports(path) if is_of(name, "airflow") or any(is_of(name, each) for each in ours)]
    assert wrong == []


@pytest.mark.parametrize("path", modules(), ids=str)
def test_one_file_knows_which_airflow_this_is(path: Path) -> None:
    """What Airflow has moved, or may move, is imported from ``compat``."""
    moving = {name for name in imports(path) if is_of(name, "airflow") and name.rpartition(".")[0] not in SAME_HOME}
    assert not moving or path.relative_to(ROOT).as_posix() in KNOWS_RELEASES


@pytest.mark.parametrize("library", OWNERS)
def test_libraries_have_one_home(library: str) -> None:
    """One place knows each library, so that it can be replaced and its habits be kept in check there."""
    users = {
        path.relative_to(ROOT).as_posix()
        for path in modules()
        if room(path) != "testing" and any(is_of(name, library) for name in imports(path))
    }
    assert users <= OWNERS[library]


@pytest.mark.parametrize("path", [path for path in modules() if room(path) in ("core", "exceptions")], ids=str)
def test_the_core_needs_nothing(path: Path) -> None:
    """The pure core imports the standard library and itself only."""
    wrong = [
        name
        for name in imports(path)
        if not is_of(name, PACKAGE) and name.partition(".")[0] not in sys.stdlib_module_names
    ]
    assert wrong == []


@pytest.mark.parametrize("wing", ["api", "auth", "core", "durable", "polling"])
def test_wings_say_what_they_promise(wing: str) -> None:
    """A wing's front door says what it promises, what it may import and what to open first, and imports nothing."""
    door = ROOT / wing / "__init__.py"
    text = ast.get_docstring(ast.parse(door.read_text(encoding="utf-8"))) or ""
    assert [*imports(door)] == []
    assert "Promises" in text
    assert "Open ``" in text
    said = {name for name in ARROWS if f"``{name}``" in text.partition("May import")[2].partition("Open")[0]}
    assert said == ARROWS[wing] - {"__init__"}


def test_every_file_names_its_licence() -> None:
    """Each file begins with the licence's identifier."""
    for path in modules():
        assert path.read_text(encoding="utf-8").startswith("# SPDX-License-Identifier: Apache-2.0"), path
