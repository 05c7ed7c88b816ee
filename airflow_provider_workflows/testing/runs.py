# SPDX-License-Identifier: Apache-2.0
"""Call a workflow function and make a timeline of what it does, up to its end or to the callback that it waits for."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Generator
from typing import Any

from airflow_provider_workflows.testing.workflows import (
    ENDLESS,
    Callback,
    Outcome,
    Step,
    Timeline,
    WorkflowError,
    WorkflowFunction,
    dump_json,
    failed,
)

MAX_STEPS = 100_000  # the service's documented limit; it also stops `while True: yield Step(...)`


class Run:
    """One call of a workflow function. Whatever the function does, the answer is a timeline.

    :ivar steps: those so far, with the nanoseconds after the beginning at which they began in `offsets`.
    """

    def __init__(self, function: WorkflowFunction, argument: Any) -> None:
        self._function = function
        self._argument = argument
        self._generator: Generator[Any, Any, Any] | None = None
        self.steps: list[Step] = []
        self.offsets: list[int] = []
        self._elapsed = 0

    def begin(self) -> Timeline:
        """Call the function."""
        return self._guarded(self._call)

    def resume(self, value: Any, elapsed: int) -> Timeline:
        """Go on with what a callback got, `elapsed` nanoseconds after the beginning."""
        generator = self._generator
        assert generator is not None  # noqa: S101 - only a generator waits
        self._elapsed = elapsed
        return self._guarded(lambda: self._go_on(generator, lambda: generator.send(value)))

    def going_on(self, value: Any, elapsed: int) -> Callable[[], Timeline]:
        """Return what resumes it, for another thread to call."""
        return lambda: self.resume(value, elapsed)

    def give_up(self, error: Exception) -> Timeline:
        """Return the timeline of an execution whose function is not waited for any longer."""
        steps = list(self.steps)
        return Timeline(failed(error, steps), self._elapsed, self.offsets[: len(steps)], steps)

    def _guarded(self, part: Callable[[], Timeline]) -> Timeline:
        try:
            return part()
        except BaseException as error:  # noqa: BLE001 - what a function raises is its execution's failure, not ours
            try:
                outcome = failed(error, self.steps)
            except Exception as unusable:  # noqa: BLE001 - a payload that JSON cannot hold
                outcome = failed(TypeError(f"the payload of the WorkflowError is not JSON: {unusable}"), self.steps)
            return self._timeline(outcome, self._elapsed)

    def _timeline(self, outcome: Outcome, length: int | None, waiting: Callback | None = None) -> Timeline:
        return Timeline(outcome, length, list(self.offsets), list(self.steps), waiting)

    def _call(self) -> Timeline:
        produced = self._function(self._argument)
        if inspect.iscoroutine(produced) or inspect.isasyncgen(produced):
            if inspect.iscoroutine(produced):
                produced.close()
            raise TypeError("a workflow function must not be async: make it a function or a generator")
        if not isinstance(produced, Generator):
            return self._timeline(Outcome("SUCCEEDED", result=dump_json(produced)), 0)
        self._generator = produced
        return self._go_on(produced, lambda: next(produced))

    def _go_on(self, generator: Generator[Any, Any, Any], advance: Callable[[], Any]) -> Timeline:
        """Exhaust the generator, as far as it goes without somebody's request."""
        while True:
            try:
                made = advance()
            except StopIteration as stop:
                return self._timeline(Outcome("SUCCEEDED", result=dump_json(stop.value)), self._elapsed)
            advance = generator.__next__
            if isinstance(made, Callback):
                return self._wait(made)
            if not isinstance(made, Step):
                generator.close()
                raise TypeError(f"a workflow function yields Step and Callback, got {type(made).__name__}")
            self._enter(made)
            if math.isinf(made.seconds):
                generator.close()
                return self._timeline(ENDLESS.outcome, None)
            self._elapsed += round(made.seconds * 1e9)

    def _enter(self, step: Step) -> None:
        if len(self.steps) >= MAX_STEPS:
            raise WorkflowError({"message": "too many steps", "tags": ["ResourceLimitError"]})
        self.steps.append(step)
        self.offsets.append(self._elapsed)

    def _wait(self, callback: Callback) -> Timeline:
        self._enter(callback.step)
        if math.isinf(callback.timeout):
            return self._timeline(ENDLESS.outcome, None, callback)
        late = TimeoutError(f"no request to the callback {callback.name!r} within {callback.timeout:g} seconds")
        length = self._elapsed + round(callback.timeout * 1e9)
        return self._timeline(failed(late, self.steps), length, callback)
