# SPDX-License-Identifier: Apache-2.0
"""
Every text about an execution: the news first, the execution in brief, nothing that a log view cannot show.

``messages.md`` beside this file shows each with an example. ``python -m tests.unit.core.test_messages`` writes it anew.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import airflow_provider_workflows
from airflow_provider_workflows.api.errors import Subject
from airflow_provider_workflows.core import messages
from airflow_provider_workflows.core.deadlines import Limit
from airflow_provider_workflows.core.messages import cancels, failures, life, looks, retries, setup
from airflow_provider_workflows.core.names import WorkflowName
from airflow_provider_workflows.exceptions import WorkflowsApiError
from tests.documents import tables

GOLDEN = Path(__file__).with_name("messages.md")
#: Characters of a line that a log view shows.
SHOWN = 90
WORKFLOW = WorkflowName("my-project", "us-central1", "orders")
EXECUTION_ID = "1a2b3c4d-5e6f-4a1b-8c2d-3e4f5a6b7c8d"
#: Parts of texts, which have no line of their own.
PARTS = {
    *("life.whole", "life.place_of", "life.seen", "life.span", "looks.why", "failures.moment", "cancels.no_time_left"),
    *("failures.sent_and_lost", "failures.sent_before", "failures.looking_failed"),
}
#: What is about no execution and no workflow, but about the task, the connection, or all that is asked.
ABOUT_NO_EXECUTION = {
    *(
        "life.list_is_cut",
        "life.skipping",
        "retries.not_written",
        "retries.later_try_unknown",
        "retries.clears_unknown",
        "retries.waiting_unknown",
        "failures.not_noted",
    ),
    *("retries.taken_over", "cancels.goes_on", "cancels.answer_will_tell", "cancels.left_to_other_try"),
    *("cancels.killed", "cancels.killed_while_creating", "looks.slow_down"),
}
#: The texts that have an execution's whole name, with its address; one of them has its place in each try.
WHOLE = {
    *("life.created", "life.waiting", "life.got", "life.asked_to_cancel", "retries.going_on"),
    "retries.created_too_late",
}


def examples(workflow: WorkflowName) -> dict[str, tuple[str, str]]:
    """Return an example of each text, with its level."""
    name, subject = workflow.execution(EXECUTION_ID), Subject("get", workflow.execution(EXECUTION_ID).brief)
    error = WorkflowsApiError(subject.could_not("503 UNAVAILABLE: Try again later"))
    steps = [("main", "call_charge"), ("charge", "send")]
    reason = "HTTP server responded with error code 503 (HttpError): The card service is down."
    parts = (reason, "step send of charge, line 12", "after 12.3 s", "revision 000001-ed4")
    refused, place = "403 IAM_PERMISSION_DENIED: Permission denied", workflow.place
    made: dict[Callable[..., str], tuple[str, str]] = {
        life.created: ("info", life.created(name)),
        life.waiting: ("info", life.waiting(name)),
        life.got: ("info", life.got(name, "ACTIVE")),
        life.asked_to_cancel: ("info", life.asked_to_cancel(name, "CANCELLED")),
        life.is_in: ("info", life.is_in(name, "QUEUED")),
        life.is_in_unknown: ("warning", life.is_in_unknown(name, "PAUSED")),
        life.at_step: ("info", life.at_step(name, steps)),
        life.deferred: ("info", life.deferred(name)),
        life.succeeded: ("info", life.succeeded(name, "SUCCEEDED", 12.34)),
        life.ends_in_worker: ("info", life.ends_in_worker(name, error)),
        life.trigger_failed: ("error", life.trigger_failed(name, "ACTIVE")),
        life.list_is_cut: ("warning", life.list_is_cut(100)),
        life.skipping: ("error", life.skipping()),
        retries.going_on: ("info", retries.going_on(name, "ACTIVE")),
        retries.creating_anew: ("info", retries.creating_anew(name, "FAILED")),
        retries.creating_after_change: ("info", retries.creating_after_change(name, "SUCCEEDED")),
        retries.creating_because_none: ("info", retries.creating_because_none(workflow)),
        retries.left_over: ("warning", retries.left_over(name)),
        retries.twin: ("warning", retries.twin(name)),
        retries.not_found_yet: ("warning", retries.not_found_yet(name, 5.0)),
        retries.others_unknown: ("warning", retries.others_unknown(workflow, error)),
        retries.filter_refused: ("info", retries.filter_refused(workflow)),
        retries.order_refused: ("info", retries.order_refused(workflow)),
        retries.scanned: ("warning", retries.scanned(workflow, 2000)),
        retries.not_written: ("error", retries.not_written()),
        retries.no_clear_answer: ("warning", retries.no_clear_answer(workflow, error)),
        retries.made_none: ("info", retries.made_none(workflow)),
        retries.found_lost: ("info", retries.found_lost(name)),
        retries.created_too_late: ("warning", retries.created_too_late(name)),
        retries.given_up_unknown: ("warning", retries.given_up_unknown(workflow, error)),
        retries.other_try_unknown: ("warning", retries.other_try_unknown(workflow, error)),
        retries.later_try_unknown: ("warning", retries.later_try_unknown(error)),
        retries.left_to_later: ("info", retries.left_to_later(workflow)),
        retries.may_be_going: (
            "error",
            retries.may_be_going(workflow, "no execution was found", "its label airflow-attempt is 0f1e2d"),
        ),
        retries.clears_unknown: ("error", retries.clears_unknown()),
        retries.waiting_unknown: ("error", retries.waiting_unknown()),
        retries.taken_over: ("exception", retries.taken_over()),
        cancels.to_be_cancelled: ("warning", cancels.to_be_cancelled(name)),
        cancels.not_asked_yet: ("warning", cancels.not_asked_yet(name)),
        cancels.cancelled: ("info", cancels.cancelled(name)),
        cancels.was_over: ("info", cancels.was_over(name, "SUCCEEDED")),
        cancels.not_cancelled: ("error", cancels.not_cancelled(name, error)),
        cancels.still_going: ("warning", cancels.still_going(name, "ACTIVE")),
        cancels.goes_on: ("warning", cancels.goes_on(4.0)),
        cancels.kill_failed: ("error", cancels.kill_failed(name, OSError("the database is away"))),
        cancels.answer_will_tell: ("info", cancels.answer_will_tell()),
        cancels.left_to_other_try: ("info", cancels.left_to_other_try()),
        cancels.not_told_yet: ("warning", cancels.not_told_yet(name, 20.0)),
        cancels.not_told_in_time: ("error", cancels.not_told_in_time(name, 120.0)),
        cancels.not_told: ("error", cancels.not_told(name)),
        cancels.still_awaited: ("info", cancels.still_awaited(name)),
        cancels.killed: ("exception", cancels.killed()),
        cancels.killed_while_creating: ("exception", cancels.killed_while_creating()),
        looks.not_seen: ("warning", looks.not_seen(name, error, 10.0, 120.0)),
        looks.look_failed: ("warning", looks.look_failed(name, error)),
        looks.last_look_failed: ("warning", looks.last_look_failed(name, error)),
        looks.not_listed: ("warning", looks.not_listed(workflow, error, 10.0)),
        looks.not_opened: ("warning", looks.not_opened(workflow, OSError("the database is away"), 10.0)),
        looks.poller_broke: ("error", looks.poller_broke(workflow)),
        looks.poller_stopped: ("exception", looks.poller_stopped(workflow)),
        looks.slow_down: ("warning", looks.slow_down(10.0, error)),
        failures.ended_badly: ("exception", failures.ended_badly(name, "FAILED", parts)),
        failures.not_retried: ("exception", failures.not_retried(name)),
        failures.timed_out: (
            "exception",
            failures.timed_out(name, "ACTIVE", Limit("execution_timeout", 600.0, 1_767_226_200.0)),
        ),
        failures.not_noted: ("exception", failures.not_noted()),
        failures.could_not: (
            "exception",
            failures.could_not("get", name.brief, refused, "The identity needs a role.", place),
        ),
        failures.may_exist: (
            "exception",
            failures.may_exist(workflow.brief, "503 UNAVAILABLE: Try again later", place),
        ),
        failures.cannot_tell: (
            "exception",
            failures.cannot_tell(workflow, failures.sent_before(), 1_767_225_600.0),
        ),
        failures.not_looked_back: ("exception", failures.not_looked_back(workflow, error)),
        failures.not_waited_for: ("exception", failures.not_waited_for(name, "ACTIVE", refused)),
        setup.no_credentials_yet: ("warning", setup.no_credentials_yet(60.0, OSError("no answer"))),
        setup.connection_not_read: ("warning", setup.connection_not_read(OSError("the database is away"))),
        setup.misspelt_extra: ("warning", setup.misspelt_extra("projct", "project")),
        setup.anonymous: ("warning", setup.anonymous()),
        setup.ignored: ("warning", setup.ignored(["metadata (requests over REST have none)"])),
    }
    return {called(function): example for function, example in made.items()}


def called(function: Callable[..., str]) -> str:
    """Return a message's name, with its module."""
    return f"{function.__module__.rpartition('.')[2]}.{function.__name__}"


