# SPDX-License-Identifier: Apache-2.0
"""
Build the requests of the executions methods, and decode their answers.

Requests are built by google-api-python-client from the discovery document of the chosen version, so exactly the fields
and views of that version exist, and are sent by :mod:`airflow_provider_workflows.api.transport`.

API reference: https://cloud.google.com/workflows/docs/reference/executions/rest
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.api.errors import api_error, read_error
from airflow_provider_workflows.api.resource import BuildsOnly, build_resource, own_headers, subject_of
from airflow_provider_workflows.api.transport import Answer, Outgoing
from airflow_provider_workflows.auth.universe import GOOGLE_ENDPOINT
from airflow_provider_workflows.core.execution import VIEWS, Execution, well_formed
from airflow_provider_workflows.core.labels import check_labels
from airflow_provider_workflows.core.names import ExecutionName, WorkflowName
from airflow_provider_workflows.core.quoting import quoted
from airflow_provider_workflows.exceptions import WorkflowsApiError

if TYPE_CHECKING:
    pass

#: The largest page of each version and view, from the discovery documents; larger values are coerced down.
MAX_PAGE_SIZE: Mapping[tuple[str, str], int] = {
    ("v1", "BASIC"): 1000,
    ("v1", "FULL"): 100,
    ("v1beta", "BASIC"): 10_000,
    ("v1beta", "FULL"): 100,
}


#: The successes that have something to say: no 204, which googleapiclient takes for an empty object, and no 206.
_WITH_CONTENT = range(200, 204)
# No encoding has them; Python's own error quotes the whole text.
_HALF = re.compile("[\\ud800-\\udfff]")
_OF_A_PAGE = {"executions", "nextPageToken"}


@dataclass(frozen=True)
class Call:
    """
    Hold a built request with what is needed to decode its answer and to ask for the next page.

    :param read: returns the decoded object as callers get it; ``None`` where it is not what the method answers with.
    :param items: where a page of a list has its resources.
    :param pages: googleapiclient's collection that knows a list's next page.
    """

    outgoing: Outgoing
    request: Any
    read: Callable[[Mapping[str, Any]], dict[str, Any] | None]
    items: str = "executions"
    pages: Any = None

    def decode(self, answer: Answer, now: float) -> dict[str, Any]:
        """
        Return the decoded resource.

        :raises WorkflowsApiError: for error answers, and for a success that is not the JSON it should be.
        """
        decoded = self._decoded(answer) if answer.status in _WITH_CONTENT else None
        if decoded is None:
            error = read_error(answer.status, answer.headers, answer.content, now)
            raise api_error(self.outgoing.subject, error)
        return decoded

    def _decoded(self, answer: Answer) -> dict[str, Any] | None:
        """Return the resource, without what has not the type that the API documents; ``None`` where it is none."""
        import httplib2

        response = httplib2.Response({"status": str(answer.status)})  # type: ignore[no-untyped-call]
        try:
            decoded = self.request.postproc(response, answer.content)
        except (ValueError, RecursionError):
            return None
        return self.read(decoded) if isinstance(decoded, dict) else None


def _page(decoded: Mapping[str, Any]) -> dict[str, Any] | None:
    """
    Return a page of a list with the executions that are some; ``None`` where it is no such page.

    An empty page is an empty object: one that holds other things only is somebody else's answer.
    """
    executions, token = decoded.get("executions", []), decoded.get("nextPageToken", "")
    if decoded and not _OF_A_PAGE & decoded.keys():
        return None
    if not isinstance(executions, list) or not isinstance(token, str):
        return None
    return {**decoded, "executions": [each for each in map(well_formed, executions) if each is not None]}


class ExecutionsApi:
    """
    Build the requests of ``projects.locations.workflows.executions`` for one version at one endpoint.

    Checks what the discovery document of the version knows before anything is sent: views, writable fields and their
    values, and what v1beta does not have (labels, filter, order_by).
    """

    def __init__(self, version: str = "v1", endpoint: str = GOOGLE_ENDPOINT) -> None:
        self.version = version
        self.endpoint = endpoint
        self._resource = build_resource(version, endpoint, BuildsOnly())
        self._executions = self._resource.projects().locations().workflows().executions()
        self._schema: dict[str, Any] = self._resource._schema.get("Execution")["properties"]  # noqa: SLF001

    @property
    def look_fields(self) -> str:
        """Return what a wait has to know of an execution, as far as this version has it."""
        return ",".join(each for each in ("name", "state", "status", "startTime", "createTime") if each in self._schema)

    def create(self, workflow: WorkflowName, body: Mapping[str, Any]) -> Call:
        """Build a create; ``body`` holds writable Execution fields, ``argument`` as JSON text."""
        self.check_body(body)
        return self.call("create", workflow, self._executions.create(parent=str(workflow), body=dict(body)))

    def get(self, name: ExecutionName, view: str = "FULL", fields: str | None = None) -> Call:
        """Build a get; ``view`` is ``BASIC`` (no argument, result, error) or ``FULL``, ``fields`` leaves others out."""
        request = self._executions.get(name=str(name), view=_check_view(view), **_partial(fields))
        return self.call("get", name, request)

    def cancel(self, name: ExecutionName) -> Call:
        """Build a cancel; its body is empty, as the REST reference wants."""
        return self.call("cancel", name, self._executions.cancel(name=str(name)))

    def list(
        self,
        workflow: WorkflowName,
        *,
        view: str = "BASIC",
        filter: str | None = None,  # noqa: A002 - the API's own name
        order_by: str | None = None,
        page_size: int | None = None,
        fields: str | None = None,
    ) -> Call:
        """Build the first page of a list; see :meth:`list_next` for the others."""
        arguments: dict[str, Any] = {"parent": str(workflow), "view": _check_view(view), **_partial(fields)}
        if check_text(filter, "filter"):
            self._require_v1("filter")
            arguments["filter"] = filter
        if check_text(order_by, "order_by"):
            self._require_v1("order_by")
            arguments["orderBy"] = order_by
        arguments["pageSize"] = check_page_size(page_size, MAX_PAGE_SIZE[self.version, view])
        request = self._executions.list(**arguments)
        return self.call("list", workflow, request, read=_page, pages=self._executions)

    def list_next(self, call: Call, decoded: Mapping[str, Any]) -> Call | None:
        """
        Build the page after the one that ``decoded`` is, of any list; ``None`` after the last.

        :raises WorkflowsApiError: where it is the same page again, which would never end.
        """
        request = call.pages.list_next(call.request, decoded)
        if request is None:
            return None
        request.uri = _without_skip(request.uri)
        if request.uri == call.outgoing.url:
            subject = call.outgoing.subject
            text = subject.could_not("the answer names the page that it is as the next one")
            raise WorkflowsApiError(text, execution_name=subject.execution_name)
        return replace(call, outgoing=replace(call.outgoing, url=request.uri), request=request)

    def check_body(self, body: Mapping[str, Any]) -> None:
        """
        Check the fields of a create against this version.

        :raises ValueError: for output-only and unknown fields and for values that the version does not have.
        """
        for field, value in body.items():
            schema = self._schema.get(field)
            # One of its names is as long as a key.
            shown = repr(field) if field in Execution.__annotations__ else quoted(field)
            if field == "labels":
                self._require_v1("labels")
                check_labels(value)
            elif schema is None or schema.get("readOnly"):
                writable = ", ".join(sorted(key for key, each in self._schema.items() if not each.get("readOnly")))
                what = "output only" if schema else f"not a field of {self.version}"
                msg = f"execution[{shown}] is {what}. A create can set: {writable}."
                raise ValueError(msg)
            elif "enum" in schema and value not in schema["enum"]:
                msg = f"execution[{shown}] must be one of {', '.join(schema['enum'])} on {self.version}."
                raise ValueError(msg)
            elif schema["type"] == "boolean" and not isinstance(value, bool):
                raise ValueError(f"execution[{shown}] must be True or False, got {quoted(value)}.")
            elif isinstance(value, str):
                check_text(value, f"execution[{shown}]")

    def _require_v1(self, parameter: str) -> None:
        if self.version != "v1":
            msg = f"{parameter} exists on v1 only, and api_version is {self.version!r}. Use api_version='v1'."
            raise ValueError(msg)

    def v1_only(self, method: str, name: str) -> Any:
        """
        Return what googleapiclient calls a method or a collection that only v1 has.

        :param method: what the user called.
        :raises ValueError: on v1beta, and where the installed google-api-python-client is older than the method.
        """
        self._require_v1(method)
        known = getattr(self._executions, name, None)
        if known is None:
            msg = f"{method} needs a google-api-python-client that knows {name}. Install a newer one."
            raise ValueError(msg)
        return known

    def call(
        self,
        operation: str,
        name: WorkflowName | ExecutionName,
        request: Any,
        *,
        part: str = "",
        read: Callable[[Mapping[str, Any]], dict[str, Any] | None] = well_formed,
        items: str = "executions",
        pages: Any = None,
    ) -> Call:
        """Make a call of a request of googleapiclient's; operation, name and part of it are for what errors say."""
        body = request.body.encode() if isinstance(request.body, str) else request.body
        headers = own_headers(request.headers)
        outgoing = Outgoing(subject_of(operation, name, part), request.method, request.uri, headers, body)
        return Call(outgoing, request, read, items, pages)


