# SPDX-License-Identifier: Apache-2.0
"""
Every block of code in the documents is run, or says why not.

The comment above a block says how: ``runs`` (Python is made on this Airflow, shell is run by
``tests/airflow/test_documents.py``), ``needs Airflow's database`` (run there, too), ``from FILE`` (it has no line that
the file does not have), ``asks the emulator``, a client's name (``tests/contract/test_other_clients.py``),
``a definition`` of a workflow, or ``not run: WHY``. Tests without a comment are run by pytest.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_workflows.auth.fields import FIELDS
from airflow_provider_workflows.testing import Emulator
from airflow_provider_workflows.testing.definitions import function_of
from tests.documents import BLOCKS, PAGES, ROOT, Block, read

PYTHON = [block for block in BLOCKS if block.kind == "python"]
SHELL = [block for block in BLOCKS if block.kind in ("sh", "bash")]
#: Who runs a block that is not run here, by its mark.
RUN_ELSEWHERE = {
    "needs Airflow's database": "tests/airflow/test_documents.py",
    **dict.fromkeys(
        ("gcloud", "curl", "google-api-python-client", "google-api-python-client, batch", "googleapis", "node", "go"),
        "tests/contract/test_other_clients.py",
    ),
}
NOT_RUN = "not run: "
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
#: Where the documents show an emulator.
SHOWN = "http://127.0.0.1:8080"


def holds_tests(block: Block) -> bool:
    """Tell whether a block is a file of tests."""
    return "def test_" in block.text and not block.mark


def each_marked(mark: str) -> pytest.MarkDecorator:
    """Parametrize a test with the blocks of Python whose mark begins so."""
    return pytest.mark.parametrize("block", [block for block in PYTHON if block.mark.startswith(mark)], ids=str)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.kind not in ("", "json")], ids=str)
def test_every_block_is_run_or_says_why_not(block: Block) -> None:
    """No code is shown that nobody runs, unless its reason stands above it."""
    if block.mark.startswith(NOT_RUN):
        assert len(block.mark) > len(NOT_RUN)
    elif block.mark in RUN_ELSEWHERE:
        assert f'"{block.mark}"' in read(RUN_ELSEWHERE[block.mark])
    elif block.kind == "python":
        assert holds_tests(block) or block.mark in ("runs", "asks the emulator") or block.mark.startswith("from ")
    else:
        assert block.kind in ("sh", "bash")


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


@each_marked("from ")
def test_quoted_examples_are_the_examples(block: Block) -> None:
    """A quoted example leaves lines out and adds or changes none, so what is shown is what the tests run."""
    text = read(block.mark.removeprefix("from "))
    assert BOTH_AIRFLOWS in text
    example = iter(text.replace(BOTH_AIRFLOWS, f"{AIRFLOW_3}, task\n").splitlines())
    for line in block.text.splitlines():
        assert not line or line in example, line


@each_marked("runs")
def test_dags_that_are_shown_can_be_made(block: Block) -> None:
    """A DAG that is shown has parameters that exist, on Airflow 2 with the line that the document gives for it."""
    code = block.text
    if find_spec("airflow.sdk") is None:
        code = code.replace(f"{AIRFLOW_3}, task\n", f"{AIRFLOW_2}\nfrom airflow.decorators import task\n")
        code = code.replace(f"{AIRFLOW_3}\n", f"{AIRFLOW_2}\n")
    code = re.sub(r"^(with DAG\(.*?\)):$", r"\1 as shown:", code, flags=re.MULTILINE | re.DOTALL)
    made: dict[str, Any] = {}
    exec(compile(code, str(block), "exec"), made)
    assert set(re.findall(r'task_id="(\w+)"', code)) <= set(made["shown"].task_ids if "shown" in made else ())


@each_marked("asks the emulator")
def test_lines_that_ask_the_emulator_are_answered(
    block: Block, workflows_emulator: Emulator, workflows_connection: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines that use a hook or steer an emulator work with the default connection, and print something good."""
    assert workflows_connection == "google_cloud_default"
    exec(compile(block.text.replace(SHOWN, workflows_emulator.endpoint), str(block), "exec"), {})
    printed = capsys.readouterr().out
    assert printed
    assert "False" not in printed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_airflow_2_is_told_its_imports(page: Path) -> None:
    """A document whose code imports from Airflow 3's place says what to write on Airflow 2."""
    code = "".join(block.text for block in PYTHON if block.page == page.name)
    text = page.read_text(encoding="utf-8")
    assert AIRFLOW_3 not in code or f"`{AIRFLOW_2}`" in text
    assert f"{AIRFLOW_3}, task" not in code or "`from airflow.decorators import task`" in text


def test_tests_that_are_shown_pass(tmp_path: Path) -> None:
    """Whoever copies a test from the documents has one that passes."""
    shown = [block for block in PYTHON if holds_tests(block)]
    assert len(shown) >= 3
    for block in shown:
        name = f"test_{block.page.partition('.')[0].lower()}_{block.number}.py"
        (tmp_path / name).write_text(block.text, encoding="utf-8")
    done = run_pytest(tmp_path, environment())
    assert done.returncode == 0, done.stdout + done.stderr


def run_pytest(folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the tests in a folder, with our plugin also where the package is not installed."""
    installed = any(each.name == "airflow_provider_workflows" for each in entry_points(group="pytest11"))
    plugin = [] if installed else ["-p", "airflow_provider_workflows.testing.plugin"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, "--rootdir=.", "."],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def environment() -> dict[str, str]:
    """Return the environment without what measures coverage in child processes."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COV")}


# --- shell ---------------------------------------------------------------------------------------------------------

MAKE_TARGETS = set(re.findall(r"^([a-z0-9-]+):.*##", read("Makefile"), re.MULTILINE))
#: What is shown of make anywhere, in blocks and in sentences.
MAKE = re.compile(r"(?:^|`)make ([^`\n]+)", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_is_shown_as_it_is(page: Path) -> None:
    """Each target of make that is shown exists, and the Makefile explains each variable that it is given."""
    for words in MAKE.findall(page.read_text(encoding="utf-8")):
        target, *options = words.split()
        assert target in MAKE_TARGETS, words
        for variable in re.findall(r"\b([A-Z]+)=", " ".join(options)):
            assert re.search(rf"^#.*\b{variable}=", read("Makefile"), re.MULTILINE), words


@pytest.mark.parametrize("block", [block for block in SHELL if block.mark not in RUN_ELSEWHERE], ids=str)
def test_commands_in_shell_are_known(block: Block) -> None:
    """A command line that is shown uses options and files that exist, where the block is not run as a whole."""
    for line in block.text.splitlines():
        words = line.split()
        if words[:3] == ["python", "-m", "airflow_provider_workflows.testing"]:
            assert {word for word in words if word.startswith("--")} <= emulator_options()
        elif words[:3] == ["pip", "install", "-c"]:
            assert (ROOT / words[3]).is_file()
        else:
            assert words[0] == "make" or block.mark == "runs", line


def emulator_options() -> set[str]:
    """Return the options that the emulator's command has."""
    done = subprocess.run(
        [sys.executable, "-m", "airflow_provider_workflows.testing", "--help"],
        env={**environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(re.findall(r"^  (--[a-z-]+)", done.stdout, re.MULTILINE))
