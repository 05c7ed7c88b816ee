# SPDX-License-Identifier: Apache-2.0
"""The emulator as a command, steered from outside, and as a pytest plugin."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import pytest
import requests

import airflow_provider_workflows.testing as package
from airflow_provider_workflows.testing import Emulator, RemoteEmulator, Settings
from airflow_provider_workflows.testing.__main__ import main, make, parse

ROOT = Path(package.__file__).parents[2]


def environment() -> dict[str, str]:
    """Return an environment in which a child finds this very package."""
    return {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


@pytest.fixture
def remote(emulator: Emulator) -> RemoteEmulator:
    """Steer the emulator over HTTP."""
    return RemoteEmulator(emulator.endpoint + "/")


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run the command in a folder; give the process and its first two lines."""
    with subprocess.Popen(
        [sys.executable, "-m", "airflow_provider_workflows.testing", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        try:
            yield process, [process.stdout.readline(), process.stdout.readline()]
        finally:
            process.kill()


@pytest.fixture
def command(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run the command with a workflow of our own; give the process and its first two lines."""
    (tmp_path / "my_workflows.py").write_text(
        "def register(emulator):\n    emulator.workflow('mine')(lambda argument: argument + 1)\n"
    )
    with running(tmp_path, "--project", "p", "--seed", "1", "--workflows", "my_workflows") as (process, lines):
        yield process, lines


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_command_serves_until_a_signal(
    command: tuple[subprocess.Popen[str], list[str]], number: signal.Signals
) -> None:
    """The command says that it is an emulator and where, serves, and stops cleanly on a signal."""
    process, (title, line) = command
    assert "Emulator" in title
    assert "not Google's" in title
    endpoint = line.split()[-1]
    assert endpoint.startswith("http://127.0.0.1:")
    remote = RemoteEmulator(endpoint)
    remote.start("mine", 41, project="p")
    assert [each["result"] for each in remote.executions()] == ["42"]
    with pytest.raises(ValueError, match="PERMISSION_DENIED"):
        remote.start("mine", 41, project="other")
    process.send_signal(number)
    assert process.wait(20) == 0
    assert process.stdout is not None
    assert process.stdout.read() == ""


def test_command_on_a_port_in_use(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    """A port in use is one clear line and exit status 1."""
    assert main(["--port", str(emulator.port)]) == 1
    assert f"cannot serve on 127.0.0.1:{emulator.port}" in capsys.readouterr().err


def test_every_setting_is_a_flag() -> None:
    """Whatever can be set in Python can be set on the command line, with the same default."""
    made = make(parse(["--port", "0"])).settings
    for each in fields(Settings):
        if each.name != "clock":
            assert getattr(made, each.name) == getattr(Settings(), each.name)
    flags = {"projects": "--project", "clock": "--manual-clock"}
    arguments = {each.name: ["2"] for each in fields(Settings)} | {
        "any_workflow": [],
        "any_result": ['{"a": 1}'],
        "batch": ["refuse"],
        "cancel_finished": ["ok"],
        "cancel_mode": ["late"],
        "clock": [],
        "delete_active_history": ["error"],
        "history_level": ["detailed"],
        "label_filter": ["refuse"],
    }
    for name, values in arguments.items():
        made = make(parse([flags.get(name, f"--{name.replace('_', '-')}"), *values])).settings
        assert getattr(made, name) != getattr(Settings(), name), name


def test_wrong_definition_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is none is one clear line and exit status 1."""
    assert main(["--definitions", str(tmp_path / "nowhere")]) == 1
    assert capsys.readouterr().err.endswith("nowhere is no folder\n")


def test_emulator_needs_neither_airflow_nor_google(tmp_path: Path) -> None:
    """From a checkout, the command needs aiohttp and nothing else, and answers without any other library."""
    program = """
        import json, runpy, sys, threading, urllib.request

        class Refuses:
            def find_spec(self, name, path=None, target=None):
                absent = {"airflow", "google", "googleapiclient", "httplib2", "requests", "tenacity", "pytest"}
                if name.partition(".")[0] in absent:
                    raise ImportError(f"{name} is not installed")

        sys.meta_path.insert(0, Refuses())
        sys.argv = ["testing", "--help"]
        try:
            runpy.run_module("airflow_provider_workflows.testing", run_name="__main__")
        except SystemExit as ended:
            assert ended.code == 0
        from airflow_provider_workflows.testing import Emulator

        with Emulator() as emulator:
            url = f"{emulator.endpoint}/v1/projects/p/locations/us-central1/workflows/echo/executions"
            body = json.dumps({"argument": "[1]"}).encode()
            print(json.load(urllib.request.urlopen(url, body))["argument"])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["[1]"], done.stderr


def test_command_on_another_address(tmp_path: Path) -> None:
    """`--host` chooses where it listens; what it prints can be used there."""
    (tmp_path / "order.json").write_text('{"result": 6}')
    arguments = ["--host", "127.0.0.2", "--definitions", str(tmp_path), "--manual-clock"]
    with running(tmp_path, *arguments) as (_, lines):
        endpoint = lines[1].split()[-1]
        assert endpoint.startswith("http://127.0.0.2:")
        remote = RemoteEmulator(endpoint)
        remote.start("order")
        remote.advance(5)
        assert remote.executions()[0]["result"] == "6"


def test_remote_faults(remote: RemoteEmulator, emulator: Emulator) -> None:
    """Faults are added, removed one by one and all at once."""
    url = f"{emulator.endpoint}/v1/projects/p/locations/us-central1/workflows/echo/executions"
    fault = remote.fail("list", status=503, times=None)
    assert requests.get(url, timeout=10).status_code == 503
    fault.remove()
    assert requests.get(url, timeout=10).status_code == 200
    remote.fail("list", "html", times=None)
    remote.clear_faults()
    assert requests.get(url, timeout=10).status_code == 200
    remote.release()


def test_remote_requests_and_counts(remote: RemoteEmulator, emulator: Emulator) -> None:
    """The log is read in parts; the control calls themselves are not in it."""
    url = f"{emulator.endpoint}/v1/projects/p/locations/us-central1/workflows/echo/executions"
    for _ in range(3):
        requests.get(url, timeout=10)
    assert [request["number"] for request in remote.requests] == [1, 2, 3]
    assert [request["operation"] for request in remote.requests_since(2)] == ["list"]
    assert (remote.count("list"), remote.counts()["other"]) == (3, 0)
    remote.clear_requests()
    assert remote.requests == []


def test_remote_executions(remote: RemoteEmulator, emulator: Emulator) -> None:
    """Executions are started, added, forced and deleted from outside."""
    execution_id = remote.start("sleep", {"seconds": 60}, {"k": "v"})
    remote.advance(30)
    remote.set_state(execution_id, "FAILED", error="text")
    assert remote.executions("sleep")[0]["endTime"] == "2026-01-01T00:00:30Z"
    assert len(remote.add_executions("echo", 5, "ACTIVE", location="europe-west1")) == 5
    remote.delete(execution_id)
    assert len(remote.executions()) == 5
    assert {each["state"] for each in emulator.executions()} == {"ACTIVE"}


def test_remote_mistakes_are_reported(remote: RemoteEmulator) -> None:
    """A wrong parameter, an unknown execution, and a clock that cannot be moved say so."""
    with pytest.raises(ValueError, match="kind must be"):
        remote.fail("list", "weird")
    with pytest.raises(ValueError, match="colour"):
        remote.fail("list", colour="red")
    with pytest.raises(ValueError, match="not found"):
        remote.delete("nothing")
    with Emulator() as emulator, pytest.raises(ValueError, match="ManualClock"):
        RemoteEmulator(emulator.endpoint).advance(1)
    answer = requests.post(f"{remote.endpoint}/emulator/faults", data="[1]", timeout=10)
    assert answer.status_code == 400


def run_pytest(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on one test file with nothing but the plugin."""
    (folder / "test_user.py").write_text(textwrap.dedent(text))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "airflow_provider_workflows.testing.plugin", "test_user.py"],
        cwd=folder,
        env={**environment(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_plugin_gives_an_emulator_and_a_connection(tmp_path: Path) -> None:
    """The fixtures serve an emulator and point the default connection at it, for one test only."""
    outcome = run_pytest(
        tmp_path,
        """
        import json, os, urllib.request

        VARIABLE = "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT"

        def test_with(workflows_emulator, workflows_connection):
            connection = json.loads(os.environ[VARIABLE])
            assert workflows_connection == "google_cloud_default"
            assert connection["conn_type"] == "google_cloud_workflows"
            extra = connection["extra"]
            assert extra == {"project": "test-project", "location": "us-central1", "is_anonymous": True,
                             "api_endpoint": workflows_emulator.endpoint}
            execution_id = workflows_emulator.start("echo", 1)
            url = (f"{extra['api_endpoint']}/v1/projects/{extra['project']}/locations/{extra['location']}"
                   f"/workflows/echo/executions/{execution_id}")
            assert json.load(urllib.request.urlopen(url))["result"] == "1"

        def test_without():
            assert VARIABLE not in os.environ
        """,
    )
    assert "2 passed" in outcome.stdout, outcome.stdout + outcome.stderr


def test_plugin_is_light(tmp_path: Path) -> None:
    """Loading the plugin imports no web server, so that other people's tests do not pay for it."""
    outcome = run_pytest(
        tmp_path,
        """
        import sys

        def test_nothing_heavy():
            import airflow_provider_workflows.testing
            assert not {"aiohttp", "airflow", "googleapiclient", "requests"} & set(sys.modules)
        """,
    )
    assert "1 passed" in outcome.stdout, outcome.stdout + outcome.stderr


def test_public_names() -> None:
    """Every exported name can be had, and an unknown one is an AttributeError."""
    assert all(getattr(package, name) is not None for name in package.__all__)
    with pytest.raises(AttributeError, match="nothing_here"):
        getattr(package, "nothing_here")  # noqa: B009 - mypy would see through it


@pytest.mark.parametrize("port", ["-1", "99999"])
def test_port_that_none_can_be(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A port that is out of range is a sentence, too."""
    assert main([f"--port={port}"]) == 1
    assert f"cannot serve on 127.0.0.1:{port}" in capsys.readouterr().err
