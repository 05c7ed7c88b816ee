# SPDX-License-Identifier: Apache-2.0
"""What a create sends: any JSON value as that value; and what is refused before anything is sent."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_workflows.operators.executions import (
    WorkflowsCancelExecutionOperator,
    WorkflowsCreateExecutionOperator,
    WorkflowsGetExecutionOperator,
)
from airflow_provider_workflows.testing import Emulator
from tests.harness import AdvancingClock, TaskRun

Task = Callable[..., TaskRun]


@pytest.mark.usefixtures("versioned_connection")
@pytest.mark.parametrize(
    "argument",
    [
        {"flag": True, "none": None, "quote": 'it\'s "quoted"', "path": "C:\\x"},
        {"ü": "日本語 🎉", "nested": [{"a": [1, 2.5, -3e10]}]},
        ["a", 1, None],
        "plain text",
        '{"looks": "like JSON"}',
        0,
        False,
        {},
        [],
        "",
    ],
)
def test_argument_arrives_as_the_same_json(argument: Any, task: Task, emulator: Emulator) -> None:
    """Whatever JSON value is given, the service reads the same value."""
    run = task(WorkflowsCreateExecutionOperator, workflow_id="echo", argument=argument)
    run.run()
    (request,) = [each for each in emulator.requests if each.operation == "create"]
    assert isinstance(request.body["argument"], str)
    assert json.loads(request.body["argument"]) == argument


@pytest.mark.usefixtures("versioned_connection")
def test_no_argument_sends_none(task: Task, emulator: Emulator) -> None:
    """Without an argument the field is left out, which the service takes as null."""
    task(WorkflowsCreateExecutionOperator, workflow_id="echo").run()
    (request,) = emulator.requests
    assert "argument" not in (request.body or {})
    assert emulator.executions("echo")[0]["argument"] == "null"


@pytest.mark.usefixtures("connection")
def test_tuple_is_sent_as_a_list(task: Task, emulator: Emulator) -> None:
    """Python's other sequences become arrays."""
    task(WorkflowsCreateExecutionOperator, workflow_id="echo", argument={"ids": (1, 2)}).run()
    assert json.loads(emulator.executions("echo")[0]["argument"]) == {"ids": [1, 2]}


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize(
    ("argument", "path"),
    [
        ({"rows": [1, math.nan]}, "argument['rows'][1]"),
        ({"rows": math.inf}, "argument['rows']"),
        ({"when": timedelta(hours=1)}, "argument['when']"),
        ({"ids": iter([1, 2])}, "argument['ids']"),
        ({"a": {1: "x"}}, "argument['a']"),
        ([b"bytes"], "argument[0]"),
        (object(), "argument"),
        ({"half": "\ud83d"}, "argument['half']"),
    ],
)
def test_argument_that_is_not_json_is_refused(
    argument: Any, path: str, clock: AdvancingClock, emulator: Emulator
) -> None:
    """The error names the place in the argument, and nothing is sent."""
    run = TaskRun(
        lambda: WorkflowsCreateExecutionOperator(task_id="task", workflow_id="echo", argument=argument), clock=clock
    )
    with pytest.raises(ValueError, match=r"JSON|surrogate") as caught:
        run.run()
    assert str(caught.value).startswith(f"{path} ")
    assert emulator.requests == []


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("argument", ['{"a": [1, true]}', {"a": [1, True]}])
def test_argument_in_execution_is_json_or_json_text(argument: Any, task: Task, emulator: Emulator) -> None:
    """The Google provider's way of passing an argument works, with a dict as well as with JSON text."""
    execution = {"argument": argument, "callLogLevel": "LOG_ERRORS_ONLY"}
    task(WorkflowsCreateExecutionOperator, workflow_id="echo", execution=execution).run()
    (stored,) = emulator.executions("echo")
    assert json.loads(stored["argument"]) == {"a": [1, True]}
    assert stored["callLogLevel"] == "LOG_ERRORS_ONLY"


