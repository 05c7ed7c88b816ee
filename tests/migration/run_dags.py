# SPDX-License-Identifier: Apache-2.0
"""
Run every DAG of a folder as ``airflow dags test`` does, one after the other in one process; print what became of it.

Prints one line of JSON: DAG id -> task id (with the map index where there is one) -> state.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path

from airflow.cli import cli_parser
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session


def main(folder: str) -> None:
    """Run the folder's DAGs, each named like its file."""
    parser = cli_parser.get_parser()
    for path in sorted(Path(folder).glob("*.py")):
        arguments = parser.parse_args(["dags", "test", path.stem, "2026-01-02"])
        try:
            arguments.func(arguments)
        except (Exception, SystemExit):  # noqa: BLE001 - the others shall run
            traceback.print_exc()
    ended: dict[str, dict[str, str]] = {}
    with create_session() as session:
        for ti in session.query(TaskInstance).all():
            index = f"[{ti.map_index}]" if ti.map_index >= 0 else ""
            ended.setdefault(ti.dag_id, {})[f"{ti.task_id}{index}"] = str(ti.state)
    print(json.dumps(ended))


if __name__ == "__main__":
    main(sys.argv[1])
