# SPDX-License-Identifier: Apache-2.0
"""Arguments as people write them: whole names, states in three spellings, and what a DAG file must not have."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from enum import IntEnum
from typing import Any

import pytest
from airflow.triggers.base import BaseTrigger

from airflow_provider_workflows.compat import BaseOperator, BaseSensorOperator, XComArg
from airflow_provider_workflows.core.names import said
from airflow_provider_workflows.exceptions import ExecutionCancelled
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsAsyncHook, WorkflowExecutionsHook
from airflow_provider_workflows.operators import executions as operators
from airflow_provider_workflows.operators.executions import (
    WorkflowsCancelExecutionOperator,
    WorkflowsCreateExecutionOperator,
    WorkflowsGetExecutionOperator,
    WorkflowsListExecutionsOperator,
)
from airflow_provider_workflows.sensors.executions import WorkflowExecutionSensor
from airflow_provider_workflows.testing import DEFAULT_LOCATION, DEFAULT_PROJECT, Emulator
from tests.harness import AdvancingClock, TaskRun, make_trigger, only_event
from tests.log_lines import LogLine

Task = Callable[..., TaskRun]

WORKFLOW = f"projects/{DEFAULT_PROJECT}/locations/{DEFAULT_LOCATION}/workflows/echo"
CLASSES: list[Any] = [
    *(cls for name, cls in vars(operators).items() if name.startswith("Workflows") and name.endswith("nOperator")),
    WorkflowsListExecutionsOperator,
    WorkflowExecutionSensor,
]
TEMPLATE = "{{ params.it }}"


# -- whole names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operator", [WorkflowsGetExecutionOperator, WorkflowsCancelExecutionOperator])
@pytest.mark.parametrize("named_by", ["as requested", "by the service"])
def test_a_whole_name_needs_nothing_else(
    named_by: str, operator: Any, task: Task, connect: Callable[..., None], emulator: Emulator
) -> None:
    """With a whole execution_id neither the task nor the connection needs to say workflow, location or project."""
    connect(project=None, location=None)
    execution_id = emulator.start("echo", 1)
    name = f"{WORKFLOW}/executions/{execution_id}"
    if named_by == "by the service":
        name = emulator.execution(execution_id)["name"]
        assert DEFAULT_PROJECT not in name
    run = task(operator, execution_id=name)
    assert run.run()["name"].endswith(execution_id)
    assert run.xcoms["execution_id"] == execution_id
    assert run.xcoms["execution_name"] == name
    assert f"/us-central1/echo/execution/{execution_id}?project=" in run.xcoms["execution_url"]


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("arguments", [{}, {"deferrable": True}, {"mode": "reschedule"}])
def test_the_sensor_waits_for_a_whole_name(arguments: dict[str, Any], task: Task, emulator: Emulator) -> None:
    """The sensor takes a whole name on each of its paths, and stores plain ids."""
    execution_id = emulator.start("sleep", {"seconds": 100, "result": 3})
    name = f"projects/{DEFAULT_PROJECT}/locations/{DEFAULT_LOCATION}/workflows/sleep/executions/{execution_id}"
    run = task(WorkflowExecutionSensor, execution_id=name, poke_interval=30, **arguments)
    assert run.run()["state"] == "SUCCEEDED"
    assert run.xcoms["execution_id"] == execution_id
    assert run.xcoms["result"] == 3


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize(
    "waiting", [{}, {"wait_for_completion": True}, {"wait_for_completion": True, "deferrable": True}]
)
def test_create_and_list_take_a_whole_workflow(waiting: dict[str, Any], task: Task) -> None:
    """A whole workflow_id is created in and listed, in another location than the connection's, too."""
    workflow = WORKFLOW.replace(DEFAULT_LOCATION, "europe-west1").replace("echo", "sleep")
    run = task(WorkflowsCreateExecutionOperator, workflow_id=workflow, argument={"seconds": 30}, **waiting)
    run.run()
    assert run.xcoms["execution_name"] == f"{workflow}/executions/{run.xcoms['execution_id']}"
    (listed,) = task(WorkflowsListExecutionsOperator, workflow_id=workflow).run()
    assert listed["name"].endswith(run.xcoms["execution_id"])


