# SPDX-License-Identifier: Apache-2.0
"""Let the deadlines of deferred tasks pass in ``airflow dags test``, on the installed Airflow."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest

from airflow_provider_workflows.testing import Emulator

CompletedCommand = subprocess.CompletedProcess[str]

DAGS = Path(__file__).resolve().parent / "deadline_dags"
#: The deadline of the DAGs' tasks.
SECONDS = 12.0
#: They defer at once, so that it passes in the trigger.
ENVIRONMENT = {"AIRFLOW__WORKFLOWS__DEFER_AFTER": "1", "AIRFLOW__WORKFLOWS__RESUME_AFTER": "0"}
LATE = {"late_create": "ExecutionTimeout", "late_sensor": "AirflowSensorTimeout"}


@pytest.fixture(scope="module")
def runs(airflow_command: Callable[..., CompletedCommand]) -> dict[str, CompletedCommand]:
    """Run both DAGs to their end."""

    def run(dag_id: str) -> CompletedCommand:
        return airflow_command("dags", "test", dag_id, "2026-01-01", dags=DAGS, env=ENVIRONMENT)

    with ThreadPoolExecutor(max_workers=2) as pool:
        return dict(zip(LATE, pool.map(run, LATE), strict=True))


def seconds_late(output: str) -> float:
    """Return the seconds from a deadline to the failure of its task, by the times of the log."""
    began = times(output, r"Deferred: .* in the triggerer")[0]
    failed = times(output, r"Marking run .* failed")[0]
    return (failed - began).total_seconds() - (SECONDS - 1)


def times(output: str, text: str) -> list[datetime]:
    """Return the times of the lines that have a text."""
    lines = [line for line in output.splitlines() if re.search(text, line)]
    stamps = [re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,6}", line) for line in lines]
    found = [datetime.fromisoformat(stamp.group()) for stamp in stamps if stamp]
    assert found, output
    return found


@pytest.mark.parametrize("dag_id", LATE)
def test_dags_test_ends_at_the_deadline(dag_id: str, runs: dict[str, CompletedCommand]) -> None:
    """A deferred task whose deadline passes under ``airflow dags test`` fails as late, within 10 s."""
    output = runs[dag_id].stdout + runs[dag_id].stderr
    assert LATE[dag_id] in output, output
    assert seconds_late(output) < 60.0  # 1 s where nothing else runs; without the mend it never ends
    print(f"{dag_id}: {seconds_late(output):.1f} s after its deadline")


def test_only_the_creates_execution_is_cancelled(runs: dict[str, CompletedCommand], shared_emulator: Emulator) -> None:
    """The late create's execution is cancelled; the one that the sensor waited for goes on."""
    assert len(runs) == len(LATE)
    assert sorted(execution["state"] for execution in shared_emulator.executions()) == ["ACTIVE", "CANCELLED"]
