# SPDX-License-Identifier: Apache-2.0
"""Python functions as workflows, and the built-in ones."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_workflows.testing import Emulator, ManualClock, Step, WorkflowError

if TYPE_CHECKING:
    from tests.unit.testing.conftest import Api


def finished(api: Api, workflow: str, argument: Any = None) -> dict[str, Any]:
    """Create an execution and get it at once."""
    return dict(api.get(workflow, api.created(workflow, argument)).json())


def test_plain_function_gives_the_result(api: Api, emulator: Emulator) -> None:
    """A registered function gets the decoded argument and returns the result."""

    @emulator.workflow("double")
    def double(argument: Any) -> Any:
        return {"twice": argument["n"] * 2, "text": "é"}

    assert finished(api, "double", {"n": 4})["result"] == '{"twice":8,"text":"é"}'


def test_steps_move_with_the_clock(api: Api, emulator: Emulator, clock: ManualClock) -> None:
    """A generator's steps follow each other as time passes; the last one stays."""

    @emulator.workflow("steps")
    def steps(argument: Any) -> Any:
        yield Step("one", 2.0)
        yield Step("two", 3.0, routine="helper")
        return "end"

    execution_id = api.created("steps")
    seen = []
    for _ in range(6):
        execution = api.get("steps", execution_id).json()
        seen.append((execution["state"], execution["status"]["currentSteps"][0]["step"]))
        clock.advance(1)
    assert seen == [("ACTIVE", "one")] * 2 + [("ACTIVE", "two")] * 3 + [("SUCCEEDED", "two")]
    assert execution["status"]["currentSteps"] == [{"routine": "helper", "step": "two"}]


def test_execution_that_never_ends(api: Api, emulator: Emulator, clock: ManualClock) -> None:
    """A step of infinite length keeps an execution ACTIVE for ever."""

    @emulator.workflow("stuck")
    def stuck(argument: Any) -> Any:
        yield Step("wait", seconds=math.inf)

    execution_id = api.created("stuck")
    clock.advance(365 * 86400)
    assert api.get("stuck", execution_id).json()["state"] == "ACTIVE"


def test_exception_fails_the_execution(api: Api, emulator: Emulator) -> None:
    """A Python exception becomes the service's kind of error, with its tag and place."""

    @emulator.workflow("broken")
    def broken(argument: Any) -> Any:
        yield Step("read_input")
        return argument["missing"]

    execution = finished(api, "broken", {})
    assert (execution["state"], "result" in execution) == ("FAILED", False)
    error = execution["error"]
    assert json.loads(error["payload"]) == {"message": "'missing'", "tags": ["KeyError"]}
    assert error["context"] == '\'missing\'\nin step "read_input", routine "main", line: 1'
    (element,) = error["stackTrace"]["elements"]
    assert (element["step"], element["routine"]) == ("read_input", "main")
    assert all(isinstance(number, str) for number in element["position"].values())


@pytest.mark.parametrize(
    ("payload", "context"),
    [
        ("plain text", 'RuntimeError: "plain text"\nin step "S", routine "sub", line: 12'),
        ({"code": 503, "message": "no", "tags": ["HttpError"]}, 'no\nin step "S", routine "sub", line: 12'),
        ([1], 'RuntimeError: [1]\nin step "S", routine "sub", line: 12'),
    ],
)
def test_workflow_error_chooses_the_payload(api: Api, emulator: Emulator, payload: Any, context: str) -> None:
    """`WorkflowError` carries any JSON payload and its place."""

    @emulator.workflow("raises")
    def raises(argument: Any) -> Any:
        raise WorkflowError(payload, step="S", line=12, routine="sub")

    error = finished(api, "raises")["error"]
    assert (json.loads(error["payload"]), error["context"]) == (payload, context)
    assert error["stackTrace"]["elements"][0]["position"]["line"] == "12"


def test_failure_comes_after_its_steps(api: Api, emulator: Emulator, clock: ManualClock) -> None:
    """A generator that raises fails when the steps before are over."""
    execution_id = api.created("fail", {"seconds": 2, "message": "as asked"})
    assert api.get("fail", execution_id).json()["state"] == "ACTIVE"
    clock.advance(2)
    error = api.get("fail", execution_id).json()["error"]
    assert json.loads(error["payload"])["message"] == "as asked"


@pytest.mark.parametrize("value", [object(), math.nan])
def test_result_that_is_not_json_fails(api: Api, emulator: Emulator, value: Any) -> None:
    """A result that JSON cannot hold fails the execution, not the emulator."""
    emulator.workflow("odd")(lambda argument: value)
    assert finished(api, "odd")["state"] == "FAILED"


@pytest.mark.parametrize("seconds", [-1.0, math.nan])
def test_step_of_impossible_length(api: Api, emulator: Emulator, seconds: float) -> None:
    """A step that takes less than no time fails the execution and says why."""

    @emulator.workflow("odd")
    def odd(argument: Any) -> Any:
        yield Step("before", seconds)

    assert "negative" in finished(api, "odd")["error"]["payload"]


def test_too_many_steps(api: Api, emulator: Emulator) -> None:
    """An endless loop of steps fails at the service's limit of steps."""

    @emulator.workflow("loop")
    def loop(argument: Any) -> Any:
        while True:
            yield Step("again")

    execution = finished(api, "loop")
    assert json.loads(execution["error"]["payload"])["tags"] == ["ResourceLimitError"]


def test_built_in_workflows(api: Api, clock: ManualClock) -> None:
    """`echo`, `sleep`, `fail` and `forever` are there without registering."""
    assert finished(api, "echo", [None, True])["result"] == "[null,true]"
    assert finished(api, "sleep")["result"] == "null"
    assert finished(api, "fail")["state"] == "FAILED"
    assert finished(api, "forever")["state"] == "ACTIVE"


def test_registering_again_is_a_new_revision(v1: Api, emulator: Emulator) -> None:
    """The second function of a name is its revision 000002, and its executions inherit the labels."""
    emulator.workflow("w")(lambda argument: 1)
    first = v1.created("w")
    emulator.workflow("w", labels={"team": "x", "env": "test"})(lambda argument: 2)
    second = v1.created("w", labels={"env": "mine"})
    assert v1.get("w", first).json()["workflowRevisionId"].startswith("000001-")
    execution = v1.get("w", second).json()
    assert execution["workflowRevisionId"].startswith("000002-")
    assert execution["labels"] == {"team": "x", "env": "mine"}
