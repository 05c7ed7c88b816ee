# SPDX-License-Identifier: Apache-2.0
"""A task that is killed while it creates: what was made is found and stopped, or the log says what may be going."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_workflows.compat import AirflowFailException
from airflow_provider_workflows.exceptions import WorkflowsError
from airflow_provider_workflows.testing import Emulator
from tests.harness import AdvancingClock, StateStore, TaskRun
from tests.killing import Killed, killing
from tests.log_lines import LogLine
from tests.unit.conftest import Connect
from tests.unit.durable.conftest import Setting, kill_while_waiting, states
from tests.unit.durable.front import front

V1 = Setting("v1", store=False)
V1BETA = Setting("v1beta", store=True)
LONG = {"argument": {"seconds": 9000, "result": "done"}}

Begin = Callable[..., TaskRun]


def test_an_execution_that_is_listed_late_is_found(begin: Begin, emulator: Emulator, clock: AdvancingClock) -> None:
    """A kill looks until the list shows what the create made."""
    run = begin(V1, **LONG)
    emulator.fail("create", "drop_after")
    emulator.settings.list_delay = 3.5  # the kill comes after a second, and looks again after one and after two more
    clock.on_sleep(killing(run, clock))
    with pytest.raises(Killed):
        run.execute()
    assert states(emulator) == ["CANCELLED"]


def test_what_is_not_found_is_said(
    begin: Begin, emulator: Emulator, clock: AdvancingClock, logs: list[LogLine]
) -> None:
    """Where a create has no answer and nothing is found, the log says that an execution may be going, and which."""
    run = begin(V1, **LONG)
    emulator.fail("create", "drop_after")
    emulator.settings.list_delay = 1000.0
    clock.on_sleep(killing(run, clock))
    with pytest.raises(Killed):
        run.execute()
    (said,) = [line.text for line in logs if "no execution was found" in line.text]
    assert "may be going" in said
    assert emulator.executions()[0]["labels"]["airflow-attempt"] in said


def test_without_labels_it_is_said_that_nothing_can_be_found(
    begin: Begin, emulator: Emulator, logs: list[LogLine]
) -> None:
    """On v1beta the log of a kill says that the execution of a create without an answer cannot be looked for."""
    run = begin(V1BETA, **LONG)
    emulator.fail("create", "drop_after")
    with pytest.raises(AirflowFailException, match="may exist"):
        run.execute()
    run.kill()
    assert [line for line in logs if "v1beta has no label to find it by" in line.text]


def test_nothing_is_said_of_a_create_that_made_nothing(
    begin: Begin, emulator: Emulator, clock: AdvancingClock, logs: list[LogLine]
) -> None:
    """A kill while a refused create waits to be repeated has nothing to look for."""
    run = begin(V1, **LONG)
    emulator.fail("create", "rate_limited")
    began = len(clock.slept)
    clock.on_sleep(killing(run, clock))
    with pytest.raises(Killed):
        run.execute()
    assert len(clock.slept) == began + 1
    assert not [line for line in logs if "may be going" in line.text]


def test_an_answer_that_was_just_read(begin: Begin, emulator: Emulator, clock: AdvancingClock) -> None:
    """Also without labels a kill right after the answer stops the execution: its name is known."""
    run = begin(V1BETA, **LONG)

    class KilledInside(StateStore):
        """Kill the task while it writes the execution down."""

        def set(self, *args: object, **kwargs: object) -> None:
            super().set(*args, **kwargs)  # type: ignore[arg-type]
            if self.values["workflow_execution"]["execution_id"]:
                run.kill()

    run.state_store = KilledInside()
    with pytest.raises(WorkflowsError, match="was killed"):
        run.execute()
    assert states(emulator) == ["CANCELLED"]


def test_looking_ends_in_a_bounded_time(
    begin: Begin, connect: Connect, emulator: Emulator, clock: AdvancingClock, logs: list[LogLine]
) -> None:
    """A service that cannot list does not keep a kill for as long as the connection repeats."""
    run = begin(V1, **LONG)
    connect(num_retries=1000)
    emulator.fail("create", "drop_after")
    emulator.fail("list", "unavailable", times=None)
    killed_at = []
    clock.on_sleep(killing(run, clock, lambda: killed_at.append(clock.time())))
    with pytest.raises(Killed):
        run.execute()
    assert clock.time() - killed_at[0] <= 20
    assert [line for line in logs if "looking for it failed" in line.text]


def test_several_are_asked_before_one_is_confirmed(begin: Begin, emulator: Emulator, clock: AdvancingClock) -> None:
    """What two attempts made is asked to stop at once; none waits until the other's cancel has worked."""
    emulator.settings.cancel_mode, emulator.settings.cancel_delay = "late", 15.0
    emulator.settings.list_delay = 60.0
    run = begin(V1, **LONG)
    emulator.fail("create", "drop_after", times=2)

    def show_all() -> None:
        emulator.settings.list_delay = 0.0

    clock.on_sleep(killing(run, clock, show_all), number=5)
    with pytest.raises(Killed):
        run.execute()
    first, second = (request.time for request in emulator.requests if request.operation == "cancel")
    assert second - first < 1
    clock.manual.advance(15)
    assert states(emulator) == ["CANCELLED", "CANCELLED"]