@pytest.mark.usefixtures("connection")
async def test_the_trigger_takes_a_whole_name(clock: AdvancingClock, emulator: Emulator) -> None:
    """A trigger that was started without a worker gets what the DAG file says."""
    execution_id = emulator.start("echo")
    name = f"{WORKFLOW}/executions/{execution_id}"
    kwargs = {"project_id": None, "location": None, "workflow_id": None, "execution_id": name}
    path = "airflow_provider_workflows.triggers.executions.WorkflowExecutionTrigger"
    event = await only_event(make_trigger(path, kwargs, clock))
    assert event["status"] == "success"
    assert event["execution_name"] == name


@pytest.mark.usefixtures("connection")
async def test_the_hooks_take_whole_names(
    hook: WorkflowExecutionsHook, clock: AdvancingClock, emulator: Emulator
) -> None:
    """Both hooks take whole names in every method."""
    name = f"{WORKFLOW}/executions/{emulator.start('echo', 1)}"
    assert hook.get_execution(execution_id=name)["state"] == "SUCCEEDED"
    assert hook.wait_for_execution(execution_id=name)["state"] == "SUCCEEDED"
    assert hook.cancel_execution(execution_id=name)["state"] == "SUCCEEDED"
    assert len(list(hook.list_executions(WORKFLOW))) == 1
    assert list(hook.list_step_entries(execution_id=name)) is not None
    async with WorkflowExecutionsAsyncHook(clock=clock) as asynchronous:
        assert (await asynchronous.get_execution(execution_id=name))["state"] == "SUCCEEDED"
        assert (await asynchronous.cancel_execution(execution_id=name))["state"] == "SUCCEEDED"
        assert (await asynchronous.create_execution(WORKFLOW))["state"]


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize(
    ("other", "value"),
    [("workflow_id", "other"), ("location", "europe-west1"), ("project_id", "other-project")],
)
def test_a_contradiction_names_both(other: str, value: str, task: Task, emulator: Emulator) -> None:
    """A whole name and another parameter that say different things are an error, before any request."""
    run = task(WorkflowsGetExecutionOperator, execution_id=f"{WORKFLOW}/executions/e", **{other: value})
    with pytest.raises(
        ValueError, match=f"^execution_id 'projects/.*' contradicts {other} '{value}'. Keep one of them.$"
    ):
        run.run()
    assert emulator.requests == []


def test_two_whole_names_that_differ() -> None:
    """A whole workflow_id beside a whole execution_id must be its workflow."""
    with pytest.raises(ValueError, match=r"execution_id .* contradicts workflow_id 'echo'"):
        said(WORKFLOW, "projects/test-project/locations/us-central1/workflows/other/executions/e")


@pytest.mark.parametrize(
    ("given", "kept"), [("my-project", "my-project"), (None, "123"), ("", "123"), ("123", "123"), (123, 123)]
)
def test_a_number_is_no_contradiction_of_an_id(given: Any, kept: Any) -> None:
    """The service names projects by number; beside a project_id that is an id, the id is kept."""
    name = "projects/123/locations/us-central1/workflows/echo/executions/e"
    assert said(None, name, None, given).project_id == kept
    with pytest.raises(ValueError, match="contradicts project_id"):
        said(None, name, None, "124")


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize(
    "arguments",
    [
        {"execution_id": WORKFLOW},
        {"execution_id": f"{WORKFLOW}/executions/e/x"},
        {"execution_id": "projects/p/locations/l/workflows/w/executions/a:cancel"},
        {"workflow_id": f"{WORKFLOW}/executions/e", "execution_id": "e"},
        {"execution_id": {"name": f"{WORKFLOW}/executions/e"}, "workflow_id": "echo"},
        {"execution_id": "e"},
    ],
)
def test_names_that_are_none(arguments: dict[str, Any], task: Task, emulator: Emulator) -> None:
    """The name of something else, a name with more in it and a missing workflow are refused by parameter."""
    with pytest.raises(
        ValueError, match=r"^(workflow_id|execution_id) must be a plain id .* or the whole resource name"
    ):
        task(WorkflowsGetExecutionOperator, **arguments).run()
    assert emulator.requests == []


