# SPDX-License-Identifier: Apache-2.0
"""
Give a task what Airflow gives it, without an Airflow: a small fake of the task runner and the triggerer.

:class:`TaskRun` does what Airflow does with one task instance. It renders the templates, calls ``execute``, makes the
trigger of a deferral again from its serialized form, waits for its one event and resumes a *new* operator, as another
worker process would. Everything that Airflow stores in between goes through JSON.

:class:`AdvancingClock` is the time of all of it, and of the emulator: whoever sleeps moves it, so nobody waits.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any
from unittest import mock

from airflow.triggers.base import BaseTrigger

from airflow_provider_workflows.compat import AirflowSkipException, BaseOperator, TaskDeferred
from airflow_provider_workflows.core.clock import Clock, Timer
from airflow_provider_workflows.testing import ManualClock

AIRFLOW_3 = int(version("apache-airflow").split(".")[0]) >= 3
_SENSOR_MODULE = "airflow.sdk.bases.sensor" if AIRFLOW_3 else "airflow.sensors.base"
_RESCHEDULE = "AirflowRescheduleException"  # its home moved between Airflow 2 and 3


@dataclass(eq=False)
class _Timer:
    """Hold what is to be called when the clock has come to a time."""

    timers: list[_Timer]
    at: float
    callback: Callable[..., Any]
    args: tuple[Any, ...]

    def cancel(self) -> None:
        """Call it off."""
        if self in self.timers:
            self.timers.remove(self)


class AdvancingClock(Clock):
    """
    Move the emulator's clock instead of sleeping.

    :ivar slept: the seconds of every sleep, in order.
    """

    def __init__(self, manual: ManualClock | None = None) -> None:
        self.manual = manual or ManualClock()
        self.slept: list[float] = []
        self._plans: list[tuple[int, Callable[[], Any]]] = []
        self._timers: list[_Timer] = []

    def on_sleep(self, action: Callable[[], Any], *, number: int = 1) -> None:
        """Do something while somebody sleeps: the next time, or the ``number``-th from now."""
        self._plans.append((len(self.slept) + number, action))

    def forget(self) -> None:
        """Drop what was to be done while somebody sleeps."""
        self._plans.clear()

    def time(self) -> float:
        """Return the manual clock's time, epoch seconds."""
        return self.manual.time()

    def monotonic(self) -> float:
        """Return the manual clock's time; it never goes backwards."""
        return self.manual.time()

    def sleep(self, seconds: float) -> None:
        """Move the clock."""
        self.manual.advance(max(0.0, seconds))
        self._slept(seconds)

    def _slept(self, seconds: float) -> None:
        self.slept.append(seconds)
        due = [plan for plan in self._plans if plan[0] <= len(self.slept)]
        self._plans = [plan for plan in self._plans if plan not in due]
        for _, action in due:
            action()

    async def async_sleep(self, seconds: float) -> None:
        """Move the clock and let other tasks go on; what is due in between comes first."""
        end = self.time() + max(0.0, seconds)
        while due := min(
            (timer for timer in self._timers if timer.at <= end), key=lambda timer: timer.at, default=None
        ):
            self._timers.remove(due)
            self.manual.advance(max(0.0, due.at - self.time()))
            due.callback(*due.args)
            await asyncio.sleep(0)
        self.manual.advance(max(0.0, end - self.time()))
        self._slept(seconds)
        await asyncio.sleep(0)

    def call_later(self, seconds: float, callback: Callable[..., Any], *args: Any) -> Timer:
        """Call something when others' sleeps have moved the clock that far."""
        timer = _Timer(self._timers, self.time() + seconds, callback, args)
        self._timers.append(timer)
        return timer

    def now(self) -> datetime:
        """Return the time as an aware datetime."""
        return datetime.fromtimestamp(self.time(), tz=timezone.utc)


