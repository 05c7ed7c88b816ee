# SPDX-License-Identifier: Apache-2.0
"""The Test button: who was asked, what failed first, in a few seconds, and never a workflow that nobody named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_workflows.hooks.executions import WorkflowExecutionsAsyncHook, WorkflowExecutionsHook
from airflow_provider_workflows.hooks.trial import NO_WORKFLOW
from airflow_provider_workflows.testing import Emulator
from tests.harness import AdvancingClock
from tests.token_server import TokenServer

Connect = Callable[..., None]
Press = Callable[[], tuple[bool, str]]


@pytest.fixture(params=["hook", "async hook"])
def press(request: pytest.FixtureRequest, clock: AdvancingClock) -> Press:
    """Give a function that tests the connection with each hook."""
    if request.param == "hook":
        return lambda: WorkflowExecutionsHook(clock=clock).test_connection()

    async def pressed() -> tuple[bool, str]:
        async with WorkflowExecutionsAsyncHook(clock=clock) as hook:
            return await hook.test_connection()

    return lambda: asyncio.run(pressed())


PLACE = "project test-project in us-central1"


def test_an_api_that_answers(press: Press, connect: Connect, emulator: Emulator) -> None:
    """A 404 for a workflow that need not exist is an answer; the text names the host, project and location."""
    connect()
    assert press() == (True, f"{emulator.endpoint} answers for {PLACE}.")
    assert emulator.counts()["list"] == 1


@pytest.mark.parametrize(
    ("fault", "first"),
    [
        ({"kind": "permission_denied"}, "403 IAM_PERMISSION_DENIED: "),
        ({"kind": "service_disabled"}, "403 SERVICE_DISABLED: "),
        ({"kind": "unavailable"}, "503 UNAVAILABLE: "),
        ({"kind": "rate_limited"}, "429 RATE_LIMIT_EXCEEDED: "),
        ({"kind": "html"}, "502: Something that is not the API answered"),
        ({"kind": "drop_before"}, "The connection broke"),
        ({"kind": "not_json"}, ""),
        ({"status": 404, "reason": "CONSUMER_INVALID", "body": "<html>"}, "404: Something"),
    ],
)
def test_a_refusal_says_who_refused(
    fault: dict[str, Any], first: str, press: Press, connect: Connect, emulator: Emulator, clock: AdvancingClock
) -> None:
    """What failed stands first, then whom was asked about which project; it is over in seconds, after one repeat."""
    connect()
    emulator.fail("list", times=None, **fault)
    began = clock.time()
    works, text = press()
    assert not works
    assert text.lower().startswith(first.lower())
    assert text.endswith(f" Asked {emulator.endpoint} about {PLACE}.")
    assert NO_WORKFLOW not in text
    assert clock.time() - began <= 3
    assert emulator.count("list") <= 2


def test_what_failed_first_is_told(press: Press, connect: Connect, emulator: Emulator) -> None:
    """A repeat that works is a success; of two errors the first is told."""
    connect()
    emulator.fail("list", "unavailable")
    assert press()[0]
    emulator.fail("list", "unavailable")
    emulator.fail("list", "permission_denied")
    works, text = press()
    assert not works
    assert text.startswith("503")


def test_nobody_listens(press: Press, connect: Connect, clock: AdvancingClock) -> None:
    """A host that refuses connections is named."""
    connect(api_endpoint="http://127.0.0.1:9")
    began = clock.time()
    works, text = press()
    assert not works
    assert text == f"no connection to the service (refused). Asked http://127.0.0.1:9 about {PLACE}."
    assert clock.time() - began <= 3


def test_the_token_fails_first(
    press: Press, connect: Connect, emulator: Emulator, token_server: TokenServer, private_key: str
) -> None:
    """Without a token the API is not asked, and the text says so."""
    connect(keyfile_dict=token_server.key(private_key), is_anonymous=None)
    token_server.status = 400
    works, text = press()
    assert not works
    assert text.startswith("no access token could be obtained for the connection (RefreshError: invalid_grant")
    assert text.endswith(f" {emulator.endpoint} was not asked about {PLACE}.")
    assert emulator.requests == []


def test_a_workflow_of_ones_own(press: Press, connect: Connect, emulator: Emulator) -> None:
    """With `test_workflow` that one is listed; where it does not exist the test fails."""
    connect(test_workflow="echo")
    assert press() == (True, f"{emulator.endpoint} answers for {PLACE}, and lists the executions of echo.")
    connect(test_workflow="nowhere")
    works, text = press()
    assert not works
    assert text.startswith("404 NOT_FOUND: ")
    assert "there is no such workflow" in text
    assert text.endswith(f" Asked {emulator.endpoint} about workflow nowhere of {PLACE}.")


def test_the_hook_can_be_used_afterwards(
    connect: Connect, hook: WorkflowExecutionsHook, emulator: Emulator, clock: AdvancingClock
) -> None:
    """The haste of the test ends with it."""
    connect(num_retries=3)
    emulator.fail("list", "unavailable", times=None)
    hook.test_connection()
    emulator.clear_requests()
    with pytest.raises(Exception, match="503"):
        list(hook.list_executions("echo"))
    assert emulator.count("list") == 4
