# SPDX-License-Identifier: Apache-2.0
"""Wherever a create breaks off, on whichever way, both hooks say the same of it: sent, or surely not."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from airflow_provider_workflows.exceptions import AmbiguousCreate, WorkflowsApiError
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsAsyncHook, WorkflowExecutionsHook
from airflow_provider_workflows.testing import Emulator
from tests import broken_servers as broken
from tests.harness import AdvancingClock
from tests.network_servers import Authority, HttpProxy, Serve, Servers, SocksProxy, Streams, join, run_servers
from tests.network_table import HAS_SOCKS
from tests.token_server import TokenServer

Connect = Callable[..., None]
Create = Callable[[], Any]

TLS_IN_TLS = pytest.param("https through https", marks=pytest.mark.skipif(sys.version_info < (3, 11), reason="3.11"))
PLAIN = ["http", "http through http", "http through https"]
SOCKS = pytest.param("https through socks5h", marks=pytest.mark.skipif(not HAS_SOCKS, reason="no SOCKS"))
TUNNELS = ["https through http", TLS_IN_TLS, SOCKS]
SECURE = ["https", *TUNNELS]
WAYS = [*PLAIN, *SECURE]
#: Whose create is written to a proxy, which may have handed it on.
PROXIED = ["http through http", "http through https"]

#: Seconds for a connection that never comes, and for an answer that never comes to what had to be sent before.
SHORT, LONG = 0.3, 1.5


class Local(NamedTuple):
    """Hold an authority on this machine, and servers."""

    servers: Servers
    context: Any
    trusted: Path


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """Run servers."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    with run_servers() as servers:
        yield Local(servers, authority.server("localhost"), authority.file)


@pytest.fixture(autouse=True)
def _trust(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust this machine's authority, and forget what a developer's environment says of proxies."""
    for name in ("NO_PROXY", "no_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "https_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(local.trusted))


@pytest.fixture
def go(local: Local, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give a function that has creates go a way to a server, through a proxy where the way has one."""

    def go(way: str, service: Serve, *, proxy: Serve | None = None, tls: bool = True, **extra: Any) -> None:
        scheme, _, proxy_scheme = way.partition(" through ")
        port = local.servers.start(service, local.context if tls and scheme == "https" else None)
        if proxy_scheme:
            context = local.context if proxy_scheme == "https" else None
            usual = SocksProxy({}).serve if proxy_scheme.startswith("socks") else HttpProxy({}, {}).serve
            proxy_port = local.servers.start(proxy or usual, context)
            monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"{proxy_scheme}://localhost:{proxy_port}")
        connect(api_endpoint=f"{scheme}://localhost:{port}", num_retries=0, **extra)

    return go


@pytest.fixture(params=["hook", "async hook"])
def create(request: pytest.FixtureRequest, clock: AdvancingClock) -> Create:
    """Give a function that creates an execution with each hook."""
    argument = {"text": "x" * 10_000}
    if request.param == "hook":
        return lambda: WorkflowExecutionsHook(clock=clock).create_execution("echo", argument=argument)

    async def send() -> Any:
        async with WorkflowExecutionsAsyncHook(clock=clock) as hook:
            return await hook.create_execution("echo", argument=argument)

    return lambda: asyncio.run(send())


def assert_fails_unsent(create: Create, emulator: Emulator) -> None:
    """Check that a create fails, and that nothing was sent nor says that it may have been."""
    with pytest.raises(WorkflowsApiError, match="no connection to the service") as caught:
        create()
    assert not isinstance(caught.value, AmbiguousCreate)
    assert caught.value.unsent
    assert caught.value.retryable
    assert "may exist" not in str(caught.value)
    assert emulator.requests == []


def assert_fails_ambiguously(create: Create, emulator: Emulator, arrived: int) -> None:
    """Check that a create fails, that an execution may exist, and how many POSTs have arrived."""
    with pytest.raises(AmbiguousCreate, match="an execution may exist") as caught:
        create()
    assert not caught.value.unsent
    assert len(emulator.requests) == emulator.counts().get("create", 0) == arrived


@contextmanager
def full_port() -> Iterator[int]:
    """Give a port that is listened on, and where nobody is let in any more."""
    with socket.socket() as listener, ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.mark.parametrize("way", WAYS)
