# SPDX-License-Identifier: Apache-2.0
"""Clients that are not ours use the emulator with the very lines that docs/testing.md shows."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_provider_workflows.testing import Emulator
from tests.contract.clients_table import NODE_MODULES, compile_go, go_release, node_release

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
SHOWN = "http://127.0.0.1:8080"
GCLOUD = shutil.which("gcloud")
needs_gcloud = pytest.mark.skipif(GCLOUD is None, reason="gcloud is not installed")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """Serve an emulator in real time."""
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a program in a folder of its own, without this machine's Google settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CLOUDSDK_", "GOOGLE_", "COV"))}
    environment = {
        **kept,
        "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }

    def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=tmp_path,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def shown(mark: str, emulator: Emulator) -> str:
    """Return the block below a mark, with this emulator's address in it."""
    match = re.search(
        rf"^<!-- {mark} -->\n```\w+\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert match, mark
    assert SHOWN in match[1]
    return match[1].replace(SHOWN, emulator.endpoint)


def output(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a program printed that ended well."""
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_gcloud
def test_gcloud_as_shown(emulator: Emulator, run: Run) -> None:
    """Each line of gcloud that is shown works and says what it should."""
    lines = output(run("bash", "-euo", "pipefail", "-c", shown("gcloud", emulator))).splitlines()
    assert lines[0].split("\t") == ["SUCCEEDED", '"done"']
    assert "ACTIVE\tteam=billing" in lines
    execution_id = emulator.executions("forever")[0]["name"].rpartition("/")[2]
    assert f"{execution_id}\tACTIVE" in lines
    assert lines[-1] == "CANCELLED"


@pytest.fixture
def gcloud(emulator: Emulator, run: Run) -> Run:
    """Run gcloud on the emulator."""

    def gcloud(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run(
            GCLOUD or "gcloud",
            *arguments,
            CLOUDSDK_API_ENDPOINT_OVERRIDES_WORKFLOWEXECUTIONS=f"{emulator.endpoint}/",
            CLOUDSDK_AUTH_DISABLE_CREDENTIALS="true",
            CLOUDSDK_CORE_PROJECT="test-project",
            CLOUDSDK_WORKFLOWS_LOCATION="us-central1",
        )

    return gcloud


@needs_gcloud
def test_gcloud_runs_and_waits(emulator: Emulator, gcloud: Run) -> None:
    """`run` waits for the end and shows the whole execution, its failure too, in both versions."""
    emulator.workflow("double")(lambda argument: argument * 2)
    ran = json.loads(output(gcloud("workflows", "run", "double", "--data=21", "--format=json")))
    assert (ran["state"], ran["result"], ran["argument"]) == ("SUCCEEDED", "42", "21")
    failed = json.loads(output(gcloud("workflows", "run", "fail", '--data={"payload": [1]}', "--format=json")))
    assert (failed["state"], failed["error"]["payload"]) == ("FAILED", "[1]")
    beta = gcloud("beta", "workflows", "run", "double", "--data=1", "--format=value(result)")
    if beta.returncode == 0 or "component" not in beta.stderr:  # its commands are a component of their own
        assert output(beta).strip() == "2"


@needs_gcloud
def test_gcloud_steers_executions(emulator: Emulator, gcloud: Run) -> None:
    """`execute`, `describe`, `list`, `cancel` and `wait` do what they say."""
    options = ["--call-log-level=log-errors-only", "--labels=team=billing", "--format=json"]
    created = json.loads(output(gcloud("workflows", "execute", "forever", *options)))
    execution_id = created["name"].rpartition("/")[2]
    about = [execution_id, "--workflow=forever", "--format=json"]
    described = json.loads(output(gcloud("workflows", "executions", "describe", *about)))
    assert (described["state"], described["callLogLevel"]) == ("ACTIVE", "LOG_ERRORS_ONLY")
    assert described["labels"] == {"team": "billing"}
    (listed,) = json.loads(output(gcloud("workflows", "executions", "list", "forever", "--format=json")))
    assert (listed["name"], "labels" in listed) == (created["name"], False)
    assert json.loads(output(gcloud("workflows", "executions", "cancel", *about)))["state"] == "CANCELLED"
    assert json.loads(output(gcloud("workflows", "executions", "wait", *about)))["state"] == "CANCELLED"
    assert [request.operation for request in emulator.requests] == ["create", "get", "list", "cancel", "get"]


@needs_gcloud
def test_gcloud_lists_over_pages(emulator: Emulator, gcloud: Run) -> None:
    """A list of several pages comes whole, and `--filter` and `--limit` choose from it."""
    emulator.settings.page_limit = 2
    emulator.add_executions("echo", 5)
    emulator.add_executions("echo", 1, "FAILED")
    command = ["workflows", "executions", "list", "echo", "--format=value(state)"]
    assert output(gcloud(*command)).split() == ["FAILED", *["SUCCEEDED"] * 5]
    assert output(gcloud(*command, "--filter=state=FAILED")).split() == ["FAILED"]
    assert output(gcloud(*command, "--limit=3")).split() == ["FAILED", "SUCCEEDED", "SUCCEEDED"]


@needs_gcloud
def test_gcloud_shows_errors(emulator: Emulator, gcloud: Run) -> None:
    """What is missing and what is over reaches gcloud's user."""
    missing = gcloud("workflows", "executions", "describe", "nothing", "--workflow=echo")
    assert (missing.returncode, "NOT_FOUND" in missing.stderr) == (1, True)
    execution_id = emulator.start("echo")
    over = gcloud("workflows", "executions", "cancel", execution_id, "--workflow=echo")
    assert (over.returncode, "FAILED_PRECONDITION" in over.stderr) == (1, True)
    assert "NOT_FOUND" in gcloud("workflows", "run", "no-such-workflow").stderr


def test_python_as_shown(emulator: Emulator, run: Run) -> None:
    """The lines for google-api-python-client print the result."""
    assert output(run(sys.executable, "-c", shown("google-api-python-client", emulator))).strip() == "[1,2]"


def test_python_batch_as_shown(emulator: Emulator, run: Run) -> None:
    """The lines for a batch create what is in it."""
    printed = output(run(sys.executable, "-c", shown("google-api-python-client, batch", emulator)))
    assert printed.split() == ["[1,2]", "[3,4]"]
    assert [each["argument"] for each in emulator.executions("echo")] == ["[1,2]", "[3,4]"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_as_shown(emulator: Emulator, run: Run) -> None:
    """The lines for curl define a workflow, run it and show its result."""
    printed = output(run("bash", "-euo", "pipefail", "-c", shown("curl", emulator)))
    assert printed.endswith('{"executions":[{"state":"SUCCEEDED","result":"{\\"total\\":6}"}]}')
    assert emulator.executions("order")[0]["argument"] == '{"pieces":2}'


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_node_as_shown(emulator: Emulator, run: Run, tmp_path: Path) -> None:
    """The lines for Node print the result."""
    (tmp_path / "shown.mjs").write_text(shown("node", emulator), encoding="utf-8")
    assert output(run("node", "shown.mjs")).strip() == "[1,2]"


@pytest.mark.skipif(not node_release(), reason="googleapis is not installed, `make clients` does it")
def test_googleapis_as_shown(emulator: Emulator, run: Run, tmp_path: Path) -> None:
    """The lines for Node with googleapis print the result."""
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    (tmp_path / "shown.mjs").write_text(shown("googleapis", emulator), encoding="utf-8")
    assert output(run("node", "shown.mjs")).strip() == "[1,2]"
    assert [request.operation for request in emulator.requests] == ["create", "get"]


@pytest.mark.skipif(not go_release(), reason="Go or golang-google-api-dev is not installed")
def test_go_as_shown(emulator: Emulator, run: Run, tmp_path: Path) -> None:
    """The lines for Go compile and print the result."""
    assert output(run(*compile_go(shown("go", emulator), tmp_path / "shown"))).strip() == "[1,2]"
    assert [request.operation for request in emulator.requests] == ["create", "get"]


def test_grpc_is_not_understood(emulator: Emulator) -> None:
    """A client that speaks HTTP/2, as gRPC does, is turned away at once and the server goes on."""
    with socket.create_connection((emulator.host, emulator.port), timeout=10) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        answer = connection.recv(1000)
    assert answer.startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 400 ")), answer
    assert emulator.execution(emulator.start("echo"))["state"] == "SUCCEEDED"
