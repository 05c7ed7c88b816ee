# SPDX-License-Identifier: Apache-2.0
"""What is wrong with this machine and will not pass ends everything at once, and names the variable to mend."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.triggers.base import BaseTrigger

from airflow_provider_workflows.exceptions import AmbiguousCreate
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsAsyncHook, WorkflowExecutionsHook
from airflow_provider_workflows.operators.executions import (
    WorkflowsCancelExecutionOperator,
    WorkflowsCreateExecutionOperator,
)
from airflow_provider_workflows.polling.loop_log import LoopLog
from airflow_provider_workflows.sensors.executions import WorkflowExecutionSensor
from airflow_provider_workflows.testing import DEFAULT_LOCATION, DEFAULT_PROJECT, Emulator
from airflow_provider_workflows.triggers.executions import WorkflowExecutionTrigger
from tests.harness import AdvancingClock, TaskRun, only_event
from tests.log_lines import LogLine

Task = Callable[..., TaskRun]

#: Variables, with ``{folder}`` for an empty folder, and what the error says of the first of them.
BROKEN = [
    ({"REQUESTS_CA_BUNDLE": "{folder}/no.pem"}, "'{folder}/no.pem', which cannot be used: No such file or directory"),
    ({"CURL_CA_BUNDLE": "/dev/null"}, "'/dev/null', which cannot be used: No certificate in it"),
    ({"SSL_CERT_FILE": "{folder}"}, "'{folder}', which cannot be used: Is a directory"),
    ({"SSL_CERT_DIR": "{folder}"}, "'{folder}', which cannot be used: No certificate in it that is named by its hash"),
    ({"HTTP_PROXY": "http://me:s3cr3t@proxy.test:0"}, "its port is no number"),
    ({"HTTP_PROXY": "gopher://me:s3cr3t@proxy.test"}, "it must begin with one of http://"),
    ({"ALL_PROXY": "http://me:s3cr3t@"}, "it cannot be understood; check its host and port"),
]


@pytest.fixture
def running(emulator: Emulator) -> str:
    """Give an execution that does not end."""
    return emulator.start("forever")


@pytest.fixture(params=BROKEN, ids=lambda each: " ".join(each[0]))
def words(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, running: str) -> list[str]:
    """Give what an error must say of this machine, which is broken from now on."""
    del running  # it was there before
    proxies = ("NO_PROXY", "no_proxy", "http_proxy", "all_proxy", "HTTP_PROXY")
    for name in (*proxies, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    variables, words = request.param
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(folder=tmp_path))
    return [next(iter(variables)), words.format(folder=tmp_path), "Nothing was sent."]


@pytest.fixture(autouse=True)
def _nothing_arrives(connection: None, emulator: Emulator, clock: AdvancingClock) -> Any:
    """Check that a test has asked the service nothing, and that nobody has rested to try again."""
    del connection
    yield
    assert emulator.requests == []
    assert sum(clock.slept) <= 5.0


def assert_fails(call: Callable[[], Any], words: list[str]) -> None:
    """Check that a call fails with these words."""
    with pytest.raises(Exception, match="Nothing was sent") as caught:
        call()
    assert_says(str(caught.value), words)
    assert not isinstance(caught.value, AmbiguousCreate)


def assert_says(text: str, words: list[str]) -> None:
    """Check a text, in which there is no password."""
    assert all(each in text for each in words)
    assert "may exist" not in text
    assert "s3cr3t" not in text


@pytest.mark.parametrize("durable", [True, False])
def test_a_create(durable: bool, task: Task, words: list[str]) -> None:
    """A task fails before it has created anything."""
    run = task(WorkflowsCreateExecutionOperator, workflow_id="echo", durable=durable, deferrable=True)
    assert_fails(run.run, words)


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_create_of_a_second_try(deferrable: bool, task: Task, words: list[str]) -> None:
    """So does its retry, which looks for an earlier execution first."""
    run = task(WorkflowsCreateExecutionOperator, workflow_id="echo", deferrable=deferrable)
    assert_fails(run.run, words)
    assert_fails(run.retry().run, words)


def test_a_deferred_wait(words: list[str], running: str, clock: AdvancingClock) -> None:
    """A trigger fires at once, with what is to be mended on the triggerer's machine."""
    event = asyncio.run(only_event(trigger(running, clock)))
    assert event["status"] == "error"
    assert_says(event["message"], words)


