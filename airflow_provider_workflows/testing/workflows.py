# SPDX-License-Identifier: Apache-2.0
"""Turn a Python function into a workflow: its timeline is worked out when an execution begins.

A workflow function takes the decoded argument. There are two forms:

* a plain function: what it returns is the result, and the execution takes no time;
* a generator function: it yields a `Step` for each step, and what it returns is the result.

An exception ends the execution as FAILED; `WorkflowError` chooses the payload. The function is called once,
completely, when the execution begins: steps only *say* how long they take, nothing ever waits. What a
reader sees is derived from the clock and this timeline.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

WorkflowFunction = Callable[[Any], Any]

MAX_STEPS = 100_000  # the service's documented limit; it also stops `while True: yield Step(...)`

# Names that the service itself uses as error tags; another exception's class would mean nothing there.
_ERROR_TAGS = frozenset(
    [
        "AuthError",
        "ConnectionError",
        "ConnectionFailedError",
        "HttpError",
        "IndexError",
        "KeyError",
        "OperationError",
        "ParallelNestingError",
        "RecursionError",
        "ResourceLimitError",
        "ResponseTypeError",
        "SystemError",
        "TimeoutError",
        "TypeError",
        "UnhandledBranchError",
        "ValueError",
        "ZeroDivisionError",
    ]
)


@dataclass(frozen=True)
class Step:
    """Spend time in a named step.

    :param seconds: how long; `math.inf` for a step that never ends.
    :param routine: the (sub)workflow that the step belongs to.
    :raises ValueError: `seconds` is negative or NaN.
    """

    name: str
    seconds: float = 0.0
    routine: str = "main"

    def __post_init__(self) -> None:
        if not self.seconds >= 0:  # "not" also catches NaN
            raise ValueError(f"seconds must not be negative, got {self.seconds}")


class WorkflowError(Exception):
    """Fail an execution with a payload of your choice.

    :param payload: any JSON value, a plain string included (a workflow's `raise: "text"`).
    :param step: the step that failed; by default the last one begun.
    :param line: the line in the workflow's source, reported in the stack trace.
    :param context: the human-readable text; by default made like the service's from the payload.
    """

    def __init__(
        self,
        payload: Any,
        *,
        step: str | None = None,
        line: int = 1,
        routine: str = "main",
        context: str | None = None,
    ) -> None:
        super().__init__(payload)
        self.payload = payload
        self.step = step
        self.line = line
        self.routine = routine
        self.context = context


@dataclass(frozen=True)
class Outcome:
    """How an execution ends: `result` is a JSON text, `error` an API `Error` object."""

    state: str
    result: str | None = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True)
class Timeline:
    """The steps with their offsets from the beginning, and the end. All times in nanoseconds.

    :ivar length: None when the execution never ends.
    """

    outcome: Outcome
    length: int | None = 0
    offsets: list[int] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def step_at(self, elapsed: int) -> Step | None:
        """Return the step in progress `elapsed` nanoseconds after the beginning, or the last one."""
        index = bisect_right(self.offsets, elapsed) - 1
        return self.steps[index] if index >= 0 else None


SUCCEEDED_AT_ONCE = Timeline(Outcome("SUCCEEDED", result="null"))
ENDLESS = Timeline(Outcome("SUCCEEDED", result="null"), length=None)


def dump_json(value: Any) -> str:
    """Serialise compactly, as the service stores arguments and results.

    :raises ValueError, TypeError: the value is not JSON.
    """
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def build_timeline(function: WorkflowFunction, argument: Any) -> Timeline:
    """Call the workflow function and work out what happens when."""
    steps: list[Step] = []
    offsets: list[int] = []
    length: int | None = 0
    try:
        produced = function(argument)
        if isinstance(produced, Generator):
            length, produced = _run_steps(produced, steps, offsets)
        outcome = Outcome("SUCCEEDED", result=dump_json(produced))
    except Exception as error:  # noqa: BLE001 - whatever a workflow function raises is the execution's failure
        outcome = Outcome("FAILED", error=describe_error(error, steps[-1] if steps else None))
        length = _length(steps)
    return Timeline(outcome, length, offsets, steps)


def _run_steps(generator: Generator[Step, None, Any], steps: list[Step], offsets: list[int]) -> tuple[int | None, Any]:
    """Exhaust a generator into `steps` and `offsets`; return the length and the returned value."""
    elapsed = 0
    while True:
        try:
            step = next(generator)
        except StopIteration as stop:
            return elapsed, stop.value
        steps.append(step)
        offsets.append(elapsed)
        if math.isinf(step.seconds):
            generator.close()
            return None, None
        elapsed += round(step.seconds * 1e9)
        if len(steps) >= MAX_STEPS:
            generator.close()
            raise WorkflowError({"message": "too many steps", "tags": ["ResourceLimitError"]})


def _length(steps: list[Step]) -> int:
    return sum(round(step.seconds * 1e9) for step in steps)


def describe_error(error: Exception, last_step: Step | None = None) -> dict[str, Any]:
    """Return the API's `Error` object `{payload, context, stackTrace}` for an exception."""
    if not isinstance(error, WorkflowError):
        tag = type(error).__name__
        payload = {"message": str(error), "tags": [tag if tag in _ERROR_TAGS else "SystemError"]}
        error = WorkflowError(payload)
    step = error.step or (last_step.name if last_step else "main_step")
    text = error.context or _headline(error.payload)
    element = {
        "position": {"column": "7", "length": "1", "line": str(error.line)},
        "routine": error.routine,
        "step": step,
    }
    return {
        "payload": dump_json(error.payload),
        "context": f'{text}\nin step "{step}", routine "{error.routine}", line: {error.line}',
        "stackTrace": {"elements": [element]},
    }


def _headline(payload: Any) -> str:
    if isinstance(payload, dict) and isinstance(payload.get("message"), str):
        return str(payload["message"])
    return f"RuntimeError: {dump_json(payload)}"


def echo(argument: Any) -> Any:
    """Return the argument at once."""
    return argument


def sleep(argument: Any) -> Generator[Step, None, Any]:
    """Take `seconds`, then return `result`: `{"seconds": 2.5, "result": any}`."""
    argument = argument or {}
    yield Step("sleep", float(argument.get("seconds", 0)))
    yield Step("return_result")
    return argument.get("result")


def fail(argument: Any) -> Generator[Step, None, Any]:
    """Take `seconds`, then fail with `message`: `{"message": "text", "seconds": 0}`."""
    argument = argument or {}
    yield Step("fail", float(argument.get("seconds", 0)))
    message = str(argument.get("message", "failed on request"))
    raise WorkflowError({"message": message, "tags": ["ValueError"]})


def forever(argument: Any) -> Generator[Step, None, Any]:
    """Never end."""
    yield Step("wait", math.inf)
    return argument


BUILT_IN: dict[str, WorkflowFunction] = {"echo": echo, "sleep": sleep, "fail": fail, "forever": forever}
