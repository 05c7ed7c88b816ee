# SPDX-License-Identifier: Apache-2.0
"""Translate between HTTP and the service: paths, query, bodies, the envelope of errors, and faults.

Other methods of v1 (exportData, stepEntries, callbacks, …) are not emulated and answer 501. JSON is sent
compactly unless `prettyPrint=true` asks otherwise (the real default is pretty). `fields` is honoured.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from airflow_provider_workflows.testing.errors import ApiError, error_info, for_status, not_found
from airflow_provider_workflows.testing.faults import Fault, FaultInjector
from airflow_provider_workflows.testing.masks import apply_mask, parse_mask
from airflow_provider_workflows.testing.requestlog import LoggedRequest, RequestLog, safe_headers, safe_query
from airflow_provider_workflows.testing.service import ExecutionsService
from airflow_provider_workflows.testing.validation import VERSIONS, check_query

JSON_TYPE = "application/json; charset=UTF-8"

_PATH = re.compile(
    r"/(?P<version>v1|v1beta)/projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)"
    r"/workflows/(?P<workflow>[^/]+)/executions(?:/(?P<execution>[^/:]+))?(?P<verb>:[A-Za-z]+)?\Z"
)
_OPERATIONS = {
    ("POST", False, ""): "create",
    ("GET", False, ""): "list",
    ("GET", True, ""): "get",
    ("POST", True, ":cancel"): "cancel",
}


@dataclass(frozen=True)
class Call:
    """A request taken apart; `names` are the path's variables."""

    operation: str
    method: str
    path: str
    names: Mapping[str, str]
    query: dict[str, str]
    body: bytes
    headers: Mapping[str, str]


class Routes:
    """Handle every request to the API."""

    def __init__(self, service: ExecutionsService, log: RequestLog, faults: FaultInjector) -> None:
        self._service = service
        self._log = log
        self._faults = faults
        self._waiting: set[asyncio.Future[None]] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Log a request, answer it, or spoil it as a fault says."""
        call = await _take_apart(request)
        entry = self._record(call)
        fault = self._faults.take(entry)
        if fault is None:
            response = self._answer(call)
        else:
            response = await self._spoil(fault, call)
        if fault is not None and fault.drop is not None:
            if request.transport is not None:
                request.transport.close()
            return response
        entry.status = response.status
        return response

    def release(self) -> None:
        """Let delayed requests go on now; to be called in the server's loop."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    def _record(self, call: Call) -> LoggedRequest:
        return self._log.add(
            operation=call.operation,
            method=call.method,
            path=call.path,
            query=safe_query(call.query),
            version=call.names.get("version", ""),
            body=_decoded(call.body),
            time=self._service.settings.clock.time(),
            headers=safe_headers(call.headers),
        )

    async def _spoil(self, fault: Fault, call: Call) -> web.Response:
        response = self._answer(call) if fault.takes_effect else None
        if fault.delay:
            await self._wait(fault.delay)
        if response is None or fault.status is not None or fault.body is not None:
            return self._fault_response(fault, call)
        response.headers.update(fault.headers)
        return response

    async def _wait(self, seconds: float) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await asyncio.wait([waiter], timeout=seconds)
        finally:
            self._waiting.discard(waiter)

    def _fault_response(self, fault: Fault, call: Call) -> web.Response:
        status = fault.status or 200
        text = fault.body
        if text is None:
            number = ""
            if fault.reason == "SERVICE_DISABLED" and "project" in call.names:
                number = self._service.number_of(call.names["project"])
            text = _dump(for_status(status, reason=fault.reason, project_number=number).envelope())
        return _response(status, text, fault.headers, fault.content_type or JSON_TYPE)

    def _answer(self, call: Call) -> web.Response:
        try:
            self._authenticate(call)
            return _response(200, self._dispatch(call))
        except ApiError as error:
            return _response(error.code, _dump(error.envelope()))

    def _authenticate(self, call: Call) -> None:
        token = self._service.settings.token
        if token is None or call.headers.get("Authorization") == f"Bearer {token}":
            return
        given = call.headers.get("Authorization")
        reason = "ACCESS_TOKEN_EXPIRED" if given else "CREDENTIALS_MISSING"
        text = "Request had invalid credentials." if given else "Request is missing credentials."
        raise ApiError(401, text, details=[error_info(reason)])

    def _dispatch(self, call: Call) -> str:
        names, service = call.names, self._service
        if call.operation == "other":
            raise _unknown_method(call)
        version = VERSIONS[names["version"]]
        key = service.key(names["project"], names["location"], names["workflow"])
        if call.operation == "list":
            return _pretty(call, service.list(key, version, call.query))
        if call.operation == "get":
            resource = service.get(key, names["execution"], version, call.query)
        else:
            check_query(call.query, frozenset())
            if call.operation == "create":
                resource = service.create(key, version, call.body)
            else:
                resource = service.cancel(key, names["execution"], version, call.body)
        mask = parse_mask(call.query.get("fields", call.query.get("$fields", "")))
        return _pretty(call, _dump(apply_mask(mask, resource)))


async def _take_apart(request: web.Request) -> Call:
    body = await request.read()
    method, query = request.method, dict(request.query)
    override = request.headers.get("X-HTTP-Method-Override")
    if override:  # clients send a GET whose URL is too long as a POST with the query in the body
        method, body, query = override.upper(), b"", dict(parse_qsl(body.decode(), keep_blank_values=True))
    path = request.rel_url.raw_path
    match = _PATH.match(path)
    names: dict[str, str] = {}
    operation = "other"
    if match is not None:
        names = {name: unquote(value) for name, value in match.groupdict().items() if value is not None}
        operation = _OPERATIONS.get((method, "execution" in names, names.get("verb", "")), "other")
    return Call(operation, method, path, names, query, body, request.headers)


def _unknown_method(call: Call) -> ApiError:
    if re.match(r"/v1(beta)?/projects/[^/]+/locations/[^/]+/workflows/", call.path):
        return ApiError(501, f"The emulator has no {call.method} {call.path}")
    return not_found(f"{call.method} {call.path}")


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None


def _pretty(call: Call, text: str) -> str:
    wanted = call.query.get("prettyPrint", call.query.get("$prettyPrint"))
    return json.dumps(json.loads(text), indent=2) if wanted == "true" else text


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _response(
    status: int, text: str, headers: Mapping[str, str] | None = None, content_type: str = JSON_TYPE
) -> web.Response:
    return web.Response(status=status, body=text.encode(), headers={"Content-Type": content_type, **(headers or {})})
