# SPDX-License-Identifier: Apache-2.0
"""
One create is one POST, counted at the server; reads are repeated by one policy; pages come as they are consumed.

The same faults are put before the hook, its async twin, the Google client's own resource and the operator.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from googleapiclient.errors import HttpError

from airflow_provider_workflows.api.client import AsyncWorkflowsClient, WorkflowsClient
from airflow_provider_workflows.api.requests import ExecutionsApi
from airflow_provider_workflows.api.retrying import FIRST_WAIT, LONGEST_WAIT, RetryPolicy, backoff
from airflow_provider_workflows.auth.sessions import make_async_session, make_session
from airflow_provider_workflows.core.names import WorkflowName
from airflow_provider_workflows.exceptions import (
    AmbiguousCreate,
    PermissionDenied,
    QuotaExceeded,
    WorkflowsApiError,
)
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsAsyncHook, WorkflowExecutionsHook
from airflow_provider_workflows.testing import Emulator
from tests.harness import AdvancingClock

Connect = Callable[..., None]
PARENT = "projects/test-project/locations/us-central1/workflows/echo"


@dataclass
class Caller:
    """One of the ways to call the API; ``create`` and ``get`` block and return the resource."""

    create: Callable[[], Any]
    get: Callable[[str], Any]


def _sync(clock: AdvancingClock) -> Caller:
    hook = WorkflowExecutionsHook(clock=clock)
    return Caller(
        create=lambda: hook.create_execution("echo", argument=1),
        get=lambda execution_id: hook.get_execution("echo", execution_id=execution_id),
    )


def _async(clock: AdvancingClock) -> Caller:
    async def with_hook(call: Callable[[WorkflowExecutionsAsyncHook], Any]) -> Any:
        async with WorkflowExecutionsAsyncHook(clock=clock) as hook:
            return await call(hook)

    return Caller(
        create=lambda: asyncio.run(with_hook(lambda hook: hook.create_execution("echo", argument=1))),
        get=lambda each: asyncio.run(with_hook(lambda hook: hook.get_execution("echo", execution_id=each))),
    )


CALLERS = {"hook": _sync, "async hook": _async}


@pytest.fixture(params=CALLERS)
def caller(request: pytest.FixtureRequest, clock: AdvancingClock) -> Caller:
    """Call the API in each way that this package offers."""
    return CALLERS[request.param](clock)


@pytest.fixture
def unpack(emulator: Emulator) -> Callable[[], tuple[int, int]]:
    """Give a function that returns how many creates arrived, and how many executions there are."""
    return lambda: (emulator.count("create"), len(emulator.executions("echo")))


# -- one create, one POST ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("versioned_connection")
@pytest.mark.parametrize(
    ("kind", "executions"),
    [
        ("drop_after", 1),
        ("drop_before", 0),
        ("unavailable", 0),
        ("internal", 0),
        ("html", 0),
        ("not_json", 1),
    ],
)
def test_create_without_a_clear_answer_is_sent_once(
    kind: str, executions: int, caller: Caller, unpack: Callable[[], tuple[int, int]], emulator: Emulator
) -> None:
    """Where nobody knows whether the first POST took effect there is no second one, and the error says so."""
    emulator.fail("create", kind, times=None)
    with pytest.raises(AmbiguousCreate, match="an execution may exist"):
        caller.create()
    assert unpack() == (1, executions)


def test_create_that_times_out_is_sent_once(
    connect: Connect, caller: Caller, unpack: Callable[[], tuple[int, int]], emulator: Emulator
) -> None:
    """A server that takes the create and stays silent past the timeout gets no second one."""
    connect(timeout=0.2)
    emulator.fail("create", "slow", times=None)
    with pytest.raises(AmbiguousCreate, match=r"no answer within 0\.2 s"):
        caller.create()
    emulator.release()
    assert unpack() == (1, 1)


@pytest.mark.usefixtures("versioned_connection")
def test_create_that_surely_did_nothing_is_repeated(
    caller: Caller, unpack: Callable[[], tuple[int, int]], emulator: Emulator, clock: AdvancingClock
) -> None:
    """A 429 is an answer: nothing was created, so after the time it asks for the create is sent again."""
    emulator.fail("create", "rate_limited")
    assert caller.create()["state"] == "ACTIVE"
    assert unpack() == (2, 1)
    assert clock.slept == [30.0]


@pytest.mark.usefixtures("versioned_connection")
def test_the_client_makes_one_attempt_to_create(
    unpack: Callable[[], tuple[int, int]], hook: WorkflowExecutionsHook, emulator: Emulator, clock: AdvancingClock
) -> None:
    """The client itself never repeats a create, not even after an answer that says that it had no effect."""
    emulator.fail("create", "rate_limited")
    with pytest.raises(QuotaExceeded):
        hook.client.create(hook.workflow("echo"), {})
    assert unpack() == (1, 0)
    assert clock.slept == []


@pytest.mark.usefixtures("connection")
def test_create_that_is_refused_with_401_is_reported(
    caller: Caller, unpack: Callable[[], tuple[int, int]], emulator: Emulator
) -> None:
    """Anonymous credentials have no other token, so a 401 is final; the error says what it was about."""
    emulator.fail("create", "unauthenticated", times=None)
    with pytest.raises(WorkflowsApiError, match=r"401.*credentials.*is_anonymous") as caught:
        caller.create()
    assert (caught.value.status_code, caught.value.retryable) == (401, False)
    assert unpack() == (1, 0)


@contextmanager
def closed_port() -> Iterator[int]:
    """Give a port of this machine on which nobody listens, and which nobody else gets meanwhile."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_refused_connection_is_tried_again(
    connect: Connect, caller: Caller, clock: AdvancingClock, emulator: Emulator
) -> None:
    """Where no connection was ever made nothing can have happened: the create is tried as often as a read."""
    with closed_port() as port:
        connect(api_endpoint=f"http://127.0.0.1:{port}", num_retries=3)
        with pytest.raises(WorkflowsApiError, match="no connection to the service") as caught:
            caller.create()
    assert not isinstance(caught.value, AmbiguousCreate)
    assert len(clock.slept) == 3


