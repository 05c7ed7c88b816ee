# SPDX-License-Identifier: Apache-2.0
"""
Tell which components of a local Airflow are up; a sign of life from before a component's start does not count.

Airflow's health report tells of the newest triggerer only, and judges heartbeats by its own clock. So a component
that there may be several of (`triggerer-1`) is up when it has a job of its own, and a Celery worker when it says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from airflow_api import AirflowApi, AirflowApiError
from processes import Server

# Component -> its name in the health report, which is also part of the field with its last heartbeat.
HEARTBEATS = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}
JOBS = {"triggerer": "TriggererJob"}


def role_of(component: str) -> str:
    """Return what a component is: `triggerer` for `triggerer-2`."""
    return re.sub(r"-\d+$", "", component)


class Health:
    """
    Look at the components of one Airflow.

    :ivar clocks: component -> seconds that its clock is ahead of the right time.
    :ivar jobs: component -> the id of its running job, for those that :meth:`is_up` finds by their job.
    """

    def __init__(self, api: AirflowApi, servers: Mapping[str, Server]) -> None:
        self.clocks: dict[str, float] = {}
        self.jobs: dict[str, int] = {}
        self._api = api
        self._servers = servers
        self._report: dict[str, Any] = {}

    def look(self) -> None:
        """Ask Airflow; :meth:`is_up` answers from what it said."""
        self._report = {}
        with suppress(OSError, AirflowApiError):
            self._report = self._api.request("GET", self._api.health)

    def is_up(self, component: str) -> bool:
        """Tell whether a component is up."""
        role = role_of(component)
        if role in ("api-server", "webserver"):
            return bool(self._report)
        if role == "worker":
            return " ready." in self._servers[component].output()
        if role == component:
            return self._reported(component)
        return self._has_job(component, JOBS[role])

    def _reported(self, component: str) -> bool:
        key = HEARTBEATS[component]
        report = self._report.get(key) or {}
        heartbeat = report.get(f"latest_{key}_heartbeat")
        if report.get("status") != "healthy" or not heartbeat:
            return False
        return _epoch(heartbeat) >= self._servers[component].started_at

    def _has_job(self, component: str, job_type: str) -> bool:
        taken = {job for other, job in self.jobs.items() if other != component}
        started = self._servers[component].started_at + self.clocks.get(component, 0.0)
        jobs: list[dict[str, Any]] = []
        with suppress(OSError, AirflowApiError):
            jobs = self._api.pages(f"/jobs?job_type={job_type}", "jobs")
        for job in jobs:
            if job["id"] not in taken and job["state"] == "running" and _epoch(job["start_date"]) >= started:
                self.jobs[component] = job["id"]
                return True
        return False


def _epoch(time: str) -> float:
    return datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp()
