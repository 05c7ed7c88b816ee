# SPDX-License-Identifier: Apache-2.0
"""
Call get_execution in several ways and measure how long a call takes.

A program of its own: ``bench_caller.py SPECIFICATION`` with ``endpoint`` and ``output`` as JSON. Writes the seconds
of each call, by way, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airflow_provider_workflows.hooks.executions import WorkflowExecutionsHook
from airflow_provider_workflows.testing import DEFAULT_LOCATION, DEFAULT_PROJECT, RemoteEmulator

CALLS = 300
#: Ways that build something for each call take longer and are tried less often.
BUILDING_CALLS = 30

Way = Callable[[], Any]


def timed(way: Way, calls: int) -> list[float]:
    """Call several times after a first one that does not count; return the seconds of each."""
    way()
    seconds = []
    for _ in range(calls):
        before = time.perf_counter()
        way()
        seconds.append(time.perf_counter() - before)
    return seconds


def discovery_client(endpoint: str) -> Any:
    """Build google-api-python-client's resource as its users do, without credentials."""
    import httplib2
    from google.auth.credentials import AnonymousCredentials
    from google_auth_httplib2 import AuthorizedHttp
    from googleapiclient.discovery import build

    http = AuthorizedHttp(AnonymousCredentials(), http=httplib2.Http())  # type: ignore[no-untyped-call]
    return build("workflowexecutions", "v1", http=http, client_options={"api_endpoint": endpoint})


def discovery_get(client: Any, name: str) -> Any:
    """Get an execution by google-api-python-client."""
    return client.projects().locations().workflows().executions().get(name=name).execute()


def grpc_client() -> Any:
    """Build the gRPC client that the Google provider's hook builds for each of its calls."""
    from google.api_core.gapic_v1.client_info import ClientInfo
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.workflows.executions_v1beta import ExecutionsClient

    return ExecutionsClient(
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_info=ClientInfo(client_library_version="airflow"),  # type: ignore[no-untyped-call]
    )


def measure(endpoint: str) -> dict[str, list[float]]:
    """Measure all ways on one execution that is over."""
    execution_id = RemoteEmulator(endpoint).start("echo", {"text": "hello"})
    where = {"workflow_id": "echo", "execution_id": execution_id}
    parent = f"projects/{DEFAULT_PROJECT}/locations/{DEFAULT_LOCATION}/workflows/echo"
    name = f"{parent}/executions/{execution_id}"
    client = discovery_client(endpoint)

    def new_hook() -> Any:
        with WorkflowExecutionsHook() as hook:
            return hook.get_execution(**where)

    with WorkflowExecutionsHook() as hook:
        return {
            "hook": timed(lambda: hook.get_execution(**where), CALLS),
            "new hook": timed(new_hook, BUILDING_CALLS),
            "discovery": timed(lambda: discovery_get(client, name), CALLS),
            "new discovery": timed(lambda: discovery_get(discovery_client(endpoint), name), BUILDING_CALLS),
            "grpc construct": timed(grpc_client, BUILDING_CALLS),
        }


def main() -> int:
    """Measure and write the result."""
    specification = json.loads(sys.argv[1])
    seconds = measure(specification["endpoint"])
    Path(specification["output"]).write_text(json.dumps(seconds), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
