# SPDX-License-Identifier: Apache-2.0
"""
A try that Airflow gave up while it was creating leaves no second execution, however late it wakes.

The old try's process stands still (a frozen machine, SIGSTOP) or sleeps; meanwhile Airflow begins the next try, which
has the same state, and refuses what the old one writes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_workflows.compat import AirflowFailException, TaskDeferred
from airflow_provider_workflows.exceptions import WorkflowsError
from airflow_provider_workflows.testing import Emulator
from tests.harness import AdvancingClock, StateStore, TaskRun
from tests.killing import Killed
from tests.log_lines import LogLine
from tests.unit.conftest import Connect
from tests.unit.durable.conftest import Setting, ids, kill_while_waiting, states
from tests.unit.durable.front import front

STORE = Setting("v1", store=True)
LABELS = Setting("v1", store=False)
with_store = pytest.mark.parametrize("setting", [STORE, Setting("v1beta", store=True)], ids=str)

#: Still going when everybody has woken up.
LONG = {"seconds": 9000, "result": "done"}

Begin = Callable[..., TaskRun]


class Refused(Exception):
    """Refuse as Airflow's API server does where another try has the task."""

    def __init__(self) -> None:
        super().__init__("404")
        self.error = SimpleNamespace(detail={"status_code": 404})


class OldStore(StateStore):
    """
    Be the store of a try that is given up.

    :ivar given_up: whether Airflow refuses this try's writes.
    :ivar after_set: what happens right after so many more writes.
    :ivar before_refusing: what happens before the answer to a write that is refused.
    """

    given_up = False

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        super().__init__(values)
        self.after_set: list[Callable[[], object]] = []
        self.before_refusing: list[Callable[[], object]] = []

    def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
        """Store a value, or refuse."""
        if self.given_up and self.before_refusing:
            self.before_refusing.pop(0)()
        self._check()
        super().set(key, value)
        if self.after_set:
            self.after_set.pop(0)()

    def delete(self, key: str) -> None:
        """Forget a value, or refuse."""
        self._check()
        super().delete(key)

    def _check(self) -> None:
        if self.given_up:
            raise Refused


class Old:
    """
    Hold a try that is given up, and what begins the next one.

    :ivar run: the old try.
    :ivar next: the next one, once it has begun.
    """

    def __init__(self, begin: Begin, clock: AdvancingClock, setting: Setting, **arguments: Any) -> None:
        arguments = {"deferrable": True, **arguments}
        self._begin, self._clock, self._setting, self._arguments = begin, clock, setting, arguments
        self.run = begin(setting, **arguments)
        self.store = OldStore()
        if setting.store:
            self.run.state_store = self.store
        self.next: TaskRun

    def give_up(self, *, cleared: bool = False) -> TaskRun:
        """Have Airflow give the try up and make the next one."""
        self._clock.manual.advance(300)
        self.store.given_up = True
        self.next = self._begin(self._setting, **self._arguments)
        if self._setting.store:
            self.next.state_store = StateStore(self.store.values)
        self.next.try_number, self.next._max_tries = self.run.try_number, self.run._max_tries
        return self.next.clear() if cleared else self.next.retry()

    def give_up_and_wait(self) -> None:
        """Have the next try go on until it waits."""
        assert isinstance(self.give_up().execute(), TaskDeferred)

    def give_up_and_clear(self) -> None:
        """Have a user clear the task, and the next try go on until it waits."""
        assert isinstance(self.give_up(cleared=True).execute(), TaskDeferred)


def test_frozen_before_its_create_left(begin: Begin, emulator: Emulator, clock: AdvancingClock) -> None:
    """A create that leaves only after the next try has created is undone at once."""
    old = Old(begin, clock, STORE, argument=LONG)
    old.store.after_set = [old.give_up_and_wait]
    with pytest.raises(Refused):
        old.run.execute()
    assert states(emulator) == ["ACTIVE", "CANCELLED"]
    assert old.next.retry().run()["name"].endswith(ids(emulator)[0])


