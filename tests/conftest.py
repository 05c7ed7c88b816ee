# SPDX-License-Identifier: Apache-2.0
"""
Give the test session an Airflow of its own before anything imports Airflow.

Airflow reads its configuration when it is imported. So the home folder and the settings are set here, when pytest
loads this file, and not in a fixture.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

EXAMPLE_DAGS = Path(__file__).resolve().parent.parent / "example_dags"


def airflow_settings(home: Path) -> dict[str, str]:
    """Return the environment of an Airflow with its files in ``home``, a sqlite database and no examples."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLE_DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
    }


def _isolate_session() -> Path:
    # A developer's own Airflow must neither be used nor changed.
    for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
        del os.environ[name]
    # Credentials of the developer's machine must never be what makes a test pass.
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"):
        os.environ.pop(name, None)
    if "PYTEST_XDIST_WORKER" in os.environ:
        # What this process starts is not measured: coverage costs imports and time, which tests count.
        os.environ.pop("COVERAGE_PROCESS_CONFIG", None)
    home = Path(tempfile.mkdtemp(prefix="workflows-tests-"))
    os.environ.update(airflow_settings(home))
    return home


AIRFLOW_HOME = _isolate_session()


def pytest_unconfigure() -> None:
    """Remove the session's Airflow home."""
    shutil.rmtree(AIRFLOW_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def airflow_home() -> Path:
    """Give the folder of the session's Airflow; its database may not exist yet, see ``airflow_db``."""
    return AIRFLOW_HOME


@pytest.fixture(scope="session")
def airflow_db(airflow_home: Path) -> Path:
    """Make the metadata database of the session's Airflow on first use; give the Airflow home."""
    subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"], check=True, stdout=subprocess.DEVNULL, timeout=300
    )
    return airflow_home
