# SPDX-License-Identifier: Apache-2.0
"""Faults: what goes wrong, for how long, and whether the request took effect."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_provider_workflows.testing import Emulator

if TYPE_CHECKING:
    from tests.unit.testing.conftest import Api


@pytest.mark.parametrize(
    ("kind", "status", "name", "reason"),
    [
        ("unavailable", 503, "UNAVAILABLE", None),
        ("internal", 500, "INTERNAL", None),
        ("rate_limited", 429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"),
        ("permission_denied", 403, "PERMISSION_DENIED", "IAM_PERMISSION_DENIED"),
        ("service_disabled", 403, "PERMISSION_DENIED", "SERVICE_DISABLED"),
        ("unauthenticated", 401, "UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED"),
    ],
)
def test_error_kinds(api: Api, emulator: Emulator, kind: str, status: int, name: str, reason: str | None) -> None:
    """A kind answers once with Google's envelope, has no effect, and the next request is fine."""
    emulator.fail("create", kind)
    answer = api.create("echo")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (status, status, name)
    details = {detail["reason"] for detail in error.get("details", [])}
    assert details == ({reason} if reason else set())
    assert emulator.executions() == []
    assert api.create("echo").status_code == 200


def test_service_disabled_names_the_consumer(api: Api, emulator: Emulator) -> None:
    """The ErrorInfo of a disabled API holds the project number and the service."""
    emulator.fail("list", status=403, reason="SERVICE_DISABLED")
    (detail,) = api.list("echo").json()["error"]["details"]
    assert detail["domain"] == "googleapis.com"
    assert detail["metadata"] == {
        "consumer": "projects/123456789012",
        "service": "workflowexecutions.googleapis.com",
    }


def test_retry_after(api: Api, emulator: Emulator) -> None:
    """Headers of a fault arrive; given ones win over those of the kind."""
    emulator.fail("get", "rate_limited", headers={"Retry-After": "7"})
    assert api.get("echo", "x").headers["Retry-After"] == "7"


def test_html_error_page(api: Api, emulator: Emulator) -> None:
    """`html` is what a proxy says: 502 with a page."""
    api.checked = False
    emulator.fail("get", "html")
    answer = api.get("echo", "x")
    assert (answer.status_code, answer.headers["Content-Type"][:9]) == (502, "text/html")
    assert answer.text.startswith("<html>")


def test_success_that_is_not_json(api: Api, emulator: Emulator) -> None:
    """`not_json` answers 200 with a text, and the request has taken effect."""
    api.checked = False
    emulator.fail("create", "not_json")
    answer = api.create("echo")
    assert (answer.status_code, answer.text) == (200, "this is not JSON")
    assert len(emulator.executions()) == 1


def test_drop_before_has_no_effect(api: Api, emulator: Emulator) -> None:
    """`drop="before"` closes the connection and nothing was created; the log has no status."""
    emulator.fail("create", drop="before")
    with pytest.raises(requests.ConnectionError):
        api.create("echo")
    assert (emulator.executions(), emulator.requests[-1].status) == ([], None)


def test_drop_after_has_taken_effect(api: Api, emulator: Emulator) -> None:
    """`drop="after"` closes the connection although the execution exists, or is cancelled."""
    emulator.fail("create", drop="after")
    with pytest.raises(requests.ConnectionError):
        api.create("forever")
    (execution,) = emulator.executions()
    emulator.fail("cancel", "drop_after")
    with pytest.raises(requests.ConnectionError):
        api.cancel("forever", execution["name"].rsplit("/", 1)[-1])
    assert emulator.executions()[0]["state"] == "CANCELLED"


def test_google_client_resends_a_dropped_create(google: Callable[[str], Any], emulator: Emulator) -> None:
    """The trap this provider avoids can be seen: httplib2 sends a dropped POST twice."""
    emulator.fail("create", drop="after")
    parent = "projects/test-project/locations/us-central1/workflows/echo"
    google("v1").create(parent=parent, body={}).execute()
    assert (emulator.count("create"), len(emulator.executions())) == (2, 2)


def test_error_after_the_effect(api: Api, emulator: Emulator) -> None:
    """`after=True` answers the error although the execution was created."""
    emulator.fail("create", status=503, after=True)
    assert api.create("echo").status_code == 503
    assert len(emulator.executions()) == 1