def test_frozen_before_its_create_left_on_v1beta(begin: Begin, emulator: Emulator, clock: AdvancingClock) -> None:
    """Without labels nobody finds what a try could not record, so it is undone."""
    old = Old(begin, clock, Setting("v1beta", store=True), argument=LONG)

    def next_try_says_that_one_may_exist() -> None:
        with pytest.raises(AirflowFailException, match="may exist"):
            old.give_up().execute()

    old.store.after_set = [next_try_says_that_one_may_exist]
    with pytest.raises(Refused):
        old.run.execute()
    assert states(emulator) == ["CANCELLED"]


def test_frozen_after_its_create_left(begin: Begin, emulator: Emulator, clock: AdvancingClock) -> None:
    """An execution that the next try has found meanwhile is that one's: the old try leaves it alone."""
    old = Old(begin, clock, STORE, argument=LONG)
    waiting = emulator.fail("create", status=429, headers={"Retry-After": "1"})
    old.store.after_set = [lambda: None, lambda: emulator.fail("create", "drop_after")]
    clock.on_sleep(old.give_up_and_wait, number=2)  # while the old try looks for what it made
    with pytest.raises(Refused):
        old.run.execute()
    assert waiting.times == 0
    assert states(emulator) == ["ACTIVE"]
    assert old.next.retry().run()["state"] == "SUCCEEDED"
    assert len(ids(emulator)) == 1


def test_given_up_before_the_next_try_began(begin: Begin, emulator: Emulator, clock: AdvancingClock) -> None:
    """What the old try made while nobody had begun yet is left to the next one, which finds it by its labels."""
    old = Old(begin, clock, STORE, argument=LONG)
    old.store.after_set = [old.give_up]
    with pytest.raises(Refused):
        old.run.execute()
    assert old.next.run()["state"] == "SUCCEEDED"
    assert len(ids(emulator)) == 1


@with_store
def test_asleep_after_a_429(begin: Begin, emulator: Emulator, clock: AdvancingClock, setting: Setting) -> None:
    """A try that is given up while it waits to repeat a create does not repeat it."""
    old = Old(begin, clock, setting, argument=LONG)

    emulator.fail("create", "rate_limited")
    clock.on_sleep(old.give_up_and_wait if setting.version == "v1" else old.give_up_and_clear)
    with pytest.raises(Refused):
        old.run.execute()
    assert states(emulator) == ["ACTIVE"]


def test_frozen_while_it_looks_back(begin: Begin, emulator: Emulator, clock: AdvancingClock) -> None:
    """A try that wakes while it looks back does not take the execution after a clear for one from before it."""
    old = Old(begin, clock, STORE, argument=LONG)
    assert isinstance(old.run.execute(), TaskDeferred)
    emulator.set_state(ids(emulator)[0], "FAILED")
    old.run.retry()
    emulator.fail("list", "unavailable")
    clock.on_sleep(old.give_up_and_clear)
    with pytest.raises(Refused):
        old.run.execute()
    assert states(emulator) == ["FAILED", "ACTIVE"]


def test_killed_when_it_wakes(begin: Begin, emulator: Emulator, clock: AdvancingClock) -> None:
    """A try that is killed because another one has taken over undoes a create that had no answer yet."""
    old = Old(begin, clock, STORE, argument=LONG)
    emulator.settings.list_delay = 1000.0
    emulator.fail("create", "drop_after")

    def woken() -> None:
        old.give_up_and_wait()
        emulator.settings.list_delay = 0.0
        old.run.kill()
        raise Killed

    clock.on_sleep(woken)
    with pytest.raises(Killed):
        old.run.execute()
    assert states(emulator) == ["CANCELLED", "ACTIVE"]


@pytest.mark.parametrize("other_try", ["attached", "created"])
def test_killed_while_it_writes(begin: Begin, emulator: Emulator, clock: AdvancingClock, other_try: str) -> None:
    """Woken in the middle of a write, and killed at once: Airflow's answer, which comes after that, decides."""
    old = Old(begin, clock, STORE, argument=LONG)

    def woken() -> None:
        old.give_up_and_wait()
        old.run.kill()
        if other_try == "attached":
            raise Refused

    old.store.after_set = [lambda: None, woken] if other_try == "attached" else [old.give_up_and_wait]
    if other_try == "created":
        old.store.before_refusing = [old.run.kill]
    with pytest.raises(Refused):
        old.run.execute()
    assert states(emulator) == (["ACTIVE"] if other_try == "attached" else ["ACTIVE", "CANCELLED"])


