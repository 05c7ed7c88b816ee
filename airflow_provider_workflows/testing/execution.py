# SPDX-License-Identifier: Apache-2.0
"""Keep what happened to one execution and derive its state from the time of the reader.

Nothing runs in the background: an execution is a beginning, a timeline and, perhaps, a cancellation or a
state that a test has forced. All times are epoch nanoseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from airflow_provider_workflows.testing.runs import Run
from airflow_provider_workflows.testing.workflows import Callback, Outcome, Step, Timeline

ENDED_STATES = frozenset({"SUCCEEDED", "FAILED", "CANCELLED", "UNAVAILABLE"})


class WorkflowKey(NamedTuple):
    """Where executions live; `project` is the project *number*, one key for both spellings of a path."""

    project: str
    location: str
    workflow: str

    def __str__(self) -> str:
        return f"projects/{self.project}/locations/{self.location}/workflows/{self.workflow}"


@dataclass(frozen=True)
class Forced:
    """A state set by a test at a time; it replaces what the timeline says."""

    state: str
    at: int
    outcome: Outcome


class Ending(NamedTuple):
    """The final state and when it is reached (perhaps in the future)."""

    state: str
    at: int


@dataclass(slots=True)
class Payload:
    """What a callback got, and when; `taken` is when the execution goes on with it, None while nobody does."""

    value: dict[str, Any]
    received: int
    taken: int | None = None


@dataclass(slots=True, eq=False)
class Execution:
    """One execution's record.

    :ivar begun: None while it is QUEUED.
    :ivar timeline: None while its function computes.
    :ivar run: goes on with the function when a callback is requested; None when there is nothing to go on with.
    :ivar callbacks: those that it has waited for, with what they got.
    :ivar forgotten: up to when its step entries are deleted.
    :ivar cancelled: when a cancellation takes effect, None without one.
    :ivar options: further create fields that are given back as they came (`callLogLevel`, …).
    :ivar texts: serialised BASIC views by version, state and mask; None before the first.
    """

    id: str
    parent: WorkflowKey
    created: int
    revision: str
    argument: str = "null"
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    begun: int | None = None
    timeline: Timeline | None = None
    run: Run | None = None
    callbacks: dict[str, tuple[Callback, list[Payload]]] = field(default_factory=dict)
    forgotten: int = -1
    cancelled: int | None = None
    forced: Forced | None = None
    texts: dict[str, str] | None = None

    @property
    def order(self) -> tuple[int, str]:
        """Sort by creation; the id makes equal times distinct."""
        return (self.created, self.id)

    def begin(self, at: int) -> None:
        """Leave the queue."""
        self.begun = at

    def cancel(self, at: int) -> None:
        """Have it cancelled at a time, unless it ends earlier by itself."""
        if self.cancelled is None:
            self.cancelled = at

    def force(self, state: str, at: int, outcome: Outcome) -> None:
        """Set a state, whatever the timeline says."""
        self.cancelled = None
        self.texts = None
        self.forced = Forced(state, at, outcome)

    def ending(self) -> Ending | None:
        """Return how and when it ends, None when it never does as things stand."""
        if self.forced is not None and self.forced.state in ENDED_STATES:
            return Ending(self.forced.state, self.forced.at)
        natural = self._natural_end()
        if self.cancelled is not None and (natural is None or self.cancelled < natural.at):
            return Ending("CANCELLED", self.cancelled)
        return natural

    def _natural_end(self) -> Ending | None:
        if self.forced is not None or self.begun is None or self.timeline is None:
            return None
        if self.timeline.length is None:
            return None
        return Ending(self.timeline.outcome.state, self.begun + self.timeline.length)

    def ended(self, now: int) -> Ending | None:
        """Return its ending if that has come."""
        ending = self.ending()
        return ending if ending is not None and ending.at <= now else None

    def state(self, now: int) -> str:
        """Return the state at a time."""
        ended = self.ended(now)
        if ended is not None:
            return ended.state
        if self.forced is not None:
            return self.forced.state
        return "QUEUED" if self.begun is None else "ACTIVE"

    def outcome(self, now: int) -> Outcome | None:
        """Return result and error if it has ended."""
        ended = self.ended(now)
        if ended is None or (ended.state == "CANCELLED" and self.forced is None):
            return None
        if self.forced is not None:
            return self.forced.outcome
        return self.timeline.outcome if self.timeline else None

    def current_step(self, now: int) -> Step | None:
        """Return the step in progress, or the last one reached."""
        if self.begun is None or self.timeline is None:
            return None
        return self.timeline.step_at(self.elapsed(now))

    def elapsed(self, now: int) -> int:
        """Return how long it has been going on, or did before it ended."""
        ended = self.ended(now)
        return (ended.at if ended else now) - (self.begun or 0)

    def waiting(self, now: int) -> Callback | None:
        """Return the callback in whose step it is."""
        if self.begun is None or self.timeline is None or self.timeline.waiting is None or self.state(now) != "ACTIVE":
            return None
        return self.timeline.waiting if self.timeline.offsets[-1] <= now - self.begun else None

    def is_visible(self, delay: float, now: int) -> bool:
        """Tell whether readers see it yet, `delay` seconds after its creation."""
        return not delay or self.created + round(delay * 1e9) <= now
