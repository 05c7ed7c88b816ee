# SPDX-License-Identifier: Apache-2.0
"""Run emulators and measured programs as processes of their own."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from airflow_cluster import inherited_environment
from airflow_provider_workflows.testing import RemoteEmulator
from bench_waiter import Measured, Specification
from local_emulator import connection_environment, emulator_process
from processes import Progress, Server

PROGRAMS = Path(__file__).resolve().parent
SIGN_OF_LIFE = 15.0


class BenchError(Exception):
    """A measured program did not do what it should; the message holds the end of its output."""


@dataclass
class Bench:
    """
    Say where the benchmarks work.

    :param home: folder for logs and results.
    :param say: called with a line of text on progress.
    """

    home: Path
    say: Progress

    def environment(self, **extra: str) -> dict[str, str]:
        """Return the environment of a measured program: an Airflow that is nobody's."""
        home = self.home / "airflow"
        home.mkdir(parents=True, exist_ok=True)
        return {
            **inherited_environment(),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            **extra,
        }

    @contextmanager
    def emulator(self, name: str) -> Iterator[RemoteEmulator]:
        """Serve an emulator that can start fleets."""
        log = self.home / f"{name}.emulator.log"
        with emulator_process(log, self.environment(), ["--workflows", "bench_fleet", "--seed", "1"]) as emulator:
            yield emulator

    def program(self, name: str, file: str, specification: Any, **environment: str) -> Server:
        """Start a program of this folder with a specification."""
        command = [sys.executable, str(PROGRAMS / file), json.dumps(specification)]
        server = Server(name, command, self.home / f"{name}.log", self.environment(**environment))
        server.start()
        return server


@dataclass
class Wait:
    """Hold one measured program that waits, its emulator, and in the end what was measured."""

    name: str
    specification: Specification
    emulator: RemoteEmulator
    server: Server
    result: Measured | None = None

    @property
    def measured(self) -> Measured:
        """Return what was measured."""
        if self.result is None:
            text = Path(self.specification.output).read_text(encoding="utf-8")
            self.result = Measured(**json.loads(text))
        return self.result

    def done(self) -> bool:
        """Tell whether the program has ended.

        :raises BenchError: when it failed.
        """
        if self.server.exit_code not in (None, 0):
            raise BenchError(f"{self.name} ended with {self.server.exit_code}:\n{self.server.log_tail()}")
        return self.server.exit_code == 0


@contextmanager
def waits(bench: Bench, wanted: Sequence[tuple[str, dict[str, Any]]], **environment: str) -> Iterator[list[Wait]]:
    """
    Start programs that wait, at the same time, each with an emulator of its own.

    :param wanted: name and fields of the specification of each.
    :param environment: further variables of the programs.
    """
    with ExitStack() as stack:
        started = []
        for name, fields in wanted:
            emulator = stack.enter_context(bench.emulator(name))
            output = str(bench.home / f"{name}.json")
            specification = Specification(endpoint=emulator.endpoint, output=output, **fields)
            connection = connection_environment(emulator.endpoint)
            server = bench.program(name, "bench_waiter.py", asdict(specification), **connection, **environment)
            stack.callback(server.stop)
            started.append(Wait(name, specification, emulator, server))
        yield started


def finish(bench: Bench, started: Sequence[Wait], timeout: float = 600.0) -> None:
    """Wait until programs have ended, saying now and then how far they are."""
    deadline = time.monotonic() + timeout
    next_sign = time.monotonic() + SIGN_OF_LIFE
    while sum(wait.done() for wait in started) < len(started):
        if time.monotonic() > deadline:
            raise BenchError(f"{', '.join(wait.name for wait in started)} did not end in {timeout:.0f} s")
        if time.monotonic() > next_sign:
            next_sign += SIGN_OF_LIFE
            going = [wait for wait in started if not wait.done()]
            bench.say("; ".join(f"{wait.name}: {requests(wait.emulator)}" for wait in going))
        time.sleep(0.2)


def requests(emulator: RemoteEmulator) -> str:
    """Say how many requests have come."""
    counts = emulator.counts()
    return f"{counts['get']:,} get, {counts['list']:,} list"
