# SPDX-License-Identifier: Apache-2.0
"""
Nothing secret leaves through a log line at INFO, a stored deferral, an event, a link or an exception's text.

Secret are the argument, the result's content, tokens and keys. The scenes go well and go wrong, on every path; what
is searched is everything that Airflow would show or store, exceptions with all they are chained to included.
"""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_workflows.exceptions import WorkflowsError
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsAsyncHook, WorkflowExecutionsHook
from airflow_provider_workflows.operators.executions import (
    WorkflowsCreateExecutionOperator,
    WorkflowsListExecutionsOperator,
)
from airflow_provider_workflows.sensors.executions import WorkflowExecutionSensor
from airflow_provider_workflows.testing import Emulator, WorkflowError
from tests.harness import AdvancingClock, TaskRun, through_json
from tests.log_lines import LogLine
from tests.token_server import TOKEN, TokenServer

SECRET = "s3cr3t"
ARGUMENT = {"password": f"{SECRET}-argument", "seconds": 40, "result": f"{SECRET}-result"}
Connect = Callable[..., None]


@pytest.fixture
def key_connection(connect: Connect, token_server: TokenServer, private_key: str, emulator: Emulator) -> None:
    """Connect with a service account's key; the emulator wants the token that it is good for."""
    emulator.settings.token = TOKEN
    connect(keyfile_dict=json.dumps(token_server.key(private_key)), is_anonymous=None)


@pytest.fixture
def leaks(
    logs: list[LogLine], capfd: pytest.CaptureFixture[str], private_key: str
) -> Callable[[TaskRun, BaseException | None], list[str]]:
    """Give a function that returns the places where a secret can be seen after a task."""

    def leaks(run: TaskRun, error: BaseException | None) -> list[str]:
        out, err = capfd.readouterr()
        places = {
            "log": "\n".join(line.text for line in logs),
            "output": out + err,
            "error": "".join(traceback.format_exception(error)) if error else "",
            "attributes": repr([vars(each) for each in _chain(error)]),
            "deferrals": json.dumps([through_json(vars(each)) for each in run.deferrals], default=str),
            "links": json.dumps({key: run.xcoms[key] for key in set(run.xcoms) - {"return_value", "result"}}),
            "operator": repr(run.operator),
        }
        secrets = (SECRET, *private_key.splitlines()[1:4])
        return [f"{place}: {text}" for place, text in places.items() if any(each in text for each in secrets)]

    return leaks


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


PATHS: dict[str, dict[str, Any]] = {
    "not waiting": {},
    "in the worker": {"wait_for_completion": True},
    "deferred": {"wait_for_completion": True, "deferrable": True},
}


def end_of(run: TaskRun) -> BaseException | None:
    """Carry a task to its end; return what it raised."""
    try:
        run.run()
    except Exception as exc:  # noqa: BLE001 - whatever it is, it is searched
        return exc
    return None


Leaks = Callable[[TaskRun, "BaseException | None"], list[str]]
Task = Callable[..., TaskRun]


@pytest.mark.usefixtures("key_connection")
@pytest.mark.parametrize("path", PATHS)
def test_success_shows_nothing(path: str, task: Task, leaks: Leaks, logs: list[LogLine]) -> None:
    """A task that goes well logs names and states, nothing of its argument, result, token or key."""
    run = task(WorkflowsCreateExecutionOperator, workflow_id="sleep", argument=ARGUMENT, **PATHS[path])
    assert end_of(run) is None
    assert any(run.xcoms["execution_id"] in line.text for line in logs)
    assert leaks(run, None) == []


FAULTS: dict[str, dict[str, Any]] = {
    "permission_denied": {},
    "service_disabled": {},
    "unauthenticated": {},
    "unavailable": {},
    "html": {},
    "not_json": {},
    "drop_after": {},
    "bad request": {"status": 400},
}


