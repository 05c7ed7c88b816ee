# SPDX-License-Identifier: Apache-2.0
"""Run the emulator of the Workflow Executions API as a process, and tell an Airflow where it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow_provider_workflows.testing import DEFAULT_LOCATION, DEFAULT_PROJECT, RemoteEmulator
from processes import Server, free_port, interruptible, wait_until


def connection_environment(endpoint: str, **extra: Any) -> dict[str, str]:
    """
    Return the environment variable that points Airflow's default connection at an emulator.

    :param endpoint: the emulator's base URL
    :param extra: further fields of the connection, such as ``api_version="v1beta"``
    """
    fields = {
        "project": DEFAULT_PROJECT,
        "location": DEFAULT_LOCATION,
        "api_endpoint": endpoint,
        "is_anonymous": True,
        **extra,
    }
    connection: Mapping[str, Any] = {"conn_type": "google_cloud_workflows", "extra": fields}
    return {"AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": json.dumps(connection)}


@contextmanager
def emulator_process(
    log: Path, environment: Mapping[str, str], arguments: Sequence[str] = (), python: str = sys.executable
) -> Iterator[RemoteEmulator]:
    """
    Serve an emulator in a process of its own for the block.

    :param log: file for its output
    :param arguments: further command line arguments, such as ``["--seed", "7"]``
    :param python: interpreter of the environment that has the package, default this process's
    """
    port = free_port()
    command = [python, "-m", "airflow_provider_workflows.testing", "--port", str(port), *arguments]
    server = Server("emulator", command, log, environment)
    emulator = RemoteEmulator(f"http://127.0.0.1:{port}")

    def answers() -> bool:
        if server.exit_code is not None:
            raise RuntimeError(f"the emulator ended with {server.exit_code}:\n{server.log_tail()}")
        try:
            emulator.counts()
        except OSError:
            return False
        return True

    with interruptible():
        try:
            server.start()
            if not wait_until(answers, 60.0, interval=0.1):
                raise RuntimeError(f"the emulator does not answer:\n{server.log_tail()}")
            yield emulator
        finally:
            server.stop()
