# SPDX-License-Identifier: Apache-2.0
"""A server that differs on purpose is told from the emulator by exactly its differences."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from airflow_provider_workflows.testing import Emulator, ManualClock
from tests.contract.asked import findings
from tests.contract.suite import Finding, differences

Change = Callable[[web.Request, int, Any], tuple[int, Any] | None]


def conflict(request: web.Request, status: int, answer: Any) -> tuple[int, Any] | None:
    """Answer a cancel of what is over with a 409."""
    if request.path.endswith(":cancel") and status == 400:
        return 409, {"error": {"code": 409, "message": "over", "status": "ABORTED"}}
    return None


def lenient_fields(request: web.Request, status: int, answer: Any) -> tuple[int, Any] | None:
    """Answer unknown `fields` with nothing instead of an error."""
    return (200, {}) if status == 400 and "noSuchField" in request.query.get("fields", "") else None


def named_enums(request: web.Request, status: int, answer: Any) -> tuple[int, Any] | None:
    """Do not know numeric enums."""
    if "enum-encoding" in request.query.get("$alt", "") and answer.get("state") == 2:
        return 200, {**answer, "state": "SUCCEEDED"}
    return None


def html_for_missing(request: web.Request, status: int, answer: Any) -> tuple[int, Any] | None:
    """Answer what is missing with a page of somebody in between."""
    return (404, "<html>not here</html>") if status == 404 else None


def no_labels(request: web.Request, status: int, answer: Any) -> tuple[int, Any] | None:
    """Keep labels to itself."""
    return (200, {k: v for k, v in answer.items() if k != "labels"}) if status == 200 and "labels" in answer else None


def oldest_first(request: web.Request, status: int, answer: Any) -> tuple[int, Any] | None:
    """Turn each page over that is in the service's own order."""
    if status == 200 and "executions" in answer and "orderBy" not in request.query:
        return 200, {**answer, "executions": answer["executions"][::-1]}
    return None


def outer_frame_first(request: web.Request, status: int, answer: Any) -> tuple[int, Any] | None:
    """Name the outermost step of a failure first."""
    error = answer.get("error", {}) if status == 200 else {}
    if "raise_inner" not in json.dumps(error):
        return None
    outer = {"step": "call_inner", "routine": "outer", "position": {"line": "3"}}
    stack = {"elements": [outer, *error["stackTrace"]["elements"]]}
    return 200, {**answer, "error": {**error, "stackTrace": stack}}


def bodies_only(request: web.Request, status: int, answer: Any) -> tuple[int, Any] | None:
    """Refuse a create without a body."""
    if request.method == "POST" and request.path.endswith("/executions") and not request.content_length:
        return 400, {"error": {"code": 400, "message": "empty", "status": "INVALID_ARGUMENT"}}
    return None


def stranger_times(request: web.Request, status: int, answer: Any) -> tuple[int, Any] | None:
    """Write times with an offset."""
    if status == 200 and answer.get("endTime", "").endswith("Z"):
        return 200, {**answer, "endTime": f"{answer['endTime'][:-1]}+00:00"}
    return None


#: Each difference with the questions in v1 that it changes.
BUILT_IN: dict[Change, set[str]] = {
    conflict: {"cancel_finished", "cancel_twice"},
    lenient_fields: {"unknown_fields"},
    named_enums: {"numeric_enums"},
    html_for_missing: {"missing", "refusals"},
    no_labels: {"labels"},
    oldest_first: {"pages"},
    outer_frame_first: {"failing_step", "failure_nested"},
    bodies_only: {"empty_body"},
    stranger_times: {"times", "documented"},
}


def different(*changes: Change, **settings: Any) -> Emulator:
    """Make an emulator whose answers are changed on their way out."""
    emulator = Emulator(clock=ManualClock(), **settings)
    handle = emulator._routes.handle

    async def changed(request: web.Request) -> web.StreamResponse:
        response = await handle(request)
        assert isinstance(response, web.Response)
        text = response.text or ""
        if not response.content_type.endswith("json"):
            return response
        status, answer = response.status, json.loads(text)
        for change in changes:
            status, answer = change(request, status, answer) or (status, answer)
            if isinstance(answer, str):
                return web.Response(status=status, text=answer, content_type="text/html")
        return web.json_response(answer, status=status)

    emulator._routes.handle = changed  # type: ignore[method-assign]
    return emulator


@pytest.fixture(scope="module")
def usual() -> dict[str, Finding]:
    """Ask the emulator through the same door, with nothing changed."""
    return findings(different())


@pytest.mark.parametrize("change", BUILT_IN, ids=lambda change: change.__name__)
def test_each_difference_is_reported_alone(usual: dict[str, Finding], change: Change) -> None:
    """One difference changes the answers that it is about, and no other."""
    assert set(differences(usual, findings(different(change)))) == BUILT_IN[change]


def test_exactly_the_differences_are_reported(usual: dict[str, Finding]) -> None:
    """All of them at once, with two settings beside them, change those answers together, and no other."""
    settings = {"cancel_mode": "late", "label_filter": "refuse"}
    found = findings(different(*BUILT_IN, **settings))
    expected = set().union(*BUILT_IN.values()) | {"cancel_answer", "label_filter"}
    assert set(differences(usual, found)) == expected
    departs = {key for key, each in found.items() if each.outcome == "departs"}
    assert departs == {"missing", "labels", "pages", "failing_step", "times", "documented"}
    assert found["cancel_finished"].setting == "cancel_finished: none of them"