@pytest.mark.usefixtures("connection")
def test_an_execution_where_its_name_was_meant(task: Task) -> None:
    """Whoever hands over a whole task's output is told which part of it is wanted."""
    output = {"name": f"{WORKFLOW}/executions/e", "state": "ACTIVE"}
    with pytest.raises(ValueError, match=r"^execution_id must be .* \(got an Execution: pass its \['name'\]\)\.$"):
        task(WorkflowsGetExecutionOperator, workflow_id="echo", execution_id=output).run()


@pytest.mark.skipif(not hasattr(BaseTrigger, "on_kill"), reason="this Airflow starts no sensor in the triggerer")
def test_a_sensor_that_starts_in_the_triggerer_takes_a_whole_name() -> None:
    """The name says the project and location that starting there needs; templates in it stay for the trigger."""
    sensor = WorkflowExecutionSensor(task_id="t", execution_id=f"{WORKFLOW}/executions/e", start_from_trigger=True)
    arguments: Any = sensor.start_trigger_args
    kwargs = arguments.trigger_kwargs
    names = ("project_id", "location", "workflow_id", "execution_id")
    assert [kwargs[name] for name in names] == [DEFAULT_PROJECT, DEFAULT_LOCATION, "echo", "e"]


# -- states -----------------------------------------------------------------------------------------------


class State(IntEnum):
    """Be like the client libraries' enumeration."""

    SUCCEEDED = 2
    CANCELLED = 4


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize(
    "states", [{"CANCELLED"}, {4}, {State.CANCELLED}, "CANCELLED", [State.CANCELLED, "SUCCEEDED"], 4]
)
def test_states_in_each_spelling(states: Any, task: Task, emulator: Emulator) -> None:
    """Names, numbers and members of an enumeration mean the same."""
    execution_id = emulator.start("forever")
    emulator.set_state(execution_id, "CANCELLED")
    run = task(WorkflowExecutionSensor, workflow_id="forever", execution_id=execution_id, success_states=states)
    assert run.run()["state"] == "CANCELLED"


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("nothing", [set(), [], None])
def test_no_states_are_the_default(nothing: Any, task: Task, emulator: Emulator) -> None:
    """An empty set means the default, as in the Google provider."""
    run = task(
        WorkflowExecutionSensor,
        workflow_id="echo",
        execution_id=emulator.start("echo"),
        success_states=nothing,
        failure_states=nothing,
    )
    assert run.run()["state"] == "SUCCEEDED"
    stopped = emulator.start("forever")
    emulator.set_state(stopped, "CANCELLED")
    run = task(WorkflowExecutionSensor, workflow_id="forever", execution_id=stopped, success_states=nothing)
    with pytest.raises(Exception, match="CANCELLED") as caught:
        run.run()
    assert isinstance(caught.value.__cause__, ExecutionCancelled)


@pytest.mark.parametrize("parameter", ["success_states", "failure_states"])
@pytest.mark.parametrize("bad", ["SUCCEDED", {7}, {True}, [None], TEMPLATE, {"succeeded"}])
def test_what_is_no_state_is_refused(bad: Any, parameter: str) -> None:
    """A misspelt state would be waited for until the timeout; it is an error of the DAG file."""
    with pytest.raises(ValueError, match=f"^{parameter} must hold states of executions \\(STATE_UNSPECIFIED, ACTIVE"):
        WorkflowExecutionSensor(task_id="t", execution_id="e", **{parameter: bad})


# -- no templates where nothing is rendered ---------------------------------------------------------------


def output() -> Any:
    """Return another task's output."""
    return XComArg(BaseOperator(task_id="other"))


FLAGS = {
    WorkflowsCreateExecutionOperator: (
        "wait_for_completion", "deferrable", "cancel_on_kill", "durable", "cancel_on_timeout",
    ),
    WorkflowExecutionSensor: ("deferrable", "start_from_trigger", "soft_fail", "never_fail"),
}  # fmt: skip
NUMBERS = {
    WorkflowsCreateExecutionOperator: ("poll_interval", "queued_timeout"),
    WorkflowsListExecutionsOperator: ("limit",),
}
STATES = {WorkflowExecutionSensor: ("success_states", "failure_states")}


def _cases(table: dict[Any, tuple[str, ...]]) -> list[tuple[Any, str]]:
    return [(cls, name) for cls, fields in table.items() for name in fields]


