# SPDX-License-Identifier: Apache-2.0
"""Make chosen requests go wrong.

A fault waits for requests of one operation and spoils the next `times` of them. What it does to a request:

========================  ===============================================================================
`status=503`              answers that, with Google's error envelope, without taking effect
`status=503, after=True`  the same, but create or cancel *has* taken effect
`drop="before"`           closes the connection without an answer, nothing has happened
`drop="after"`            closes the connection without an answer, although it took effect
`delay=5.0`               takes effect, then answers five *real* seconds later (or when released)
`body="<html>…"`          replaces the body; with `content_type`, for what a proxy would say
========================  ===============================================================================

`KINDS` names the usual ones: `fail("get", "html")`.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from airflow_provider_workflows.testing.requestlog import OPERATIONS, LoggedRequest

Drop = Literal["before", "after"]

_HTML = "<html><head><title>502 Server Error</title></head><body><h1>Error: Server Error</h1></body></html>"

KINDS: dict[str, dict[str, Any]] = {
    "unavailable": {"status": 503},
    "internal": {"status": 500},
    "rate_limited": {"status": 429, "headers": {"Retry-After": "30"}},
    "permission_denied": {"status": 403},
    "service_disabled": {"status": 403, "reason": "SERVICE_DISABLED"},
    "unauthenticated": {"status": 401},
    "html": {"status": 502, "content_type": "text/html; charset=UTF-8", "body": _HTML},
    "not_json": {"status": 200, "body": "this is not JSON", "after": True},
    "slow": {"delay": 3600.0},
    "drop_before": {"drop": "before"},
    "drop_after": {"drop": "after"},
}


@dataclass(eq=False)
class Fault:
    """One fault; see the module's table.

    :ivar operation: create, get, list, …, or `*` for any; see `OPERATIONS`.
    :ivar times: how many requests it spoils; None until removed.
    :ivar reason: the ErrorInfo reason of the error envelope.
    :ivar after: the request takes effect all the same.
    :ivar probability: spoil only this share of the requests (0 to 1), by the emulator's seed.
    :ivar when: spoil only requests for which this is true.
    """

    operation: str
    times: int | None = 1
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    content_type: str | None = None
    reason: str | None = None
    drop: Drop | None = None
    delay: float | None = None
    after: bool = False
    probability: float | None = None
    when: Callable[[LoggedRequest], bool] | None = None
    number: int = 0
    injector: FaultInjector | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.operation not in (*OPERATIONS, "*"):
            raise ValueError(f"operation must be one of {', '.join(OPERATIONS)} or *, got {self.operation!r}")
        if self.drop not in (None, "before", "after"):
            raise ValueError(f"drop must be 'before' or 'after', got {self.drop!r}")
        if all(value is None for value in (self.status, self.body, self.drop, self.delay)):
            raise ValueError("a fault needs a kind, or one of status, body, drop and delay")

    @property
    def takes_effect(self) -> bool:
        """Tell whether the request is carried out in spite of the fault."""
        answers_itself = self.status is not None or self.body is not None
        return self.after or self.drop == "after" or (self.drop is None and not answers_itself)

    def remove(self) -> None:
        """Stop it; without effect when it is used up."""
        if self.injector is not None:
            self.injector.remove(self.number)


class FaultInjector:
    """Hold the faults in the order in which they were added; the first that fits a request takes it.

    :param seed: for `probability`; the same seed and requests give the same faults.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._random = random.Random(seed)  # noqa: S311 - chaos on purpose, no secret
        self._added = 0

    def add(self, operation: str, kind: str | None = None, **parameters: Any) -> Fault:
        """Add a fault of a named kind, or of parameters (which win over the kind's).

        :raises ValueError: an unknown kind, operation or drop; nothing to do.
        """
        if kind is not None and kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
        given = {name: value for name, value in parameters.items() if value is not None or name == "times"}
        fault = Fault(operation, **{**KINDS.get(kind or "", {}), **given})
        with self._lock:
            self._added += 1
            fault.number, fault.injector = self._added, self
            self._faults.append(fault)
        return fault

    def remove(self, number: int) -> None:
        """Remove a fault by its number; without effect when there is none."""
        with self._lock:
            self._faults = [fault for fault in self._faults if fault.number != number]

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._faults.clear()

    def take(self, request: LoggedRequest) -> Fault | None:
        """Return the fault for a request and count it as used."""
        if not self._faults:
            return None
        with self._lock:
            for fault in self._faults:
                if self._fits(fault, request):
                    if fault.times is not None:
                        fault.times -= 1
                        if fault.times <= 0:
                            self._faults.remove(fault)
                    return fault
        return None

    def _fits(self, fault: Fault, request: LoggedRequest) -> bool:
        if fault.operation not in ("*", request.operation):
            return False
        if fault.when is not None and not fault.when(request):
            return False
        return fault.probability is None or self._random.random() < fault.probability
