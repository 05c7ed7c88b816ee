# SPDX-License-Identifier: Apache-2.0
"""The hook: the contract's methods, what a connection decides, waiting, closing, the connection form's test button."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_workflows.compat import AirflowNotFoundException, BaseHook
from airflow_provider_workflows.exceptions import (
    CredentialsError,
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionNotFound,
    ExecutionTimeout,
    PermissionDenied,
)
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsAsyncHook, WorkflowExecutionsHook
from airflow_provider_workflows.testing import Emulator
from tests.harness import AdvancingClock
from tests.token_server import TOKEN, TokenServer

Connect = Callable[..., None]


@pytest.mark.usefixtures("versioned_connection")
def test_life_of_an_execution(hook: WorkflowExecutionsHook, emulator: Emulator, clock: AdvancingClock) -> None:
    """Create, get, list, cancel and wait work on both versions and return the service's resources unchanged."""
    created = hook.create_execution("sleep", argument={"seconds": 60, "result": [1, None]})
    execution_id = created["name"].rpartition("/")[2]
    assert created["state"] == "ACTIVE"
    assert hook.get_execution("sleep", execution_id=execution_id, view="BASIC").get("argument") is None
    assert [each["name"] for each in hook.list_executions("sleep")] == [created["name"]]
    ended = hook.wait_for_execution("sleep", execution_id=execution_id, poll_interval=20)
    assert json.loads(ended["result"]) == [1, None]
    assert hook.get_execution("sleep", execution_id=execution_id) == ended
    assert 54 <= clock.time() - emulator.requests[0].time <= 88
    assert hook.cancel_execution("sleep", execution_id=execution_id)["state"] == "SUCCEEDED"


@pytest.mark.usefixtures("connection")
def test_task_arguments_win_over_the_connection(hook: WorkflowExecutionsHook, emulator: Emulator) -> None:
    """Project and location of a call come before the connection's."""
    hook.create_execution("echo", "europe-west1", "another")
    assert emulator.requests[0].path.startswith("/v1/projects/another/locations/europe-west1/workflows/echo/")


@pytest.mark.usefixtures("connection")
def test_domain_scoped_project(hook: WorkflowExecutionsHook, emulator: Emulator) -> None:
    """Old projects have a domain in their id, which is no reason to refuse it."""
    hook.create_execution("echo", project_id="example.com:old-project")
    assert "projects/example.com:old-project/" in emulator.requests[0].path.replace("%3A", ":")


def test_existing_google_connection_works(connect: Connect, hook: WorkflowExecutionsHook, emulator: Emulator) -> None:
    """A connection of the Google provider's type works as it is, its old prefixed fields included."""
    connect(
        conn_type="google_cloud_platform",
        project=None,
        location=None,
        extra__google_cloud_platform__project="old-style",
        extra__google_cloud_platform__num_retries=1,
    )
    hook.create_execution("echo", location="us-east1")
    assert "/projects/old-style/locations/us-east1/" in emulator.requests[0].path


def test_other_connection_type_is_refused(connect: Connect, hook: WorkflowExecutionsHook, emulator: Emulator) -> None:
    """A connection for something else is an error that names it and the types that are taken."""
    connect(conn_type="http")
    with pytest.raises(ValueError, match=r"google_cloud_default.*'http'.*google_cloud_platform"):
        hook.create_execution("echo")
    assert emulator.requests == []