@pytest.mark.usefixtures("versioned_connection")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"execution": {"argument": "{'a': 1}"}}, r"execution\['argument'\].*JSON text.*line 1 column 2"),
        ({"execution": {"argument": '{"a": NaN}'}}, r"execution\['argument'\].*NaN"),
        ({"execution": {"argument": "1"}, "argument": 1}, "argument is given twice"),
        ({"execution": {"name": "x"}}, "name.*output only"),
        ({"execution": {"state": "ACTIVE"}}, "state.*output only"),
        ({"execution": {"result": "1"}}, "result.*output only"),
        ({"execution": {"unheard": "1"}}, "unheard.*not a field of v1"),
        ({"execution": {"callLogLevel": "LOUD"}}, "callLogLevel.*LOG_ALL_CALLS"),
        ({"execution": {1: "x"}}, "execution has the key 1"),
        ({"execution": {None: "x"}}, "execution has the key None"),
        ({"execution": {"call_log_level": "LOG_NONE", "callLogLevel": "LOG_ALL_CALLS"}}, "callLogLevel.*given twice"),
    ],
)
def test_execution_that_the_version_does_not_take_is_refused(
    arguments: dict[str, Any], message: str, task: Task, emulator: Emulator
) -> None:
    """A field that cannot be set, or a value that it cannot have, is an error that says so before any request."""
    with pytest.raises(ValueError, match=message):
        task(WorkflowsCreateExecutionOperator, workflow_id="echo", **arguments).run()
    assert emulator.requests == []


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("value", ["True", 1, None])
def test_switch_in_execution_is_a_bool(value: Any, task: Task, emulator: Emulator) -> None:
    """A template makes a text of a switch, which is told before the service would refuse it."""
    execution = {"disableConcurrencyQuotaOverflowBuffering": value}
    with pytest.raises(ValueError, match=r"disableConcurrencyQuotaOverflowBuffering.* must be True or False"):
        task(WorkflowsCreateExecutionOperator, workflow_id="echo", execution=execution).run()
    assert emulator.requests == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"labels": {"team": "data"}},
        {"execution": {"labels": {"team": "data"}}},
        {"execution": {"disableConcurrencyQuotaOverflowBuffering": True}},
        {"execution": {"callLogLevel": "LOG_NONE"}},
    ],
)
def test_v1_only_fields_are_refused_on_v1beta(
    arguments: dict[str, Any], task: Task, connect: Callable[..., None], emulator: Emulator
) -> None:
    """What only v1 has is sent there, and is a clear error on v1beta, which names also the longest field."""
    connect(api_version="v1beta")
    field = next(iter(arguments.get("execution", arguments)))
    with pytest.raises(ValueError, match=f"{field}.* v1"):
        task(WorkflowsCreateExecutionOperator, workflow_id="echo", **arguments).run()
    assert emulator.requests == []
    task(WorkflowsCreateExecutionOperator, workflow_id="echo", api_version="v1", **arguments).run()
    assert emulator.count("create") == 1


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize(
    "labels",
    [
        {"Team": "data"},
        {"team": "Data"},
        {"1team": "x"},
        {"": "x"},
        {"team": "x" * 64},
        {"team": 1.5},
        {f"k{number}": "v" for number in range(65)},
    ],
)
def test_labels_that_cannot_be_are_refused(labels: Any, task: Task, emulator: Emulator) -> None:
    """Labels are checked by the service's rules before anything is sent."""
    with pytest.raises(ValueError, match="labels"):
        task(WorkflowsCreateExecutionOperator, workflow_id="echo", labels=labels).run()
    assert emulator.requests == []


@pytest.mark.usefixtures("connection")
def test_labels_arrive(task: Task, emulator: Emulator) -> None:
    """The user's labels are on the execution."""
    task(WorkflowsCreateExecutionOperator, workflow_id="echo", labels={"team": "data-3", "größe": ""}).run()
    stored = emulator.executions("echo")[0]["labels"]
    assert stored["team"] == "data-3"
    assert stored["größe"] == ""


@pytest.mark.usefixtures("connection")
def test_templates(task: Task, emulator: Emulator) -> None:
    """Ids, argument, labels and execution are templated."""
    run = task(
        WorkflowsCreateExecutionOperator,
        workflow_id="{{ 'echo' }}",
        location="{{ 'europe-west1' }}",
        project_id="{{ 'other' }}-project",
        argument={"from": ["{{ run_id }}"]},
        labels={"origin": "{{ run_id }}"},
        execution={"callLogLevel": "LOG_{{ 'NONE' }}"},
    )
    run.run()
    assert run.xcoms["execution_name"].startswith("projects/other-project/locations/europe-west1/workflows/echo/")
    (stored,) = emulator.executions("echo")
    assert json.loads(stored["argument"]) == {"from": ["run1"]}
    assert stored["labels"]["origin"] == "run1"
    assert stored["callLogLevel"] == "LOG_NONE"


