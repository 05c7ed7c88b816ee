# SPDX-License-Identifier: Apache-2.0
"""Servers that break off at every point of a request, in front of an emulator that counts what arrives."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Awaitable, Callable

from tests.network_servers import Serve, Streams

#: How a connection is reset instead of closed: nothing lingers.
_RESET = struct.pack("ii", 1, 0)


async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Take a connection and never say a word, not even in a handshake."""
    while await reader.read(65536):
        pass


async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer what is no HTTP."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"\x15\x03\x01 no, thanks\r\n\r\n")
    await writer.drain()


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer that the token is not good, and hang up."""
    await _message(reader)
    said = b'{"error": {"code": 401, "status": "UNAUTHENTICATED"}}'
    writer.write(b"HTTP/1.1 401 No\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(said), said))
    await writer.drain()


async def close(*_: object) -> None:
    """Hang up as soon as the handshake is done."""


async def close_in_the_middle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hang up when some of the request has been read."""
    await reader.readexactly(1000)
    _reset(writer)


def answering(port: int, answer: Callable[[bytes, Streams], Awaitable[None]]) -> Serve:
    """Have a whole request answered by the server on a port, and do something else with its answer than hand it on."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", port)
        there[1].write(await _message(reader))
        said = await _message(there[0])
        there[1].close()
        await answer(said, (reader, writer))

    return serve


async def keep(_: bytes, streams: Streams) -> None:
    """Keep the answer."""
    await hang(*streams)


async def drop(_: bytes, streams: Streams) -> None:
    """Hang up instead of answering."""
    _reset(streams[1])


async def break_off(said: bytes, streams: Streams) -> None:
    """Answer by half, and hang up."""
    streams[1].write(said[: len(said) // 2])
    await streams[1].drain()
    _reset(streams[1])


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    found = re.search(rb"(?i)content-length: (\d+)", head)
    return head + await reader.readexactly(int(found[1]) if found else 0)


def _reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
