# SPDX-License-Identifier: Apache-2.0
"""Put stalls of a triggerer's event loop down to those who ran meanwhile, from what ``watched`` has noted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path

from watched.sitecustomize import THRESHOLD


@dataclass
class Note:
    """Hold one line of the notes; see :mod:`watched.sitecustomize` for what they say."""

    end: float
    seconds: float
    what: str
    detail: str

    def within(self, stall: Note) -> float:
        """Return the seconds of this that fell into a stall."""
        return min(self.end, stall.end) - max(self.end - self.seconds, stall.end - stall.seconds)


@dataclass
class Stall:
    """
    Hold one stall, and for how many of its seconds who ran.

    :ivar waited: seconds for which other processes had the cores, whoever's turn it was.
    :ivar turns: by ``ours``, ``airflow``, ``loop`` and ``gc``.
    :ivar places: by function of Airflow or this package.
    """

    seconds: float
    waited: float
    turns: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    places: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def ours(self) -> float:
        """Return the seconds in which this package ran, or what it called."""
        return self.turns["ours"]

    @property
    def unexplained(self) -> float:
        """Return the seconds for which nobody accounts but this package and what may run on its behalf."""
        return self.seconds - self.turns["airflow"] - self.turns["gc"] - self.waited


def read_stalls(notes: Path) -> list[Stall]:
    """Return the stalls so far, in their order."""
    lines = [line.split("\t") for line in notes.read_text(encoding="utf-8").splitlines()]
    every = [Note(float(end), float(seconds), what, detail) for end, seconds, what, detail in lines]
    return [explain(note, every) for note in every if note.what == "stall"]


def explain(stall: Note, notes: Iterable[Note]) -> Stall:
    """Find out who ran during a stall. Nobody can look while garbage is collected, so a look after it counts less."""
    explained = Stall(stall.seconds, float(stall.detail))
    meanwhile = [note for note in notes if note.what != "stall" and note.within(stall) > 0]
    collections = [note for note in meanwhile if note.what == "gc"]
    for note in meanwhile:
        seconds = note.within(stall)
        if note.what != "gc":
            seconds -= sum(max(0.0, collection.within(note)) for collection in collections)
        explained.turns[note.what] += max(0.0, seconds)
        if note.what in ("ours", "airflow"):
            explained.places[note.detail] += max(0.0, seconds)
    return explained


def caused_by_us(stalls: Sequence[Stall]) -> int:
    """Count the stalls that would be there without everybody else: this package ran for longer than the threshold."""
    return sum(stall.ours >= THRESHOLD for stall in stalls)


def unexplained(stalls: Sequence[Stall]) -> int:
    """Count the stalls that Airflow, the garbage collection and the machine do not explain."""
    return sum(stall.unexplained >= THRESHOLD for stall in stalls)


def mostly(stalls: Sequence[Stall]) -> str:
    """Name the functions in which the loop's thread was longest."""
    places: dict[str, float] = defaultdict(float)
    for stall in stalls:
        for place, seconds in stall.places.items():
            places[place] += seconds
    longest = sorted(places.items(), key=itemgetter(1), reverse=True)[:2]
    return ", ".join(f"`{place}` {seconds:.1f} s" for place, seconds in longest if seconds >= 0.05) or "-"


def total(stalls: Sequence[Stall], turn: str) -> str:
    """Return the seconds of all stalls in which somebody ran."""
    return f"{sum(stall.turns[turn] for stall in stalls):.1f}"
