# SPDX-License-Identifier: Apache-2.0
"""Whether an execution may exist is decided by evidence: was the create written, whatever the error is called."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_workflows.api.transport import send
from airflow_provider_workflows.exceptions import AmbiguousCreate, WorkflowsApiError, WorkflowsError
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsAsyncHook, WorkflowExecutionsHook
from airflow_provider_workflows.testing import Emulator
from tests.harness import AdvancingClock
from tests.network_servers import run_servers
from tests.token_server import TokenServer
from tests.tunnel import Station, connect_proxy, make_authority, tls_front

Connect = Callable[..., None]
Create = Callable[[], Any]


@pytest.fixture(params=["hook", "async hook"])
def create(request: pytest.FixtureRequest, clock: AdvancingClock) -> Create:
    """Give a function that creates an execution with each hook."""
    if request.param == "hook":
        return lambda: WorkflowExecutionsHook(clock=clock).create_execution("echo")

    async def send() -> Any:
        async with WorkflowExecutionsAsyncHook(clock=clock) as hook:
            return await hook.create_execution("echo")

    return lambda: asyncio.run(send())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make a company's own authority."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def front(emulator: Emulator, authority: tuple[Path, Path], connect: Connect) -> Iterator[Station]:
    """Serve the emulator over TLS, and connect to that."""
    with tls_front(*authority, emulator.port) as station:
        connect(api_endpoint=f"https://localhost:{station.port}")
        yield station


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    """Serve a proxy that the environment names."""
    with connect_proxy() as station:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{station.port}")
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{station.port}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield station


@pytest.fixture
def trusting(authority: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the company's authority, in the way of each library."""
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(authority[0]))


@pytest.mark.usefixtures("trusting")
def test_a_create_goes_through_a_tunnel(front: Station, proxy: Station, create: Create, emulator: Emulator) -> None:
    """The proxy is asked for a tunnel to the service, and the create goes through it."""
    assert create()["state"] == "ACTIVE"
    assert [line.rpartition(" ")[0] for line in proxy.asked] == [f"CONNECT localhost:{front.port}"]
    assert emulator.counts()["create"] == 1


@pytest.mark.usefixtures("trusting")
def test_an_answer_that_is_lost_behind_a_tunnel(
    front: Station, proxy: Station, create: Create, emulator: Emulator
) -> None:
    """The tunnel was there and the create went out: exactly one POST, and an execution may exist."""
    front.drop_answers = 10
    with pytest.raises(AmbiguousCreate, match="an execution may exist"):
        create()
    assert emulator.counts()["create"] == 1
    assert len(emulator.executions()) == 1
    assert len(proxy.asked) == 1


def assert_fails_unsent(create: Create, emulator: Emulator) -> str:
    """Check that a create fails, that nothing was sent, and that nothing says otherwise; return the text."""
    with pytest.raises(WorkflowsError) as caught:
        create()
    assert not isinstance(caught.value, AmbiguousCreate)
    assert "may exist" not in str(caught.value)
    assert emulator.requests == []
    return str(caught.value)


@pytest.mark.usefixtures("front")
def test_an_authority_that_is_not_trusted(create: Create, emulator: Emulator) -> None:
    """A handshake that fails sends nothing."""
    assert "certificate" in assert_fails_unsent(create, emulator)


@pytest.mark.usefixtures("front", "trusting")
@pytest.mark.parametrize("status", [403, 407, 502])
def test_a_proxy_that_refuses(status: int, proxy: Station, create: Create, emulator: Emulator) -> None:
    """A tunnel that is refused sends nothing."""
    proxy.refusal = status
    assert_fails_unsent(create, emulator)
    assert proxy.asked