class StateStore:
    """
    Keep a task's state in a dict, as Airflow 3.3's ``context["task_state_store"]`` does in its database.

    :ivar values: what is stored; hand the same dict to the next try.
    """

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        self.values = {} if values is None else values

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value."""
        return through_json(self.values.get(key, default))

    def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
        """Store a value; like Airflow's, it refuses ``None`` and what is not JSON."""
        if value is None:
            raise ValueError("Cannot set value as None")
        self.values[key] = through_json(value)

    def delete(self, key: str) -> None:
        """Forget a value; one that is not there is no error."""
        self.values.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self.values.clear()


class TaskInstance:
    """Stand in for the ``ti`` of a context: names, numbers and this task's XComs."""

    def __init__(self, task: BaseOperator, **attributes: Any) -> None:
        self.task: Any = task
        self.task_id: str = task.task_id
        self.dag_id: str = ""
        self.run_id: str = ""
        self.map_index = -1
        self.try_number = 1
        self.max_tries: int = 0
        self.start_date: datetime | None = None
        self.first_reschedule: datetime | None = None
        self.xcoms: dict[str, Any] = {}
        self.id = uuid.uuid4()
        self.hostname = "worker"
        self.state = "running"
        self.next_method: str | None = None  # only Airflow 2 tells
        self.__dict__.update(attributes)

    @property
    def key(self) -> Any:
        """Return Airflow's own key of a task instance."""
        from airflow_provider_workflows.compat import TaskInstanceKey

        return TaskInstanceKey(self.dag_id, self.task_id, self.run_id, self.try_number, self.map_index)

    def xcom_push(self, key: str, value: Any, **_: Any) -> None:
        """Store a value, which must be JSON."""
        self.xcoms[key] = through_json(value)

    def xcom_pull(self, task_ids: Any = None, dag_id: Any = None, key: str = "return_value", **options: Any) -> Any:
        """Return a value of this task; there are no others."""
        if task_ids not in (None, self.task_id, [self.task_id]) or dag_id not in (None, self.dag_id):
            return options.get("default")
        return self.xcoms.get(key, options.get("default"))

    def get_first_reschedule_date(self, context: Any) -> datetime | None:
        """Return when this task began to wait, if it was rescheduled (Airflow 3's sensors ask)."""
        return self.first_reschedule


@dataclass
class Deferral:
    """
    Hold one deferral of a task as Airflow's database would.

    :ivar classpath: the trigger's class.
    :ivar kwargs: the trigger's arguments, through JSON.
    :ivar method_name: what the task resumes with.
    :ivar next_kwargs: further arguments of that method.
    :ivar timeout: Airflow's own limit for the trigger.
    :ivar event: the payload that ended it, once it has.
    """

    classpath: str
    kwargs: dict[str, Any]
    method_name: str
    next_kwargs: dict[str, Any]
    timeout: Any
    event: Any = None


