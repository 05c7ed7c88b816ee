# SPDX-License-Identifier: Apache-2.0
"""Make a share of all requests fail in every way a service and a network can, and count what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_workflows.testing import RemoteEmulator

SHARE = 0.14  # of all requests, spoiled by the service
LOST_SHARE = 0.06  # of all requests, lost by the proxy
#: Name -> the emulator's fault. "after" means that a create or cancel takes effect although its answer says nothing
#: of the kind. A slow answer is slower than the connection's timeout.
FAULTS: dict[str, dict[str, Any]] = {
    "503 before": {"status": 503},
    "500 after": {"status": 500, "after": True},
    "429": {"status": 429, "headers": {"Retry-After": "1"}},
    "502 HTML": {"kind": "html"},
    "drop before": {"kind": "drop_before"},
    "drop after": {"kind": "drop_after"},
    "not JSON": {"kind": "not_json"},
    "slow": {"delay": 8.0},
}
TIMEOUT = 5.0  # seconds that a client waits for an answer


def inject(emulator: RemoteEmulator) -> None:
    """Let each of the faults have the same share of all requests."""
    each = SHARE / len(FAULTS)
    for position, fault in enumerate(FAULTS.values()):
        # A fault is only asked when those before it have let the request pass.
        emulator.fail("*", times=None, probability=each / (1 - position * each), **fault)


def count_faults(requests: Iterable[Mapping[str, Any]], executions: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """
    Count the injected faults by how they look in the emulator's log.

    Whether a dropped create took effect is told by its execution. A slow answer looks like a good one there.
    """
    made = {attempt_of(execution) for execution in executions}
    return Counter(filter(None, (_fault(request, made) for request in requests)))


def _fault(request: Mapping[str, Any], made: set[str | None]) -> str | None:
    status, operation = request["status"], request["operation"]
    if status is None:
        lost = operation == "create" and attempt_of(request["body"]) in made
        return f"dropped {operation}" + (" that took effect" if lost else "")
    return f"{status} to {operation}" if status in {429, 500, 502, 503} else None


def attempt_of(execution: Mapping[str, Any] | None) -> str | None:
    """Return what the provider labels each single create request with."""
    return ((execution or {}).get("labels") or {}).get("airflow-attempt")
