# SPDX-License-Identifier: Apache-2.0
"""Run a PostgreSQL server of our own on 127.0.0.1, from Debian's package, for one block."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_cluster import inherited_environment
from debian import ServiceError, install
from processes import Server, free_port, interruptible, wait_until

INSTALLED = Path("/usr/lib/postgresql")
SYSTEM_USER = "postgres"  # the server refuses to run as root; Debian's package makes this user
DATABASE_USER = "airflow"


def _installed() -> list[Path]:
    return [path for path in INSTALLED.glob("*/bin") if (path / "initdb").exists()]


def programs() -> Path:
    """Return the folder with the newest installed version's programs."""
    return max(_installed(), key=lambda path: [int(number) for number in re.findall(r"\d+", path.parent.name)])


def as_server_user(command: list[str]) -> list[str]:
    """Return the command to run as a user that PostgreSQL accepts; it stays one process, so that it can be stopped."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", f"--reuid={SYSTEM_USER}", f"--regid={SYSTEM_USER}", "--init-groups", "--", *command]


@contextmanager
def postgres_server(log: Path, say: Callable[[str], None]) -> Iterator[str]:
    """
    Serve an empty database for the block; yield its SQLAlchemy URL.

    :param log: file for the server's output
    :param say: called with a line of text on progress
    """
    install("postgresql", _installed, say)
    # Not below the caller's folder: that is closed to the server's user.
    folder = Path(tempfile.mkdtemp(prefix="workflows-postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, SYSTEM_USER, SYSTEM_USER)
        data = folder / "data"
        options = ["--auth=trust", f"--username={DATABASE_USER}", "--encoding=UTF8", "--no-sync"]
        done = subprocess.run(
            as_server_user([str(programs() / "initdb"), f"--pgdata={data}", *options]),
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ServiceError(f"initdb ended with {done.returncode}:\n{done.stderr}")
        with _serving(folder, data, log) as port:
            say(f"PostgreSQL is up on port {port}")
            yield f"postgresql+psycopg2://{DATABASE_USER}@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _serving(folder: Path, data: Path, log: Path) -> Iterator[int]:
    port = free_port()
    settings = {
        "port": port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": folder,
        "max_connections": 400,
        "fsync": "off",  # its data is thrown away
    }
    command = [str(programs() / "postgres"), "-D", str(data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    server = Server("postgres", as_server_user(command), log, inherited_environment())

    def ready() -> bool:
        if server.exit_code is not None:
            raise ServiceError(f"PostgreSQL ended with {server.exit_code}:\n{server.log_tail()}")
        command = [str(programs() / "pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={port}"]
        return subprocess.run(command, check=False).returncode == 0

    with interruptible():
        try:
            server.start()
            if not wait_until(ready, 60.0, interval=0.1):
                raise ServiceError(f"PostgreSQL does not answer:\n{server.log_tail()}")
            yield port
        finally:
            server.stop()
