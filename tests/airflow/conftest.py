# SPDX-License-Identifier: Apache-2.0
"""Give tests a real Airflow: command line runs on any version, a whole cluster on Airflow 3."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from airflow_provider_workflows.testing import Emulator
from local_emulator import connection_environment

EXAMPLE_DAGS = Path(__file__).resolve().parent.parent.parent / "example_dags"
AIRFLOW_3 = int(version("apache-airflow").split(".")[0]) >= 3
AirflowCommand = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs an Airflow 3 cluster on Airflow 2."""
    if AIRFLOW_3:
        return
    for item in items:
        if item.get_closest_marker("cluster"):
            item.add_marker(pytest.mark.skip(reason="the cluster harness is for Airflow 3"))


@pytest.fixture(scope="module")
def shared_emulator() -> Iterator[Emulator]:
    """Serve one emulator for all tests of a module, on the system's clock: Airflow's processes have no other."""
    with Emulator() as emulator:
        yield emulator


def _home_environment(home: Path) -> dict[str, str]:
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLE_DAGS),
    }


@pytest.fixture(scope="module")
def airflow_command(
    tmp_path_factory: pytest.TempPathFactory, airflow_db: Path, shared_emulator: Emulator
) -> AirflowCommand:
    """
    Give a function that runs an ``airflow`` command in a fresh home, with the connection set to the emulator.

    It takes the command's arguments and returns the completed process with its output as text. Every call has a
    database of its own, a copy of the session's migrated one, so calls may run at the same time.
    """

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        home = tmp_path_factory.mktemp("airflow")
        shutil.copy(airflow_db / "airflow.db", home)
        environment = {
            **os.environ,
            **_home_environment(home),
            **connection_environment(shared_emulator.endpoint),
        }
        return subprocess.run(
            [sys.executable, "-m", "airflow", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run
