# SPDX-License-Identifier: Apache-2.0
"""Turn a Python function into a workflow: its timeline is worked out when an execution is created.

A workflow function takes the decoded argument. There are two forms:

* a plain function: what it returns is the result, and the execution takes no time;
* a generator function: it yields a `Step` for each step and a `Callback` to wait for a request, and what it returns
  is the result.

An exception ends the execution as FAILED; `WorkflowError` chooses the payload. The function is called once and runs on
to its end, or to its next callback: steps only *say* how long they take, nothing ever waits. What a reader sees is
derived from the clock and this timeline.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

WorkflowFunction = Callable[[Any], Any]

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
    :param type: what a step entry says that it is; the API's `StepType`.
    :param variables: what a detailed step entry says is in scope, any JSON values by name.
    :raises ValueError: `seconds` is negative or NaN.
    """

    name: str
    seconds: float = 0.0
    routine: str = "main"
    type: str = "STEP_CALL"
    variables: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.seconds >= 0:  # "not" also catches NaN
            raise ValueError(f"seconds must not be negative, got {self.seconds}")


@dataclass(frozen=True)
class Callback:
    """Wait in a step until somebody requests a URL, that of the execution with `/callbacks/{name}` at its end.

    `yield Callback("approve")` gives what the service's `events.await_callback` returns:
    `{"http_request": {"body", "headers", "method", "query", "url"}, "received_time", "type": "HTTP"}`.

    :param name: names the step and is the callback's id; the service makes ids up.
    :param method: the HTTP method that it waits for.
    :param timeout: seconds after which the execution fails with a TimeoutError, which the function cannot catch.
    :raises ValueError: `timeout` is negative or NaN.
    """

    name: str
    method: str = "POST"
    timeout: float = math.inf
    routine: str = "main"

    def __post_init__(self) -> None:
        if not self.timeout >= 0:
            raise ValueError(f"timeout must not be negative, got {self.timeout}")

    @property
    def step(self) -> Step:
        """Return the step in which the execution waits."""
        return Step(self.name, routine=self.routine, type="STEP_STD_LIB_CALL")


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

    :ivar length: None when the execution never ends, as things stand.
    :ivar waiting: the callback that would change how it goes on, the last of the steps.
    """

    outcome: Outcome
    length: int | None = 0
    offsets: list[int] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    waiting: Callback | None = None

    def step_at(self, elapsed: int) -> Step | None:
        """Return the step in progress `elapsed` nanoseconds after the beginning, or the last one."""
        index = bisect_right(self.offsets, elapsed) - 1
        return self.steps[index] if index >= 0 else None

    def begun_by(self, elapsed: int) -> set[str]:
        """Return the names of the steps that have begun."""
        return {step.name for step in self.steps[: bisect_right(self.offsets, elapsed)]}


SUCCEEDED_AT_ONCE = Timeline(Outcome("SUCCEEDED", result="null"))
ENDLESS = Timeline(Outcome("SUCCEEDED", result="null"), length=None)


def dump_json(value: Any) -> str:
    """Serialise compactly, as the service stores arguments and results.

    :raises ValueError, TypeError: the value is not JSON.
    """
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def failed(error: BaseException, steps: list[Step] | None = None) -> Outcome:
    """Return the outcome of an exception."""
    return Outcome("FAILED", error=describe_error(error, steps[-1] if steps else None))


def describe_error(error: BaseException, last_step: Step | None = None) -> dict[str, Any]:
    """Return the API's `Error` object `{payload, context, stackTrace}` for an exception."""
    if not isinstance(error, WorkflowError):
        error = WorkflowError(_payload(error))
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


def _payload(error: BaseException) -> dict[str, Any]:
    """Return the payload for any exception, those that are meant to end a program or a test included."""
    tag = type(error).__name__
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - it is somebody else's exception
        text = "its text could not be made"
    if not isinstance(error, Exception):
        text = f"the workflow function raised {tag}: {text}"
    return {"message": text, "tags": [tag if tag in _ERROR_TAGS else "SystemError"]}


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
    """Take `seconds`, then fail with `payload`, or with `message`: `{"payload": any, "message": "", "seconds": 0}`."""
    argument = argument or {}
    yield Step("fail", float(argument.get("seconds", 0)))
    message = str(argument.get("message", "failed on request"))
    raise WorkflowError(argument.get("payload", {"message": message, "tags": ["ValueError"]}))


def forever(argument: Any) -> Generator[Step, None, Any]:
    """Never end."""
    yield Step("wait", math.inf)
    return argument


BUILT_IN: dict[str, WorkflowFunction] = {"echo": echo, "sleep": sleep, "fail": fail, "forever": forever}
