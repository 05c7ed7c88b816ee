# SPDX-License-Identifier: Apache-2.0
"""Steer an emulator in another process over HTTP. These paths are the emulator's own, not Google's.

==========================================  ==============================================================
`POST /emulator/faults`                     a JSON object with `operation` and the parameters of
                                            `Emulator.fail` (without `when`); answers `{"fault": number}`
`DELETE /emulator/faults[/{number}]`        removes all faults, or one
`POST /emulator/release`                    answers delayed requests now
`GET /emulator/requests?since=N`            `{"requests": [LoggedRequest…]}` with numbers above N
`DELETE /emulator/requests`                 forgets requests and counts
`GET /emulator/counts`                      `{"create": n, "get": n, "list": n, "cancel": n, "other": n}`
`GET /emulator/executions?workflow=name`    `{"executions": [FULL v1 resource…]}`, oldest first
`POST /emulator/executions/{id}:setState`   `{"state", "result", "error"}`
`DELETE /emulator/executions/{id}`          forgets an execution
`POST /emulator/workflows/{workflow}`       registers a workflow that JSON describes, see `definitions`
`POST /emulator/workflows/{workflow}:add`   parameters of `Emulator.add_executions`; `{"ids": […]}`
`POST /emulator/workflows/{workflow}:start`  parameters of `Emulator.start`; `{"id": …}`
`POST /emulator/clock:advance`              `{"seconds": n}`, for an emulator on a `ManualClock`
==========================================  ==============================================================

A wrong parameter answers 400 `{"error": {"message": …}}`. None of these is in the request log.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from airflow_provider_workflows.testing.clock import ManualClock
from airflow_provider_workflows.testing.controls import Controls
from airflow_provider_workflows.testing.errors import ApiError


@dataclass(frozen=True)
class ControlCall:
    """A control request taken apart; `names` are the path's variables."""

    names: Mapping[str, str]
    query: Mapping[str, str]
    body: dict[str, Any]


Action = Callable[[ControlCall], Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def add_control_routes(app: web.Application, controls: Controls, release: Callable[[], None]) -> None:
    """
    Add the control API to an application; before the catch-all route of the emulated API.

    :param release: answers delayed requests, which is the server's business.
    """
    control = _ControlApi(controls)
    for method, path, action in (
        ("POST", "/emulator/faults", control.add_fault),
        ("DELETE", "/emulator/faults", lambda _: controls.clear_faults()),
        ("DELETE", "/emulator/faults/{number:[0-9]+}", control.remove_fault),
        ("POST", "/emulator/release", lambda _: release()),
        ("GET", "/emulator/requests", control.requests),
        ("DELETE", "/emulator/requests", lambda _: controls.clear_requests()),
        ("GET", "/emulator/counts", lambda _: controls.counts()),
        ("GET", "/emulator/executions", control.executions),
        ("POST", "/emulator/executions/{id:[^/:]+}:setState", control.set_state),
        ("DELETE", "/emulator/executions/{id:[^/:]+}", control.delete),
        (
            "POST",
            "/emulator/workflows/{workflow:[^/:]+}",
            lambda call: controls.define(call.names["workflow"], call.body),
        ),
        ("POST", "/emulator/workflows/{workflow:[^/:]+}:add", control.add_executions),
        ("POST", "/emulator/workflows/{workflow:[^/:]+}:start", control.start),
        ("POST", "/emulator/clock:advance", control.advance),
    ):
        app.router.add_route(method, path, _handler(action))


def _handler(action: Action) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            body = await request.json() if request.can_read_body else {}
            answer = action(ControlCall(request.match_info, request.query, dict(body)))
            return web.json_response((await answer if inspect.isawaitable(answer) else answer) or {})
        except ApiError as error:
            return web.json_response(error.envelope(), status=error.code)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            text = str(error) if isinstance(error, ValueError) else repr(error)
            return web.json_response({"error": {"code": 400, "message": text}}, status=400)

    return handle


class _ControlApi:
    """The actions that need more than a call."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls

    def add_fault(self, call: ControlCall) -> Any:
        return {"fault": self._controls.fail(**call.body).number}

    def remove_fault(self, call: ControlCall) -> Any:
        self._controls.faults.remove(int(call.names["number"]))

    def requests(self, call: ControlCall) -> Any:
        entries = self._controls.log.entries(int(call.query.get("since", "0")))
        return {"requests": [entry.to_json() for entry in entries]}

    def executions(self, call: ControlCall) -> Any:
        return {"executions": self._controls.executions(call.query.get("workflow"))}

    def set_state(self, call: ControlCall) -> Any:
        self._controls.set_state(call.names["id"], **call.body)

    def delete(self, call: ControlCall) -> Any:
        self._controls.delete(call.names["id"])

    def add_executions(self, call: ControlCall) -> Any:
        return {"ids": self._controls.add_executions(call.names["workflow"], **call.body)}

    async def start(self, call: ControlCall) -> Any:
        execution = self._controls.launch(call.names["workflow"], **call.body)
        await self._controls.service.compute(execution)  # it may ask the emulator, so the loop must go on
        return {"id": execution.id}

    def advance(self, call: ControlCall) -> Any:
        if not isinstance(self._controls.clock, ManualClock):
            raise TypeError("the emulator does not run on a ManualClock")
        self._controls.clock.advance(float(call.body["seconds"]))