@pytest.mark.parametrize("field", ["login", "password", "host", "description"])
def test_a_key_in_a_field_that_is_not_read(
    field: str, emulator: Emulator, private_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be ignored, and the machine's own account be used instead; the error says where the key belongs."""
    key = json.dumps({"client_email": "a@p.iam.gserviceaccount.com", "private_key": private_key})
    connection = {"conn_type": "google_cloud_workflows", field: key, "extra": {"api_endpoint": emulator.endpoint}}
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", json.dumps(connection))
    with pytest.raises(ValueError, match=f"^The {field} of .*is not read.*keyfile_dict") as caught:
        WorkflowExecutionsHook().get_execution("echo", "us-central1", "p", execution_id="e")
    assert "PRIVATE KEY" not in str(caught.value)
    assert emulator.requests == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Airflow 2 has its own words about such an extra
@pytest.mark.parametrize("extra", ["s3cr3t", '["s3cr3t"]', '"s3cr3t"'])
def test_extra_that_is_no_object_is_refused(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An extra that cannot be read is an error that names the connection and does not quote it."""
    connection = json.dumps({"conn_type": "google_cloud_workflows", "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", connection)
    with pytest.raises(_refusal("google_cloud_default"), match="google_cloud_default") as caught:
        WorkflowExecutionsHook().create_execution("echo")
    assert "s3cr3t" not in str(caught.value)


def _refusal(conn_id: str) -> type[Exception]:
    """Return our error, or Airflow's where it refuses such an extra itself: it then says "not found" (3.0, 3.1)."""
    try:
        BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return AirflowNotFoundException
    return ValueError


def test_missing_connection_is_an_error(emulator: Emulator) -> None:
    """A connection that somebody chose must exist."""
    with pytest.raises(AirflowNotFoundException, match="nowhere"):
        WorkflowExecutionsHook("nowhere").create_execution("echo", "us-central1", "p")


@pytest.mark.parametrize("conn_id", ["google_cloud_default", "other"])
def test_a_missing_connection_is_never_somebody_else(
    conn_id: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
    token_server: TokenServer,
    private_key: str,
    emulator: Emulator,
) -> None:
    """The machine's own account does not stand in for it, not for the default one either; the error says what to do."""
    key = tmp_path / "key.json"
    key.write_text(json.dumps({**token_server.key(private_key), "project_id": "machine-project"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    wanted = f"airflow connections add {conn_id} --conn-type google_cloud_workflows"
    with (
        WorkflowExecutionsHook(conn_id, api_endpoint=emulator.endpoint) as hook,
        pytest.raises(AirflowNotFoundException, match=wanted),
    ):
        hook.create_execution("echo", location="us-central1")
    with pytest.raises(AirflowNotFoundException, match=wanted):
        asyncio.run(WorkflowExecutionsAsyncHook(conn_id).get_client())
    assert emulator.requests == []
    assert token_server.asked == []


def test_a_connection_without_credentials_is_the_machine(
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
    token_server: TokenServer,
    private_key: str,
    emulator: Emulator,
) -> None:
    """A connection that exists and names no credentials means the machine's own, with their project."""
    connect(is_anonymous=None, project=None)
    key = tmp_path / "key.json"
    key.write_text(json.dumps({**token_server.key(private_key), "project_id": "machine-project"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    emulator.settings.token = TOKEN
    with WorkflowExecutionsHook() as hook:
        hook.create_execution("echo", location="us-central1")
    assert "/projects/machine-project/" in emulator.requests[0].path


def test_late_credentials_are_waited_for(
    connect: Connect,
    clock: AdvancingClock,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
    token_server: TokenServer,
    private_key: str,
    emulator: Emulator,
) -> None:
    """What provides the machine's credentials may be late at a pod's start: for half a minute it is asked again."""
    connect(is_anonymous=None)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("GCE_METADATA_IP", "127.0.0.1:9")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.delenv("NO_GCE_CHECK", raising=False)
    began = clock.time()
    with pytest.raises(CredentialsError, match="Application Default Credentials"):
        WorkflowExecutionsHook(clock=clock).create_execution("echo")
    assert 30 <= clock.time() - began <= 40
    key = tmp_path / "application_default_credentials.json"
    content = json.dumps(token_server.key(private_key))
    clock.on_sleep(lambda: key.write_text(content), number=3)
    emulator.settings.token = TOKEN
    assert WorkflowExecutionsHook(clock=clock).create_execution("echo")["state"] == "ACTIVE"
    began = clock.time()
    key.unlink()
    works, _ = WorkflowExecutionsHook(clock=clock).test_connection()
    assert not works
    assert clock.time() == began


@pytest.mark.usefixtures("connection")
def test_labels_and_fields_of_a_create(hook: WorkflowExecutionsHook, emulator: Emulator) -> None:
    """The hook sends what it is given and adds no labels of its own."""
    hook.create_execution("echo", labels={"team": "a"}, execution={"callLogLevel": "LOG_ALL_CALLS"})
    assert emulator.requests[0].body == {"labels": {"team": "a"}, "callLogLevel": "LOG_ALL_CALLS"}


@pytest.mark.usefixtures("connection")
def test_labels_given_twice_are_refused(hook: WorkflowExecutionsHook, emulator: Emulator) -> None:
    """Neither of two labels is silently the one."""
    with pytest.raises(ValueError, match="labels is given twice"):
        hook.create_execution("echo", labels={"a": "b"}, execution={"labels": {"a": "c"}})
    assert emulator.requests == []


# -- waiting ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("connection")
def test_waiting_gives_up_in_time(hook: WorkflowExecutionsHook, emulator: Emulator, clock: AdvancingClock) -> None:
    """After `timeout` seconds the caller gets an ExecutionTimeout; the execution goes on."""
    execution_id = emulator.start("forever")
    began = clock.time()
    with pytest.raises(ExecutionTimeout, match="ACTIVE") as caught:
        hook.wait_for_execution("forever", execution_id=execution_id, poll_interval=7, timeout=60)
    assert clock.time() - began == pytest.approx(60, abs=1)
    assert execution_id in (caught.value.execution_name or "")
    assert emulator.execution(execution_id)["state"] == "ACTIVE"


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize(("state", "error"), [("FAILED", ExecutionFailed), ("CANCELLED", ExecutionCancelled)])
def test_bad_end_raises(
    state: str, error: type[Exception], hook: WorkflowExecutionsHook, emulator: Emulator, clock: AdvancingClock
) -> None:
    """An execution that ends badly raises what it ended with, our own class for each state."""
    execution_id = emulator.start("forever")
    clock.on_sleep(lambda: emulator.set_state(execution_id, state))
    with pytest.raises(error, match=state):
        hook.wait_for_execution("forever", execution_id=execution_id)


@pytest.mark.usefixtures("connection")
def test_other_states_can_be_waited_for(hook: WorkflowExecutionsHook, emulator: Emulator) -> None:
    """Waiting until a queued execution has started ends when it is ACTIVE."""
    execution_id = emulator.start("forever")
    seen = hook.wait_for_execution("forever", execution_id=execution_id, success_states={"ACTIVE"})
    assert seen["state"] == "ACTIVE"


@pytest.mark.usefixtures("connection")
def test_lasting_error_ends_the_waiting(hook: WorkflowExecutionsHook, emulator: Emulator) -> None:
    """A permission that is missing will not come by itself."""
    emulator.fail("get", "permission_denied", times=None)
    with pytest.raises(PermissionDenied):
        hook.wait_for_execution("forever", execution_id=emulator.start("forever"))
    assert emulator.count("get") == 1


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize(("interval", "end"), [(2, 32), (10, 41), (100, 110)])
def test_an_execution_that_is_never_found_ends_the_waiting_in_time(
    interval: float, end: float, hook: WorkflowExecutionsHook, clock: AdvancingClock
) -> None:
    """A 404 is believed when it has lasted 30 seconds, not when growing pauses allow to ask again."""
    began = clock.time()
    with pytest.raises(ExecutionNotFound):
        hook.wait_for_execution("echo", execution_id="nobody", poll_interval=interval)
    assert 30 <= clock.time() - began <= end


@pytest.mark.usefixtures("connection")
def test_outage_does_not_end_the_waiting(
    hook: WorkflowExecutionsHook, emulator: Emulator, clock: AdvancingClock
) -> None:
    """An outage of many looks, each with a growing wait, ends nothing."""
    execution_id = emulator.start("sleep", {"seconds": 600})
    emulator.fail("get", "unavailable", times=12)
    assert hook.wait_for_execution("sleep", execution_id=execution_id)["state"] == "SUCCEEDED"
    assert max(clock.slept) <= 70


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("interval", [0, -1, "5", None])
def test_bad_interval_is_refused(interval: Any, hook: WorkflowExecutionsHook, emulator: Emulator) -> None:
    """An interval that would be a busy loop is an error before any request."""
    with pytest.raises(ValueError, match="poll_interval"):
        hook.wait_for_execution("forever", execution_id="e", poll_interval=interval)
    assert emulator.requests == []


# -- connections of all kinds -----------------------------------------------------------------------------


@pytest.mark.usefixtures("connection")
def test_closed_hook_can_be_used_again(hook: WorkflowExecutionsHook, emulator: Emulator) -> None:
    """close() releases the connections; the next call opens new ones; closing twice is no error."""
    hook.create_execution("echo")
    hook.close()
    hook.close()
    hook.create_execution("echo")
    assert emulator.count("create") == 2


def test_nothing_is_opened_before_the_first_call() -> None:
    """A hook can be made where there is neither connection nor network."""
    hook = WorkflowExecutionsHook("nowhere")
    hook.close()
    with pytest.raises(AirflowNotFoundException):
        hook.get_execution("echo", execution_id="e")


def test_requests_have_a_timeout(connect: Connect, hook: WorkflowExecutionsHook, emulator: Emulator) -> None:
    """The connection's timeout bounds every request, also those of get_conn()."""
    connect(timeout=0.1, num_retries=0)
    emulator.fail("list", "slow", times=None)
    with pytest.raises(Exception, match="no answer within"):
        next(hook.list_executions("echo"))
    resource = hook.get_conn().projects().locations().workflows().executions()
    with pytest.raises(Exception, match="no answer within"):
        resource.list(parent="projects/test-project/locations/us-central1/workflows/echo").execute()
    emulator.release()


@pytest.mark.usefixtures("connection")
def test_test_connection_asks_the_api(hook: WorkflowExecutionsHook, emulator: Emulator) -> None:
    """The form's button asks the API something harmless, and says for which project and location it answers."""
    works, text = hook.test_connection()
    assert works
    assert "test-project" in text
    assert "us-central1" in text
    assert {operation for operation, number in emulator.counts().items() if number} == {"list"}


def test_test_connection_without_a_location(connect: Connect, hook: WorkflowExecutionsHook, emulator: Emulator) -> None:
    """Without a location the API cannot be asked; the text says what was tried and what is missing."""
    connect(location=None)
    works, text = hook.test_connection()
    assert works
    assert "location" in text
    assert emulator.requests == []


@pytest.mark.parametrize(
    ("extra", "fault", "words"),
    [
        ({}, {"kind": "permission_denied"}, "workflows.executions.list"),
        ({}, {"kind": "service_disabled"}, "Enable"),
        ({"timeout": 0.1, "num_retries": 0}, {"kind": "slow"}, "no answer within"),
        ({"keyfile_dict": "***", "is_anonymous": None}, {}, "***"),
        ({"key_secret_name": "x"}, {}, "key_secret_name"),
    ],
)
def test_test_connection_says_what_is_wrong(
    extra: dict[str, Any],
    fault: dict[str, Any],
    words: str,
    connect: Connect,
    hook: WorkflowExecutionsHook,
    emulator: Emulator,
) -> None:
    """What is wrong is the text beside a failure, not an exception."""
    connect(**extra)
    if fault:
        emulator.fail("list", times=None, **fault)
    works, text = hook.test_connection()
    assert not works
    assert words in text
    emulator.release()


def test_test_connection_of_nothing() -> None:
    """A connection that does not exist is reported like any other fault."""
    works, text = WorkflowExecutionsHook("nowhere").test_connection()
    assert not works
    assert "nowhere" in text