@dataclass
class DroppingServer:
    """Take connections, read a request and hang up without a word; count the requests."""

    socket: socket.socket
    requests: list[bytes] = field(default_factory=list)

    def serve(self) -> None:
        """Serve until the socket is closed."""
        with suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                with connection:
                    connection.settimeout(5)
                    self.requests.append(connection.recv(65536))


@pytest.fixture
def dropping_server() -> Iterator[DroppingServer]:
    """Give a server that hangs up on everybody."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = DroppingServer(listener)
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_no_layer_below_resends_a_post(connect: Connect, caller: Caller, dropping_server: DroppingServer) -> None:
    """Counted on the bare socket: neither requests, urllib3, aiohttp nor google-auth sends the create again."""
    connect(api_endpoint=f"http://127.0.0.1:{dropping_server.socket.getsockname()[1]}")
    with pytest.raises(AmbiguousCreate, match="the connection broke"):
        caller.create()
    assert len(dropping_server.requests) == 1
    assert dropping_server.requests[0].startswith(b"POST ")


def _resource(clock: AdvancingClock) -> Any:
    return WorkflowExecutionsHook(clock=clock).get_conn().projects().locations().workflows().executions()


@pytest.mark.usefixtures("versioned_connection")
@pytest.mark.parametrize("kind", ["drop_after", "drop_before"])
def test_google_clients_own_create_is_sent_once(
    kind: str, unpack: Callable[[], tuple[int, int]], emulator: Emulator, clock: AdvancingClock
) -> None:
    """The resource of get_conn() is as safe as the hook: httplib2's habit of sending a POST again is not there."""
    emulator.fail("create", kind, times=None)
    with pytest.raises(AmbiguousCreate):
        _resource(clock).create(parent=PARENT, body={}).execute()
    assert unpack() == (1, 1 if kind == "drop_after" else 0)


