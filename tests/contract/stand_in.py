# SPDX-License-Identifier: Apache-2.0
"""Stand in for Google's two APIs: workflows that are deployed through one have executions at the other."""

from __future__ import annotations

import json
import re
from typing import Any

from aiohttp import web

from airflow_provider_workflows.testing import Emulator, ManualClock
from verify_sources import DEFINITIONS, SOURCES

_PATH = re.compile(r"/v1/projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/workflows(?:/(?P<name>[^/:]+))?")


class StandIn(Emulator):
    """Serve the Workflows API beside an emulator, as far as `verify_deploy` uses it.

    Operations are done at the second look. The workflow `fail` fails as the `kind` in its argument says.

    :ivar deployed: what is there, by name; `removed` what was deleted, in order.
    :ivar busy: how many removals are refused at first; `keep` names what is never removed.
    :ivar refuse_source: sources with this in them cannot be compiled.
    :ivar lose_creates: a deployment takes effect and is answered by a 500.
    :ivar deny: the reason of a 403 for everything of `workflows` or `executions`.
    """

    def __init__(self) -> None:
        self._time = ManualClock()
        super().__init__(clock=self._time, token="ya29.token", projects=["my-secret-project"])
        self.deployed: dict[str, dict[str, Any]] = {}
        self.removed: list[str] = []
        self.deny: dict[str, str] = {}
        self.refuse_creates_after = 100
        self.keep = ""
        self.lose_creates = False
        self.refuse_source = "(none)"
        self.busy = 0
        self.fail_operations = False
        self.number = self.settings.project_number
        self._looks: dict[str, int] = {}
        self._emulated, self._routes.handle = self._routes.handle, self._handle  # type: ignore[method-assign]

    @property
    def clock(self) -> ManualClock:
        """Return the clock that tests move."""
        return self._time

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if "/operations/" in request.path:
            return self._operation(request.path.rpartition("/")[2])
        match = _PATH.fullmatch(request.path)
        part = "workflows" if match else "executions"
        if part in self.deny:
            return _denied(self.deny[part])
        if match is None:
            return await self._emulated(request)
        if request.method == "POST":
            return await self._create(request.query["workflowId"], await request.json())
        if request.method == "DELETE":
            return self._delete(match["name"])
        return web.json_response({})

    async def _create(self, name: str, body: dict[str, Any]) -> web.Response:
        assert set(body) <= {"description", "sourceContents", "labels", "callLogLevel", "serviceAccount"}
        if len(self.deployed) >= self.refuse_creates_after:
            return _denied("IAM_PERMISSION_DENIED", permission="iam.serviceAccounts.actAs")
        self.deployed[name] = body
        if self.lose_creates:
            return web.json_response({"error": {"code": 500, "message": "lost", "status": "INTERNAL"}}, status=500)
        if self.refuse_source in body["sourceContents"]:
            return web.json_response(
                {"error": {"code": 400, "message": "parse error", "status": "INVALID_ARGUMENT"}}, status=400
            )
        role = next((role for role, (source, _) in SOURCES.items() if source == body["sourceContents"]), "echo")
        if role == "fail":
            self.workflow(name)(_fail)
        else:
            self.define(name, DEFINITIONS[role])
        return web.json_response({"name": f"projects/p/locations/l/operations/{name}"})

    def _delete(self, name: str) -> web.Response:
        if name == self.keep:
            return _denied("IAM_PERMISSION_DENIED", permission="workflows.workflows.delete")
        if self.busy:
            self.busy -= 1
            return web.json_response({"error": {"code": 409, "message": "busy", "status": "ABORTED"}}, status=409)
        if name not in self.deployed:
            return web.json_response({"error": {"code": 404, "message": "none", "status": "NOT_FOUND"}}, status=404)
        del self.deployed[name]
        self.removed.append(name)
        return web.json_response({"name": "operations/gone", "done": True, "response": {}})

    def _operation(self, name: str) -> web.Response:
        self._looks[name] = self._looks.get(name, 0) + 1
        if self.fail_operations:
            return web.json_response(
                {"name": name, "done": True, "error": {"code": 3, "message": "cannot be compiled"}}
            )
        if self._looks[name] == 1:
            return web.json_response({"error": {"code": 503, "message": "later", "status": "UNAVAILABLE"}}, status=503)
        return web.json_response({"name": f"projects/p/locations/l/operations/{name}", "done": self._looks[name] > 2})


def _denied(reason: str, **metadata: str) -> web.Response:
    detail = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "metadata": metadata}
    error = {"code": 403, "message": "No.", "status": "PERMISSION_DENIED", "details": [detail]}
    return web.json_response({"error": error}, status=403)


def _fail(argument: Any) -> Any:
    from airflow_provider_workflows.testing import WorkflowError

    definition = DEFINITIONS[f"fail_{argument['kind']}"]
    raise WorkflowError(json.loads(json.dumps(definition["error"])), step=definition["steps"][0])