def test_slow_answer_can_be_released(api: Api, emulator: Emulator) -> None:
    """A slow create has taken effect while its answer is held back, until `release`."""
    emulator.fail("create", "slow")
    answers: list[int] = []
    caller = threading.Thread(target=lambda: answers.append(api.create("echo").status_code))
    caller.start()
    while not emulator.executions():
        caller.join(0.01)
    assert answers == []
    while caller.is_alive():
        emulator.release()
        caller.join(0.05)
    assert answers == [200]


def test_slow_answer_does_not_outlive_the_emulator(api: Api, emulator: Emulator) -> None:
    """Closing the emulator ends held-back answers at once."""
    emulator.fail("get", "slow", when=lambda request: True)
    with pytest.raises(requests.ReadTimeout):
        api.session.get(f"{emulator.endpoint}/v1/projects/p/locations/l/workflows/echo/executions/x", timeout=0.1)
    began = time.monotonic()
    emulator.close()
    assert time.monotonic() - began < 1.0  # the server would wait for an answer as long as that, and then drop it
    with pytest.raises(requests.ConnectionError):
        api.list("echo")


def test_short_delay_passes_by_itself(api: Api, emulator: Emulator) -> None:
    """After `delay` real seconds the answer comes without a release; with a status, that one."""
    emulator.fail("list", delay=0.01, headers={"X-Slow": "1"})
    answer = api.list("echo")
    assert (answer.status_code, answer.headers["X-Slow"]) == (200, "1")
    emulator.fail("list", delay=0.01, status=504)
    assert api.list("echo").status_code == 504


def test_times_and_removal(api: Api, emulator: Emulator) -> None:
    """`times` bounds a fault, None keeps it until it is removed."""
    emulator.fail("list", status=503, times=2)
    assert [api.list("echo").status_code for _ in range(3)] == [503, 503, 200]
    fault = emulator.fail("*", status=500, times=None)
    assert [api.list("echo").status_code, api.create("echo").status_code] == [500, 500]
    fault.remove()
    fault.remove()
    assert api.list("echo").status_code == 200
    emulator.fail("*", status=500, times=None)
    emulator.clear_faults()
    assert api.list("echo").status_code == 200


def test_when_chooses_requests(api: Api, emulator: Emulator) -> None:
    """`when` sees the logged request and picks those that fail."""
    emulator.fail("create", status=503, times=None, when=lambda request: request.body == {"argument": "2"})
    assert [api.create("echo", {"argument": text}).status_code for text in ("1", "2", "3")] == [200, 503, 200]


def test_probability_follows_the_seed() -> None:
    """The same seed spoils the same requests, about the share asked for."""
    outcomes = []
    for _ in range(2):
        with Emulator(seed=5) as emulator:
            emulator.fail("list", status=503, times=None, probability=0.2)
            url = f"{emulator.endpoint}/v1/projects/p/locations/l/workflows/echo/executions"
            session = requests.Session()
            session.trust_env = False
            outcomes.append([session.get(url, timeout=10).status_code for _ in range(100)])
    assert outcomes[0] == outcomes[1]
    assert 10 <= outcomes[0].count(503) <= 30


@pytest.mark.parametrize(
    "arguments",
    [
        {"operation": "delete", "status": 503},
        {"operation": "get"},
        {"operation": "get", "kind": "weird"},
        {"operation": "get", "drop": "during"},
    ],
)
def test_bad_faults_are_refused(emulator: Emulator, arguments: Any) -> None:
    """An unknown operation, kind or drop, or a fault that does nothing, is a ValueError."""
    with pytest.raises(ValueError, match=r"must be|needs"):
        emulator.fail(**arguments)


def test_a_fault_of_the_emulator_s_own(v1: Api, emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """What goes wrong in the emulator itself, here a test's `when`, is logged and a 500 in the envelope."""
    emulator.fail("list", "html", when=lambda request: bool(1 / 0))
    assert v1.list("echo").json()["error"]["status"] == "INTERNAL"
    assert "ZeroDivisionError" in caplog.text
    emulator.clear_faults()
    assert v1.list("echo").status_code == 200