@pytest.mark.usefixtures("front", "trusting")
def test_a_proxy_that_is_not_there(create: Create, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy's address that nobody listens on sends nothing."""
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert_fails_unsent(create, emulator)


@pytest.mark.usefixtures("front")
def test_a_bundle_that_does_not_exist(create: Create, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of certificates that is missing sends nothing."""
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, "/nowhere/authority.pem")
    assert_fails_unsent(create, emulator)


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "https://nowhere.invalid", "https://127.0.0.1:1"])
def test_a_service_that_is_not_there(endpoint: str, create: Create, emulator: Emulator, connect: Connect) -> None:
    """An address that nobody has, and one that nobody listens on, send nothing."""
    connect(api_endpoint=endpoint)
    assert_fails_unsent(create, emulator)


@pytest.mark.usefixtures("connection")
def test_a_connection_that_was_idle_too_long(create: Create, emulator: Emulator) -> None:
    """What was written to a connection that breaks may have arrived, also without a proxy."""
    emulator.fail("create", "drop_after", times=None)
    with pytest.raises(AmbiguousCreate):
        create()
    assert emulator.counts()["create"] == 1


def test_a_request_within_an_interrupted_one(emulator: Emulator, connect: Connect) -> None:
    """A signal's handler sends while a create waits for its answer: what is known of the create stays as it was."""
    connect()
    hook = WorkflowExecutionsHook(clock=AdvancingClock())
    session = hook._open_session()
    outgoing = hook.client.api.create(hook.workflow("echo"), {}).outgoing
    session.evidence.sent = True  # the create is under way
    unreachable = replace(
        outgoing, subject=replace(outgoing.subject, operation="get"), method="GET", url="http://127.0.0.1:1/", body=None
    )
    with pytest.raises(WorkflowsError):
        send(session, unreachable, 5.0)
    assert session.evidence.sent


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("location", ["http://[::bad", "http://localhost/\xff"])
def test_a_redirect_to_an_address_that_is_none(location: str, create: Create, emulator: Emulator) -> None:
    """Redirects are not followed, and what they name is nobody's business."""
    emulator.fail("create", status=302, headers={"Location": location}, times=None)
    with pytest.raises(WorkflowsError):
        create()


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"name": "projects/p/executions/e", "state": "ACTIVE"}'])
@pytest.mark.parametrize("status", ["000", "099", "102", "199", "200", "204", "299", "300", "304", "399"])
def test_what_the_api_does_not_answer(status: str, body: bytes, create: Create, connect: Connect) -> None:
    """An Execution comes with a success; another status, or another body, is somebody's who may have passed it on."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} Odd\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()

    with run_servers() as servers:
        connect(api_endpoint=f"http://127.0.0.1:{servers.start(serve)}", timeout=2)
        if status == "200" and body.startswith(b"{"):
            assert create()["state"] == "ACTIVE"
            return
        with pytest.raises(AmbiguousCreate) as caught:
            create()
    if caught.value.status_code:
        assert caught.value.status_code == int(status)
        assert "something that is not the API answered" in str(caught.value)


@pytest.mark.parametrize("first", [b"<html>log in</html>", b"", b'{"error": {"message": "no"}}', b'{"error": "no"}'])
def test_a_401_of_somebody_in_between(
    first: bytes, create: Create, connect: Connect, token_server: TokenServer, private_key: str
) -> None:
    """Only the API's own 401 is answered with another token: what others refuse, somebody may have passed on."""
    come = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal come
        come += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 401 No\r\nContent-Length: {len(first)}\r\n\r\n".encode() + first)
        await writer.drain()

    with run_servers() as servers:
        endpoint = f"http://127.0.0.1:{servers.start(serve)}"
        connect(api_endpoint=endpoint, is_anonymous=None, keyfile_dict=token_server.key(private_key))
        with pytest.raises(AmbiguousCreate, match="something that is not the API"):
            create()
    assert come == 1


PAGES = [(204, b""), (206, b"{}"), (200, b'{"status": "ok"}'), (200, b'{"error": {"code": 503}}'), (200, b"[]")]


@pytest.mark.parametrize(("status", "body"), PAGES, ids=str)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_list_that_is_none(status: int, body: bytes, asynchronous: bool, connect: Connect) -> None:
    """What holds nothing of a list is no empty one: a search would find that there is no execution."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} Odd\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()

    async def everything() -> list[Any]:
        async with WorkflowExecutionsAsyncHook() as hook:
            return [each async for each in hook.list_executions("echo")]

    with run_servers() as servers:
        connect(api_endpoint=f"http://127.0.0.1:{servers.start(serve)}", timeout=2, num_retries=0)
        with pytest.raises(WorkflowsApiError, match="something that is not the API"):
            asyncio.run(everything()) if asynchronous else list(WorkflowExecutionsHook().list_executions("echo"))
