# SPDX-License-Identifier: Apache-2.0
"""A forked process waits with a poller, a client and a log of its own; its parent goes on with what it had."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import airflow_provider_workflows
from airflow_provider_workflows.testing import Emulator

PROGRAM = """
import asyncio, logging, os, sys

from google.auth.credentials import AnonymousCredentials

from airflow_provider_workflows.api.client import AsyncWorkflowsClient
from airflow_provider_workflows.api.requests import ExecutionsApi
from airflow_provider_workflows.auth.sessions import make_async_session
from airflow_provider_workflows.core.names import WorkflowName
from airflow_provider_workflows.polling.loop_log import LoopLog
from airflow_provider_workflows.polling.shared import shared_poller

endpoint, execution_id = sys.argv[1:]
logging.basicConfig(stream=sys.stderr, level=logging.INFO)
workflow = WorkflowName("test-project", "us-central1", "echo")

async def open_client():
    session = make_async_session(AnonymousCredentials(), timeout=30, limit=4)
    return AsyncWorkflowsClient(ExecutionsApi("v1", endpoint), session), session.close

async def wait(in_the_middle=lambda: None):
    async with shared_poller("connection", workflow, open_client) as poller:
        log = LoopLog(logging.getLogger("wait"))
        state = await poller.wait_for_end(execution_id, poll_interval=1, log=log)
        log.info("%d saw %s", os.getpid(), state)
        await log.written()
        in_the_middle()
        await poller.get(execution_id)
        return state

def fork():
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0, "the child failed"
        return
    asyncio._set_running_loop(None)  # that one is the parent's
    os._exit(0 if asyncio.run(wait()) == "SUCCEEDED" else 1)

fork()
assert asyncio.run(wait(fork)) == "SUCCEEDED"
fork()
"""


def test_a_forked_process_waits_for_itself(emulator: Emulator, tmp_path: Path) -> None:
    """Forked before the first wait, in the middle of one and after it: parent and child get their answer."""
    root = str(Path(airflow_provider_workflows.__file__).parent.parent)
    output = tmp_path / "output"  # a pipe would be kept open by a child that hangs
    with output.open("w") as file:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, emulator.endpoint, emulator.start("echo", {})],
            env={**os.environ, "PYTHONPATH": root},
            stdout=file,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, output.read_text()
    assert output.read_text().count(" saw SUCCEEDED") == 4
