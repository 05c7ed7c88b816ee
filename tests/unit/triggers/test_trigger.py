# SPDX-License-Identifier: Apache-2.0
"""The trigger: what Airflow stores of it, what ends it and what does not, and with which identity it looks."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from airflow.triggers.base import TriggerEvent

from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator
from airflow_provider_workflows.testing import DEFAULT_LOCATION, DEFAULT_PROJECT, Emulator
from airflow_provider_workflows.triggers.executions import WorkflowExecutionTrigger
from tests.harness import AdvancingClock, TaskRun, make_trigger, only_event
from tests.token_server import TOKEN, TokenServer

Connect = Callable[..., None]
Task = Callable[..., TaskRun]

#: A value for every argument that is not its default.
ARGUMENTS: dict[str, Any] = {
    "project_id": "other-project",
    "location": "europe-west1",
    "workflow_id": "echo",
    "execution_id": "e-1",
    "gcp_conn_id": "other",
    "impersonation_chain": ["delegate@p.iam.gserviceaccount.com", "target@p.iam.gserviceaccount.com"],
    "api_version": "v1beta",
    "api_endpoint": "http://127.0.0.1:1",
    "poll_interval": 3.5,
    "deadline": 1_800_000_000.5,
    "cancel_on_kill": False,
    "success_states": ["ACTIVE", "SUCCEEDED"],
    "failure_states": ["FAILED"],
    "queued_deadline": 1_700_000_000.5,
    "end_task": True,
    "started_at": 1_800_000_000.5,
    "deferred_at": 1_800_000_005.5,
    "resume_after": 15.0,
    "clock_ahead": 90.0,
    "cancel_on_timeout": True,
}


@pytest.fixture
def wait(clock: AdvancingClock) -> Callable[..., dict[str, Any]]:
    """Give a function that waits for an execution with a trigger and returns the payload of its only event."""

    def wait(execution_id: str, workflow_id: str = "sleep", **arguments: Any) -> dict[str, Any]:
        arguments = {"project_id": DEFAULT_PROJECT, "location": DEFAULT_LOCATION, **arguments}
        trigger = WorkflowExecutionTrigger(workflow_id=workflow_id, execution_id=execution_id, **arguments)
        payload: dict[str, Any] = asyncio.run(only_event(make_trigger(*trigger.serialize(), clock)))
        return payload

    return wait


Wait = Callable[..., dict[str, Any]]


# -- what is stored ---------------------------------------------------------------------------------------


def test_serialized_form_rebuilds_the_trigger() -> None:
    """Every argument survives the database: the class is found by its path, and the rebuilt one serializes alike."""
    trigger = WorkflowExecutionTrigger(**ARGUMENTS)
    path, kwargs = trigger.serialize()
    module, _, name = path.rpartition(".")
    assert getattr(importlib.import_module(module), name) is WorkflowExecutionTrigger
    rebuilt = WorkflowExecutionTrigger(**json.loads(json.dumps(kwargs)))
    assert rebuilt.serialize() == (path, kwargs)
    assert kwargs == ARGUMENTS


def test_serialized_form_has_every_argument() -> None:
    """An argument that is added to the trigger must be stored, too."""
    code = WorkflowExecutionTrigger.__init__.__code__
    names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    assert set(names) == set(ARGUMENTS)
    assert set(WorkflowExecutionTrigger(**ARGUMENTS).serialize()[1]) == set(ARGUMENTS)


@pytest.mark.parametrize("kind", [set, frozenset, tuple, list])
def test_serialized_form_is_json_for_any_collection(kind: Callable[[Any], Any]) -> None:
    """Sets of states and tuples of accounts become lists, in a stable order."""
    states = kind(["UNAVAILABLE", "CANCELLED", "FAILED"])
    chain = ("a@p.iam.gserviceaccount.com", "b@p.iam.gserviceaccount.com")
    trigger = WorkflowExecutionTrigger("p", "l", "w", "e", impersonation_chain=chain, failure_states=states)
    kwargs = trigger.serialize()[1]
    assert json.loads(json.dumps(kwargs)) == kwargs
    assert kwargs["failure_states"] == ["CANCELLED", "FAILED", "UNAVAILABLE"]
    assert kwargs["impersonation_chain"] == list(chain)


# -- what ends it -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("versioned_connection")
def test_event(wait: Wait, emulator: Emulator) -> None:
    """The event names the execution as it was asked for, its state and what became of it, and nothing else."""
    execution_id = emulator.start("sleep", {"seconds": 100, "result": "large"})
    assert wait(execution_id) == {
        "status": "success",
        "state": "SUCCEEDED",
        "execution_name": f"projects/test-project/locations/us-central1/workflows/sleep/executions/{execution_id}",
        "message": "the execution is SUCCEEDED",
    }


PASSING: dict[str, dict[str, Any]] = {
    "429": {"kind": "rate_limited"},
    "503": {"kind": "unavailable"},
    "500": {"kind": "internal"},
    "HTML 502": {"kind": "html"},
    "not JSON": {"kind": "not_json"},
    "dropped": {"kind": "drop_before"},
    "408": {"status": 408},
    "504": {"status": 504},
}


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("fault", PASSING)
def test_passing_faults_do_not_end_it(fault: str, wait: Wait, emulator: Emulator, clock: AdvancingClock) -> None:
    """However often a look fails for a passing reason, the trigger looks again and reports the end."""
    execution_id = emulator.start("sleep", {"seconds": 1000})
    emulator.fail("*", times=20, **PASSING[fault])
    assert wait(execution_id)["status"] == "success"
    assert clock.time() - emulator.requests[0].time < 4000


@pytest.mark.usefixtures("token_server")
def test_expired_token_does_not_end_it(
    wait: Wait, emulator: Emulator, connect: Connect, token_server: TokenServer, private_key: str, clock: AdvancingClock
) -> None:
    """A token that is not accepted any more is replaced by a new one, and the waiting goes on."""
    connect(keyfile_dict=token_server.key(private_key), is_anonymous=None)
    emulator.settings.token = "first"
    token_server.tokens = ["first", "second"]

    def expire() -> None:
        emulator.settings.token = "second"

    clock.on_sleep(expire, number=3)
    assert wait(emulator.start("sleep", {"seconds": 100}))["status"] == "success"
    assert 401 in [request.status for request in emulator.requests]


def test_token_server_that_is_down_does_not_end_it(
    wait: Wait, emulator: Emulator, connect: Connect, token_server: TokenServer, private_key: str, clock: AdvancingClock
) -> None:
    """While no token can be had for a passing reason, nothing is sent, and nothing is lost."""
    connect(keyfile_dict=token_server.key(private_key), is_anonymous=None)
    emulator.settings.token = TOKEN
    token_server.status = 503

    def repair() -> None:
        token_server.status = 200

    clock.on_sleep(repair, number=3)
    assert wait(emulator.start("sleep", {"seconds": 100}))["status"] == "success"


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("status", [400, 403])
def test_lasting_faults_end_it_at_once(status: int, wait: Wait, emulator: Emulator, clock: AdvancingClock) -> None:
    """What nobody can wait out is one error event with its cause, within a few looks."""
    emulator.fail("*", status=status, times=None)
    began = clock.time()
    event = wait(emulator.start("forever"), "forever")
    assert event["status"] == "error"
    assert str(status) in event["message"]
    assert clock.time() - began < 60
    assert len(emulator.requests) <= 4


@pytest.mark.usefixtures("connection")
def test_404_is_believed_after_a_while(wait: Wait, clock: AdvancingClock) -> None:
    """An execution that does not exist is an error event, but not in the first moments after a create."""
    began = clock.time()
    event = wait("never-there")
    assert event["status"] == "error"
    assert "never-th" in event["message"]
    assert 10 <= clock.time() - began <= 300


@pytest.mark.usefixtures("connection")
def test_execution_that_is_visible_late_is_waited_for(wait: Wait, emulator: Emulator) -> None:
    """Read-after-write is not documented: an execution that cannot be read yet is no error."""
    emulator.settings.get_delay = 15
    emulator.settings.list_delay = 15
    assert wait(emulator.start("sleep", {"seconds": 60}))["status"] == "success"


def test_missing_connection_is_an_error_event(wait: Wait, emulator: Emulator) -> None:
    """A connection that does not exist ends the waiting with an event that names it."""
    event = wait(emulator.start("forever"), "forever", gcp_conn_id="nowhere")
    assert (event["status"], "nowhere" in event["message"]) == ("error", True)


def test_unusable_connection_is_an_error_event(wait: Wait, emulator: Emulator, connect: Connect) -> None:
    """So does one whose fields cannot be honoured."""
    connect(key_secret_name="k")
    event = wait(emulator.start("forever"), "forever")
    assert (event["status"], "key_secret_name" in event["message"]) == ("error", True)


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("bad", [{"execution_id": "e:cancel"}, {"location": "a/b"}, {"poll_interval": 0}])
def test_bad_arguments_are_an_error_event(bad: dict[str, Any], wait: Wait, emulator: Emulator) -> None:
    """Arguments that cannot be are an event that names them rather than a crash, and nothing is sent."""
    event = wait(**{"execution_id": "e", **bad})
    assert (event["status"], next(iter(bad)) in event["message"]) == ("error", True)
    assert emulator.requests == []


@pytest.mark.usefixtures("connection")
def test_deadline(wait: Wait, emulator: Emulator, clock: AdvancingClock) -> None:
    """At the deadline, not much later, one timeout event says the last state."""
    began = clock.time()
    event = wait(emulator.start("forever"), "forever", deadline=began + 300)
    assert (event["status"], event["state"]) == ("timeout", "ACTIVE")
    assert 300 <= clock.time() - began <= 315


@pytest.mark.usefixtures("connection")
def test_deadline_during_an_outage(wait: Wait, emulator: Emulator, clock: AdvancingClock) -> None:
    """A service that is down does not put the deadline off."""
    began = clock.time()
    emulator.fail("*", "unavailable", times=None)
    event = wait(emulator.start("forever"), "forever", deadline=began + 300)
    assert event["status"] == "timeout"
    assert 300 <= clock.time() - began <= 400


# -- cancelling -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("messages", [(), ("__airflow_user_action__",)])
async def test_cancellation_is_passed_on(messages: tuple[str, ...], emulator: Emulator, clock: AdvancingClock) -> None:
    """Airflow must see that the trigger was cancelled, with its message: it decides by it what to do."""
    trigger = _forever(emulator, clock)
    running = asyncio.ensure_future(only_event(trigger))
    await _first_sleep(clock)
    running.cancel(*messages)
    with pytest.raises(asyncio.CancelledError) as caught:
        await running
    if sys.version_info >= (3, 11):  # before, awaiting a cancelled task loses its message on the way to this test
        assert caught.value.args == messages
    assert emulator.count("cancel") == 0


async def _first_sleep(clock: AdvancingClock) -> None:
    """Return when somebody sleeps between two looks."""
    asleep = asyncio.Event()
    clock.on_sleep(asleep.set)
    await asleep.wait()


def _forever(emulator: Emulator, clock: AdvancingClock, **arguments: Any) -> Any:
    trigger = WorkflowExecutionTrigger(
        DEFAULT_PROJECT, DEFAULT_LOCATION, "forever", emulator.start("forever"), **arguments
    )
    return make_trigger(*trigger.serialize(), clock)


@pytest.mark.usefixtures("connection")
async def test_triggers_on_one_workflow_do_not_disturb_each_other(emulator: Emulator, clock: AdvancingClock) -> None:
    """Several triggers that wait on one workflow each get their own end, and cancelling one leaves the others."""
    triggers = [_forever(emulator, clock) for _ in range(4)]
    waiting = [asyncio.ensure_future(only_event(trigger)) for trigger in triggers]
    await _first_sleep(clock)
    waiting[0].cancel()
    for trigger, state in zip(triggers[1:], ("SUCCEEDED", "FAILED", "CANCELLED"), strict=True):
        emulator.set_state(trigger.execution_id, state)
    events: list[Any] = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(events[0], asyncio.CancelledError)
    assert [(event["state"], event["status"]) for event in events[1:]] == [
        ("SUCCEEDED", "success"),
        ("FAILED", "failed"),
        ("CANCELLED", "failed"),
    ]


@pytest.mark.usefixtures("connection")
async def test_trigger_fires_once(emulator: Emulator, clock: AdvancingClock) -> None:
    """After its event the trigger is finished, and can be cleaned up as often as Airflow likes."""
    trigger = _forever(emulator, clock)
    emulator.set_state(trigger.execution_id, "SUCCEEDED")
    stream: AsyncIterator[TriggerEvent] = trigger.run()
    assert (await stream.__anext__()).payload["status"] == "success"
    with pytest.raises(StopAsyncIteration):
        await stream.__anext__()
    await trigger.cleanup()
    await trigger.cleanup()
    assert emulator.count("cancel") == 0


# -- with whom it speaks, and as whom ---------------------------------------------------------------------


def test_endpoint_version_and_connection_reach_the_requests(wait: Wait, emulator: Emulator, connect: Connect) -> None:
    """The trigger's own endpoint and version win over its connection's."""
    connect("other", api_endpoint="http://127.0.0.1:1", api_version="v1")
    execution_id = emulator.start("sleep", {"seconds": 30}, project="p2", location="europe-west1")
    event = wait(
        execution_id,
        gcp_conn_id="other",
        api_endpoint=emulator.endpoint,
        api_version="v1beta",
        project_id="p2",
        location="europe-west1",
    )
    assert event["status"] == "success"
    assert {request.version for request in emulator.requests} == {"v1beta"}
    assert all("/projects/p2/locations/europe-west1/" in request.path for request in emulator.requests)


@pytest.mark.parametrize(
    "chain",
    ["target@p.iam.gserviceaccount.com", ["delegate@p.iam.gserviceaccount.com", "target@p.iam.gserviceaccount.com"]],
)
def test_deferred_task_keeps_its_identity(
    chain: Any, task: Task, emulator: Emulator, connect: Connect, token_server: TokenServer, private_key: str
) -> None:
    """The account to impersonate, delegates included, is the same for the worker, the trigger and the resumed task."""
    connect(keyfile_dict=token_server.key(private_key), is_anonymous=None, quota_project_id="payer")
    emulator.settings.token = chain if isinstance(chain, str) else "-".join(chain)
    run = task(
        WorkflowsCreateExecutionOperator,
        workflow_id="sleep",
        argument={"seconds": 50},
        wait_for_completion=True,
        deferrable=True,
        impersonation_chain=chain,
    )
    assert run.run()["state"] == "SUCCEEDED"
    assert "deferred" in run.states
    assert {request.status for request in emulator.requests} == {200}
    assert {request.headers.get("x-goog-user-project") for request in emulator.requests} == {"payer"}


def test_deferred_task_keeps_its_version(task: Task, emulator: Emulator, connect: Connect) -> None:
    """A task's own api_version is the same for the worker, the trigger and the resumed task."""
    connect(api_version="v1")
    run = task(
        WorkflowsCreateExecutionOperator,
        workflow_id="sleep",
        argument={"seconds": 50},
        wait_for_completion=True,
        deferrable=True,
        api_version="v1beta",
    )
    assert run.run()["state"] == "SUCCEEDED"
    assert "deferred" in run.states
    assert {request.version for request in emulator.requests} == {"v1beta"}


def test_anonymous_trigger_sends_no_token(wait: Wait, emulator: Emulator, connect: Connect) -> None:
    """With is_anonymous no Authorization header is sent."""
    connect()
    wait(emulator.start("sleep", {"seconds": 30}))
    assert all("authorization" not in request.headers for request in emulator.requests)


def test_events_and_arguments_hold_no_content(task: Task, emulator: Emulator, connect: Connect) -> None:
    """What is stored for 10,000 waits stays small: below 1 KiB for arguments and event, whatever the result is."""
    connect()
    argument = {"seconds": 20, "result": "x" * 100_000}
    run = task(
        WorkflowsCreateExecutionOperator,
        workflow_id="sleep",
        argument=argument,
        wait_for_completion=True,
        deferrable=True,
    )
    run.run()
    (deferral,) = run.deferrals
    assert len(json.dumps(deferral.kwargs)) < 1024
    assert len(json.dumps(deferral.event)) < 1024