def test_a_kill_while_a_retry_attaches(begin: Begin, emulator: Emulator, clock: AdvancingClock) -> None:
    """A kill while a retry writes down what it goes on with stops that execution."""
    run = begin(Setting("v1", store=True), **LONG)
    kill_while_waiting(run, clock)
    again = run.retry()

    class KilledInside(StateStore):
        """Kill the task while it writes the execution down."""

        def set(self, *args: object, **kwargs: object) -> None:
            again.kill()

    assert run.state_store is not None
    again.state_store = KilledInside(run.state_store.values)
    emulator.fail("list", "permission_denied", times=None)
    with pytest.raises(WorkflowsError, match="was killed"):
        again.execute()
    assert states(emulator) == ["CANCELLED"]


def test_a_kill_before_the_create_is_sent(begin: Begin, emulator: Emulator) -> None:
    """A kill while a create is written down keeps it from being sent."""
    run = begin(Setting("v1", store=True), **LONG)

    class KilledInside(StateStore):
        """Kill the task while it writes."""

        def set(self, *args: object, **kwargs: object) -> None:
            super().set(*args, **kwargs)  # type: ignore[arg-type]
            run.kill()

    run.state_store = KilledInside()
    with pytest.raises(WorkflowsError, match="was killed"):
        run.execute()
    assert emulator.count("create") == 0


def test_a_kill_while_nothing_can_be_written(begin: Begin, emulator: Emulator) -> None:
    """A kill while a write fails for another reason than a take-over stops what was made."""
    run = begin(Setting("v1", store=True), **LONG)

    class KilledInside(StateStore):
        """Kill the task while it fails to write the execution down."""

        def set(self, *args: object, **kwargs: object) -> None:
            if emulator.count("create"):
                run.kill()
                raise ConnectionError
            super().set(*args, **kwargs)  # type: ignore[arg-type]

    run.state_store = KilledInside()
    with pytest.raises(WorkflowsError, match="was killed"):
        run.execute()
    assert states(emulator) == ["CANCELLED"]


def test_a_task_that_goes_on_after_its_kill_sends_nothing(
    begin: Begin, emulator: Emulator, clock: AdvancingClock
) -> None:
    """Airflow 3 lets a killed task go on for some seconds: a create that waits to be repeated is not sent any more."""
    run = begin(V1, **LONG)
    emulator.fail("create", "rate_limited")
    clock.on_sleep(run.kill)
    with pytest.raises(WorkflowsError, match="was killed"):
        run.execute()
    assert emulator.count("create") == 1


def test_a_task_that_goes_on_after_its_kill_stops_what_it_learns_of(
    begin: Begin, connect: Connect, emulator: Emulator, clock: AdvancingClock
) -> None:
    """An answer that comes after the kill names an execution, which is cancelled."""
    run = begin(V1BETA, **LONG)
    killing = [run.kill]
    with front(emulator.endpoint, creating=lambda: killing and killing.pop()()) as endpoint:
        connect(api_endpoint=endpoint, api_version="v1beta")
        with pytest.raises(WorkflowsError, match="was killed"):
            run.execute()
    assert states(emulator) == ["CANCELLED"]