EXAMPLES = examples(WORKFLOW)


def golden() -> str:
    """Return what the golden file must say."""
    rows = [f"| `{name}` | {level} | {text} |" for name, (level, text) in EXAMPLES.items()]
    return "\n".join(["# Every message", "", "| message | level | example |", "|---|---|---|", *rows, ""])


def every_message() -> Iterator[str]:
    """Yield the name of each message that the package can make."""
    for found in pkgutil.iter_modules(messages.__path__):
        module = importlib.import_module(f"{messages.__name__}.{found.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and not name.startswith("_"):
                yield f"{found.name}.{name}"


def test_the_golden_file_shows_every_message() -> None:
    """A text that changes, comes or goes is seen in a review, in the words that users read."""
    assert set(every_message()) == set(EXAMPLES) | PARTS
    assert GOLDEN.read_text(encoding="utf-8") == golden()


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_news_and_the_execution_come_first(name: str) -> None:
    """Within what a log view shows stand the news and, in brief, which execution; the rest is one line, too."""
    _, text = EXAMPLES[name]
    assert text.isprintable()
    assert not text.startswith(("orders", "projects/"))
    if name in ABOUT_NO_EXECUTION or name.startswith("setup."):
        assert "orders" not in text[:SHOWN]
        return
    assert "orders" in text[:SHOWN]
    about_one = "name: ExecutionName" in str(inspect.signature(function_of(name))) or name == "failures.could_not"
    assert not about_one or "orders 1a2b3c4d" in text[:SHOWN]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_longest_workflow_id_does_not_push_the_execution_away(name: str) -> None:
    """With an id of 64 characters state and execution still stand within what is shown; a step takes its room."""
    longest = "w" * 64
    _, text = examples(WorkflowName("my-project", "us-central1", longest))[name]
    if longest in text and name not in ("life.at_step", "retries.creating_anew"):
        assert text.index(longest) + len(longest) <= SHOWN


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_whole_name_has_its_one_line(name: str) -> None:
    """Only where a task learns of its execution its whole name is told, at the end, with an address to click."""
    _, text = EXAMPLES[name]
    whole = f"{WORKFLOW}/executions/{EXECUTION_ID} https://console.cloud.google.com/"
    assert (whole in text) == (name in WHOLE)
    assert (f"/executions/{EXECUTION_ID}" in text) == (name in WHOLE)
    assert text.count("https://") <= 1


def function_of(name: str) -> Callable[..., str]:
    """Return a message by its name."""
    module, _, function = name.partition(".")
    made: Callable[..., str] = getattr(importlib.import_module(f"{messages.__name__}.{module}"), function)
    return made


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield each call of a logger in the package, with its level."""
    root = Path(airflow_provider_workflows.__file__).parent
    for path in root.rglob("*.py"):
        if "testing" in path.relative_to(root).parts or path.name == "loop_log.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                level = {"exception": "error"}.get(node.func.attr, node.func.attr)
                if level in ("info", "warning", "error", "debug") and "log" in ast.unparse(node.func.value).lower():
                    yield level, node


def test_nothing_is_logged_that_is_not_listed() -> None:
    """A line that is put together at its place would escape the rules; each has the level that the list says."""
    seen = 0
    for level, call in log_calls():
        (text,) = call.args
        assert not isinstance(text, (ast.Constant, ast.JoinedStr, ast.BinOp)), ast.unparse(call)
        name = ast.unparse(text.func) if isinstance(text, ast.Call) else ""
        if name in EXAMPLES:
            seen += 1
            assert EXAMPLES[name][0] == level, ast.unparse(call)
    assert seen > 40


def test_what_to_do_about_each_trouble() -> None:
    """The documents say of each warning, error and exception what it means or wants."""
    rows: list[Any] = tables("docs/troubleshooting.md", "## What a line of the log wants")
    troubles = [(level, text) for level, text in EXAMPLES.values() if level != "info"]
    assert [(row[0], row[1]) for row in rows] == troubles
    assert all(len(row) == 3 and row[2] for row in rows)


if __name__ == "__main__":
    GOLDEN.write_text(golden(), encoding="utf-8")
