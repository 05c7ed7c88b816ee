# SPDX-License-Identifier: Apache-2.0
"""
Serve the emulator as each of the services that Google's may be.

A *world* is one answer to each question that nobody has answered and that can decide how many executions there are:

* how a list filter with a label is answered: as meant, with 400, as if there were none, or with nothing;
* where lists have what is QUEUED: among the others by its creation, or last, having no start;
* how soon a list, and how soon a get or a cancel, finds a new execution;
* whether the answer to a cancel says CANCELLED, and what a cancel of what is over answers;
* whether an execution begins at once or waits in a queue (that is known, and meets all of the others).

What is left out cannot meet them. Nothing that waits, creates or cancels sends ``/batch``, ``$alt``, a step entry's
method or ``fields`` that do not exist, and each create has a body. The largest argument is an error before there is an
execution, whatever it is. Error payloads and quota details are words in an error; that a 429 made nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from airflow_provider_workflows.testing import Emulator
from tests.unit.conftest import Connect
from tests.unit.durable.front import Query, front, ignore_filter, queued_last

#: Seconds that whatever is in front of a queued execution takes, and the one behind it.
BLOCKED, TAKES = 12, 9


@dataclass(frozen=True)
class World:
    """Hold one answer to each question; the defaults are the emulator's."""

    label_filter: Literal["accept", "refuse", "ignore", "blind"] = "accept"
    queued_last: bool = False
    list_delay: float = 0.0
    get_delay: float = 0.0
    cancel_mode: Literal["immediate", "late"] = "immediate"
    cancel_finished: Literal["error", "ok"] = "error"
    queued: bool = False

    def __str__(self) -> str:
        delays = f"list+{self.list_delay:g}-get+{self.get_delay:g}"
        order = "-queued-last" if self.queued_last else ""
        cancels = f"{self.cancel_mode}-{self.cancel_finished}"
        return f"{self.label_filter}-{delays}-{cancels}{'-queued' if self.queued else ''}{order}"

    @contextmanager
    def serve(self, emulator: Emulator, connect: Connect, version: str) -> Iterator[None]:
        """Make an emulator answer so, with a connection to it; where it has no setting, something stands in front."""
        settings = emulator.settings
        settings.label_filter = "refuse" if self.label_filter == "refuse" else "accept"
        settings.list_delay, settings.get_delay = self.list_delay, self.get_delay
        settings.cancel_mode, settings.cancel_delay = self.cancel_mode, 2.0
        settings.cancel_finished = self.cancel_finished
        if self.queued:
            settings.concurrency_limit = 1
            emulator.start("sleep", {"seconds": BLOCKED})
        asked = {"ignore": ignore_filter, "blind": find_nothing}.get(self.label_filter)
        if asked is None and not self.queued_last:
            connect(api_version=version)
            yield
            return
        with front(
            emulator.endpoint, asked or (lambda query: query), queued_last if self.queued_last else nothing
        ) as endpoint:
            connect(api_version=version, api_endpoint=endpoint)
            yield


def find_nothing(query: Query) -> Query:
    """Take a filter and find nothing by it."""
    return {**query, "filter": 'state="UNAVAILABLE"'} if "filter" in query else query


def nothing(query: Query, page: dict[str, Any]) -> None:
    """Leave a page as it is."""


def own(emulator: Emulator) -> list[str]:
    """Return the states of the task's executions, oldest first; not of what they queue behind."""
    return [each["state"] for each in emulator.executions() if each["argument"] != f'{{"seconds":{BLOCKED}}}']


def worlds(**answers: Iterable[Any]) -> list[World]:
    """Return all combinations of answers to some of the questions; an order is only asked where something queues."""
    every = [World(**dict(zip(answers, each, strict=True))) for each in product(*answers.values())]
    return [world for world in every if world.queued or not world.queued_last]
