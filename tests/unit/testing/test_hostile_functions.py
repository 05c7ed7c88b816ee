# SPDX-License-Identifier: Apache-2.0
"""Workflow functions that would hurt the server: each ends as its execution's failure, and the server goes on."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import airflow_provider_workflows.testing as package
from airflow_provider_workflows.testing import Callback, Emulator, Step, WorkflowError, serve
from airflow_provider_workflows.testing.workflows import describe_error

if TYPE_CHECKING:
    from tests.unit.testing.conftest import Api


class NoText(Exception):
    """Refuse to say what happened."""

    def __str__(self) -> str:
        raise RuntimeError("no")


def raises(error: BaseException) -> Callable[[Any], Any]:
    """Return a plain function that raises something."""

    def function(argument: Any) -> Any:
        raise error

    return function


def yields(*made: Any) -> Callable[[Any], Any]:
    """Return a generator function that yields things."""

    def function(argument: Any) -> Iterator[Any]:
        yield from made

    return function


def leaves_late(argument: Any) -> Iterator[Any]:
    """Go on although it is told to stop."""
    try:
        yield 5
    finally:
        yield Step("not yet")


async def coroutine(argument: Any) -> Any:
    """Be a coroutine function."""


async def async_generator(argument: Any) -> Any:
    """Be an async generator function."""
    yield Step("one")


def recursion(argument: Any) -> Any:
    """Recur for ever."""
    return recursion(argument)


endless_list: list[Any] = []
endless_list.append(endless_list)


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda _: sys.exit(3), "the workflow function raised SystemExit: 3"),
        (lambda _: pytest.fail("no good"), "the workflow function raised Failed: no good"),
        (lambda _: pytest.skip("not today"), "the workflow function raised Skipped: not today"),
        (raises(KeyboardInterrupt()), "the workflow function raised KeyboardInterrupt: "),
        (raises(GeneratorExit()), "the workflow function raised GeneratorExit: "),
        (raises(StopIteration(1)), "1"),
        (raises(NoText()), "its text could not be made"),
        (raises(WorkflowError(object())), "the payload of the WorkflowError is not JSON"),
        (raises(TimeoutError("mine")), "mine"),
        (recursion, "maximum recursion depth exceeded"),
        (yields(5), "yields Step and Callback, got int"),
        (yields(Step("one"), None), "yields Step and Callback, got NoneType"),
        (yields(Step), "yields Step and Callback, got type"),
        (leaves_late, "generator ignored GeneratorExit"),
        (coroutine, "must not be async"),
        (async_generator, "must not be async"),
        (lambda _: object(), "not JSON serializable"),
        (lambda _: endless_list, "Circular reference"),
        (lambda: None, "takes 0 positional arguments"),
    ],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_function_that_fails_in_its_own_way(
    api: Api, emulator: Emulator, function: Callable[[Any], Any], text: str
) -> None:
    """Whatever a function raises, yields or returns, its execution says so and the next request is answered."""
    emulator.workflow("w")(function)
    execution = api.get("w", api.created("w")).json()
    assert execution["state"] == "FAILED"
    assert text in json.loads(execution["error"]["payload"])["message"]
    assert text in execution["error"]["context"]
    assert api.get("echo", api.created("echo", 1)).json()["result"] == "1"


def test_function_that_takes_a_moment(v1: Api, emulator: Emulator) -> None:
    """A function may take real time; the answer to the create comes when it is through."""

    @emulator.workflow("slow")
    def slow(argument: Any) -> Any:
        time.sleep(0.05)
        return "done"

    assert v1.get("slow", v1.created("slow")).json()["result"] == '"done"'


def test_others_are_served_meanwhile(v1: Api, emulator: Emulator) -> None:
    """While a function computes its execution is ACTIVE, and every other request is answered."""
    began, go_on = threading.Event(), threading.Event()

    @emulator.workflow("busy")
    def busy(argument: Any) -> Any:
        began.set()
        assert go_on.wait(10)
        return 1

    with ThreadPoolExecutor(1) as pool:
        creating = pool.submit(v1.created, "busy")
        assert began.wait(10)
        (execution,) = emulator.executions("busy")
        assert (execution["state"], execution["status"]) == ("ACTIVE", {})
        assert v1.create("echo").status_code == 200
        assert not creating.done()
        go_on.set()
        assert emulator.execution(creating.result(10))["result"] == "1"


def test_cancel_while_a_function_computes(v1: Api, emulator: Emulator) -> None:
    """An execution that is cancelled while its function computes stays cancelled."""
    began, go_on = threading.Event(), threading.Event()

    @emulator.workflow("busy")
    def busy(argument: Any) -> Any:
        began.set()
        assert go_on.wait(10)
        yield Step("long", 60)

    with ThreadPoolExecutor(1) as pool:
        creating = pool.submit(v1.created, "busy")
        assert began.wait(10)
        execution_id = emulator.executions("busy")[0]["name"].rpartition("/")[2]
        assert v1.cancel("busy", execution_id).json()["state"] == "CANCELLED"
        go_on.set()
        assert creating.result(10) == execution_id
    assert v1.get("busy", execution_id).json()["state"] == "CANCELLED"


def test_child_workflows(v1: Api, emulator: Emulator) -> None:
    """A function may run other workflows on the same emulator, over HTTP or by `start`, as deep as it likes."""

    @emulator.workflow("parent")
    def parent(argument: Any) -> Any:
        if argument == 0:
            return ["end"]
        start = v1.created if argument % 2 else emulator.start
        child = v1.get("parent", start("parent", argument - 1)).json()
        return [argument, *json.loads(child["result"])]

    assert v1.get("parent", v1.created("parent", 12)).json()["result"] == json.dumps(
        [*range(12, 0, -1), "end"], separators=(",", ":")
    )


def test_function_that_never_returns(v1: Api, emulator: Emulator) -> None:
    """At `function_timeout` the execution fails with the steps so far, however the function spends its time."""
    emulator.settings.function_timeout = 1.0
    stop = threading.Event()

    @emulator.workflow("loop")
    def loop(argument: Any) -> Any:
        yield Step("first")
        yield Step("second")
        while not stop.is_set():
            pass

    @emulator.workflow("sleeps")
    def sleeps(argument: Any) -> Any:
        stop.wait(60)

    execution = v1.get("loop", v1.created("loop")).json()
    assert execution["state"] == "FAILED"
    payload = json.loads(execution["error"]["payload"])
    assert payload["tags"] == ["TimeoutError"]
    assert "still computing after 1 seconds (function_timeout)" in payload["message"]
    assert 'in step "second"' in execution["error"]["context"]
    assert emulator.execution(emulator.start("sleeps"))["state"] == "FAILED"
    assert v1.get("echo", v1.created("echo", 1)).json()["result"] == "1"
    stop.set()


def test_many_that_never_return(v1: Api, emulator: Emulator) -> None:
    """Functions that do not return do not use the server up."""
    emulator.settings.function_timeout = 0.3
    stop = threading.Event()
    emulator.workflow("sleeps")(lambda _: stop.wait(60))
    with ThreadPoolExecutor(20) as pool:
        ids = list(pool.map(lambda _: emulator.start("sleeps"), range(40)))
    assert {emulator.execution(each)["state"] for each in ids} == {"FAILED"}
    assert v1.create("echo").status_code == 200
    stop.set()


def test_function_that_hangs_after_its_callback(v1: Api, emulator: Emulator) -> None:
    """What goes on after a callback has the same limits, and fails the same way."""
    stop = threading.Event()

    @emulator.workflow("w")
    def w(argument: Any) -> Any:
        yield Callback("c")
        if argument == "hang":
            stop.wait(60)
        sys.exit("enough")

    texts = []
    for argument, seconds in (("exit", 10), ("hang", 0.2)):
        execution_id = v1.created("w", argument)
        emulator.settings.function_timeout = seconds
        assert v1.call_back("w", execution_id, "c").status_code == 200
        texts.append(v1.get("w", execution_id).json()["error"]["payload"])
    assert "raised SystemExit: enough" in texts[0]
    assert "still computing" in texts[1]
    stop.set()


def test_callback_that_is_called_by_many_at_once(v1: Api, emulator: Emulator) -> None:
    """Each wait takes one request, whoever comes at the same time."""

    @emulator.workflow("w")
    def w(argument: Any) -> Any:
        got = []
        for _ in range(8):
            request = yield Callback("c")
            got.append(request["http_request"]["body"])
        return sorted(got)

    execution_id = v1.created("w")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: v1.call_back("w", execution_id, "c", number).status_code, range(8)))
    assert set(answers) == {200}
    assert v1.get("w", execution_id).json()["result"] == "[0,1,2,3,4,5,6,7]"


async def test_functions_run_beside_the_callers_loop() -> None:
    """Served in the caller's own event loop, a function that takes a moment does not hold the loop up."""
    go_on, loop, began = threading.Event(), asyncio.get_running_loop(), asyncio.Event()

    def waits(argument: Any) -> Any:
        loop.call_soon_threadsafe(began.set)
        return go_on.wait(10)

    async with serve(Emulator()) as emulator:
        emulator.workflow("waits")(waits)
        path = "/v1/projects/p/locations/us-central1/workflows/waits/executions"
        creating = asyncio.create_task(_post(emulator.port, path))
        await asyncio.wait_for(began.wait(), 10)
        go_on.set()
        assert b'"ACTIVE"' in await asyncio.wait_for(creating, 10)
        assert emulator.executions("waits")[0]["result"] == "true"


async def _post(port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST {path} HTTP/1.0\r\nContent-Length: 0\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer


def test_process_ends_although_a_function_does_not() -> None:
    """A function that loops for ever does not keep its process alive."""
    program = """
        from airflow_provider_workflows.testing import Emulator

        def loop(argument):
            while True:
                pass

        with Emulator(function_timeout=0.1) as emulator:
            emulator.workflow("loop")(loop)
            print(emulator.execution(emulator.start("loop"))["state"])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(package.__file__).parents[2],
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "FAILED\n", "")


def test_errors_are_described_without_steps() -> None:
    """An error outside any step names the step that stands for them all."""
    assert describe_error(ValueError("x"))["stackTrace"]["elements"][0]["step"] == "main_step"
