# SPDX-License-Identifier: Apache-2.0
"""
The documents say what the code does: names, defaults, options, commands and the tests they refer to.

``tests/unit/test_docs_code.py`` runs the code that they show; ``make docs`` checks their links once more, and builds
the site.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import airflow_provider_workflows
import architecture
from airflow_provider_workflows import __version__, testing
from airflow_provider_workflows.auth.fields import FIELDS, REFUSED_FIELDS
from airflow_provider_workflows.hooks import executions as hooks
from airflow_provider_workflows.operators import executions as operators
from airflow_provider_workflows.operators.base import WorkflowsBaseOperator
from airflow_provider_workflows.provider_info import get_provider_info
from airflow_provider_workflows.sensors.executions import WorkflowExecutionSensor
from airflow_provider_workflows.testing import Settings
from airflow_provider_workflows.testing.faults import KINDS
from airflow_provider_workflows.testing.workflows import BUILT_IN
from tests.documents import FENCED, PAGES, ROOT, names, read, tables
from tests.unit.test_docs_code import MAKE_TARGETS, emulator_options

# --- commands, links, tests ------------------------------------------------------------------------------------------


def test_targets_are_documented() -> None:
    """Every target of make is documented for contributors."""
    documented = {name.split()[1] for row in tables("CONTRIBUTING.md", "## Commands") for name in names(row[0])}
    assert documented == MAKE_TARGETS


@pytest.mark.skipif(not (ROOT / ".ci").exists(), reason="a release does not have what runs before a change lands")
def test_ci_runs_the_command_that_the_readme_names() -> None:
    """What the README names for running the tests is what has to pass before a change lands."""
    commands = [names(row[0])[0].split() for row in tables("README.md", "## See it work")]
    assert commands == [["make", "demo"], ["make", "test"]]
    assert "part test\n" in read(".ci/run")


def test_the_readme_is_short() -> None:
    """The README has at most 150 lines."""
    assert len(read("README.md").splitlines()) <= 150


def test_the_readme_leads_to_every_page() -> None:
    """The README's list of documents, which is the site's table of contents, has every page."""
    listed = set(re.findall(r"\]\(([^)]+)\)", read("README.md").partition("## Documents")[2]))
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").iterdir() if path.suffix in (".md", ".rst")}
    assert listed == (pages - {"docs/verified.md"}) | {"CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}


def test_each_row_of_the_comparison_has_its_proof() -> None:
    """Each row of the comparison with the Google provider links to a test that exists."""
    rows = tables("README.md", "## Why not the Google provider's operators")
    assert len(rows) >= 6
    for row in rows:
        assert re.search(r"\]\(tests/[\w/]+\.py\)", row[3]), row


def test_the_drawing_is_that_of_the_arrows() -> None:
    """The drawing of the architecture is the one that the table of arrows makes: run `make docs` after a change."""
    assert architecture.drawing() == architecture.PICTURE.read_text(encoding="utf-8")


def test_the_architecture_names_files_that_exist() -> None:
    """Each file that the page about the architecture names is there."""
    package = Path(airflow_provider_workflows.__file__).parent  # which may be installed somewhere else
    named = set(re.findall(r"`([\w/]+(?:\.py|/))`", FENCED.sub("", read("docs/architecture.md"))))
    assert len(named) > 10
    for name in named:
        assert (package / name).exists() or (ROOT / name).exists(), name


def test_the_reference_has_every_public_class() -> None:
    """The reference has every operator, the sensor, the trigger, both hooks, and what tests are written with."""
    listed = {name.rpartition(".")[2] for name in re.findall(r"autoapiclass:: (\S+)", read("docs/api.rst"))}
    ours = {name for name in vars(operators) if name.startswith("Workflows") and name.endswith("Operator")}
    assert ours | {"WorkflowExecutionSensor", "WorkflowExecutionTrigger"} | set(hooks.__all__) <= listed
    made = {name for name in testing.__all__ if not name.isupper() and name != "serve"}
    assert made - {"Clock", "SystemClock", "LoggedRequest"} <= listed


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
        slugs = {re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-") for heading in headings}
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
    shown = FENCED.sub("", page.read_text(encoding="utf-8"))
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
    assert tested <= set(re.findall(r"`(test_\w+)`", read("docs/durable.md") + read("docs/failures.md")))


# --- names and defaults ----------------------------------------------------------------------------------------------


def test_connection_fields_are_the_fields() -> None:
    """The table has every field of the connection, in the form's order."""
    assert [names(row[0]) for row in tables("docs/connection.md", "## Fields")] == [[spec.name] for spec in FIELDS]


