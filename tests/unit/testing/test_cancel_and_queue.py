# SPDX-License-Identifier: Apache-2.0
"""Cancelling in every configured manner, and waiting for concurrency quota."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.testing import Emulator, ManualClock

if TYPE_CHECKING:
    from tests.unit.testing.conftest import Api


def test_cancel_is_immediate(api: Api) -> None:
    """By default the answer to cancel already says CANCELLED, and the execution stays so."""
    execution_id = api.created("forever")
    answer = api.cancel("forever", execution_id).json()
    assert (answer["state"], answer["endTime"]) == ("CANCELLED", "2026-01-01T00:00:00Z")
    assert "result" not in answer
    assert api.get("forever", execution_id).json() == answer


def test_google_client_cancels(google: Callable[[str], Any], api: Api) -> None:
    """Google's client cancels, with an empty body and without one."""
    parent = "projects/test-project/locations/us-central1/workflows/forever"
    bodies: tuple[dict[str, str] | None, ...] = ({}, None)
    for body in bodies:
        name = f"{parent}/executions/{api.created('forever')}"
        assert google(api.version).cancel(name=name, body=body).execute()["state"] == "CANCELLED"


def test_cancel_body_must_be_empty(api: Api) -> None:
    """A field in the cancel body is a 400, and nothing is cancelled."""
    execution_id = api.created("forever")
    assert api.cancel("forever", execution_id, {"reason": "x"}).status_code == 400
    assert api.get("forever", execution_id).json()["state"] == "ACTIVE"


def test_late_cancel(api: Api, emulator: Emulator, clock: ManualClock) -> None:
    """With `cancel_mode="late"` the execution is CANCELLED only after `cancel_delay`."""
    emulator.settings.cancel_mode, emulator.settings.cancel_delay = "late", 3.0
    execution_id = api.created("forever")
    assert api.cancel("forever", execution_id).json()["state"] == "ACTIVE"
    clock.advance(2)
    assert api.cancel("forever", execution_id).json()["state"] == "ACTIVE"
    clock.advance(1)
    cancelled = api.get("forever", execution_id).json()
    assert (cancelled["state"], cancelled["endTime"]) == ("CANCELLED", "2026-01-01T00:00:03Z")


def test_execution_can_outrun_a_late_cancel(api: Api, emulator: Emulator, clock: ManualClock) -> None:
    """An execution that ends before a late cancel takes effect keeps its own end."""
    emulator.settings.cancel_mode, emulator.settings.cancel_delay = "late", 3.0
    execution_id = api.created("sleep", {"seconds": 2, "result": 1})
    api.cancel("sleep", execution_id)
    clock.advance(10)
    assert api.get("sleep", execution_id).json()["state"] == "SUCCEEDED"


def test_cancel_of_a_finished_execution_is_an_error(api: Api) -> None:
    """By default cancelling what is over is 400 FAILED_PRECONDITION."""
    answer = api.cancel("echo", api.created("echo"))
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "FAILED_PRECONDITION")
    assert "SUCCEEDED" in answer.json()["error"]["message"]


def test_cancel_of_a_finished_execution_can_be_fine(api: Api, emulator: Emulator) -> None:
    """With `cancel_finished="ok"` it answers the unchanged execution."""
    emulator.settings.cancel_finished = "ok"
    execution_id = api.created("echo")
    assert api.cancel("echo", execution_id).json() == api.get("echo", execution_id).json()


def test_cancel_of_an_unknown_execution(api: Api) -> None:
    """Cancelling what does not exist is a 404."""
    assert api.cancel("echo", "11111111-1111-4111-8111-111111111111").status_code == 404


def test_execution_above_the_limit_is_queued_until_another_ends(
    api: Api, emulator: Emulator, clock: ManualClock
) -> None:
    """Above `concurrency_limit` executions are QUEUED without a start, and start when others end."""
    emulator.settings.concurrency_limit = 1
    first = api.created("sleep", {"seconds": 10})
    clock.advance(4)
    queued = api.create("sleep", {"argument": '{"seconds":5}'}).json()
    second, third = queued["name"].rsplit("/", 1)[-1], api.created("echo", 3)
    assert (queued["state"], "startTime" in queued, queued["status"]) == ("QUEUED", False, {})
    assert [each["state"] for each in emulator.executions("sleep")] == ["ACTIVE", "QUEUED"]
    clock.advance(20)  # nobody looked in between: they still began when there was room
    assert api.get("sleep", first).json()["endTime"] == "2026-01-01T00:00:10Z"
    answer = api.get("sleep", second).json()
    assert (answer["startTime"], answer["endTime"]) == (
        "2026-01-01T00:00:10Z",
        "2026-01-01T00:00:15Z",
    )
    assert api.get("echo", third).json()["result"] == "3"


def test_queued_execution_can_be_cancelled(api: Api, emulator: Emulator) -> None:
    """Cancelling a QUEUED execution ends it without a start and lets the next one go on."""
    emulator.settings.concurrency_limit = 1
    first, second, third = (api.created("forever") for _ in range(3))
    assert "startTime" not in api.cancel("forever", second).json()
    assert api.get("forever", third).json()["state"] == "QUEUED"
    api.cancel("forever", first)
    assert api.get("forever", third).json()["state"] == "ACTIVE"
    assert api.get("forever", second).json()["state"] == "CANCELLED"


def test_opting_out_of_the_queue(v1: Api, emulator: Emulator) -> None:
    """With `disableConcurrencyQuotaOverflowBuffering` create above the limit is 429 and creates nothing."""
    emulator.settings.concurrency_limit = 1
    options = {"disableConcurrencyQuotaOverflowBuffering": True}
    first = v1.created("forever", **options)
    answer = v1.create("forever", options)
    assert (answer.status_code, answer.json()["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
    v1.cancel("forever", first)
    assert v1.create("forever", options).json()["state"] == "ACTIVE"
    assert len(emulator.executions()) == 2


def test_full_backlog(api: Api, emulator: Emulator) -> None:
    """When the backlog is full create is 429."""
    emulator.settings.concurrency_limit, emulator.settings.backlog_limit = 1, 1
    assert [api.create("forever").status_code for _ in range(3)] == [200, 200, 429]


def test_limit_is_per_location(api: Api, emulator: Emulator) -> None:
    """Each project and location has its own concurrency quota."""
    emulator.settings.concurrency_limit = 1
    api.created("forever")
    for place in ("projects/other/locations/us-central1", "projects/test-project/locations/europe-west1"):
        assert api.post(f"{place}/workflows/forever/executions").json()["state"] == "ACTIVE"
