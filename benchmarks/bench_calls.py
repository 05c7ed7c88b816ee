# SPDX-License-Identifier: Apache-2.0
"""Compare the latency of one get through the hook, through google-api-python-client, and with a client per call."""

from __future__ import annotations

import json
import statistics

from bench_processes import Bench, BenchError
from bench_report import Section
from local_emulator import connection_environment
from processes import wait_until

WAYS = {
    "hook": ("this package's hook, kept", "get_execution"),
    "new hook": ("this package's hook, made for each call", "connection, client, get_execution, close"),
    "discovery": ("google-api-python-client, built once (httplib2)", "get"),
    "new discovery": ("google-api-python-client, built for each call", "build, get"),
    "grpc construct": ("Google provider's client object, one for each call", "construction only, **no request**"),
}


def run(bench: Bench) -> Section:
    """Measure all ways in one process."""
    bench.say("calls")
    section = Section("calls", "One call of a hook", ["way", "what is measured", "median ms", "p95 ms"])
    with bench.emulator("calls") as emulator:
        output = bench.home / "calls.json"
        specification = {"endpoint": emulator.endpoint, "output": str(output)}
        connection = connection_environment(emulator.endpoint)
        server = bench.program("calls", "bench_caller.py", specification, **connection)
        try:
            wait_until(lambda: server.exit_code is not None, 300)
        finally:
            server.stop()
        if not output.exists():
            raise BenchError(f"the calls failed:\n{server.log_tail()}")
    for way, seconds in json.loads(output.read_text(encoding="utf-8")).items():
        p95 = sorted(seconds)[int(len(seconds) * 0.95)]
        section.rows.append([*WAYS[way], f"{statistics.median(seconds) * 1000:.2f}", f"{p95 * 1000:.2f}"])
    section.notes = [
        """The same FULL execution every time, anonymous credentials, the emulator on the same machine. The Google
        provider's hook constructs a gRPC `ExecutionsClient` for each of its calls; gRPC cannot talk to a REST
        emulator, so the last line is the construction of that object alone: no connection, no request, and none of
        what its hook does besides."""
    ]
    return section
