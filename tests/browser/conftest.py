# SPDX-License-Identifier: Apache-2.0
"""Give tests a browser on the web UI of a real Airflow 3; without a browser they are skipped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from airflow_cluster import AirflowCluster

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

# Background requests of the browser itself would leave this machine.
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", "browser: drives the web UI of a real Airflow 3 in Chromium")


def reason_to_skip() -> str | None:
    """Say what is missing for a test in the browser, ``None`` when nothing is."""
    if int(version("apache-airflow").split(".")[0]) < 3:
        return "the connection form of Airflow 2 is made of widgets, which a unit test covers"
    if find_spec("playwright") is None:
        return "playwright is not installed (pip install playwright)"
    if CHROMIUM is None:
        return "Chromium is not installed (Debian: apt-get install chromium)"
    return None


@pytest.fixture(scope="module")
def web_ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowCluster]:
    """Run an Airflow without DAGs, or skip."""
    reason = reason_to_skip()
    if reason is not None:
        pytest.skip(reason)
    dags = tmp_path_factory.mktemp("dags")
    with AirflowCluster(tmp_path_factory.mktemp("home"), dags) as cluster:
        yield cluster


@pytest.fixture
def page(web_ui: AirflowCluster, tmp_path: Path) -> Iterator[Any]:
    """Open the list of connections; a picture of the page is kept in ``tmp_path`` at the end."""
    from playwright.sync_api import sync_playwright  # type: ignore[import-not-found, unused-ignore]

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 1400})
        page.set_default_timeout(30_000)
        page.goto(f"{web_ui.base_url}/connections")
        yield page
        page.screenshot(path=tmp_path / "page.png", full_page=True)
        browser.close()