def make(cls: Any, **arguments: Any) -> Any:
    """Make an operator with what it needs."""
    needed = {"execution_id": "e"} if "execution_id" in inspect.signature(cls).parameters else {}
    return cls(task_id="t", workflow_id="w", **needed, **arguments)


@pytest.mark.parametrize(("cls", "name"), _cases(FLAGS))
@pytest.mark.parametrize("value", [TEMPLATE, "False", None, output], ids=["template", "text", "None", "output"])
def test_a_template_in_a_switch_is_refused(value: Any, cls: Any, name: str) -> None:
    """A text is true whatever it says, so a switch takes nothing but True and False, when the DAG is parsed."""
    value = value() if callable(value) else value
    with pytest.raises(ValueError, match=f"^{name} must be True or False, got .*: it is no template field"):
        make(cls, **{name: value})


@pytest.mark.parametrize(("cls", "name"), _cases(NUMBERS))
@pytest.mark.parametrize("value", [TEMPLATE, "5", output], ids=["template", "text", "output"])
def test_a_template_in_a_number_is_refused(value: Any, cls: Any, name: str) -> None:
    """A number that is a text or another task's output is refused by name when the DAG is parsed."""
    value = value() if callable(value) else value
    with pytest.raises(ValueError, match=f"^{name} must be a .*number.*: it is no template field"):
        make(cls, **{name: value})


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("value", [TEMPLATE, "5", output], ids=["template", "text", "output"])
def test_a_template_in_the_execution_timeout_is_refused(value: Any, cls: Any) -> None:
    """So it is in the parameter of Airflow's that every operator takes as a number, too."""
    value = value() if callable(value) else value
    with pytest.raises(ValueError, match=r"^execution_timeout must be a finite number of seconds"):
        make(cls, execution_timeout=value)


@pytest.mark.parametrize("name", ["success_states", "failure_states"])
def test_an_output_in_states_is_refused(name: str) -> None:
    """Another task's output cannot be looked into when the DAG is parsed."""
    with pytest.raises(ValueError, match=f"^{name} must be a set of states, got .*no template field"):
        make(WorkflowExecutionSensor, **{name: output()})


