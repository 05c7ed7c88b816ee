# SPDX-License-Identifier: Apache-2.0
"""
The documents say what the code does: names, defaults, options, commands, examples and the tests they refer to.

A block of code is Python that compiles. One with tests in it is run by pytest. One below ``<!-- from FILE -->`` has no
line that the file does not have; one below ``<!-- runs -->`` is executed.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, fields
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_workflows.auth.fields import FIELDS, REFUSED_FIELDS
from airflow_provider_workflows.operators import executions as operators
from airflow_provider_workflows.operators.base import WorkflowsBaseOperator
from airflow_provider_workflows.provider_info import get_provider_info
from airflow_provider_workflows.sensors.executions import WorkflowExecutionSensor
from airflow_provider_workflows.testing import Settings
from airflow_provider_workflows.testing.definitions import function_of
from airflow_provider_workflows.testing.faults import KINDS
from airflow_provider_workflows.testing.workflows import BUILT_IN

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*) -->\n)?^(?P<indent> *)```(?P<kind>\w*)\n(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
_CODE = re.compile(r"`([^`]+)`")
#: How the examples import for both Airflows; documents show what it is on Airflow 3, and say what it is on Airflow 2.
BOTH_AIRFLOWS = """\
try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.decorators import task
"""
AIRFLOW_3 = "from airflow.sdk import DAG"
AIRFLOW_2 = "from airflow import DAG"


@dataclass(frozen=True)
class Block:
    """Hold a fenced block: where it stands, its language, its text and the comment above it."""

    page: str
    number: int
    kind: str
    text: str
    mark: str

    def __str__(self) -> str:
        return f"{self.page}-{self.number}"


def read(page: str) -> str:
    """Return a document's text."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks_of(path: Path) -> list[Block]:
    """Return the fenced blocks of a document, without their indent."""
    found = []
    for number, match in enumerate(_BLOCK.finditer(path.read_text(encoding="utf-8")), start=1):
        text = re.sub(f"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
        found.append(Block(path.name, number, match["kind"], text, match["mark"] or ""))
    return found


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
PYTHON = [block for block in BLOCKS if block.kind == "python"]


def tables(page: str, heading: str) -> list[list[str]]:
    """Return the rows of all tables below a heading, up to the next one; the heads of tables are left out."""
    section = re.split(r"^#+ ", read(page).partition(f"\n{heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    assert section.strip(), f"{page} has no section {heading!r}"
    rows = [line.strip().strip("|").split(" | ") for line in section.splitlines() if line.strip().startswith("|")]
    heads = {index - 1 for index, row in enumerate(rows) if set("".join(row)) <= set("-| ")}
    return [
        [cell.strip() for cell in row]
        for index, row in enumerate(rows)
        if index not in heads and index - 1 not in heads
    ]


def names(cell: str) -> list[str]:
    """Return what is set as code in a cell."""
    return _CODE.findall(cell)


# --- blocks of code -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_code_compiles(block: Block) -> None:
    """Code that is shown is at least Python."""
    assert compile(block.text, str(block), "exec")


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.kind == "json"], ids=str)
def test_json_is_json(block: Block) -> None:
    """A connection or a workflow's definition that is shown can be pasted."""
    if block.mark == "a definition":
        assert callable(function_of(json.loads(block.text)))
    else:
        assert set(json.loads(block.text)["extra"]) <= {spec.name for spec in FIELDS}


@pytest.mark.parametrize("block", [block for block in PYTHON if block.mark.startswith("from ")], ids=str)
def test_quoted_examples_are_the_examples(block: Block) -> None:
    """A quoted example leaves lines out and adds or changes none, so what is shown is what the tests run."""
    text = (ROOT / block.mark.removeprefix("from ")).read_text(encoding="utf-8")
    assert BOTH_AIRFLOWS in text
    example = iter(text.replace(BOTH_AIRFLOWS, f"{AIRFLOW_3}, task\n").splitlines())
    for line in block.text.splitlines():
        assert not line or line in example, line


@pytest.mark.parametrize("block", [block for block in PYTHON if block.mark == "runs"], ids=str)
def test_dags_that_are_shown_can_be_made(block: Block) -> None:
    """A DAG that is shown has parameters that exist, on Airflow 2 with the line that the document gives for it."""
    code = block.text
    if find_spec("airflow.sdk") is None:
        code = code.replace(f"{AIRFLOW_3}, task\n", f"{AIRFLOW_2}\nfrom airflow.decorators import task\n")
        code = code.replace(f"{AIRFLOW_3}\n", f"{AIRFLOW_2}\n")
    exec(compile(code, str(block), "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_airflow_2_is_told_its_imports(page: Path) -> None:
    """A document whose code imports from Airflow 3's place says what to write on Airflow 2."""
    code = "".join(block.text for block in PYTHON if block.page == page.name)
    text = page.read_text(encoding="utf-8")
    assert AIRFLOW_3 not in code or f"`{AIRFLOW_2}`" in text
    assert f"{AIRFLOW_3}, task" not in code or "`from airflow.decorators import task`" in text


def test_tests_that_are_shown_pass(tmp_path: Path) -> None:
    """Whoever copies a test from the documents has one that passes."""
    shown = [block for block in PYTHON if "def test_" in block.text and not block.mark]
    assert len(shown) >= 3
    for block in shown:
        name = f"test_{block.page.partition('.')[0].lower()}_{block.number}.py"
        (tmp_path / name).write_text(block.text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *_plugin(), "--rootdir=.", "."],
        cwd=tmp_path,
        env={**_environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _plugin() -> list[str]:
    """Return what loads our plugin where the package is imported from a checkout without being installed."""
    installed = any(each.name == "airflow_provider_workflows" for each in entry_points(group="pytest11"))
    return [] if installed else ["-p", "airflow_provider_workflows.testing.plugin"]


def _environment() -> dict[str, str]:
    """Return the environment without what measures coverage in child processes."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COV")}


# --- commands, links, tests ------------------------------------------------------------------------------------------


def make_targets() -> set[str]:
    """Return the Makefile's targets that have a description."""
    return set(re.findall(r"^([a-z0-9-]+):.*##", read("Makefile"), re.MULTILINE))


def test_commands_exist() -> None:
    """Every documented make target exists, and every target is documented for contributors."""
    targets = make_targets()
    for page in PAGES:
        used = set(re.findall(r"`make ([a-z0-9-]+)", page.read_text(encoding="utf-8")))
        assert used <= targets, f"{page.name}: {used - targets}"
    documented = {name.split()[1] for row in tables("CONTRIBUTING.md", "## Commands") for name in names(row[0])}
    assert documented == targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Relative links name files that exist, and headings in them."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        linked = (page.parent / file).resolve() if file else page
        assert linked.is_file(), target
        if not anchor:
            continue
        headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
        slugs = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert anchor in slugs, target


def all_tests() -> dict[str, set[str]]:
    """Return the names of all tests, by the file's path below the project."""
    found = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        definitions = re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        found[path.relative_to(ROOT).as_posix()] = set(definitions)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_tests_and_files_exist(page: Path) -> None:
    """A claim that names its test names one that exists."""
    tests = all_tests()
    every = set().union(*tests.values())
    shown = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    assert set(re.findall(r"`(test_\w+)`", shown)) <= every | {spec.name for spec in FIELDS}
    for path in re.findall(r"`((?:tests|example_dags|scripts)/[\w/.]+\.py)`", shown):
        assert (ROOT / path).is_file(), path


@pytest.mark.parametrize(
    "module",
    ["test_durable", "test_kill", "test_deadlines", "test_taken_over_while_creating", "test_kill_while_creating"],
)
def test_every_case_is_documented(module: str) -> None:
    """What is tested about durability, kills and deadlines has a row or a sentence of its own."""
    (path,) = (path for path in all_tests() if path.endswith(f"/{module}.py"))
    tested = all_tests()[path] - {"test_times_are_checked_before_any_request"}
    assert tested <= set(re.findall(r"`(test_\w+)`", read("docs/durable.md")))


# --- names and defaults ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("page", "heading"), [("README.md", "## Connection"), ("docs/connection.md", "## Fields")])
def test_connection_fields_are_the_fields(page: str, heading: str) -> None:
    """Both tables have every field of the connection, in the form's order."""
    assert [names(row[0]) for row in tables(page, heading)] == [[spec.name] for spec in FIELDS]


@pytest.mark.parametrize(("page", "heading"), [("README.md", "## Connection"), ("docs/connection.md", "## Fields")])
def test_the_form_and_the_documents_say_the_same(page: str, heading: str) -> None:
    """What a field means is said with the same words in the form and in both tables."""
    assert [row[-1] for row in tables(page, heading)] == [spec.description for spec in FIELDS]


def test_connection_defaults() -> None:
    """The documented defaults are those of the form."""
    documented = {names(row[0])[0]: names(row[1]) for row in tables("docs/connection.md", "## Fields")}
    for spec in FIELDS:
        if spec.default is not None:
            assert documented[spec.name] == [str(spec.default).lower()]


def test_refused_fields() -> None:
    """Every field that is refused is listed with what to do instead."""
    rows = tables("docs/connection.md", "## Fields that are refused")
    assert {name for row in rows for name in names(row[0])} == set(REFUSED_FIELDS)


def test_configuration() -> None:
    """The configuration table has the options and defaults that Airflow is told."""
    options = get_provider_info()["config"]["workflows"]["options"]
    rows = tables("docs/waiting.md", "## Configuration")
    assert {names(row[0])[0]: names(row[1])[0] for row in rows} == {
        name: option["default"] for name, option in options.items()
    }


def own_parameters(cls: type) -> set[str]:
    """Return the parameters of a class that the base operator does not have."""
    given = set(inspect.signature(cls).parameters) - {"self", "args", "kwargs"}
    return given - set(inspect.signature(WorkflowsBaseOperator).parameters)


def test_parameters_of_operators_and_sensor() -> None:
    """The README lists every class with every parameter of its own."""
    classes: dict[str, Any] = {
        name: cls for name, cls in vars(operators).items() if name.startswith("Workflows") and name.endswith("Operator")
    }
    classes["WorkflowExecutionSensor"] = WorkflowExecutionSensor
    rows = [
        row for row in tables("README.md", "## Operators, sensor, trigger, hook") if len(row) == 3 and "." in row[0]
    ]
    assert {names(row[0])[0].rpartition(".")[2]: set(names(row[1])) for row in rows} == {
        name: own_parameters(cls) for name, cls in classes.items()
    }


def test_shared_parameters() -> None:
    """What the README says that all operators take is what the base operator takes."""
    sentence = re.search(r"^All operators and the sensor take (.*?)\.", read("README.md"), re.MULTILINE | re.DOTALL)
    assert sentence
    assert set(names(sentence[1])) == set(inspect.signature(WorkflowsBaseOperator).parameters) - {"kwargs"}


# --- releases of Airflow ---------------------------------------------------------------------------------------------


def pins(name: str) -> dict[str, str]:
    """Return the versions in a file of constraints."""
    lines = (ROOT / "constraints" / name).read_text(encoding="utf-8").splitlines()
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", "\n".join(lines), re.MULTILINE))


def test_supported_releases_were_tested() -> None:
    """What the README says was tested is what the last run of the tests has, and nothing failed there."""
    ran = {row[0]: row for row in tables("docs/releases.md", "## What ran")}
    listed = tables("README.md", "## Install")
    assert [row[0] for row in listed] == [path.stem for path in sorted((ROOT / "constraints/releases").glob("*.txt"))]
    for airflow, python, auth, kind in listed:
        assert ran[airflow][:3] == [airflow, python, auth]
        assert ran[airflow][4] == kind
        assert ran[airflow][6] == "0"
        assert pins(f"releases/{airflow}.txt")["google-auth"] == auth


def test_the_floors_are_what_is_tested() -> None:
    """The lowest version of each library that is asked for is the one that the lowest environment has."""
    asked = re.search(r"^dependencies = \[\n(.*?)^\]", read("pyproject.toml"), re.MULTILINE | re.DOTALL)
    assert asked
    floors = dict(re.findall(r'"([\w-]+)>=([\d.]+)"', asked[1]))
    lowest = pins("oldest.txt")
    assert len(floors) == asked[1].count(">=")
    for name, floor in floors.items():
        assert lowest[name].removesuffix(".0") == floor.removesuffix(".0")


# --- the emulator ----------------------------------------------------------------------------------------------------


def test_fault_kinds() -> None:
    """Every kind of fault is listed, and none that is not there."""
    assert [names(row[0])[0] for row in tables("docs/testing.md", "## Faults")] == list(KINDS)


def test_settings_of_the_emulator() -> None:
    """Every setting is listed."""
    documented = {name for row in tables("docs/testing.md", "## Settings") for name in names(row[0])}
    assert documented == {each.name for each in fields(Settings)}


def test_built_in_workflows() -> None:
    """Every workflow that is there without registering is listed."""
    documented = {names(row[0])[0] for row in tables("docs/testing.md", "## Workflows") if names(row[0])}
    assert documented >= set(BUILT_IN)


def test_command_line_of_the_emulator() -> None:
    """Every option of the command is listed, those that are settings with the settings."""
    done = subprocess.run(
        [sys.executable, "-m", "airflow_provider_workflows.testing", "--help"],
        env={**_environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    options = set(re.findall(r"^  (--[a-z-]+)", done.stdout, re.MULTILINE))
    settings = {f"--{each.name.replace('_', '-')}" for each in fields(Settings)}
    listed = {names(row[0])[0] for row in tables("docs/testing.md", "## In a process of its own")}
    assert options - settings == listed - settings
    assert options - listed == settings - listed - {"--clock", "--projects"}


def test_methods_of_the_emulator() -> None:
    """Every method and property that is listed exists, from another process all but those that are said not to."""
    from airflow_provider_workflows.testing import Emulator, RemoteEmulator

    listed = {
        name.partition("(")[0] for row in tables("docs/testing.md", "## Looking and steering") for name in names(row[0])
    }
    assert {name for name in listed if not hasattr(Emulator, name)} == set()
    remote = dir(RemoteEmulator("http://127.0.0.1:1"))
    sentence = re.search(r"methods above but (.*?);", read("docs/testing.md"), re.DOTALL)
    assert sentence
    assert {name for name in listed | {"settings"} if name not in remote} == set(names(sentence[1]))
