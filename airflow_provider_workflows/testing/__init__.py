# SPDX-License-Identifier: Apache-2.0
"""Test DAGs that use Google Cloud Workflows without Google: an emulator of the Workflow Executions API.

    from airflow_provider_workflows.testing import Emulator, Step

    with Emulator() as emulator:
        @emulator.workflow("double")
        def double(argument):
            yield Step("compute", seconds=2.0)
            return argument * 2

Or use the pytest fixtures `workflows_emulator` and `workflows_connection`, or
`python -m airflow_provider_workflows.testing`. Where nobody has published how the real service behaves,
the emulator has a setting, marked *unconfirmed* in `Settings`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_workflows.testing.clock import Clock, ManualClock, SystemClock
    from airflow_provider_workflows.testing.remote import RemoteEmulator
    from airflow_provider_workflows.testing.requestlog import LoggedRequest
    from airflow_provider_workflows.testing.server import Emulator, serve
    from airflow_provider_workflows.testing.settings import DEFAULT_LOCATION, DEFAULT_PROJECT, Settings
    from airflow_provider_workflows.testing.workflows import Callback, Step, WorkflowError

__all__ = [
    "DEFAULT_LOCATION",
    "DEFAULT_PROJECT",
    "Callback",
    "Clock",
    "Emulator",
    "LoggedRequest",
    "ManualClock",
    "RemoteEmulator",
    "Settings",
    "Step",
    "SystemClock",
    "WorkflowError",
    "serve",
]

# Imported on first use: the pytest plugin lives in this package and must not cost aiohttp everywhere.
_HOMES = {
    "Clock": "clock",
    "ManualClock": "clock",
    "SystemClock": "clock",
    "RemoteEmulator": "remote",
    "LoggedRequest": "requestlog",
    "Emulator": "server",
    "serve": "server",
    "DEFAULT_LOCATION": "settings",
    "DEFAULT_PROJECT": "settings",
    "Settings": "settings",
    "Callback": "workflows",
    "Step": "workflows",
    "WorkflowError": "workflows",
}


def __getattr__(name: str) -> Any:
    """Import a public name from the module that defines it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
