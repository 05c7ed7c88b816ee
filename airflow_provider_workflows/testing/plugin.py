# SPDX-License-Identifier: Apache-2.0
"""Give pytest an emulator and a connection to it.

Installed with the package (entry point `pytest11`), so every pytest in such an environment loads this
module: it imports nothing heavy until a fixture is used.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_workflows.testing.server import Emulator

CONNECTION_ID = "google_cloud_default"


@pytest.fixture
def workflows_emulator() -> Iterator[Emulator]:
    """Serve a fresh emulator on the system's clock for one test.

    For other settings (a `ManualClock`, say) override this fixture in your conftest.py.
    """
    from airflow_provider_workflows.testing.server import Emulator

    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def workflows_connection(workflows_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    """Point the default connection at the emulator for one test; give the connection's id.

    It names project `test-project` and location `us-central1`, needs no credentials, and reaches Airflow as
    the environment variable `AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT`.
    """
    from airflow_provider_workflows.testing.settings import DEFAULT_LOCATION, DEFAULT_PROJECT

    connection = {
        "conn_type": "google_cloud_workflows",
        "extra": {
            "project": DEFAULT_PROJECT,
            "location": DEFAULT_LOCATION,
            "api_endpoint": workflows_emulator.endpoint,
            "is_anonymous": True,
        },
    }
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION_ID.upper()}", json.dumps(connection))
    return CONNECTION_ID
