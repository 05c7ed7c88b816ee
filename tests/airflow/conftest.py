# SPDX-License-Identifier: Apache-2.0
"""Give tests a real Airflow: command line runs on any version, a whole cluster on Airflow 3."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import pytest

from airflow_cluster import AirflowCluster
from airflow_provider_workflows.testing import Emulator, ManualClock
from local_emulator import connection_environment

EXAMPLE_DAGS = Path(__file__).resolve().parent.parent.parent / "example_dags"
KILL_DAGS = Path(__file__).resolve().parent / "kill_dags"
AIRFLOW_3 = int(version("apache-airflow").split(".")[0]) >= 3
AirflowCommand = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what needs an Airflow 3 cluster last, so that it is not up during all other tests; skip it on Airflow 2."""
    items.sort(key=lambda item: item.get_closest_marker("cluster") is not None)
    for item in items:
        if item.get_closest_marker("cluster") and not AIRFLOW_3:
            item.add_marker(pytest.mark.skip(reason="the cluster harness is for Airflow 3"))


@pytest.fixture(scope="module")
def shared_emulator() -> Iterator[Emulator]:
    """Serve one emulator for all tests of a module, on the system's clock: Airflow's processes have no other."""
    with Emulator() as emulator:
        yield emulator


@pytest.fixture(scope="session")
def cluster_emulator() -> Iterator[Emulator]:
    """Serve the emulator that the cluster's connection names; its executions end when a test moves its clock."""
    with Emulator(clock=ManualClock()) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, cluster_emulator: Emulator) -> Iterator[AirflowCluster]:
    """Run one real Airflow with the example DAGs and the DAGs to kill for all tests: it takes long to start."""
    home = tmp_path_factory.mktemp("cluster")
    dags = tmp_path_factory.mktemp("dags")
    for file in (*EXAMPLE_DAGS.glob("*.py"), *KILL_DAGS.glob("*.py")):
        shutil.copy(file, dags)
    environment = {
        **connection_environment(cluster_emulator.endpoint),
        # A triggerer that is not heard of for so many seconds is dead, and the next one takes over.
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "5",
    }
    # Three of the tasks to kill keep a worker each.
    with AirflowCluster(home, dags, env=environment, parallelism=7) as running:
        yield running


@pytest.fixture(scope="module")
def airflow_command(
    tmp_path_factory: pytest.TempPathFactory, airflow_db: Path, shared_emulator: Emulator
) -> AirflowCommand:
    """
    Give a function that runs an ``airflow`` command in a fresh home, with the connection set to the emulator.

    It takes the command's arguments, a folder of DAGs and further environment variables, and returns the completed
    process with its output as text. Every call has a database of its own, a copy of the session's migrated one, so
    calls may run at the same time.
    """
    homes = tmp_path_factory.mktemp("homes")

    def run(
        *arguments: str, dags: Path = EXAMPLE_DAGS, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        # Unlike pytest's own factory this may be called by several threads.
        home = Path(tempfile.mkdtemp(dir=homes))
        shutil.copy(airflow_db / "airflow.db", home)
        environment = {
            **os.environ,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            **connection_environment(shared_emulator.endpoint),
            **(env or {}),
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
