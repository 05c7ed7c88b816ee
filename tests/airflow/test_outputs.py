# SPDX-License-Identifier: Apache-2.0
"""What Airflow itself makes of what tasks return."""

from __future__ import annotations

from pathlib import Path

from tests.airflow.conftest import AirflowCommand

OUTPUT_DAGS = Path(__file__).resolve().parent / "output_dags"


def test_multiple_outputs_leave_the_result_decoded(airflow_command: AirflowCommand) -> None:
    """With multiple_outputs the XCom result is the decoded one, in the worker and after a deferral."""
    done = airflow_command("dags", "test", "outputs", "2026-01-01", dags=OUTPUT_DAGS)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "state=success" in output or "state:success" in output, output
