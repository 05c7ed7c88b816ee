# SPDX-License-Identifier: Apache-2.0
"""Workflows without Python: defined by JSON over HTTP or in a folder, or made up as they are asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_provider_workflows.testing import Emulator, ManualClock, RemoteEmulator
from airflow_provider_workflows.testing.__main__ import make, parse

if TYPE_CHECKING:
    from tests.unit.testing.conftest import Api


def test_defined_workflow(v1: Api, emulator: Emulator, clock: ManualClock) -> None:
    """A workflow that JSON describes has its steps, its time, its labels and its result."""
    definition = {
        "steps": ["read", {"name": "pay", "seconds": 2, "routine": "payment", "type": "STEP_ASSIGN"}],
        "seconds": 3,
        "labels": {"team": "a"},
        "result": {"total": 6},
    }
    RemoteEmulator(emulator.endpoint).define("order", definition)
    execution_id = v1.created("order")
    clock.advance(1)
    execution = v1.get("order", execution_id).json()
    assert execution["status"]["currentSteps"] == [{"routine": "payment", "step": "pay"}]
    assert execution["labels"] == {"team": "a"}
    clock.advance(4)
    execution = v1.get("order", execution_id).json()
    assert (execution["result"], execution["duration"]) == ('{"total":6}', "5s")


def test_defined_failure_echo_and_callback(v1: Api, emulator: Emulator) -> None:
    """A definition may fail with a payload, return its argument, or wait for a callback."""
    emulator.define("fails", {"error": "plain text"})
    emulator.define("echoes", {"echo": True})
    emulator.define("asks", {"steps": [{"callback": "ok", "timeout": 5}], "result": 1})
    emulator.define("nothing", {})
    assert v1.get("fails", v1.created("fails")).json()["error"]["payload"] == '"plain text"'
    assert v1.get("echoes", v1.created("echoes", [1])).json()["result"] == "[1]"
    assert v1.get("nothing", v1.created("nothing")).json()["result"] == "null"
    execution_id = v1.created("asks")
    v1.call_back("asks", execution_id, "ok")
    assert v1.get("asks", execution_id).json()["result"] == "1"


@pytest.mark.parametrize(
    ("definition", "text"),
    [
        ({"colour": 1}, "has no colour; it has result"),
        ({"result": 1, "error": 2}, "give one of result and error"),
        ({"steps": "read"}, "steps must be a list"),
        ({"steps": [5]}, "a step is a name or an object"),
        ({"steps": [{"seconds": 1}]}, "a step needs a name"),
        ({"steps": [{"name": "a", "colour": 1}]}, "a step has no colour"),
        ({"steps": [{"name": 5}]}, "name must be a text"),
        ({"steps": [{"callback": "a", "seconds": 1}]}, "a callback has no seconds"),
        ({"seconds": "2"}, "seconds must be a number"),
        ({"seconds": -2}, "seconds must not be negative"),
        ({"labels": {"a": 1}}, "must be a string of lowercase letters"),
        ({"labels": {"A": "b"}}, "must begin with a letter"),
    ],
)
def test_wrong_definition(emulator: Emulator, tmp_path: Path, definition: dict[str, Any], text: str) -> None:
    """A wrong definition is refused with what is wrong, over HTTP and in a folder."""
    remote = RemoteEmulator(emulator.endpoint)
    with pytest.raises(ValueError, match=text):
        remote.define("w", definition)
    with pytest.raises(ValueError, match="not found"):
        remote.start("w")
    (tmp_path / "w.json").write_text(json.dumps(definition))
    with pytest.raises(ValueError, match=rf"w\.json: .*{text}"):
        make(parse(["--definitions", str(tmp_path)]))


def test_wrong_name_and_no_json(emulator: Emulator, tmp_path: Path) -> None:
    """A name that no workflow can have, a body that is no JSON object, and a folder that is none are refused."""
    with pytest.raises(ValueError, match="a workflow's id"):
        RemoteEmulator(emulator.endpoint).define("1st", {})
    for body in ("[1]", "{", "[" * 50_000):
        answer = requests.post(f"{emulator.endpoint}/emulator/workflows/w", body, timeout=10)
        assert answer.status_code == 400
    with pytest.raises(ValueError, match="nowhere is no folder"):
        make(parse(["--definitions", str(tmp_path / "nowhere")]))


def test_folder_of_definitions(tmp_path: Path) -> None:
    """Each file NAME.json of a folder is a workflow."""
    (tmp_path / "order.json").write_text('{"result": {"total": 6}}')
    (tmp_path / "readme.txt").write_text("not a workflow")
    emulator = make(parse(["--definitions", str(tmp_path)]))
    assert emulator.execution(emulator.start("order"))["result"] == '{"total":6}'


def test_any_workflow(api: Api, emulator: Emulator) -> None:
    """With `any_workflow` an unknown one succeeds with the canned result; those that are known stay as they are."""
    assert api.create("unknown").status_code == 404
    emulator.settings.any_workflow, emulator.settings.any_result = True, {"canned": True}
    assert api.get("unknown", api.created("unknown", 5)).json()["result"] == '{"canned":true}'
    assert api.get("echo", api.created("echo", 5)).json()["result"] == "5"
    assert api.list("never-run").json() == {}
    assert api.create("1st").status_code == 404


def test_built_in_fail_with_a_payload(api: Api) -> None:
    """`fail` fails with the payload that its argument has, any JSON value."""
    for payload in ({"code": 503, "tags": ["HttpError"]}, "text", None):
        error = api.get("fail", api.created("fail", {"payload": payload})).json()["error"]
        assert json.loads(error["payload"]) == payload


def test_start_over_http_of_a_workflow_that_asks_the_emulator(emulator: Emulator) -> None:
    """A workflow that is started by the control API may ask the emulator itself."""
    remote = RemoteEmulator(emulator.endpoint)
    emulator.workflow("parent")(lambda _: remote.start("echo", 1))
    remote.start("parent")
    assert [each["state"] for each in remote.executions()] == ["SUCCEEDED", "SUCCEEDED"]
