# SPDX-License-Identifier: Apache-2.0
"""Serve the emulator from the command line, on 127.0.0.1 only, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from airflow_provider_workflows.testing.server import Emulator, serve
from airflow_provider_workflows.testing.settings import Settings
from airflow_provider_workflows.testing.workflows import BUILT_IN


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_workflows.testing",
        description="Emulate Google's Workflow Executions API (v1 and v1beta) on 127.0.0.1. "
        f"Workflows that are there without registering: {', '.join(BUILT_IN)}.",
    )
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--project", action="append", help="a project id that exists; may be repeated (default: any does)"
    )
    parser.add_argument("--seed", type=int, help="for faults with a probability")
    parser.add_argument("--concurrency-limit", type=int, help="executions at once, others are QUEUED")
    parser.add_argument(
        "--workflows",
        action="append",
        default=[],
        metavar="MODULE",
        help="a Python module with a function register(emulator), which registers workflows",
    )
    return parser.parse_args(arguments)


async def run(options: argparse.Namespace) -> None:
    """Serve until a signal comes."""
    settings = Settings(projects=options.project, concurrency_limit=options.concurrency_limit)
    emulator = Emulator(settings, seed=options.seed)
    for name in options.workflows:
        importlib.import_module(name).register(emulator)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serve(emulator, port=options.port):
        print("Emulator of the Workflow Executions API (this is not Google's service)", flush=True)  # noqa: T201 - its output
        print(f"endpoint: {emulator.endpoint}", flush=True)  # noqa: T201
        await stop.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the emulator; return the exit status."""
    options = parse(arguments)
    sys.path.insert(0, str(Path.cwd()))  # for --workflows, as `python -m` would have it
    try:
        asyncio.run(run(options))
    except OSError as error:
        print(f"cannot serve on 127.0.0.1:{options.port}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
