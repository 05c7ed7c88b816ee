# SPDX-License-Identifier: Apache-2.0
"""Hold the emulator's state: projects, workflows, executions; answer the four methods on it.

It knows nothing of HTTP: it takes checked names, query parameters and a body, and returns JSON objects or
raises `ApiError`. One lock makes it safe to use from a test's thread while the server answers.

Settings marked *unconfirmed* choose between behaviours of which nobody has published the real one.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from airflow_provider_workflows.testing import resources, validation
from airflow_provider_workflows.testing.clock import Clock, SystemClock
from airflow_provider_workflows.testing.errors import ApiError, error_info, invalid, not_found
from airflow_provider_workflows.testing.execution import Execution, WorkflowKey
from airflow_provider_workflows.testing.filters import Look, parse_filter, parse_order, sort_executions
from airflow_provider_workflows.testing.masks import apply_mask, parse_mask
from airflow_provider_workflows.testing.paging import decode_token, encode_token, fingerprint
from airflow_provider_workflows.testing.regions import Region
from airflow_provider_workflows.testing.store import ExecutionStore
from airflow_provider_workflows.testing.validation import ApiVersion, CreateRequest
from airflow_provider_workflows.testing.workflows import BUILT_IN, WorkflowFunction, build_timeline

DEFAULT_PROJECT = "test-project"
DEFAULT_LOCATION = "us-central1"
_LOCATION = re.compile(r"[a-z][a-z0-9-]*\Z")


@dataclass
class Settings:
    """What can be chosen about the emulator; every field may also be changed while it serves.

    :ivar clock: where the time comes from.
    :ivar project_number: the number of the first project seen; each further project gets the next one.
    :ivar projects: the project ids that exist (others are 403); None accepts any.
    :ivar concurrency_limit: executions going on at once per project and location; above it they are QUEUED.
    :ivar backlog_limit: executions queued per project and location; above it create answers 429.
    :ivar cancel_mode: "immediate": the cancel answer says CANCELLED; "late": it still says ACTIVE and
        CANCELLED follows `cancel_delay` seconds later. *Unconfirmed.*
    :ivar cancel_finished: cancelling an execution that is over is an "error" (400 FAILED_PRECONDITION) or
        "ok" (200, unchanged). *Unconfirmed.*
    :ivar label_filter: "accept" label comparisons in a list filter, or "refuse" them with 400. *Unconfirmed.*
    :ivar list_delay: seconds until a new execution shows up in list. *Unconfirmed*, as is `get_delay`.
    :ivar get_delay: seconds until get finds a new execution.
    :ivar token: what requests must carry as `Authorization: Bearer …`; None asks for nothing.
    :ivar page_limit: a smaller bound on page sizes, for tests of paging.
    :ivar argument_limit: bytes. The reference says 32 KB, another page 512 KB: *unconfirmed*.
    """

    clock: Clock = field(default_factory=SystemClock)
    project_number: str = "123456789012"
    projects: Sequence[str] | None = None
    concurrency_limit: int | None = None
    backlog_limit: int | None = None
    cancel_mode: Literal["immediate", "late"] = "immediate"
    cancel_delay: float = 1.0
    cancel_finished: Literal["error", "ok"] = "error"
    label_filter: Literal["accept", "refuse"] = "accept"
    list_delay: float = 0.0
    get_delay: float = 0.0
    token: str | None = None
    page_limit: int | None = None
    argument_limit: int = 512 * 1024


@dataclass(frozen=True)
class Workflow:
    """A registered workflow: what it does, its revision and the labels that its executions inherit."""

    function: WorkflowFunction
    revision: str
    labels: Mapping[str, str] = field(default_factory=dict)


class ExecutionsService:
    """Answer create, get, list and cancel on one store for both versions."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.lock = threading.RLock()
        self._numbers: dict[str, str] = {}
        self._workflows: dict[str, Workflow] = {}
        self._stores: dict[WorkflowKey, ExecutionStore] = {}
        self._regions: dict[tuple[str, str], Region] = {}
        self._latest = 0
        self._skew = 0
        for name, function in BUILT_IN.items():
            self.register(name, function)

    # -- time, names, workflows ---------------------------------------------------------------------------

    def now(self) -> int:
        """Return the time in epoch ns.

        The clock's microseconds (a float has no more to give near today), plus a nanosecond for every
        creation that would otherwise have had the time of the one before.
        """
        return round(self.settings.clock.time() * 1e6) * 1000 + self._skew

    def next_time(self, count: int = 1) -> int:
        """Return a creation time later than every earlier one, the first of `count` in successive ns."""
        first = max(self.now(), self._latest + 1)
        self._latest = first + count - 1
        self._skew += self._latest - self.now()
        return first

    def register(self, name: str, function: WorkflowFunction, labels: Mapping[str, str] | None = None) -> None:
        """Make a workflow known in every project and location; a second time, as its next revision."""
        with self.lock:
            earlier = self._workflows.get(name)
            ordinal = int(earlier.revision[:6]) + 1 if earlier else 1
            revision = f"{ordinal:06d}-{zlib.crc32(f'{name}{ordinal}'.encode()) & 0xFFF:03x}"
            self._workflows[name] = Workflow(function, revision, dict(labels or {}))

    def key(self, project: str, location: str, workflow: str) -> WorkflowKey:
        """Return the store's key for names from a path.

        :raises ApiError: 403 unknown project, 404 unknown workflow, 400 a location that is none.
        """
        if not _LOCATION.match(location):
            raise invalid(f"Location {location!r} is not found or access is unauthorized.", "parent")
        key = WorkflowKey(self.number_of(project), location, workflow)
        if workflow not in self._workflows:
            raise not_found(f"workflow '{key}'")
        return key

    def number_of(self, project: str) -> str:
        """Return a project's number; a number stands for itself.

        :raises ApiError: 403 PERMISSION_DENIED, `projects` is set and it is none of them.
        """
        with self.lock:
            for known in self.settings.projects or ():
                self._assign(known)
            allowed = self.settings.projects is None
            if project.isdigit() and (allowed or project in self._numbers.values()):
                return project
            if allowed or project in (self.settings.projects or ()):
                return self._assign(project)
        text = f"Permission denied on resource project {project} (or it may not exist)."
        detail = error_info("IAM_PERMISSION_DENIED", consumer=f"projects/{project}")
        raise ApiError(403, text, details=[detail])

    def _assign(self, project: str) -> str:
        if project not in self._numbers:
            self._numbers[project] = str(int(self.settings.project_number) + len(self._numbers))
        return self._numbers[project]

    def store(self, key: WorkflowKey) -> ExecutionStore:
        """Return the executions of a workflow."""
        return self._stores.setdefault(key, ExecutionStore())

    def stores(self) -> Iterator[tuple[WorkflowKey, ExecutionStore]]:
        """Walk all workflows that have had an execution."""
        return iter(list(self._stores.items()))

    def workflow(self, name: str) -> Workflow:
        """Return a registered workflow.

        :raises KeyError: there is none of this name.
        """
        return self._workflows[name]

    # -- the four methods ---------------------------------------------------------------------------------

    def create(self, key: WorkflowKey, version: ApiVersion, body: bytes) -> dict[str, Any]:
        """Create an execution and return it as it is at that moment: ACTIVE or QUEUED."""
        wanted = validation.parse_create(body, version, self.settings.argument_limit)
        with self.lock:
            return resources.created(self.launch(key, wanted), version.name)

    def launch(self, key: WorkflowKey, wanted: CreateRequest) -> Execution:
        """Store a new execution and begin it, unless it must queue."""
        workflow = self._workflows[key.workflow]
        limit = self.settings.concurrency_limit
        region = self._regions.setdefault((key.project, key.location), Region())
        if limit is not None:
            region.settle(self.now(), limit)
            region.check_room(may_queue=wanted.may_queue, limit=limit, backlog=self.settings.backlog_limit)
        execution = Execution(
            id=str(uuid.uuid4()),
            parent=key,
            created=self.next_time(),
            revision=workflow.revision,
            argument=wanted.argument,
            labels={**workflow.labels, **wanted.labels},
            options=wanted.options,
        )

        def begin(queued: Execution, at: int) -> None:
            queued.begin(at, build_timeline(workflow.function, wanted.value))

        if limit is None:
            begin(execution, execution.created)
        else:
            region.add(execution, begin)
            region.settle(execution.created, limit)
        self.store(key).add(execution)
        return execution

    def settle(self) -> int:
        """Let queued executions begin as far as they should have by now; return the time."""
        now = self.now()
        if self.settings.concurrency_limit is not None:
            for region in self._regions.values():
                region.settle(now, self.settings.concurrency_limit)
        return now

    def find(self, key: WorkflowKey, execution_id: str) -> Execution:
        """Return an execution.

        :raises ApiError: 404.
        """
        execution = self.store(key).get(execution_id)
        if execution is None:
            raise not_found(f"execution '{key}/executions/{execution_id}'")
        return execution

    def get(self, key: WorkflowKey, execution_id: str, version: ApiVersion, query: Mapping[str, str]) -> dict[str, Any]:
        """Return an execution, FULL by default."""
        validation.check_query(query, frozenset({"view"}))
        view = validation.parse_view(query, "FULL")
        with self.lock:
            now = self.settle()
            execution = self.find(key, execution_id)
            if not self._visible(execution, self.settings.get_delay, now):
                raise not_found(f"execution '{key}/executions/{execution_id}'")
            render = resources.basic if view == "BASIC" else resources.full
            return render(execution, version.name, now)

    def cancel(self, key: WorkflowKey, execution_id: str, version: ApiVersion, body: bytes) -> dict[str, Any]:
        """Cancel an execution as the settings say; return it.

        :raises ApiError: 400 FAILED_PRECONDITION, it is over and `cancel_finished` is "error".
        """
        validation.check_cancel(body)
        with self.lock:
            now = self.settle()
            execution = self.find(key, execution_id)
            ended = execution.ended(now)
            if ended is None:
                late = self.settings.cancel_mode == "late"
                execution.cancel(now + (round(self.settings.cancel_delay * 1e9) if late else 0))
                now = self.settle()
            elif self.settings.cancel_finished == "error":
                text = f"execution '{key}/executions/{execution_id}' is not active (state: {ended.state})"
                raise ApiError(400, text, status="FAILED_PRECONDITION")
            return resources.full(execution, version.name, now)

    @staticmethod
    def _visible(execution: Execution, delay: float, now: int) -> bool:
        return not delay or execution.created + round(delay * 1e9) <= now

    # -- list ---------------------------------------------------------------------------------------------

    def list(self, key: WorkflowKey, version: ApiVersion, query: Mapping[str, str]) -> str:
        """Return a page as JSON text; BASIC pages are put together from kept pieces, for speed."""
        validation.check_query(query, version.list_parameters)
        view = validation.parse_view(query, "BASIC")
        size = validation.parse_page_size(query, version, view, self.settings.page_limit)
        order = parse_order(query.get("orderBy", ""))
        bound = [query.get(name, "") for name in ("pageSize", "filter", "orderBy")]
        bound_to = fingerprint(version.name, key, view, *bound)
        position = decode_token(query.get("pageToken", ""), bound_to)
        mask_text = query.get("fields", query.get("$fields", ""))
        mask = parse_mask(mask_text)
        with self.lock:
            now = self.settle()
            matching = self._matching(key, query.get("filter", ""), now)
            if order:
                page, token = _ordered_page(matching(None), order, position, size, now)
            else:
                page, token = _newest_page(matching, position, size)
            parts = []
            if page and (mask is None or "executions" in mask or "*" in mask):
                inner = mask.get("executions", mask.get("*")) if mask else None
                if view == "BASIC":
                    texts = [resources.basic_text(each, version.name, now, inner, mask_text) for each in page]
                else:
                    items = (resources.full(each, version.name, now) for each in page)
                    texts = [_dump(apply_mask(inner, item)) for item in items]
                parts.append(f'"executions":[{",".join(texts)}]')
        if token is not None and (mask is None or "nextPageToken" in mask or "*" in mask):
            parts.append(f'"nextPageToken":"{encode_token(bound_to, token)}"')
        return "{" + ",".join(parts) + "}"

    def _matching(
        self, key: WorkflowKey, filter_text: str, now: int
    ) -> Callable[[tuple[int, str] | None], Iterator[Execution]]:
        """Return a function that walks what a list may show, newest first, from a position."""
        labels = self.settings.label_filter == "accept"
        keep = parse_filter(filter_text, labels=labels) if filter_text else None
        store, delay = self.store(key), self.settings.list_delay

        def walk(before: tuple[int, str] | None) -> Iterator[Execution]:
            for execution in store.newest_first(before):
                if self._visible(execution, delay, now) and (keep is None or keep(Look(execution, now))):
                    yield execution

        return walk


def _newest_page(
    matching: Callable[[tuple[int, str] | None], Iterator[Execution]], position: Any, size: int
) -> tuple[list[Execution], Any]:
    """Return a page and the next position, None when nothing follows."""
    page: list[Execution] = []
    for execution in matching(tuple(position) if position else None):
        if len(page) == size:
            return page, page[-1].order
        page.append(execution)
    return page, None


def _ordered_page(
    executions: Iterator[Execution], order: list[tuple[str, bool]], position: Any, size: int, now: int
) -> tuple[list[Execution], Any]:
    everything = sort_executions(list(executions), order, now)
    end = (position or 0) + size
    return everything[end - size : end], end if end < len(everything) else None


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
