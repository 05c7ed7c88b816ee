# SPDX-License-Identifier: Apache-2.0
"""Run Google Cloud Workflows executions from Airflow, and wait for them without holding a worker slot."""

from __future__ import annotations

from typing import Any

__version__ = "0.2.0"


def get_provider_info() -> dict[str, Any]:
    """Return the metadata that Airflow reads through the ``apache_airflow_provider`` entry point."""
    from airflow_provider_workflows.provider_info import get_provider_info as provider_info

    return provider_info()
