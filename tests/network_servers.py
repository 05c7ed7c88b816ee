# SPDX-License-Identifier: Apache-2.0
"""
A small network on 127.0.0.1: an authority for certificates, TLS in front of servers, and proxies of three kinds.

The proxies let everybody believe in hosts that do not exist: they connect a name to the port that the test says.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

#: A password with everything that must be escaped in a URL.
LOGIN = ("me", "s3cr3t@:/ö")
ESCAPED_LOGIN = "me:s3cr3t%40%3A%2F%C3%B6"


class Authority:
    """
    Make certificates that only those trust who are told to.

    :ivar file: its own certificate.
    :ivar directory: a directory with that, named as OpenSSL wants it.
    """

    def __init__(self, folder: Path, name: str = "workflows test authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._folder = folder
        usage = x509.KeyUsage(
            **dict.fromkeys(("digital_signature", "key_cert_sign", "crl_sign"), True),
            **dict.fromkeys(
                (
                    *("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
                    *("encipher_only", "decipher_only"),
                ),
                False,
            ),
        )
        self._certificate = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file = folder / "authority.pem"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))
        self.directory = folder / "hashed"
        self.directory.mkdir()
        (self.directory / f"{self._hash()}.0").write_bytes(self.file.read_bytes())

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(timezone.utc)
        ours = self._key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ours), critical=False)
        )

    def _hash(self) -> str:
        """Hash the name as OpenSSL does; it must be in small letters."""
        digest = hashlib.sha1(self._name.public_bytes()[2:], usedforsecurity=False).digest()
        return f"{int.from_bytes(digest[:4], 'little'):08x}"

    def server(self, *hosts: str) -> ssl.SSLContext:
        """Return the context of a server that has these names."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
        names.append(x509.IPAddress(ip_address("127.0.0.1")))
        certificate = (
            self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")]), key)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        path = self._folder / f"server-{certificate.serial_number}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


class Servers:
    """Run servers in a thread with an event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, serve: Serve, context: ssl.SSLContext | None = None) -> int:
        """Serve on a free port, and return it."""

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError, EOFError, asyncio.CancelledError):
                await serve(reader, writer)
            writer.close()

        async def start() -> int:
            server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
            return int(server.sockets[0].getsockname()[1])

        return asyncio.run_coroutine_threadsafe(start(), self._loop).result(30)

    def tls(self, port: int, context: ssl.SSLContext) -> int:
        """Serve what a plain server has, over TLS."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await join((reader, writer), await asyncio.open_connection("127.0.0.1", port))

        return self.start(serve, context)


@contextmanager
def run_servers() -> Iterator[Servers]:
    """Run servers until the block ends."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # clients that hang up in the middle of a handshake are the tests'
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield Servers(loop)
    finally:

        async def end() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=5) if tasks else None

        asyncio.run_coroutine_threadsafe(end(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def join(one: Streams, other: Streams) -> None:
    """Hand over what either side says until both have hung up."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    await asyncio.gather(copy(one[0], other[1]), copy(other[0], one[1]))


class HttpProxy:
    """
    Connect (``CONNECT host:port``), and hand on plain requests.

    :param ports: where the hosts are; others are on this machine, at the port that was asked for.
    :param plain: where they are for plain requests.
    :param login: what is asked for.
    :ivar targets: the hosts that it has connected, in order.
    """

    def __init__(
        self, ports: Mapping[str, int], plain: Mapping[str, int], login: tuple[str, str] | None = None
    ) -> None:
        self.targets: list[str] = []
        self._ports = ports
        self._plain = plain
        self._login = None
        if login:
            self._login = b"Basic " + base64.b64encode(":".join(login).encode("latin1"))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        method, target, _ = first.split()
        address = target if method == b"CONNECT" else target.split(b"/")[2]
        host, _, port = address.decode().partition(":")
        ports = self._ports if method == b"CONNECT" else self._plain
        login = next((line[21:] for line in lines if line.lower().startswith(b"proxy-authorization: ")), None)
        if self._login and login != self._login:
            writer.write(b"HTTP/1.1 407 Login\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        self.targets.append(host)
        there = await asyncio.open_connection("127.0.0.1", ports.get(host, int(port or 80)))
        if method == b"CONNECT":
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        else:
            there[1].write(head.replace(target, b"/" + target.split(b"/", 3)[3], 1))
        await join((reader, writer), there)


class SocksProxy:
    """
    Speak SOCKS 5 (RFC 1928, with the login of RFC 1929); parameters as of :class:`HttpProxy`.

    :ivar targets: the hosts that it was asked for: names only where the client leaves finding them to the proxy.
    """

    def __init__(self, ports: Mapping[str, int], login: tuple[str, str] | None = None) -> None:
        self.targets: list[str] = []
        self._ports = ports
        self._login = login

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""

        async def text() -> bytes:
            return await reader.readexactly((await reader.readexactly(1))[0])

        await reader.readexactly(1)
        await text()  # the ways of logging in that the client knows
        writer.write(b"\x05\x02" if self._login else b"\x05\x00")
        if self._login:
            await reader.readexactly(1)
            given = (await text()).decode(), (await text()).decode()
            writer.write(b"\x01\x00" if given == self._login else b"\x01\x01")
            if given != self._login:
                await writer.drain()
                return
        *_, kind = await reader.readexactly(4)
        host = (await text()).decode() if kind == 3 else ".".join(map(str, await reader.readexactly(4)))
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.targets.append(host)
        there = await asyncio.open_connection("127.0.0.1", self._ports.get(host, port))
        writer.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        await join((reader, writer), there)