def test_a_create_arrives(way: str, go: Callable[..., None], create: Create, emulator: Emulator) -> None:
    """Each way leads to the service."""

    async def answer(said: bytes, streams: Any) -> None:
        streams[1].write(said)
        await streams[1].drain()

    go(way, broken.answering(emulator.port, answer))
    assert create()["name"]
    assert emulator.counts()["create"] == 1


@pytest.mark.parametrize("way", SECURE)
def test_a_handshake_that_hangs(way: str, go: Callable[..., None], create: Create, emulator: Emulator) -> None:
    """A service that takes the connection and does not begin to speak has been sent nothing."""
    go(way, broken.hang, tls=False, timeout=SHORT)
    assert_fails_unsent(create, emulator)


@pytest.mark.parametrize("way", SECURE)
def test_a_handshake_that_breaks(way: str, go: Callable[..., None], create: Create, emulator: Emulator) -> None:
    """Nor has one that hangs up instead."""
    go(way, broken.close, tls=False)
    assert_fails_unsent(create, emulator)


@pytest.mark.parametrize("way", TUNNELS)
@pytest.mark.parametrize("proxy", [broken.hang, broken.garbage, broken.close])
def test_a_tunnel_that_does_not_come(
    proxy: Serve, way: str, go: Callable[..., None], create: Create, emulator: Emulator
) -> None:
    """A proxy that is silent when it is asked for a tunnel, answers nonsense or hangs up has been sent nothing."""
    go(way, broken.hang, proxy=proxy, timeout=SHORT if proxy is broken.hang else LONG)
    assert_fails_unsent(create, emulator)


@pytest.mark.parametrize("way", PROXIED)
@pytest.mark.parametrize("proxy", [broken.hang, broken.garbage])
def test_a_proxy_that_takes_the_create(
    proxy: Serve, way: str, go: Callable[..., None], create: Create, emulator: Emulator
) -> None:
    """Without a tunnel the create itself is what a proxy is sent, and it may have handed it on."""
    go(way, broken.hang, proxy=proxy, timeout=LONG)
    assert_fails_ambiguously(create, emulator, 0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("service", [broken.close, broken.close_in_the_middle])
def test_a_service_that_hangs_up(
    service: Serve, way: str, go: Callable[..., None], create: Create, emulator: Emulator
) -> None:
    """Once a byte may have been written nobody knows how many were read."""
    go(way, service)
    assert_fails_ambiguously(create, emulator, 0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("answer", [broken.drop, broken.break_off, broken.keep])
def test_an_answer_that_does_not_come(
    answer: Any, way: str, go: Callable[..., None], create: Create, emulator: Emulator
) -> None:
    """An answer that is lost, half or late is that of exactly one POST."""
    go(way, broken.answering(emulator.port, answer), timeout=LONG if answer is broken.keep else 30)
    assert_fails_ambiguously(create, emulator, 1)


@pytest.mark.parametrize("proxied", [False, True])
def test_a_connection_that_is_not_taken(
    proxied: bool, create: Create, emulator: Emulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that does not answer at all has been sent nothing."""
    with full_port() as port:
        if proxied:
            monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        connect(api_endpoint=f"http://127.0.0.1:{port}", num_retries=0, timeout=SHORT)
        assert_fails_unsent(create, emulator)


def test_a_second_send_that_does_not_connect(
    create: Create, emulator: Emulator, local: Local, connect: Connect, token_server: TokenServer, private_key: str
) -> None:
    """After a 401 the create is sent once more; where that finds no connection, the first one made nothing."""
    refuse = local.servers.start(broken.refuse, local.context)
    come: list[Streams] = []

    async def serve(*streams: Any) -> None:
        come.append(streams)
        if len(come) == 1:
            await join(streams, await asyncio.open_connection("127.0.0.1", refuse))

    port = local.servers.start(serve)
    connect(
        api_endpoint=f"https://localhost:{port}",
        is_anonymous=None,
        keyfile_dict=token_server.key(private_key),
        num_retries=0,
    )
    assert_fails_unsent(create, emulator)
    assert len(come) == 2
