# SPDX-License-Identifier: Apache-2.0
"""
Give tests a browser on the web UI of a real Airflow 3.3 and of a real 2.11, with runs of the DAGs in `dags/`.

`make test-browser` runs them, in an environment of their own that has no Airflow; everywhere else they are skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from airflow2_cluster import Airflow2Cluster
from airflow_cluster import AirflowCluster, inherited_environment
from airflow_provider_workflows.testing import RemoteEmulator
from chromium import chromium
from local_emulator import connection_environment, emulator_process
from processes import wait_until
from tests.browser.ui import Run, Ui
from tests.browser.ui2 import Airflow2Ui
from tests.browser.ui3 import Airflow3Ui
from tests.browser.workflows import WORKFLOWS

ROOT = Path(__file__).resolve().parent.parent.parent
DAGS = Path(__file__).resolve().parent / "dags"
# Those that nobody starts in the browser begin at once, and are over when their tests come.
BEGIN_AT_ONCE = ("order_stopped", "order_retried", "order_late", "order_declined")
PATIENCE = 150.0  # seconds for a task, on a busy machine

# Background requests of the browser itself would leave this machine.
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-lcd-text",  # coloured edges of letters make pictures twice as large
]


@dataclass(frozen=True)
class Generation:
    """Hold what belongs to one generation of Airflow."""

    cluster: type[AirflowCluster]
    ui: type[Ui]

    @property
    def python(self) -> Path:
        """Return the interpreter of the environment that the Makefile made."""
        return ROOT / f".venv-{self.ui.generation}" / "bin" / "python"


GENERATIONS = [Generation(AirflowCluster, Airflow3Ui), Generation(Airflow2Cluster, Airflow2Ui)]


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", "browser: drives the web UI of a real Airflow in Chromium")


@dataclass(frozen=True)
class Site:
    """Hold a running Airflow, the emulator behind it, and the runs that have begun."""

    generation: Generation
    cluster: AirflowCluster
    emulator: RemoteEmulator
    runs: dict[str, Run]

    def wait(self, run: Run, state: str, tries: int = 1) -> None:
        """Wait until a run's task is in a state, in its so-manyth try or a later one."""
        task: dict[str, Any] = {}

        def there() -> bool:
            task.update(self.cluster.task_instances(run.dag_id, run.run_id)[0])
            return bool(task["state"] == state and task["try_number"] >= tries)

        assert wait_until(there, PATIENCE), f"{run}: {task['state']} in try {task['try_number']}, not {state}"

    def newest_run(self, dag_id: str) -> Run:
        """Return the run of a DAG that somebody has just started."""
        newest = self.cluster.api("GET", f"/dags/{dag_id}/dagRuns")["dag_runs"][-1]
        return Run(dag_id, newest["dag_run_id"])

    def execution(self, workflow: str) -> dict[str, Any]:
        """Return the only execution of a workflow that there is for the one run that asked for it."""
        (execution,) = self.emulator.executions(workflow)
        return execution


@pytest.fixture(scope="session", params=GENERATIONS, ids=lambda each: each.ui.generation)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run an Airflow with the DAGs, against an emulator with their workflows."""
    if find_spec("playwright") is None:
        pytest.skip("`make test-browser` runs it")
    generation: Generation = request.param
    python = str(generation.python)
    home = tmp_path_factory.mktemp(generation.ui.generation)
    with emulator_process(home / "emulator.log", inherited_environment(), python=python) as emulator:
        for name, definition in WORKFLOWS.items():
            emulator.define(name, definition)
        environment = {
            **connection_environment(emulator.endpoint),
            "AIRFLOW__WORKFLOWS__DEFER_AFTER": "1",  # tasks of Airflow 2 run one after the other here
        }
        with generation.cluster(home, DAGS, python=python, env=environment, parallelism=6) as cluster:
            runs = {dag_id: Run(dag_id, cluster.trigger(dag_id)) for dag_id in BEGIN_AT_ONCE}
            cluster.wait_for_dag("order_paid")
            cluster.api("PATCH", "/dags/order_paid", {"is_paused": False})
            yield Site(generation, cluster, emulator, runs)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Start the browser, with a profile that is new and empty."""
    from playwright.sync_api import sync_playwright  # type: ignore[import-not-found, unused-ignore]

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder for pictures: with PICTURES=1 that of the documents, or else a temporary one."""
    wanted = os.environ.get("PICTURES", "") not in ("", "0", "no")
    return ROOT / "docs" / "images" if wanted else tmp_path_factory.mktemp("pictures")


def hide_checkout(route: Any) -> None:
    """Let a log through; in its tracebacks files stand below the folder of the checkout, which is nobody's business."""
    answer = route.fetch()
    route.fulfill(response=answer, body=answer.text().replace(str(ROOT), "/opt/airflow"))


@pytest.fixture
def ui(site: Site, browser: Any, pictures: Path) -> Iterator[Ui]:
    """Open a page of the browser for the web UI."""
    page = browser.new_page(viewport={"width": 1400, "height": 1400})
    page.set_default_timeout(30_000)
    page.route("**/taskInstances/*/logs/**", hide_checkout)
    yield site.generation.ui(page, site.cluster, pictures)
    page.close()
