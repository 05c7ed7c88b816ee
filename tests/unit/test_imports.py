# SPDX-License-Identifier: Apache-2.0
"""
What a DAG file pays for importing this package: 25 modules and 25 ms of CPU over Airflow's own imports.

DAG files are parsed again and again, and every Airflow process reads the provider info. Each case is measured in a
process of its own, after everything that any provider imports from Airflow is already there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import airflow_provider_workflows

MAX_MODULES = 25
MAX_SECONDS = 0.025
HEAVY = (
    "aiohttp",
    "cryptography",
    "google.auth",
    "googleapiclient",
    "httplib2",
    "requests",
    "tenacity",
    "urllib3",
    "wtforms",
)

#: What a provider's operators and sensors import from Airflow anyway.
BASELINE = """
try:
    from airflow.sdk import BaseOperator, BaseOperatorLink, BaseSensorOperator, Context, PokeReturnValue
    from airflow.sdk.execution_time.xcom import XCom
except ImportError:  # Airflow 2
    from airflow.models.baseoperator import BaseOperator
    from airflow.models.baseoperatorlink import BaseOperatorLink
    from airflow.models.xcom import XCom
    from airflow.sensors.base import BaseSensorOperator, PokeReturnValue
    from airflow.utils.context import Context
try:
    from airflow.sdk.configuration import conf
    from airflow.sdk.exceptions import (
        AirflowException, AirflowFailException, AirflowNotFoundException, AirflowSensorTimeout, AirflowSkipException,
        AirflowTaskTimeout, TaskDeferred,
    )
except ImportError:  # before 3.2
    from airflow.configuration import conf
    from airflow.exceptions import (
        AirflowException, AirflowFailException, AirflowNotFoundException, AirflowSensorTimeout, AirflowSkipException,
        AirflowTaskTimeout, TaskDeferred,
    )
"""
MEASURE = """
import importlib, json, sys, time
before = set(sys.modules)
began = time.process_time()
{statement}
seconds = time.process_time() - began
print(json.dumps({{"modules": sorted(set(sys.modules) - before), "seconds": seconds}}))
"""

CASES = {
    "DAG file": "import airflow_provider_workflows.operators.executions, airflow_provider_workflows.sensors.executions",
    "provider info": "from airflow_provider_workflows import get_provider_info; get_provider_info()",
    "pytest plugin": "import airflow_provider_workflows.testing.plugin",
}
ATTEMPTS = 5


def measure(case: str) -> dict[str, Any]:
    """Return the modules that a case adds and the seconds that it takes, in a process of its own."""
    baseline = "import pytest" if case == "pytest plugin" else BASELINE
    root = str(Path(airflow_provider_workflows.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", baseline + MEASURE.format(statement=CASES[case])],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


@pytest.mark.parametrize("case", CASES)
def test_import_adds_little_and_nothing_heavy(case: str) -> None:
    """Neither Google's libraries nor an HTTP client come along, and few modules do, libraries included."""
    modules = measure(case)["modules"]
    assert [name for name in modules if name.startswith(HEAVY)] == []
    assert len(modules) <= MAX_MODULES, modules


def test_import_is_quick() -> None:
    """Operators and sensor together take at most the budget, in the fastest of some processes."""
    seconds: list[float] = []
    while len(seconds) < ATTEMPTS and min(seconds, default=1.0) > MAX_SECONDS:
        seconds.append(measure("DAG file")["seconds"])
    assert min(seconds) <= MAX_SECONDS, seconds