@dataclass
class TaskRun:
    """
    Carry one task instance through its life.

    :param task: the operator; or a function that makes it, where it cannot be made again from its arguments.
    :param clock: the time of everything.
    :param state_store: Airflow 3.3's task state store; ``None`` leaves it out of the context, as below 3.3.
    :param xcoms: what the task has pushed, ``return_value`` included.
    :param start_date: when this try began; now unless given.
    :param retries: how many tries may follow the first.
    :param dag_run_start: when the DAG run began, which a clear of a finished run moves; not known unless given.

    :ivar states: what the web UI would have shown, in order: running, deferred, up_for_reschedule, success, failed,
        skipped, up_for_retry.
    :ivar deferrals: every deferral, with the event that ended it.
    :ivar operator: the operator of the current worker process.
    """

    task: BaseOperator | Callable[[], BaseOperator]
    clock: AdvancingClock
    dag_id: str = "dag"
    run_id: str = "run1"
    map_index: int = -1
    try_number: int = 1
    retries: int = 0
    start_date: datetime | None = None
    dag_run_start: datetime | None = None
    state_store: StateStore | None = None
    xcoms: dict[str, Any] = field(default_factory=dict)
    states: list[str] = field(default_factory=list)
    deferrals: list[Deferral] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin the first try."""
        self._first_reschedule: datetime | None = None
        self._max_tries = self.try_number - 1 + self.retries
        self._begin()

    def _begin(self) -> None:
        self.start_date = self.start_date or self.clock.now()
        self._first_reschedule = None
        self.ti_id = uuid.uuid4()
        self._new_process()

    def _new_process(self) -> None:
        """Do what a worker process does before it calls the operator."""
        self.operator: Any = self._make_operator()
        self.ti = TaskInstance(
            self.operator,
            dag_id=self.dag_id,
            run_id=self.run_id,
            map_index=self.map_index,
            try_number=self.try_number,
            max_tries=self._max_tries,
            start_date=self.start_date,
            first_reschedule=self._first_reschedule,
            xcoms=self.xcoms,
            id=self.ti_id,
        )
        self.context = self._make_context()
        self.operator.render_template_fields(self.context)
        if hasattr(self.operator, "hook"):
            self.operator.hook.clock = self.clock

    def _make_operator(self) -> BaseOperator:
        if not isinstance(self.task, BaseOperator):
            return self.task()
        return type(self.task)(**vars(self.task)["_BaseOperator__init_kwargs"])

    def _make_context(self) -> Any:
        dag = SimpleNamespace(dag_id=self.dag_id)
        dag_run = SimpleNamespace(
            dag_id=self.dag_id,
            run_id=self.run_id,
            logical_date=self.start_date,
            start_date=self.dag_run_start,
            conf={},
        )
        context: dict[str, Any] = {
            "ti": self.ti,
            "task_instance": self.ti,
            "task": self.operator,
            "dag": dag,
            "dag_run": dag_run,
            "run_id": self.run_id,
            "logical_date": self.start_date,
            "params": {},
            "task_instance_key_str": f"{self.dag_id}__{self.operator.task_id}__{self.run_id}",
        }
        if self.state_store is not None:
            context["task_state_store"] = self.state_store
        return context

    # -- the steps of a life ------------------------------------------------------------------------------

    @property
    def deferral(self) -> Deferral:
        """Return the current deferral."""
        return self.deferrals[-1]

    def execute(self) -> Any:
        """
        Begin on a worker.

        :return: what the task returned, or Airflow's exception where it was deferred or rescheduled.
        """
        self._new_process()
        self.operator.pre_execute(self.context)
        return self._on_worker(lambda: self.operator.execute(self.context, **_by_task_runner(self.operator)))

    def trigger(self) -> Any:
        """Make the trigger of the current deferral again, as a triggerer does."""
        return make_trigger(self.deferral.classpath, self.deferral.kwargs, self.clock)

    def event(self) -> Any:
        """Run the trigger of the current deferral to its event; return the payload."""
        return asyncio.run(only_event(self.trigger()))

    def fire(self, payload: Any) -> Any:
        """Resume on another worker with an event; returns as :meth:`execute` does."""
        deferral = self.deferral
        deferral.event = through_json(payload)
        kwargs = {**deferral.next_kwargs, "event": deferral.event}
        return self._resume(deferral.method_name, kwargs)

    def crash_trigger(self, error: str = "Trigger failure", trace: list[str] | None = None) -> Any:
        """Resume as Airflow does when a trigger ended without an event (``error="Trigger timeout"``: too late)."""
        return self._resume("__fail__", {"error": error, "traceback": trace})

    def _resume(self, method_name: str, kwargs: dict[str, Any]) -> Any:
        self._new_process()
        if not AIRFLOW_3:
            self.ti.next_method = method_name
        self.operator.pre_execute(self.context)
        return self._on_worker(lambda: self.operator.resume_execution(method_name, kwargs, self.context))

    def run(self) -> Any:
        """Carry the task to its end over all deferrals and reschedules; return what it returned."""
        outcome = self.execute()
        while True:
            if isinstance(outcome, TaskDeferred):
                outcome = self.fire(self.event())
            elif type(outcome).__name__ == _RESCHEDULE:
                self.clock.sleep((outcome.reschedule_date - self.clock.now()).total_seconds())
                outcome = self.execute()
            else:
                return outcome

    def kill(self) -> None:
        """Have the worker's process killed: Airflow calls ``on_kill`` in it."""
        self.operator.on_kill()
        self.states.append("failed")

    def retry(self) -> TaskRun:
        """Begin the next try as Airflow does: XComs are gone, the state store is kept."""
        self.xcoms.clear()
        self.try_number += 1
        self.start_date = None
        self._begin()
        return self

    def clear(self) -> TaskRun:
        """Begin the next try as after a user's clear, with all its retries again."""
        self._max_tries = self.try_number + self.retries
        return self.retry()

    # -- what Airflow does around an operator's method ----------------------------------------------------

    def _on_worker(self, call: Callable[[], Any]) -> Any:
        self.states.append("running")
        try:
            with airflow_time(self.clock, self._first_reschedule):
                value = call()
        except TaskDeferred as deferred:
            return self._store(deferred)
        except AirflowSkipException:
            self.states.append("skipped")
            raise
        except Exception as exc:
            if type(exc).__name__ == _RESCHEDULE:
                self._first_reschedule = self._first_reschedule or self.start_date
                self.states.append("up_for_reschedule")
                return exc
            self.states.append("up_for_retry" if self._may_retry(exc) else "failed")
            raise
        if value is not None and self.operator.do_xcom_push:
            if getattr(self.operator, "multiple_outputs", False):
                self.xcoms.update(through_json(value))
            self.xcoms["return_value"] = through_json(value)
        self.states.append("success")
        return value

    def _may_retry(self, exc: Exception) -> bool:
        final = {"AirflowFailException", "AirflowSensorTimeout"}
        named = {each.__name__ for each in type(exc).__mro__}
        return not final & named and self.try_number <= self._max_tries

    def _store(self, deferred: TaskDeferred) -> TaskDeferred:
        self.states.append("deferred")
        classpath, kwargs = deferred.trigger.serialize()
        next_kwargs = through_json(deferred.kwargs or {})
        self.deferrals.append(
            Deferral(classpath, through_json(kwargs), deferred.method_name, next_kwargs, deferred.timeout)
        )
        return deferred


