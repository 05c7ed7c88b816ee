# SPDX-License-Identifier: Apache-2.0
"""Serve the emulator from the command line until SIGTERM or SIGINT; on 127.0.0.1 unless another host is given."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from airflow_provider_workflows.testing.clock import ManualClock
from airflow_provider_workflows.testing.definitions import read_folder
from airflow_provider_workflows.testing.server import Emulator, serve
from airflow_provider_workflows.testing.settings import Settings
from airflow_provider_workflows.testing.workflows import BUILT_IN

#: What the settings' flags take; a setting that is not here is made of other flags, or is a plain text.
_KINDS: dict[str, dict[str, Any]] = {
    "project_number": {"metavar": "NUMBER"},
    "concurrency_limit": {"type": int, "metavar": "N"},
    "backlog_limit": {"type": int, "metavar": "N"},
    "cancel_mode": {"choices": ("immediate", "late")},
    "cancel_delay": {"type": float, "metavar": "SECONDS"},
    "cancel_finished": {"choices": ("error", "ok")},
    "label_filter": {"choices": ("accept", "refuse")},
    "list_delay": {"type": float, "metavar": "SECONDS"},
    "get_delay": {"type": float, "metavar": "SECONDS"},
    "token": {"metavar": "TOKEN"},
    "page_limit": {"type": int, "metavar": "N"},
    "argument_limit": {"type": int, "metavar": "BYTES"},
    "history_level": {"choices": ("none", "basic", "detailed")},
    "delete_active_history": {"choices": ("ok", "error")},
    "batch": {"choices": ("accept", "refuse")},
    "any_workflow": {"action": "store_true"},
    "any_result": {"type": json.loads, "metavar": "JSON"},
    "function_timeout": {"type": float, "metavar": "SECONDS"},
}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_workflows.testing",
        description="Emulate Google's Workflow Executions API (v1 and v1beta). "
        f"Workflows that are there without registering: {', '.join(BUILT_IN)}.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 for all networks (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--project", action="append", help="a project id that exists; may be repeated (default: any does)"
    )
    parser.add_argument("--seed", type=int, help="for faults with a probability")
    parser.add_argument(
        "--workflows",
        action="append",
        default=[],
        metavar="MODULE",
        help="a Python module with a function register(emulator), which registers workflows",
    )
    parser.add_argument(
        "--definitions",
        action="append",
        default=[],
        type=Path,
        metavar="FOLDER",
        help="a folder with a file NAME.json for each workflow: its result, error, steps",
    )
    parser.add_argument(
        "--manual-clock", action="store_true", help="time stands still until POST /emulator/clock:advance"
    )
    settings = parser.add_argument_group("settings", "see docs/testing.md")
    for name, kind in _KINDS.items():
        settings.add_argument(f"--{name.replace('_', '-')}", default=argparse.SUPPRESS, **kind)
    return parser.parse_args(arguments)


def make(options: argparse.Namespace) -> Emulator:
    """Make the emulator that the command line describes.

    :raises ValueError: a definition is wrong.
    """
    given = {each.name: getattr(options, each.name) for each in fields(Settings) if hasattr(options, each.name)}
    settings = Settings(projects=options.project, **given)
    if options.manual_clock:
        settings.clock = ManualClock()
    emulator = Emulator(settings, seed=options.seed)
    for folder in options.definitions:
        for name, definition in read_folder(folder).items():
            emulator.define(name, definition)
    for name in options.workflows:
        importlib.import_module(name).register(emulator)
    return emulator


async def run(emulator: Emulator, options: argparse.Namespace) -> None:
    """Serve until a signal comes."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serve(emulator, options.host, options.port):
        print("Emulator of the Workflow Executions API (this is not Google's service)", flush=True)  # noqa: T201 - its output
        print(f"endpoint: {emulator.endpoint}", flush=True)  # noqa: T201
        await stop.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the emulator; return the exit status."""
    options = parse(arguments)
    sys.path.insert(0, str(Path.cwd()))  # for --workflows, as `python -m` would have it
    try:
        emulator = make(options)
    except ValueError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    try:
        asyncio.run(run(emulator, options))
    except (OSError, OverflowError) as error:  # the second for a port that none can be
        print(f"cannot serve on {options.host}:{options.port}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
