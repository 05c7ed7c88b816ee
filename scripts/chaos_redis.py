# SPDX-License-Identifier: Apache-2.0
"""Run a Redis server of our own on 127.0.0.1, from Debian's package, for one block."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_cluster import inherited_environment
from debian import ServiceError, install
from processes import Server, free_port, interruptible, wait_until

PROGRAM = Path("/usr/bin/redis-server")


@contextmanager
def redis_server(log: Path, say: Callable[[str], None]) -> Iterator[str]:
    """
    Serve an empty Redis for the block; yield its URL.

    :param log: file for the server's output
    :param say: called with a line of text on progress
    """
    install("redis-server", lambda: [PROGRAM] if PROGRAM.exists() else [], say)
    folder = Path(tempfile.mkdtemp(prefix="workflows-redis-"))
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "no"]
    server = Server("redis", [str(PROGRAM), *options], log, inherited_environment())

    def ready() -> bool:
        if server.exit_code is not None:
            raise ServiceError(f"Redis ended with {server.exit_code}:\n{server.log_tail()}")
        return _answers(port)

    with interruptible():
        try:
            server.start()
            if not wait_until(ready, 60.0, interval=0.1):
                raise ServiceError(f"Redis does not answer:\n{server.log_tail()}")
            say(f"Redis is up on port {port}")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.stop()
            shutil.rmtree(folder, ignore_errors=True)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5.0) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
