# SPDX-License-Identifier: Apache-2.0
"""What the demo prints can be read by who sees it for the first time, also when a DAG fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.harness import AIRFLOW_3

if not AIRFLOW_3:
    pytest.skip("the demo is for Airflow 3", allow_module_level=True)

from demo import error_in, log_of, print_failures, readable
from run_watcher import TaskHistory


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"customer": "Ada", "total": 42, "paid": True}, "customer: Ada, total: 42, paid: true"),
        (["a.csv", "b.csv"], "a.csv, b.csv"),
        ([{"seconds": 6, "result": {"rows": None}}], "(seconds: 6, result: rows: null)"),
        ("plain", "plain"),
        (2, "2"),
    ],
)
def test_values_are_written_as_people_do(value: Any, text: str) -> None:
    """No result is shown in the notation of a programming language."""
    assert readable(value) == text


def test_a_failed_dag_shows_its_tasks_error_and_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each task that failed is printed with its exception and where its log is; others are not."""
    failed = TaskHistory("dag", "run1", "load", 2, ["running", "failed"])
    folder = tmp_path / "logs" / "dag_id=dag" / "run_id=run1" / "task_id=load" / "map_index=2"
    folder.mkdir(parents=True)
    log = folder / "attempt=1.log"
    lines = [
        {"level": "error", "event": "Task failed", "error_detail": [{"exc_type": "KeyError", "exc_value": "'rows'"}]},
        {"level": "info", "event": "done"},
    ]
    log.write_text("\n".join(["no JSON", *map(json.dumps, lines)]), encoding="utf-8")
    assert log_of(tmp_path, failed) == log
    tasks = [failed, TaskHistory("dag", "run1", "plan", -1, ["success"]), TaskHistory("fine", "r", "t", -1, ["failed"])]
    print_failures(tmp_path, {"dag": "failed", "fine": "success"}, tasks)
    assert capsys.readouterr().out == f"\ndag is failed:\n  load[2]: KeyError: 'rows'\n  log: {log}\n"


def test_a_log_without_an_exception(tmp_path: Path) -> None:
    """The last error line stands in for an exception; a log without one says so."""
    log = tmp_path / "attempt=1.log"
    log.write_text(json.dumps({"level": "critical", "event": "Task killed!"}), encoding="utf-8")
    assert error_in(log) == "Task killed!"
    log.write_text("", encoding="utf-8")
    assert error_in(log) == "no error is in its log"


def test_a_dag_that_failed_without_a_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where no task failed, Airflow's own logs are named."""
    print_failures(tmp_path, {"dag": "running"}, [])
    assert str(tmp_path / "processes") in capsys.readouterr().out
