# SPDX-License-Identifier: Apache-2.0
"""Airflow 2 does not raise ``max_tries`` when a task is cleared while it runs; its history tells all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_workflows.operators.executions import WorkflowsCreateExecutionOperator
from airflow_provider_workflows.operators.identity import identity_of
from airflow_provider_workflows.testing import Emulator
from tests.harness import AIRFLOW_3, AdvancingClock, TaskInstance, TaskRun
from tests.killing import Killed

pytestmark = pytest.mark.skipif(AIRFLOW_3, reason="Airflow 3 raises max_tries")

BEGAN = datetime(2026, 1, 1, tzinfo=timezone.utc)
#: Kind of end -> seconds of the end in the history, and of the failures that were logged; as a real 2.11.2 has them.
ENDS: dict[str, tuple[float, list[float]]] = {
    "failed by itself": (10.010, [10.000]),
    "cleared while it ran": (10.0, [16.0]),
    "given up, and its process ended later": (10.010, [10.000, 40.0]),
    "no log any more": (10.0, []),
}


@pytest.fixture
def add_try(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give a function that adds an earlier try of a task to Airflow's database."""
    from airflow.models.log import Log
    from airflow.models.taskinstancehistory import TaskInstanceHistory
    from airflow.utils import session as airflow_session
    from sqlalchemy import create_engine
    from sqlalchemy.orm import sessionmaker
    from sqlalchemy.pool import StaticPool

    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    for table in (Log.__table__, TaskInstanceHistory.__table__):
        table.create(engine)
    make = sessionmaker(engine)

    @contextmanager
    def create_session() -> Iterator[Any]:
        with make() as session:
            yield session
            session.commit()

    monkeypatch.setattr(airflow_session, "create_session", create_session)

    def add(number: int, kind: str, map_index: int = -1) -> None:
        ended, failures = ENDS[kind]
        names = {"dag_id": "dag", "task_id": "task", "run_id": "run1", "map_index": map_index, "try_number": number}
        with create_session() as session:
            end = BEGAN + timedelta(minutes=number, seconds=ended)
            row = {**names, "end_date": end, "state": "failed", "pool": "default_pool", "pool_slots": 1}
            session.execute(TaskInstanceHistory.__table__.insert().values(**row))
            for seconds in failures:
                when = BEGAN + timedelta(minutes=number, seconds=seconds)
                session.execute(Log.__table__.insert().values(**names, event="failed", dttm=when))

    return add


def generation(try_number: int, map_index: int = -1) -> int:
    """Return the generation of a try of a task with three retries."""
    names = {"dag_id": "dag", "task_id": "task", "run_id": "run1", "map_index": map_index}
    ti = SimpleNamespace(**names, try_number=try_number, max_tries=3, refresh_from_db=None)
    context: Any = {"ti": ti}
    return identity_of(context, retries=3).generation


@pytest.mark.parametrize(("kind", "cleared"), [(kind, kind == "cleared while it ran") for kind in ENDS])
def test_a_clear_of_a_running_task_is_told_from_a_retry(add_try: Callable[..., None], kind: str, cleared: bool) -> None:
    """A try that was cleared while it ran begins a new generation; one that failed, by itself or given up, does not."""
    add_try(1, kind)
    assert generation(2) == int(cleared)


def test_a_retry_after_such_a_clear_stays_in_its_generation(add_try: Callable[..., None]) -> None:
    """Each clear counts once, and mapped tasks count by themselves."""
    for number, kind in enumerate(["failed by itself", "cleared while it ran", "failed by itself"], start=1):
        add_try(number, kind)
    add_try(1, "failed by itself", map_index=2)
    assert [generation(2), generation(3), generation(4)] == [1, 1, 1]
    assert generation(2, map_index=2) == 0
    add_try(4, "cleared while it ran")
    assert generation(5) == 2


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("meanwhile", ["it goes on for a while", "it succeeds first"])
def test_what_was_there_before_such_a_clear_is_not_taken(
    add_try: Callable[..., None],
    emulator: Emulator,
    clock: AdvancingClock,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: str,
) -> None:
    """The next try neither waits for what the kill is still cancelling nor takes its result: it creates."""
    monkeypatch.setattr(TaskInstance, "refresh_from_db", None, raising=False)  # as an Airflow 2 task instance has it
    emulator.settings.cancel_mode, emulator.settings.cancel_delay = "late", 600.0
    given: dict[str, Any] = {"workflow_id": "sleep", "argument": {"seconds": 900}, "wait_for_completion": True}
    run = TaskRun(WorkflowsCreateExecutionOperator(task_id="task", retries=3, **given), clock=clock, retries=3)

    def kill() -> None:
        clock.forget()
        if meanwhile == "it succeeds first":
            emulator.set_state(emulator.executions()[0]["name"].rpartition("/")[2], "SUCCEEDED")
        run.kill()
        raise Killed

    clock.on_sleep(kill)
    with pytest.raises(Killed):
        run.execute()
    add_try(1, "cleared while it ran")
    created = run.retry().run()
    first, second = emulator.executions()
    assert (created["name"], second["state"]) == (second["name"], "SUCCEEDED")
    assert first["state"] == ("SUCCEEDED" if meanwhile == "it succeeds first" else "CANCELLED")


def test_without_a_way_to_the_database_it_counts_as_a_retry(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker that may not ask goes on with the execution, as before."""
    from airflow.utils import session as airflow_session

    def refuse() -> Any:
        raise RuntimeError("no database here")

    monkeypatch.setattr(airflow_session, "create_session", refuse)
    assert generation(2) == 0