def _without_skip(uri: str) -> str:
    """Drop ``skip`` from the URL of a later page: the service would leave out so many of each page."""
    return re.sub(r"(?<=[?&])skip=\d+&|&skip=\d+\b", "", uri)


def _partial(fields: str | None) -> dict[str, str]:
    """Ask for a partial answer: ``name,state``, ``nextPageToken,executions(name,state)``."""
    return {"fields": fields} if fields else {}


def check_text(text: str | None, parameter: str) -> str | None:
    """Return a text or ``None``; googleapiclient would make a text of anything, such as of a dict its Python."""
    if text is not None and not isinstance(text, str):
        raise ValueError(f"{parameter} must be a text, got {quoted(text)}.")
    if text is not None and _HALF.search(text):
        raise ValueError(f"{parameter} must be a text of whole characters, and holds half of a surrogate pair.")
    return text


def check_page_size(page_size: int | None, largest: int) -> int:
    """Return the size of a page to ask for."""
    if page_size is not None and (not isinstance(page_size, int) or isinstance(page_size, bool) or page_size < 1):
        raise ValueError(f"page_size must be a whole number from 1 to {largest}, got {quoted(page_size)}.")
    return min(page_size or largest, largest)


def _check_view(view: str) -> str:
    if view not in VIEWS:
        msg = f"view must be one of {', '.join(VIEWS)}, got {quoted(view)}."
        raise ValueError(msg)
    return view
