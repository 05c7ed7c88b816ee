# SPDX-License-Identifier: Apache-2.0
"""A triggerer's event loop does not import Google's libraries: that would stop all its triggers for a while."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import airflow_provider_workflows
from airflow_provider_workflows.testing import Emulator

PROGRAM = """
import asyncio, json, sys, threading
from importlib.abc import MetaPathFinder

HEAVY = ("aiohttp", "google.auth", "googleapiclient", "httplib2", "requests", "urllib3")
seen = {"main": [], "other": []}

class Recorder(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.startswith(HEAVY):
            main = threading.current_thread() is threading.main_thread()
            seen["main" if main else "other"].append(name)
        return None

async def wait(name):
    from airflow_provider_workflows.triggers.executions import WorkflowExecutionTrigger

    trigger = WorkflowExecutionTrigger("test-project", "us-central1", "echo", name)
    async for event in trigger.run():
        return event.payload["state"]

import airflow_provider_workflows.triggers.executions
import asgiref.sync  # Airflow itself reads connections with it
sys.meta_path.insert(0, Recorder())
state = asyncio.run(wait(*sys.argv[1:]))
print(json.dumps({"state": state, **seen}))
"""


def test_trigger_imports_google_libraries_in_threads_only(emulator: Emulator) -> None:
    """From the start of a first trigger to its event, the loop's own thread imports none of them."""
    execution_id = emulator.start("echo", {})
    extra = {"api_endpoint": emulator.endpoint, "is_anonymous": True}
    connection = json.dumps({"conn_type": "google_cloud_workflows", "extra": extra})
    root = str(Path(airflow_provider_workflows.__file__).parent.parent)
    environment = {"PYTHONPATH": root, "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": connection}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, execution_id],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["state"] == "SUCCEEDED"
    assert seen["other"]
    assert seen["main"] == []
