# SPDX-License-Identifier: Apache-2.0
"""Answer every HTTP request to the API, log it, and spoil it where a fault says so.

Whatever comes, the answer is JSON: a method's, or an error in Google's envelope. JSON is sent compactly unless
`prettyPrint=true` asks otherwise (the real default is pretty).
"""

from __future__ import annotations

import asyncio
import copy
import json
import logging
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from airflow_provider_workflows.testing import batch, methods
from airflow_provider_workflows.testing.calls import Call, take_apart
from airflow_provider_workflows.testing.discovery import versions
from airflow_provider_workflows.testing.errors import ApiError, error_info, for_status, invalid, not_found
from airflow_provider_workflows.testing.faults import Fault, FaultInjector
from airflow_provider_workflows.testing.requestlog import LoggedRequest, RequestLog, safe_headers, safe_query
from airflow_provider_workflows.testing.service import ExecutionsService

JSON_TYPE = "application/json; charset=UTF-8"

log = logging.getLogger(__name__)


class Routes:
    """Handle every request to the API."""

    def __init__(self, service: ExecutionsService, request_log: RequestLog, faults: FaultInjector) -> None:
        self._service = service
        self._log = request_log
        self._faults = faults
        self._waiting: set[asyncio.Future[None]] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Log a request, answer it, or spoil it as a fault says."""
        call = take_apart(request.method, request.rel_url.raw_path_qs, request.headers, await request.read())
        if call.path == "/batch" and self._service.settings.batch == "accept":
            return await self._batch(request, call)
        return await self._respond(call, request)

    async def _respond(self, call: Call, request: web.Request) -> web.Response:
        entry = self._record(call)
        fault = self._faults.take(entry)
        endpoint = f"{request.scheme}://{request.host}"
        if fault is None:
            response = await self._answer(call, endpoint)
        else:
            response = await self._spoil(fault, call, endpoint)
        if fault is not None and fault.drop is not None:
            if request.transport is not None:
                request.transport.close()
            return response
        entry.status = response.status
        return response

    async def _batch(self, request: web.Request, call: Call) -> web.Response:
        """Answer the requests in a batch one after the other; each is logged, and none is for the batch itself."""
        answers = []
        try:
            for part in batch.split(request.headers.get("Content-Type", ""), call.body):
                inner = take_apart(part.verb, part.url, part.headers, part.body)
                answers.append((part.content_id, await self._respond(inner, request)))
        except ApiError as error:
            return _error(error)
        content_type, body = batch.join(answers)
        return web.Response(body=body, headers={"Content-Type": content_type})

    def release(self) -> None:
        """Let delayed requests go on now; to be called in the server's loop."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    def _record(self, call: Call) -> LoggedRequest:
        return self._log.add(
            operation=call.operation,
            method=call.verb,
            path=call.path,
            query=safe_query(call.query),
            version=call.version,
            body=call.json(),
            time=self._service.settings.clock.time(),
            headers=safe_headers(call.headers),
        )

    async def _spoil(self, fault: Fault, call: Call, endpoint: str) -> web.Response:
        response = await self._answer(call, endpoint) if fault.takes_effect else None
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

    async def _answer(self, call: Call, endpoint: str) -> web.Response:
        try:
            return _response(200, await self._dispatch(call, endpoint))
        except ApiError as error:
            return _error(error)

    async def _dispatch(self, call: Call, endpoint: str) -> str:
        if call.path == "/$discovery/rest":
            return _document(call, endpoint)
        self._authenticate(call)
        if call.operation == "callback":
            return await methods.receive_callback(self._service, call, endpoint)
        if call.method is not None:
            return await methods.answer(self._service, call, call.method)
        if call.verbs:
            raise ApiError(405, f"{call.path} is a method, but not by {call.verb}: use {' or '.join(call.verbs)}.")
        raise not_found(f"{call.verb} {call.path}")

    def _authenticate(self, call: Call) -> None:
        token = self._service.settings.token
        if token is None or call.headers.get("Authorization") == f"Bearer {token}":
            return
        given = call.headers.get("Authorization")
        reason = "ACCESS_TOKEN_EXPIRED" if given else "CREDENTIALS_MISSING"
        text = "Request had invalid credentials." if given else "Request is missing credentials."
        raise ApiError(401, text, details=[error_info(reason)])


def _document(call: Call, endpoint: str) -> str:
    """Return a discovery document whose URLs are the emulator's, so that clients built from it ask the emulator."""
    name = call.query.get("version", "v1")
    if call.verb != "GET":
        raise ApiError(405, "Discovery documents are read by GET.")
    if name not in versions():
        raise invalid(f"version must be one of {', '.join(versions())}", "version")
    document: dict[str, Any] = copy.copy(dict(versions()[name].document))
    document.update(rootUrl=f"{endpoint}/", baseUrl=f"{endpoint}/")
    document.pop("mtlsRootUrl", None)
    document.pop("endpoints", None)
    return _dump(document)


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _error(error: ApiError) -> web.Response:
    return _response(error.code, _dump(error.envelope()))


def _response(
    status: int, text: str, headers: Mapping[str, str] | None = None, content_type: str = JSON_TYPE
) -> web.Response:
    return web.Response(status=status, body=text.encode(), headers={"Content-Type": content_type, **(headers or {})})


@web.middleware
async def errors_in_envelopes(request: web.Request, handler: Any) -> web.StreamResponse:
    """Answer what the web server refuses by itself, and a fault of the emulator's, in Google's envelope, too."""
    try:
        response: web.StreamResponse = await handler(request)
    except web.HTTPException as error:
        return _error(ApiError(error.status, error.text or error.reason))
    except Exception:
        log.exception("The emulator has a fault: %s %s", request.method, request.path)
        return _error(for_status(500))
    return response
