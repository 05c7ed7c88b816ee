# SPDX-License-Identifier: Apache-2.0
"""Compare what a DAG file pays for importing operators and sensors: this package's and the Google provider's."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

from bench_processes import Bench, BenchError
from bench_report import Check, Section

ATTEMPTS = 5
#: What operators and sensors of any provider import from Airflow anyway.
BASELINE = """
from airflow.sdk import BaseOperator, BaseOperatorLink, BaseSensorOperator, Context, PokeReturnValue
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import (
    AirflowException, AirflowFailException, AirflowNotFoundException, AirflowSensorTimeout, AirflowSkipException,
    AirflowTaskTimeout, TaskDeferred,
)
from airflow.sdk.execution_time.xcom import XCom
"""
MEASURE = """
import json, sys, time
before = set(sys.modules)
wall, cpu = time.perf_counter(), time.process_time()
{statement}
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(json.dumps([wall, cpu, len(set(sys.modules) - before)]))
"""
STATEMENTS = {
    "this package": (
        "import airflow_provider_workflows.operators.executions, airflow_provider_workflows.sensors.executions"
    ),
    "Google provider": (
        "import airflow.providers.google.cloud.operators.workflows, airflow.providers.google.cloud.sensors.workflows"
    ),
}


def once(bench: Bench, statement: str) -> tuple[float, float, int]:
    """Import in a fresh interpreter; return wall and CPU seconds and the modules added."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BASELINE + MEASURE.format(statement=statement)],
        env=bench.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode != 0:
        raise BenchError(f"{statement} failed:\n{done.stderr[-2000:]}")
    wall, cpu, modules = json.loads(done.stdout.splitlines()[-1])
    return wall, cpu, modules


def run(bench: Bench) -> Section:
    """Measure both, by turns, so that whatever else the machine does hits both alike."""
    bench.say(f"imports, {ATTEMPTS} times each in fresh interpreters")
    found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in STATEMENTS}
    for attempt in range(ATTEMPTS + 1):
        for name, statement in STATEMENTS.items():
            figures = once(bench, statement)
            if attempt:  # the first one compiles and fills the disk cache
                found[name].append(figures)
    section = Section("import", "Importing operators and sensors", ["package", "ms", "CPU ms", "modules added"])
    medians = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in found.items()}
    for name, (wall, cpu, modules) in medians.items():
        section.rows.append([name, f"{wall * 1000:.1f}", f"{cpu * 1000:.1f}", f"{modules:.0f}"])
    wall, _, modules = medians["this package"]
    section.checks = [
        Check("this package: time", wall * 1000, 25, " ms"),
        Check("this package: modules", modules, 25),
    ]
    section.notes = [
        f"""Median of {ATTEMPTS} fresh interpreters each, over what Airflow's own SDK imports that any operator needs
        have already cost."""
    ]
    return section