# -- names ------------------------------------------------------------------------------------------------

BAD_IDS = ["e?view=BASIC", "e:cancel", "", "a/b", "e#x", "..", "e%2Fx", " e", "projects/p/locations/l/workflows", "ü"]


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("bad", [*BAD_IDS, None, 3])
@pytest.mark.parametrize("parameter", ["workflow_id", "execution_id"])
def test_ids_are_checked_before_any_request(parameter: str, bad: Any, task: Task, emulator: Emulator) -> None:
    """An id that would change the address of a request is an error that names the parameter."""
    arguments: dict[str, Any] = {"workflow_id": "echo", "execution_id": "e", parameter: bad}
    for operator in (WorkflowsGetExecutionOperator, WorkflowsCancelExecutionOperator):
        with pytest.raises(ValueError, match=f"^{parameter} must be a plain id"):
            task(operator, **arguments).run()
    assert emulator.requests == []


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("bad", ["a/b", "p?x=1", "../x", "a b"])
@pytest.mark.parametrize("parameter", ["location", "project_id"])
def test_places_are_checked_before_any_request(parameter: str, bad: str, task: Task, emulator: Emulator) -> None:
    """A project or location that would change the address of a request is an error that names the parameter."""
    with pytest.raises(ValueError, match=f"^{parameter} must be"):
        task(WorkflowsCreateExecutionOperator, workflow_id="echo", **{parameter: bad}).run()
    assert emulator.requests == []


@pytest.mark.parametrize("field", ["project", "location"])
def test_missing_place_names_the_parameter(
    field: str, task: Task, connect: Callable[..., None], emulator: Emulator
) -> None:
    """Where neither the task nor the connection names the place, the error says which one is missing."""
    connect(**{field: None})
    name = "project_id" if field == "project" else field
    with pytest.raises(ValueError, match=f"^{name} is missing"):
        task(WorkflowsCreateExecutionOperator, workflow_id="echo").run()
    assert emulator.requests == []


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("interval", [0, -1, "10", None, True, math.nan])
@pytest.mark.parametrize("deferrable", [False, True])
def test_bad_interval_is_refused_before_anything_starts(
    interval: Any, deferrable: bool, task: Task, emulator: Emulator
) -> None:
    """A poll_interval that one cannot wait is an error, not an execution that nobody watches."""
    waiting = {"wait_for_completion": True, "deferrable": deferrable, "poll_interval": interval}
    with pytest.raises(ValueError, match="poll_interval"):
        task(WorkflowsCreateExecutionOperator, workflow_id="echo", **waiting).run()
    assert emulator.requests == []


@pytest.mark.usefixtures("connection")
def test_the_client_libraries_spelling_is_taken(task: Task, emulator: Emulator) -> None:
    """Fields in snake case and an empty argument, as the Google provider's users have them, mean the same here."""
    task(
        WorkflowsCreateExecutionOperator,
        workflow_id="echo",
        execution={"argument": "", "call_log_level": "LOG_ERRORS_ONLY"},
    ).run()
    (execution,) = emulator.executions()
    assert execution["callLogLevel"] == "LOG_ERRORS_ONLY"
    assert execution["argument"] == "null"


@pytest.mark.usefixtures("connection")
def test_numbers_from_native_rendering_are_taken(task: Task, emulator: Emulator) -> None:
    """A project number, and a label that looks like one, may arrive as numbers."""
    task(WorkflowsCreateExecutionOperator, workflow_id="echo", project_id=123456789012, labels={"day": 20260101}).run()
    assert emulator.executions()[0]["labels"]["day"] == "20260101"


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("parameter", ["labels", "execution"])
def test_texts_for_dicts_are_refused(parameter: str, task: Task, emulator: Emulator) -> None:
    """JSON text where a dict belongs is an error that names the parameter."""
    with pytest.raises(ValueError, match=f"{parameter} must be a dict"):
        task(WorkflowsCreateExecutionOperator, workflow_id="echo", **{parameter: "{}"}).run()
    assert emulator.requests == []