@pytest.mark.usefixtures("versioned_connection")
def test_google_clients_own_errors_stay_its_own(emulator: Emulator, clock: AdvancingClock) -> None:
    """Whoever uses get_conn() gets googleapiclient's exceptions and resources, as its documentation says."""
    emulator.fail("create", "unavailable")
    with pytest.raises(HttpError) as caught:
        _resource(clock).create(parent=PARENT, body={}).execute()
    assert caught.value.status_code == 503
    assert emulator.count("create") == 1
    assert _resource(clock).create(parent=PARENT, body={}).execute()["state"] == "ACTIVE"


@pytest.mark.usefixtures("versioned_connection")
def test_google_clients_own_paging(emulator: Emulator, clock: AdvancingClock) -> None:
    """list_next of get_conn() pages through everything, cancel and get work, close releases it."""
    emulator.settings.page_limit = 2
    ids = emulator.add_executions("echo", 5)
    resource = _resource(clock)
    request, found = resource.list(parent=PARENT), []
    while request is not None:
        page = request.execute()
        found += [each["name"].rpartition("/")[2] for each in page["executions"]]
        request = resource.list_next(request, page)
    assert found == ids[::-1]
    running = emulator.start("forever")
    name = f"{PARENT.replace('echo', 'forever')}/executions/{running}"
    assert resource.cancel(name=name, body={}).execute()["state"] == "CANCELLED"
    assert resource.get(name=name, view="BASIC").execute()["state"] == "CANCELLED"
    resource.close()


# -- reads are repeated -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("versioned_connection")
@pytest.mark.parametrize("kind", ["unavailable", "internal", "html", "not_json", "drop_before", "drop_after"])
def test_read_is_repeated(kind: str, caller: Caller, emulator: Emulator, clock: AdvancingClock) -> None:
    """A read that failed for a passing reason is repeated after growing waits, and then gives the answer."""
    done = emulator.start("echo", 1)
    emulator.fail("get", kind, times=3)
    assert caller.get(done)["result"] == "1"
    assert emulator.count("get") == 4
    assert len(clock.slept) == 3  # and no layer below repeats anything
    for attempt, seconds in enumerate(clock.slept):
        assert FIRST_WAIT * 2**attempt / 2 <= seconds <= FIRST_WAIT * 2**attempt


def test_read_that_times_out_is_repeated(
    connect: Connect, caller: Caller, emulator: Emulator, clock: AdvancingClock
) -> None:
    """A read without an answer in time is sent again."""
    connect(timeout=0.2)
    done = emulator.start("echo", 1)
    emulator.fail("get", "slow")
    assert caller.get(done)["result"] == "1"
    assert emulator.count("get") == 2
    emulator.release()


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize(
    ("value", "seconds"),
    [("30", 30.0), ("Thu, 01 Jan 2026 00:02:00 GMT", 120.0), ("86400", 300.0)],
)
def test_retry_after_is_honoured(
    value: str, seconds: float, caller: Caller, emulator: Emulator, clock: AdvancingClock
) -> None:
    """The service's own wish is the least that is waited, as seconds or as a date, but not for hours."""
    done = emulator.start("echo", 1)
    emulator.fail("get", status=429, headers={"Retry-After": value})
    assert caller.get(done)["result"] == "1"
    assert clock.slept == [pytest.approx(seconds, abs=0.01)]


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("value", ["-5", "soon", "Thu, 01 Jan 1970 00:00:00 GMT", "nan", "inf"])
def test_odd_retry_after_is_no_harm(value: str, caller: Caller, emulator: Emulator, clock: AdvancingClock) -> None:
    """A Retry-After that says nothing usable leaves the ordinary wait."""
    done = emulator.start("echo", 1)
    emulator.fail("get", status=503, headers={"Retry-After": value})
    assert caller.get(done)["result"] == "1"
    assert len(clock.slept) == 1
    assert 0 < clock.slept[0] <= 300


