# SPDX-License-Identifier: Apache-2.0
"""Check that the installed package works: it imports, Airflow finds it, and it runs an execution."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distribution, files, version

import pytest

import airflow_provider_workflows
from airflow_provider_workflows.testing import Emulator

pytestmark = pytest.mark.smoke

DISTRIBUTION = "airflow-provider-workflows"
IMPORT_ALL = f"""
import importlib, pkgutil, warnings
warnings.filterwarnings("error", module="{airflow_provider_workflows.__name__}")
package = importlib.import_module("{airflow_provider_workflows.__name__}")
names = [each.name for each in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
print(len([importlib.import_module(name) for name in names]))
"""


def test_version_is_the_distributions() -> None:
    """The installed distribution has the version that the package says."""
    assert version(DISTRIBUTION) == airflow_provider_workflows.__version__


def test_public_modules_import() -> None:
    """Operators, sensors, triggers, hooks and links import from the installed package."""
    from airflow_provider_workflows.hooks.executions import WorkflowExecutionsAsyncHook, WorkflowExecutionsHook
    from airflow_provider_workflows.links.executions import WorkflowExecutionLink
    from airflow_provider_workflows.operators.executions import (
        WorkflowsCancelExecutionOperator,
        WorkflowsCreateExecutionOperator,
        WorkflowsGetExecutionOperator,
        WorkflowsListExecutionsOperator,
    )
    from airflow_provider_workflows.sensors.executions import WorkflowExecutionSensor
    from airflow_provider_workflows.triggers.executions import WorkflowExecutionTrigger

    assert all(
        (
            WorkflowExecutionsAsyncHook,
            WorkflowExecutionsHook,
            WorkflowExecutionLink,
            WorkflowsCancelExecutionOperator,
            WorkflowsCreateExecutionOperator,
            WorkflowsGetExecutionOperator,
            WorkflowsListExecutionsOperator,
            WorkflowExecutionSensor,
            WorkflowExecutionTrigger,
        )
    )


def test_every_module_imports() -> None:
    """Each module imports from the installed package, those of the emulator too, without a warning of our making."""
    command = [sys.executable, "-c", IMPORT_ALL]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 100


def test_types_and_entry_points_are_shipped() -> None:
    """Type checkers, Airflow and pytest each find what they look for in an installed distribution."""
    shipped = {str(path) for path in files(DISTRIBUTION) or []}
    # An editable installation lists only the .pth file that points at the checkout.
    editable = any(path.endswith(".pth") for path in shipped)
    assert editable or "airflow_provider_workflows/py.typed" in shipped
    groups = {point.group: point.value for point in distribution(DISTRIBUTION).entry_points}
    assert groups == {
        "apache_airflow_provider": "airflow_provider_workflows:get_provider_info",
        "pytest11": "airflow_provider_workflows.testing.plugin",
    }


def test_airflow_lists_the_provider() -> None:
    """``airflow providers get`` shows the package with its version."""
    command = [sys.executable, "-m", "airflow", "providers", "get", DISTRIBUTION]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert DISTRIBUTION in done.stdout
    assert airflow_provider_workflows.__version__ in done.stdout


@pytest.mark.usefixtures("workflows_connection")
def test_hook_runs_an_execution(workflows_emulator: Emulator) -> None:
    """The hook creates an execution through the default connection, waits for it, and has its result."""
    from airflow_provider_workflows.hooks.executions import WorkflowExecutionsHook

    with WorkflowExecutionsHook() as hook:
        created = hook.create_execution(workflow_id="echo", argument={"answer": [42, None, "é"]})
        execution_id = created["name"].rpartition("/")[2]
        finished = hook.wait_for_execution(workflow_id="echo", execution_id=execution_id, poll_interval=0.1, timeout=30)
    assert finished["state"] == "SUCCEEDED"
    assert finished["result"] == '{"answer":[42,null,"é"]}'
    assert workflows_emulator.count("create") == 1