def test_a_kill_in_the_triggerer(words: list[str], running: str, clock: AdvancingClock, logs: list[LogLine]) -> None:
    """A cancel that cannot be sent is reported at once, and not tried again."""

    async def kill() -> bool:
        killed = trigger(running, clock)
        log = LoopLog(killed.log)
        async with killed._poller() as poller:
            known = await poller.cancel(running, log)
        await log.written()
        return known

    assert not asyncio.run(kill())
    assert_says(errors(logs), [*words, f"Not cancelled: forever {running[:8]} may still be going: "])


def test_a_kill_in_a_worker(
    words: list[str], running: str, logs: list[LogLine], task: Task, emulator: Emulator
) -> None:
    """So it is where the worker that is killed has just gone on after a deferral."""
    run = task(WorkflowsCreateExecutionOperator, workflow_id="forever", project_id=DEFAULT_PROJECT)
    run.operator.announce(run.context, run.operator.execution_name(running))
    emulator.clear_requests()
    run.kill()
    assert_says(errors(logs), [*words, f"Not cancelled: forever {running[:8]} may still be going: "])


@pytest.mark.parametrize("options", [{"mode": "poke"}, {"mode": "reschedule"}, {"deferrable": True}], ids=str)
def test_a_sensor(options: dict[str, Any], words: list[str], running: str, task: Task) -> None:
    """A sensor fails in all its modes."""
    assert_fails(task(WorkflowExecutionSensor, workflow_id="forever", execution_id=running, **options).run, words)


@pytest.mark.skipif(not hasattr(BaseTrigger, "on_kill"), reason="Airflow 3.3 and later")
def test_a_sensor_that_begins_in_the_triggerer(words: list[str], running: str, clock: AdvancingClock) -> None:
    """So does one that no worker has begun."""
    sensor = WorkflowExecutionSensor(
        task_id="task",
        workflow_id="forever",
        execution_id=running,
        project_id=DEFAULT_PROJECT,
        location=DEFAULT_LOCATION,
        start_from_trigger=True,
    )
    arguments: Any = sensor.start_trigger_args
    begun = WorkflowExecutionTrigger(**arguments.trigger_kwargs)
    begun.clock = clock
    event = asyncio.run(only_event(begun))
    assert event["status"] == "error"
    assert_says(event["message"], words)
    assert_fails(lambda: TaskRun(sensor, clock=clock)._resume("execute_complete", {"event": event}), words)


def test_a_wait_of_the_hook(words: list[str], running: str, hook: WorkflowExecutionsHook) -> None:
    """A wait in a function of a user's ends."""
    assert_fails(lambda: hook.wait_for_execution("forever", execution_id=running), words)


def test_a_wait_of_the_async_hook(words: list[str], running: str, clock: AdvancingClock) -> None:
    """And so does one on an event loop."""

    async def wait() -> None:
        async with WorkflowExecutionsAsyncHook(clock=clock) as hook:
            await hook.wait_for_execution("forever", execution_id=running)

    assert_fails(lambda: asyncio.run(wait()), words)


def test_a_cancel(words: list[str], running: str, task: Task) -> None:
    """A task that cancels fails."""
    assert_fails(task(WorkflowsCancelExecutionOperator, workflow_id="forever", execution_id=running).run, words)


def trigger(execution_id: str, clock: AdvancingClock) -> WorkflowExecutionTrigger:
    """Make a trigger."""
    made = WorkflowExecutionTrigger(DEFAULT_PROJECT, DEFAULT_LOCATION, "forever", execution_id)
    made.clock = clock
    return made


def errors(logs: list[LogLine]) -> str:
    """Return what was logged as errors."""
    return " ".join(line.text for line in logs if line.level == "error")