@pytest.mark.usefixtures("key_connection")
@pytest.mark.parametrize("operation", ["create", "*"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("path", ["in the worker", "deferred"])
def test_faults_show_nothing(
    path: str, fault: str, operation: str, task: Task, leaks: Leaks, emulator: Emulator, clock: AdvancingClock
) -> None:
    """Whatever the service answers to whichever request, no secret gets into a log, an event or an error."""
    emulator.fail(operation, None if FAULTS[fault] else fault, times=None, **FAULTS[fault])
    clock.on_sleep(emulator.clear_faults, number=12)
    run = task(
        WorkflowsCreateExecutionOperator,
        workflow_id="sleep",
        argument=ARGUMENT,
        execution_timeout=None,
        **PATHS[path],
    )
    assert leaks(run, end_of(run)) == []


@pytest.mark.usefixtures("key_connection")
@pytest.mark.parametrize("path", ["in the worker", "deferred"])
@pytest.mark.parametrize("where", ["payload", "context"])
def test_failed_execution_shows_only_its_message(
    path: str, where: str, task: Task, leaks: Leaks, emulator: Emulator
) -> None:
    """Of an error's payload, which may hold headers and bodies, only message and tags are shown."""

    @emulator.workflow("calls")
    def calls(_: Any) -> Any:
        payload = {
            "message": "HTTP server responded with error code 503",
            "tags": ["HttpError"],
            "headers": {"Set-Cookie": f"{SECRET}-cookie"},
            "body": f"{SECRET}-body",
        }
        context = f"first line\n{SECRET} in a later line" if where == "context" else None
        raise WorkflowError({} if where == "context" else payload, context=context)

    run = task(WorkflowsCreateExecutionOperator, workflow_id="calls", argument=ARGUMENT, **PATHS[path])
    error = end_of(run)
    assert error is not None
    assert ("503" in str(error)) or ("first line" in str(error))
    if where == "payload":
        assert error.error["body"] == f"{SECRET}-body"  # type: ignore[attr-defined]
        error.error = None  # type: ignore[attr-defined]
    assert leaks(run, error) == []


@pytest.mark.usefixtures("key_connection")
@pytest.mark.parametrize(
    "arguments",
    [
        {"argument": {"a": iter([SECRET])}},
        {"argument": {"a": [SECRET, float("nan")]}},
        {"execution": {"argument": f"{{'password': '{SECRET}'}}"}},
        {"execution": {"argument": f'{{"password": "{SECRET}"'}},
        {"execution": {"callLogLevel": "x", "argument": json.dumps(SECRET)}},
        {"execution": {"argument": json.dumps(SECRET)}, "argument": SECRET},
    ],
)
def test_refused_argument_is_not_quoted(arguments: dict[str, Any], task: Task, leaks: Leaks) -> None:
    """The error about an argument that cannot be sent names the place in it, not its content."""
    run = task(WorkflowsCreateExecutionOperator, workflow_id="echo", **arguments)
    error = end_of(run)
    assert isinstance(error, ValueError)
    assert leaks(run, error) == []


@pytest.mark.usefixtures("key_connection")
@pytest.mark.parametrize("path", PATHS)
def test_refused_key_shows_nothing(path: str, task: Task, leaks: Leaks, token_server: TokenServer) -> None:
    """When the key is not accepted, the error says so with the server's own words, without the key."""
    token_server.status = 400
    run = task(WorkflowsCreateExecutionOperator, workflow_id="sleep", argument=ARGUMENT, **PATHS[path])
    error = end_of(run)
    assert error is not None
    assert "Invalid JWT signature" in str(error)
    assert leaks(run, error) == []


@pytest.mark.usefixtures("key_connection")
@pytest.mark.parametrize("trouble", ["key", "connection"])
@pytest.mark.parametrize("path", ["in the worker", "async"])
def test_printed_traceback_holds_no_text_of_the_libraries(
    path: str, trouble: str, token_server: TokenServer, emulator: Emulator, clock: AdvancingClock
) -> None:
    """Google-auth's and requests' own errors, which can hold tokens and whole URLs, are not printed above ours."""
    if trouble == "key":
        token_server.status = 400
    else:
        emulator.fail("get", "drop_before", times=None)

    def blocking() -> None:
        with WorkflowExecutionsHook(clock=clock) as hook:
            hook.get_execution("echo", execution_id="e")

    async def asynchronous() -> None:
        async with WorkflowExecutionsAsyncHook(clock=clock) as hook:
            await hook.get_execution("echo", execution_id="e")

    with pytest.raises(WorkflowsError) as caught:
        asyncio.run(asynchronous()) if path == "async" else blocking()
    printed = "".join(traceback.format_exception(caught.value))
    assert str(caught.value) in printed
    assert "direct cause" not in printed
    assert "another exception occurred" not in printed


@pytest.mark.usefixtures("key_connection")
@pytest.mark.parametrize("mode", ["poke", "deferrable"])
def test_expired_token_shows_nothing(
    mode: str, task: Task, leaks: Leaks, token_server: TokenServer, emulator: Emulator
) -> None:
    """A token that the service does not accept any more is replaced, and neither the old nor the new one is shown."""
    token_server.tokens = [f"{TOKEN}-expired", TOKEN]
    execution_id = emulator.start("sleep", ARGUMENT)
    where = {"deferrable": True} if mode == "deferrable" else {"mode": mode}
    run = task(WorkflowExecutionSensor, workflow_id="sleep", execution_id=execution_id, poke_interval=30, **where)
    assert end_of(run) is None
    assert 401 in [request.status for request in emulator.requests]
    assert leaks(run, None) == []


def test_malformed_key_shows_nothing(connect: Connect, task: Task, leaks: Leaks) -> None:
    """A key that cannot be read is an error that does not quote it."""
    for key in (f'{{"private_key": "{SECRET}"', json.dumps({"type": "service_account", "private_key": SECRET})):
        connect(keyfile_dict=key, is_anonymous=None)
        run = task(WorkflowsListExecutionsOperator, workflow_id="echo")
        error = end_of(run)
        assert error is not None
        assert "keyfile_dict" in str(error)
        assert leaks(run, error) == []
