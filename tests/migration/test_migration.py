# SPDX-License-Identifier: Apache-2.0
"""
DAGs that were written for the Google provider run here with nothing changed but the lines that import its classes.

They are in the shapes that people use: ids from ``.output`` and from templates, mapped, subclassed, with arguments as
dicts, texts and bytes, with options of Google's client libraries.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_workflows.testing import Emulator
from local_emulator import connection_environment
from tests.documents import names, tables

DAGS = sorted((Path(__file__).parent / "dags").glob("m*.py"))
#: The table of docs/migrating.md, as the only thing that is done to a DAG.
CHANGED = {
    row[0].strip("`"): row[1].strip("`")
    for row in tables("docs/migrating.md", "## The import lines")
    if "hooks" not in row[0] and names(row[0])
}
OK, SKIPPED = "success", "skipped"
ENDS = {
    "m01_output": {"create": OK, "wait": OK, "get": OK},
    "m02_xcom_pull": {"create": OK, "get": OK, "cancel": OK, "cancel_again": OK},
    "m03_soft_fail": {"create": OK, "wait": SKIPPED, "cancel": OK},
    "m04_mapped": {"requests": OK, "ids": OK} | {f"{task}[{n}]": OK for task in ("create", "wait") for n in range(3)},
    "m05_subclass": {"create": OK, "wait": OK},
    "m06_templates": {"create": OK},
    "m07_arguments": dict.fromkeys(("dict", "text", "bytes", "empty", "nothing"), OK),
    "m08_call_options": {"create": OK, "wait": OK, "get": OK},
    "m09_list": {"create": OK, "recent": OK, "count": OK},
    "m10_states": {"create": OK, "wait_for_start": OK, "cancel": OK, "wait_for_end": OK},
}


def migrated(text: str) -> str:
    """Change the import lines, and nothing else."""
    for theirs, ours in CHANGED.items():
        text = text.replace(f"from {theirs} import", f"from {ours} import")
    return text


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """Serve one emulator for all DAGs, on the system's clock."""
    with Emulator() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory, airflow_db: Path, emulator: Emulator
) -> tuple[dict[str, dict[str, str]], str]:
    """Run all DAGs in one Airflow; give their tasks' states, and everything that was printed."""
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("dags")
    shutil.copy(airflow_db / "airflow.db", home)
    for path in DAGS:
        (folder / path.name).write_text(migrated(path.read_text(encoding="utf-8")), encoding="utf-8")
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
        **connection_environment(emulator.endpoint),
    }
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("run_dags.py")), str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return json.loads(done.stdout.splitlines()[-1]), output


def test_only_imports_change() -> None:
    """Each DAG imports from the Google provider and differs from its migrated form in those lines only."""
    assert [path.stem for path in DAGS] == list(ENDS)
    for path in DAGS:
        text = path.read_text(encoding="utf-8")
        pairs = zip(text.splitlines(), migrated(text).splitlines(), strict=True)
        changed = [line for line, other in pairs if line != other]
        assert changed
        assert all(line.startswith("from airflow.providers.google.cloud.") for line in changed)


@pytest.mark.parametrize("dag_id", ENDS)
def test_migrated_dag(dag_id: str, run: tuple[dict[str, dict[str, str]], str]) -> None:
    """Every task of the DAG ends as it did with the Google provider, or as its author meant it to."""
    ended, output = run
    assert ended.get(dag_id) == ENDS[dag_id], output


def test_what_arrived(run: tuple[dict[str, dict[str, str]], str], emulator: Emulator) -> None:
    """Arguments arrive as the JSON that was meant: also a dict, which the Google provider sends as Python's text."""
    assert run
    sent = [json.loads(each["argument"]) for each in emulator.executions("echo")]
    meant = {"a": [1, True, None, "it's"]}
    assert sent.count(meant) == 3
    assert sent.count(None) == 2
    assert {"count": 3, "day": "2026-01-02", "flag": True, "none": None} in sent
    created = [each for each in emulator.requests if each.operation == "create"]
    assert len(created) == 16


def test_ignored_options_are_told(run: tuple[dict[str, dict[str, str]], str]) -> None:
    """Tasks with options of the client libraries say once each that they are ignored, others say nothing."""
    _, output = run
    told = [line for line in output.splitlines() if "Deprecated and ignored" in line]
    # Those of m08, and each mapped one of m04; Airflow 2.11 prints each line twice.
    assert len(told) in (9, 18)