@pytest.mark.parametrize("retries", [0, 2])
def test_number_of_repeats_is_the_connections(
    retries: int, connect: Connect, caller: Caller, emulator: Emulator
) -> None:
    """num_retries says how often a read is repeated; then the last error is raised."""
    connect(num_retries=retries)
    emulator.fail("get", "unavailable", times=None)
    with pytest.raises(WorkflowsApiError, match="503"):
        caller.get("x")
    assert emulator.count("get") == 1 + retries


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("status", [400, 403, 404, 409, 501])
def test_lasting_errors_are_not_repeated(status: int, caller: Caller, emulator: Emulator) -> None:
    """What will not get better by itself is reported at once."""
    emulator.fail("get", status=status, times=None)
    with pytest.raises(WorkflowsApiError, match=str(status)):
        caller.get("x")
    assert emulator.count("get") == 1


def test_backoff_grows_to_its_limit() -> None:
    """The waits double from one second to a minute, and jitter takes away at most half."""
    assert [backoff(attempt, lambda: 1.0) for attempt in (1, 2, 3, 7, 100)] == [
        1.0,
        2.0,
        4.0,
        LONGEST_WAIT,
        LONGEST_WAIT,
    ]
    assert backoff(3, lambda: 0.0) == 2.0


# -- the clients themselves -------------------------------------------------------------------------------


def _client(emulator: Emulator, clock: AdvancingClock, version: str, **retry: Any) -> WorkflowsClient:
    session = make_session(AnonymousCredentials(), timeout=5)  # type: ignore[no-untyped-call]
    return WorkflowsClient(ExecutionsApi(version, emulator.endpoint), session, retry=RetryPolicy(clock=clock, **retry))


WORKFLOW = WorkflowName("test-project", "us-central1", "echo")


def test_pages_are_fetched_as_they_are_consumed(emulator: Emulator, clock: AdvancingClock, version: str) -> None:
    """Whoever stops reading early costs no further requests."""
    emulator.settings.page_limit = 2
    ids = emulator.add_executions("echo", 7)
    listed = _client(emulator, clock, version).list(WORKFLOW)
    assert emulator.count("list") == 0
    assert [next(listed)["name"].rpartition("/")[2] for _ in range(3)] == ids[:3:-1]
    assert emulator.count("list") == 2
    assert len(list(listed)) == 4
    assert emulator.count("list") == 4


def test_a_page_that_follows_itself_is_an_error(emulator: Emulator, clock: AdvancingClock, version: str) -> None:
    """A list whose next page is always the same one ends, with a text that says why."""
    emulator.fail("list", status=200, body='{"nextPageToken": "again"}', times=None)
    with pytest.raises(WorkflowsApiError, match="the page that it is as the next one"):
        list(_client(emulator, clock, version).list(WORKFLOW))
    assert emulator.count("list") == 2


@pytest.mark.parametrize(("view", "v1", "v1beta"), [("BASIC", 1000, 10_000), ("FULL", 100, 100)])
def test_page_size_is_the_largest_of_version_and_view(
    view: str, v1: int, v1beta: int, emulator: Emulator, clock: AdvancingClock, version: str
) -> None:
    """Unless told otherwise a list asks for as much as the version gives; a limit asks for no more than it needs."""
    client = _client(emulator, clock, version)
    largest = v1 if version == "v1" else v1beta
    cases: list[tuple[dict[str, Any], int]] = [
        ({}, largest),
        ({"page_size": 7}, 7),
        ({"limit": 5}, 5),
        ({"page_size": 10**6}, largest),
    ]
    for arguments, wanted in cases:
        emulator.clear_requests()
        assert list(client.list(WORKFLOW, view=view, **arguments)) == []
        assert emulator.requests[0].query["pageSize"] == str(wanted)
        assert emulator.requests[0].query["view"] == view


