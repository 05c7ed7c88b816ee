# SPDX-License-Identifier: Apache-2.0
"""Run every example DAG on the installed Airflow."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airflow_provider_workflows.testing import Emulator

CompletedCommand = subprocess.CompletedProcess[str]

EXAMPLE_DAGS = Path(__file__).resolve().parent.parent.parent / "example_dags"
EXAMPLES = sorted(path.stem for path in EXAMPLE_DAGS.glob("example_*.py"))
# The executions' length; the rest of a test's time is Airflow's own.
CONF = json.dumps({"seconds": 1})


@pytest.fixture(scope="module")
def example_runs(
    airflow_command: Callable[..., CompletedCommand], shared_emulator: Emulator
) -> dict[str, CompletedCommand]:
    """Run ``airflow dags test`` for all examples, two at a time because each takes long to start."""

    def run(dag_id: str) -> CompletedCommand:
        return airflow_command("dags", "test", dag_id, "2026-01-01", "--conf", CONF)

    with ThreadPoolExecutor(max_workers=2) as pool:
        return dict(zip(EXAMPLES, pool.map(run, EXAMPLES), strict=True))


def test_examples_cover_the_promised_use_cases() -> None:
    """There is one example for each use case."""
    assert EXAMPLES == [
        "example_cancel_in_teardown",
        "example_fan_out",
        "example_run_and_use_result",
        "example_wait_for_execution",
    ]


@pytest.mark.usefixtures("airflow_db")
def test_examples_load_without_network_or_warning() -> None:
    """Airflow loads every example without an import error, a connection, or a warning from our files."""
    command = [sys.executable, str(Path(__file__).with_name("load_dags.py")), str(EXAMPLE_DAGS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"dags": EXAMPLES, "errors": {}, "warnings": []}


@pytest.mark.parametrize("dag_id", EXAMPLES)
def test_example_succeeds_with_dags_test(dag_id: str, example_runs: dict[str, CompletedCommand]) -> None:
    """``airflow dags test`` runs the example to success."""
    done = example_runs[dag_id]
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "state=success" in output or "state:success" in output, output


def test_examples_leave_no_execution_running(
    example_runs: dict[str, CompletedCommand], shared_emulator: Emulator
) -> None:
    """After all examples every execution is over: five succeeded, and one was cancelled in the teardown."""
    assert len(example_runs) == len(EXAMPLES)
    states = sorted(execution["state"] for execution in shared_emulator.executions())
    assert states == ["CANCELLED"] + ["SUCCEEDED"] * 5