def test_when_nothing_can_be_listed(
    begin: Begin, emulator: Emulator, clock: AdvancingClock, logs: list[LogLine]
) -> None:
    """Where the other try's doings cannot be told, an extra execution is the worse: what was made is cancelled."""
    old = Old(begin, clock, STORE, argument=LONG)

    def listing_breaks() -> None:
        old.give_up_and_wait()
        emulator.fail("list", "permission_denied", times=None)

    old.store.after_set = [listing_breaks]
    with pytest.raises(Refused):
        old.run.execute()
    assert states(emulator) == ["ACTIVE", "CANCELLED"]
    assert any("what the other try goes on with" in line.text for line in logs)


def test_next_try_looks_beside_a_recorded_execution_that_is_going(
    begin: Begin, emulator: Emulator, clock: AdvancingClock
) -> None:
    """Of a recorded execution and another one of the same task that is going beside it, one is left."""
    first = begin(STORE)
    kill_while_waiting(first, clock)
    store = first.state_store
    assert store is not None
    recorded, store.values = dict(store.values), {}
    second = begin(STORE)
    kill_while_waiting(second, clock)
    second.state_store = StateStore(recorded)
    assert second.retry().run()["state"] == "SUCCEEDED"
    assert sorted(states(emulator)) == ["CANCELLED", "SUCCEEDED"]


def test_a_recorded_execution_is_enough_where_nothing_can_be_listed(
    begin: Begin, emulator: Emulator, clock: AdvancingClock
) -> None:
    """A retry goes on with the recorded execution also while lists fail."""
    run = begin(STORE)
    kill_while_waiting(run, clock)
    emulator.fail("list", "permission_denied", times=None)
    assert run.retry().run()["state"] == "SUCCEEDED"
    assert emulator.count("create") == 1


# --- where Airflow has no store (2.11 to 3.2) -----------------------------------------------------------------------


def test_asleep_after_a_429_without_a_store(begin: Begin, emulator: Emulator, clock: AdvancingClock) -> None:
    """Without a store a try that slept looks for an execution of a later one before it sends its create again."""
    old = Old(begin, clock, LABELS, argument=LONG)
    emulator.fail("create", "rate_limited")
    clock.on_sleep(old.give_up_and_wait)
    with pytest.raises(WorkflowsError, match="taken over"):
        old.run.execute()
    assert states(emulator) == ["ACTIVE"]
    assert emulator.count("create") == 2


def test_frozen_in_its_create_without_a_store(
    begin: Begin, connect: Connect, emulator: Emulator, clock: AdvancingClock
) -> None:
    """Without a store a try whose create took long looks whether a later one has made an execution meanwhile."""
    old = Old(begin, clock, LABELS, argument=LONG)
    meanwhile = [old.give_up_and_wait]
    with front(emulator.endpoint, creating=lambda: meanwhile and meanwhile.pop()()) as endpoint:
        connect(api_endpoint=endpoint)
        with pytest.raises(WorkflowsError, match="taken over"):
            old.run.execute()
    assert states(emulator) == ["ACTIVE", "CANCELLED"]
    assert old.next.retry().run()["name"].endswith(ids(emulator)[0])


def test_a_pause_without_a_take_over(begin: Begin, emulator: Emulator) -> None:
    """A try that slept and still has its task creates; also where nothing can be listed."""
    emulator.fail("create", "rate_limited", times=2)
    emulator.fail("list", "permission_denied", times=1)
    assert begin(LABELS).run()["state"] == "SUCCEEDED"
    assert len(ids(emulator)) == 1


def test_a_short_pause_asks_for_no_list(begin: Begin, emulator: Emulator) -> None:
    """A create that is repeated after some seconds costs no list."""
    emulator.fail("create", status=429)
    assert begin(LABELS).run()["state"] == "SUCCEEDED"
    assert emulator.count("list") == 1  # for twins
