# SPDX-License-Identifier: Apache-2.0
"""Ask an emulator the contract in time that is not real."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import requests

from airflow_provider_workflows.testing import DEFAULT_LOCATION, DEFAULT_PROJECT, Emulator, ManualClock
from tests.contract.suite import Finding, Server, ask_all
from verify_deploy import at_emulator


class BearerSession(requests.Session):
    """Send a token, whatever it is."""

    def __init__(self, token: str | None) -> None:
        super().__init__()
        self.trust_env = False
        if token:
            self.headers["Authorization"] = f"Bearer {token}"


@contextmanager
def asked(emulator: Emulator, **options: Any) -> Iterator[Server]:
    """Serve an emulator on a `ManualClock`, with the contract's workflows, for the block; yield whom to ask."""
    clock = emulator.clock
    assert isinstance(clock, ManualClock)
    with emulator, BearerSession(emulator.settings.token) as session, at_emulator(session, emulator.endpoint) as names:
        yield Server(
            emulator.endpoint,
            DEFAULT_PROJECT,
            DEFAULT_LOCATION,
            names,
            session,
            sleep=clock.advance,
            clock=clock.time,
            **options,
        )


def findings(
    emulator: Emulator, version: str = "v1", keys: Iterable[str] | None = None, **options: Any
) -> dict[str, Finding]:
    """Ask an emulator everything, or some questions."""
    with asked(emulator, version=version, **options) as server:
        return ask_all(server, keys)
