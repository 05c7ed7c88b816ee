# SPDX-License-Identifier: Apache-2.0
"""
Let this folder work by itself: it is copied elsewhere and run against the installed wheel, without the checkout.

So it has its own marker and its own Airflow home, and uses nothing but the package, Airflow and pytest.
"""

from __future__ import annotations

import os
import tempfile

import pytest

# Set when it is loaded: Airflow reads it when it is imported.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="workflows-smoke-"))


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "smoke: the few tests that the built wheel has to pass")