@pytest.mark.parametrize("cls", CLASSES)
def test_each_field_is_rendered_or_checked(cls: Any) -> None:
    """Every parameter is a template field, or one whose templates are refused, or one that is ignored."""
    own = {
        name
        for each in cls.__mro__
        if each.__module__.startswith("airflow_provider_workflows.")
        for name, parameter in inspect.signature(each).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    checked = {*FLAGS.get(cls, ()), *NUMBERS.get(cls, ()), *STATES.get(cls, ()), "execution_timeout"}
    assert own - {*cls.template_fields} - checked <= {"retry", "metadata", "timeout", "request_timeout"}


# -- what the Google provider's classes take, and these ignore --------------------------------------------


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("cls", CLASSES)
def test_arguments_of_the_google_provider_are_told_once(
    cls: Any, task: Task, emulator: Emulator, logs: list[LogLine]
) -> None:
    """They are taken, change nothing, and one line says where their meaning lives here."""
    needed = {"execution_id": emulator.start("echo")} if "execution_id" in inspect.signature(cls).parameters else {}
    seconds = "request_timeout" if cls is WorkflowExecutionSensor else "timeout"
    task(cls, workflow_id="echo", **needed, retry=object(), metadata=[("a", "b")], **{seconds: 30.0}).run()
    (line,) = [line for line in logs if "Deprecated" in line.text]
    assert line.level == "warning"
    assert line.text.startswith(
        "Deprecated and ignored, so remove it: "
        "retry (the connection's num_retries says how often a request is repeated); "
        f"{seconds} (the connection's timeout says how many seconds a request may take); "
        "metadata (requests over REST have none)."
    )


@pytest.mark.usefixtures("connection")
def test_the_sensors_timeout_is_airflows() -> None:
    """The sensor's own timeout and retries keep Airflow's meaning, and nothing is said of them."""
    sensor = WorkflowExecutionSensor(task_id="t", execution_id="e", timeout=77, retries=3)
    assert isinstance(sensor, BaseSensorOperator)
    assert (sensor.timeout, sensor.retries) == (77, 3)
    assert sensor.retry is None


@pytest.mark.usefixtures("connection")
def test_the_hook_takes_them_too(hook: WorkflowExecutionsHook, emulator: Emulator, logs: list[LogLine]) -> None:
    """Calls that are written for the Google provider's hook work, with one line for each; others are refused."""
    created = hook.create_execution(
        workflow_id="echo", location="us-central1", execution={}, retry=1, timeout=5, metadata=()
    )
    execution_id = created["name"].rpartition("/")[2]
    hook.get_execution(workflow_id="echo", execution_id=execution_id, retry=object())
    hook.cancel_execution(workflow_id="echo", execution_id=execution_id, metadata=[("a", "b")])
    list(hook.list_executions(workflow_id="echo", timeout=1.0))
    assert len([line for line in logs if "Deprecated" in line.text]) == 4
    with pytest.raises(TypeError, match="unexpected keyword argument 'retries'"):
        hook.get_execution("echo", execution_id="e", retries=3)  # type: ignore[call-arg]


def test_nothing_given_says_nothing(task: Task, connect: Callable[..., None], logs: list[LogLine]) -> None:
    """The Google provider's defaults, written out, are not worth a line."""
    connect()
    task(WorkflowsCreateExecutionOperator, workflow_id="echo", metadata=(), timeout=None).run()
    assert not [line for line in logs if "Deprecated" in line.text]


# -- lists and bytes --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("versioned_connection")
@pytest.mark.parametrize("since", [False, True])
@pytest.mark.parametrize(
    ("there", "limit", "returned", "cut"),
    [(101, {}, 100, True), (100, {}, 100, False), (120, {"limit": None}, 120, False), (5, {"limit": 2}, 2, True)],
)
def test_a_list_that_was_cut_says_so(
    there: int,
    limit: dict[str, Any],
    returned: int,
    cut: bool,
    since: bool,
    task: Task,
    emulator: Emulator,
    logs: list[LogLine],
) -> None:
    """A list has at most 100 executions unless told otherwise, and the log says when there are more."""
    emulator.add_executions("echo", there)
    arguments = {"start_date_filter": datetime(2020, 1, 1, tzinfo=timezone.utc)} if since else {}
    assert len(task(WorkflowsListExecutionsOperator, workflow_id="echo", **limit, **arguments).run()) == returned
    told = [line.text for line in logs if "The list is cut" in line.text]
    assert len(told) == cut
    assert not cut or f"more than limit={returned} executions" in told[0]


@pytest.mark.usefixtures("connection")
def test_bytes_in_execution_are_json_text(task: Task, emulator: Emulator) -> None:
    """Bytes as the text of an argument, a way around the Google provider's dicts, are taken as that text."""
    run = task(WorkflowsCreateExecutionOperator, workflow_id="echo", execution={"argument": b'{"a": "\xc3\xbc"}'})
    run.run()
    assert emulator.executions("echo")[0]["argument"] == '{"a":"ü"}'
    task(WorkflowsCreateExecutionOperator, workflow_id="echo", execution={"argument": b""}).run()
    with pytest.raises(ValueError, match=r"execution\['argument'\] must be JSON text \(it is not UTF-8\)"):
        task(WorkflowsCreateExecutionOperator, workflow_id="echo", execution={"argument": b"\xff"}).run()


def test_a_span_of_time_is_an_interval() -> None:
    """A timedelta passes for a number when the DAG is parsed."""
    span = timedelta(seconds=5)
    operator = make(WorkflowsCreateExecutionOperator, poll_interval=span, queued_timeout=span)
    assert (operator.poll_interval, operator.queued_timeout) == (span, span)


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("deferrable", [False, True])
def test_a_poll_interval_may_be_a_timedelta(deferrable: bool, task: Task, clock: AdvancingClock) -> None:
    """A wait looks as often as the timedelta says, in the worker and in the triggerer."""
    run = task(
        WorkflowsCreateExecutionOperator,
        workflow_id="sleep",
        argument={"seconds": 300},
        wait_for_completion=True,
        deferrable=deferrable,
        poll_interval=timedelta(minutes=1),
    )
    assert run.run()["state"] == "SUCCEEDED"
    assert 3 <= len([seconds for seconds in clock.slept if seconds > 20]) <= 9
    if deferrable:
        assert run.deferrals[0].kwargs["poll_interval"] == 60.0