def test_the_form_and_the_documents_say_the_same() -> None:
    """What a field means is said with the same words in the form and in the table."""
    assert [row[-1] for row in tables("docs/connection.md", "## Fields")] == [spec.description for spec in FIELDS]


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
    """The page about the configuration has the options that Airflow is told, in the same words."""
    options = get_provider_info()["config"]["workflows"]["options"]
    assert tables("docs/configuration.md", "# Configuration") == [
        [f"`{name}`", option["type"], f"`{option['default']}`", option["version_added"], option["description"]]
        for name, option in options.items()
    ]


def own_parameters(cls: type) -> set[str]:
    """Return the parameters of a class that the base operator does not have."""
    given = set(inspect.signature(cls).parameters) - {"self", "args", "kwargs"}
    return given - set(inspect.signature(WorkflowsBaseOperator).parameters)


def test_parameters_of_operators_and_sensor() -> None:
    """Every class is listed with every parameter of its own."""
    classes: dict[str, Any] = {
        name: cls for name, cls in vars(operators).items() if name.startswith("Workflows") and name.endswith("Operator")
    }
    classes["WorkflowExecutionSensor"] = WorkflowExecutionSensor
    rows = [*tables("docs/operators.md", "# Operators and hooks"), *tables("docs/sensor.md", "# Sensor")]
    assert {names(row[0])[0].rpartition(".")[2]: set(names(row[1])) for row in rows} == {
        name: own_parameters(cls) for name, cls in classes.items()
    }


def test_shared_parameters() -> None:
    """What all operators are said to take is what the base operator takes."""
    page = read("docs/operators.md")
    sentence = re.search(r"^All operators and the sensor take (.*?)\.", page, re.MULTILINE | re.DOTALL)
    assert sentence
    assert set(names(sentence[1])) == set(inspect.signature(WorkflowsBaseOperator).parameters) - {"kwargs"}


# --- releases of this package ----------------------------------------------------------------------------------------


def test_changelog_is_kept_as_a_changelog() -> None:
    """The changelog has this version, or what is not released, on top, dates, and the six kinds of change only."""
    headings = re.findall(r"^## (.*)$", read("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == "[Unreleased]" or headings[0].startswith(f"[{__version__}] - ")
    released = [re.fullmatch(r"\[(\d+)\.(\d+)\.(\d+)\] - \d{4}-\d\d-\d\d", each) for each in headings]
    versions = [tuple(map(int, each.groups())) for each in released if each]
    assert len(versions) >= len(headings) - 1
    assert versions == sorted(versions, reverse=True)
    kinds = set(re.findall(r"^### (.*)$", read("CHANGELOG.md"), re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_security_is_mended_in_this_version() -> None:
    """The version that gets security fixes is the one of today."""
    rows = tables("SECURITY.md", "## What is supported")
    assert [row[0] for row in rows if row[1] == "yes"] == [__version__.rpartition(".")[0]]


def test_what_comes_along_is_pinned_and_counted() -> None:
    """What comes along on the oldest and the newest release are as many packages as is said, pinned there."""
    rows = tables("docs/releases.md", "## What comes along")
    releases = [path.stem for path in sorted((ROOT / "constraints/releases").glob("*.txt"))]
    assert [row[0] for row in rows] == [releases[0], releases[-1]]
    for airflow, count, packages in rows:
        assert set(packages.split(", ")) <= set(pins(f"releases/{airflow}.txt"))
        assert len(packages.split(", ")) == int(count)


# --- releases of Airflow ---------------------------------------------------------------------------------------------


def pins(name: str) -> dict[str, str]:
    """Return the versions in a file of constraints."""
    lines = (ROOT / "constraints" / name).read_text(encoding="utf-8").splitlines()
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", "\n".join(lines), re.MULTILINE))


def test_supported_releases_were_tested() -> None:
    """What the README says was tested is what the last run of the tests has, and nothing failed there."""
    ran = {row[0]: row for row in tables("docs/releases.md", "## What ran")}
    listed = tables("README.md", "## Releases of Airflow")
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
    options = emulator_options()
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


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_the_table_of_clients_has_every_method(version: str) -> None:
    """Both tables have a row for each method of their version, and a column for each client that asked."""
    from airflow_provider_workflows.testing.discovery import OPERATION_OF, versions

    there = {method.operation for method in versions()[version].methods}
    methods = {name.partition(".")[2] for name, operation in OPERATION_OF.items() if operation in there}
    rows = tables("docs/clients.md", f"## {version}")
    assert {names(row[0])[0] for row in rows} == methods | {"list, all pages"}
    asked = tables("docs/clients.md", "## What asked")
    assert {len(row) for row in rows} == {1 + len(asked)}
    assert {cell for row in rows for cell in row[1:]} <= {"works", "not offered"}
