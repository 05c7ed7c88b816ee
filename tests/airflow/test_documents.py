# SPDX-License-Identifier: Apache-2.0
"""Run what the documents show and what needs a whole Airflow."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from processes import free_port
from tests.conftest import airflow_settings
from tests.documents import ROOT, marked
from tests.unit.test_docs_code import environment, run_pytest

#: Where ``python`` and ``airflow`` are those of this environment.
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def test_the_commands_of_the_start_page(tmp_path: Path) -> None:
    """What is shown for a machine without Google Cloud ends as the page says, command by command."""
    commands = marked("start.md", "sh", "runs").text.replace("8080", str(free_port()))
    kept = {name: value for name, value in environment().items() if not name.startswith("AIRFLOW")}
    # A group of its own: whatever it leaves running ends with it.
    shell = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=ROOT,
        env={**kept, "PATH": PATH, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = shell.communicate(timeout=240)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
    assert shell.returncode == 0, output
    assert "Ada owes nothing" in output
    assert "state=success" in output or "state:success" in output, output


def test_the_test_of_a_whole_dag(tmp_path: Path, airflow_db: Path) -> None:
    """A test with ``airflow dags test`` in it passes where the DAG and the database are there."""
    block = marked("testing.md", "python", "needs Airflow's database")
    (tmp_path / "test_dag.py").write_text(block.text, encoding="utf-8")
    done = run_pytest(tmp_path, airflow_of_its_own(tmp_path, airflow_db))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_connection_that_the_button_works_with(tmp_path: Path, airflow_db: Path) -> None:
    """The command that adds a connection with port 0 adds it."""
    command = marked("connection.md", "bash", "needs Airflow's database").text
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{command}\nairflow connections get google_cloud_default -o json"],
        env=airflow_of_its_own(tmp_path, airflow_db),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (connection,) = json.loads(done.stdout[done.stdout.index("[{") :])
    assert (connection["conn_type"], str(connection["port"])) == ("google_cloud_workflows", "0")


def airflow_of_its_own(home: Path, airflow_db: Path) -> dict[str, str]:
    """Return the environment of an Airflow with a copy of the database, whose commands are found."""
    shutil.copy(airflow_db / "airflow.db", home)
    return {**environment(), **airflow_settings(home), "PATH": PATH, "PYTHONPATH": str(ROOT)}
