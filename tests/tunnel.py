# SPDX-License-Identifier: Apache-2.0
"""What stands between a user and Google: TLS with a company's own authority, and a proxy with CONNECT tunnels."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def make_authority(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for localhost and 127.0.0.1 that is its own authority, and its key; return both paths."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.timezone.utc)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_path, key_path = folder / "authority.pem", folder / "authority.key"
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_path, key_path


def _pipe(source: Any, target: Any) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def _join(client: Any, server: Any) -> None:
    back = threading.Thread(target=_pipe, args=(server, client), daemon=True)
    back.start()
    _pipe(client, server)
    back.join()
    client.close()
    server.close()


@dataclass
class Station:
    """
    Hold what a server in between does, and what came to it.

    :ivar drop_answers: pass the next so many requests on, and close the connection instead of answering.
    :ivar refusal: the status with which CONNECT is refused.
    :ivar asked: the first line of each connection.
    """

    port: int = 0
    drop_answers: int = 0
    refusal: int | None = None
    asked: list[str] = field(default_factory=list)


@contextmanager
def _listen(station: Station, serve: Any) -> Iterator[Station]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        station.port = listener.getsockname()[1]

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=_quietly, args=(serve, connection), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield station
        listener.shutdown(socket.SHUT_RDWR)


def _quietly(serve: Any, connection: socket.socket) -> None:
    with suppress(OSError, ValueError):
        serve(connection)
    connection.close()


@contextmanager
def tls_front(certificate: Path, key: Path, port: int) -> Iterator[Station]:
    """Serve TLS on 127.0.0.1 for a plain server on another port of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    station = Station()

    def serve(connection: socket.socket) -> None:
        client = context.wrap_socket(connection, server_side=True)
        first = client.recv(65536)
        server = socket.create_connection(("127.0.0.1", port))
        server.sendall(first)
        if station.drop_answers and first.startswith(b"POST"):
            station.drop_answers -= 1
            if first.endswith(b"\r\n\r\n"):
                server.sendall(client.recv(65536))
            server.recv(1)
            server.close()
            client.close()
            return
        _join(client, server)

    with _listen(station, serve):
        yield station


@contextmanager
def connect_proxy() -> Iterator[Station]:
    """Serve as a proxy that opens tunnels."""
    station = Station()

    def serve(client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(65536)
        line = head.split(b"\r\n")[0].decode()
        station.asked.append(line)
        if station.refusal:
            client.sendall(f"HTTP/1.1 {station.refusal} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            return
        host, _, port = line.split()[1].rpartition(":")
        server = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        _join(client, server)

    with _listen(station, serve):
        yield station
