# SPDX-License-Identifier: Apache-2.0
"""Run a real Airflow 2.11 on this machine the way `airflow_cluster` runs Airflow 3: webserver, scheduler, triggerer."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from airflow_api import AirflowApi
from airflow_cluster import AirflowCluster

# Whoever comes is an administrator, as with the simple auth manager of Airflow 3; it listens on 127.0.0.1 only.
WEBSERVER_CONFIG = 'AUTH_ROLE_PUBLIC = "Admin"\n'


class Airflow2Api(AirflowApi):
    """Send requests to the REST API of Airflow 2, which asks for no token here."""

    prefix = "/api/v1"
    health = "/health"

    def _new_token(self) -> str:
        return "none"


class Airflow2Cluster(AirflowCluster):
    """
    Own one local Airflow 2.11; what of :class:`AirflowCluster` goes through the REST API is the same there.

    Tasks run one after the other, each in a process that starts Airflow anew: it is what sqlite allows.
    """

    api_class: ClassVar[type[AirflowApi]] = Airflow2Api
    new_run: ClassVar[Mapping[str, Any]] = {}
    all_components: ClassVar[Mapping[str, Sequence[str]]] = {
        "webserver": ["webserver"],
        "scheduler": ["scheduler", "--skip-serve-logs"],
        "triggerer": ["triggerer", "--skip-serve-logs"],
    }

    def _settings(self, database: str, parallelism: int) -> dict[str, str]:
        settings = {
            # The executor starts `airflow` by its name.
            "PATH": f"{Path(self._python).parent}{os.pathsep}{os.environ['PATH']}",
            "AIRFLOW__WEBSERVER__WEB_SERVER_HOST": "127.0.0.1",
            "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": str(self.port),
            "AIRFLOW__WEBSERVER__BASE_URL": self.base_url,
            "AIRFLOW__WEBSERVER__WORKERS": "1",
            "AIRFLOW__WEBSERVER__SECRET_KEY": "no secret: whoever comes is an administrator",
            "AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.default",
            "AIRFLOW__CORE__EXECUTOR": "SequentialExecutor",
            "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
            "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "5",
            "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL": "5",
        }
        return {**super()._settings(database, parallelism), **settings}

    def _migrate(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "webserver_config.py").write_text(WEBSERVER_CONFIG)
        super()._migrate()