@pytest.mark.parametrize("arguments", [{"page_size": 0}, {"page_size": "10"}, {"limit": -1}, {"limit": 1.5}])
def test_odd_page_arguments_are_refused(
    arguments: dict[str, Any], emulator: Emulator, clock: AdvancingClock, version: str
) -> None:
    """A page size or limit that makes no sense is an error at the call, before any request."""
    with pytest.raises(ValueError, match=next(iter(arguments))):
        _client(emulator, clock, version).list(WORKFLOW, **arguments)
    assert emulator.requests == []


def test_requests_go_to_the_version(emulator: Emulator, clock: AdvancingClock, version: str) -> None:
    """Each version has its own path, so that what a version lacks is the service's to say."""
    list(_client(emulator, clock, version).list(WORKFLOW))
    assert [each.version for each in emulator.requests] == [version]


def test_async_list_reads_all_pages(emulator: Emulator, clock: AdvancingClock, version: str) -> None:
    """The async client pages like the sync one, limit included."""

    async def read(**arguments: Any) -> list[str]:
        session = make_async_session(AnonymousCredentials(), timeout=5, limit=2)  # type: ignore[no-untyped-call]
        api = ExecutionsApi(version, emulator.endpoint)
        client = AsyncWorkflowsClient(api, session, retry=RetryPolicy(clock=clock))
        try:
            listed: AsyncIterator[Any] = client.list(WORKFLOW, **arguments)
            return [each["name"].rpartition("/")[2] async for each in listed]
        finally:
            await session.close()

    emulator.settings.page_limit = 2
    ids = emulator.add_executions("echo", 5)
    assert asyncio.run(read()) == ids[::-1]
    assert asyncio.run(read(limit=3)) == ids[:1:-1]


def test_page_that_breaks_is_fetched_again(emulator: Emulator, clock: AdvancingClock, version: str) -> None:
    """A passing error between two pages neither loses nor repeats executions."""
    emulator.settings.page_limit = 2
    ids = emulator.add_executions("echo", 5)
    listed = _client(emulator, clock, version).list(WORKFLOW)
    first = next(listed)["name"].rpartition("/")[2]
    emulator.fail("list", "drop_before", times=2)
    assert [first, *(each["name"].rpartition("/")[2] for each in listed)] == ids[::-1]


def test_unknown_version_is_refused() -> None:
    """A version that does not exist is an error that names the others."""
    with pytest.raises(ValueError, match="api_version must be one of v1, v1beta"):
        ExecutionsApi("v2")


@pytest.mark.usefixtures("versioned_connection")
def test_cancel_is_repeated(hook: WorkflowExecutionsHook, emulator: Emulator) -> None:
    """A cancel may be sent twice without harm, so a lost answer is no reason to give up."""
    running = emulator.start("forever")
    emulator.fail("cancel", "drop_after")
    assert hook.cancel_execution("forever", execution_id=running)["state"] == "CANCELLED"
    assert emulator.count("cancel") == 2


@pytest.mark.usefixtures("connection")
def test_quota_that_stays_used_up_is_reported(caller: Caller, emulator: Emulator, clock: AdvancingClock) -> None:
    """A create that only ever gets 429 ends as QuotaExceeded, with nothing created."""
    emulator.fail("create", "rate_limited", times=None)
    with pytest.raises(QuotaExceeded, match="quota") as caught:
        caller.create()
    assert caught.value.retry_after == 30.0
    assert len(emulator.executions("echo")) == 0
    assert sum(clock.slept) >= 5 * 30


@pytest.mark.usefixtures("connection")
def test_forbidden_create_is_not_repeated(caller: Caller, emulator: Emulator) -> None:
    """A create that may not be done is reported at once."""
    emulator.fail("create", "permission_denied", times=None)
    with pytest.raises(PermissionDenied, match=r"workflows\.executions\.create"):
        caller.create()
    assert emulator.count("create") == 1