def _by_task_runner(operator: BaseOperator) -> dict[str, Any]:
    """Return what tells an operator's ``execute`` that Airflow itself calls it."""
    name = f"{type(operator).__name__}__sentinel"
    if AIRFLOW_3:
        from airflow.sdk.bases.operator import ExecutorSafeguard

        return {name: ExecutorSafeguard.sentinel_value}
    return {name: importlib.import_module("airflow.models.baseoperator")._sentinel}


def through_json(value: Any) -> Any:
    """Return a value as it comes back from a database."""
    return json.loads(json.dumps(value, allow_nan=False))


def make_trigger(classpath: str, kwargs: Mapping[str, Any], clock: Clock) -> Any:
    """Make a trigger from its serialized form."""
    module, _, name = classpath.rpartition(".")
    trigger = getattr(importlib.import_module(module), name)(**kwargs)
    trigger.clock = clock
    return trigger


async def only_event(trigger: BaseTrigger) -> Any:
    """Run a trigger as a triggerer does; return the payload of its only event."""
    try:
        events = [event async for event in trigger.run()]
    finally:
        await trigger.cleanup()
    assert len(events) == 1, f"a task's trigger must fire exactly once, got {events}"
    return through_json(events[0].payload)


@contextmanager
def airflow_time(clock: AdvancingClock, first_reschedule: datetime | None) -> Iterator[None]:
    """Let Airflow's own base sensor tell the time, sleep and look up its first start by this clock."""
    module = importlib.import_module(_SENSOR_MODULE)
    fakes: dict[str, Any] = {
        "time": SimpleNamespace(monotonic=clock.monotonic, sleep=clock.sleep),
        "timezone": SimpleNamespace(utcnow=clock.now, utc=timezone.utc),
    }
    if not AIRFLOW_3:
        fakes |= {"_orig_start_date": lambda **_: first_reschedule, "_is_metadatabase_mysql": lambda: False}
    with mock.patch.multiple(module, **fakes):
        yield
