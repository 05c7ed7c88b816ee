# SPDX-License-Identifier: Apache-2.0
"""Ask what nobody has published about cancelling, and about reading what has just been created."""

from __future__ import annotations

from collections.abc import Callable

from tests.contract.questions import NO_VALUE, Finding, asks
from tests.contract.server import ENDED, LOOKS, PAUSE, Answer, DepartureError, Server

_ACTIVE = frozenset({"ACTIVE"})


@asks("Does the answer to a cancel already say CANCELLED?")
def cancel_answer(server: Server) -> Finding:
    """Cancel what goes on, and read the answer; then look until it is over."""
    name = server.start("wait", {"seconds": 600})
    server.until(name, _ACTIVE)
    answer = server.cancel(name)
    if answer.status != 200:
        return Finding(f"it answers {answer.described()}", f"cancel_mode: {NO_VALUE}")
    state = answer.json.get("state")
    with server.quietly():
        at_once = server.get(name).json.get("state")
    final = server.until(name)[0]["state"]
    if state in ENDED:
        return Finding(f"yes: {state}", 'cancel_mode="immediate"')
    return Finding(f"no: {state}, {at_once} at the next look, {final} in the end", 'cancel_mode="late"')


@asks("What does a cancel of an execution that has SUCCEEDED answer?")
def cancel_finished(server: Server) -> Finding:
    """Cancel what is over."""
    name = server.start("echo", 1)
    server.until(name)
    return _cancel_over(server, name)


@asks("What does a second cancel answer?")
def cancel_twice(server: Server) -> Finding:
    """Cancel what is CANCELLED."""
    name = server.start("wait", {"seconds": 600})
    server.until(name, _ACTIVE)
    server.cancel(name)
    server.until(name)
    return _cancel_over(server, name)


def _cancel_over(server: Server, name: str) -> Finding:
    answer = server.cancel(name)
    value = NO_VALUE
    if answer.status == 200:
        value = '"ok"'
    elif (answer.status, answer.error.get("status")) == (400, "FAILED_PRECONDITION"):
        value = '"error"'
    state = f", state {answer.json.get('state')}" if answer.status == 200 else ""
    return Finding(
        answer.described() + state, f"cancel_finished={value}" if value[0] == '"' else f"cancel_finished: {value}"
    )


@asks("Does a get find an execution as soon as its create is answered?")
def get_after_create(server: Server) -> Finding:
    """Get five new executions at once."""

    def is_found(name: str) -> bool:
        answer = server.get(name)
        if answer.status not in {200, 404}:
            raise DepartureError(f"a get answers {answer.described()}")
        return answer.status == 200

    return _soon(server, is_found, "get_delay")


@asks("Does a cancel find an execution as soon as its create is answered?")
def cancel_after_create(server: Server) -> Finding:
    """Cancel five new executions at once."""

    def is_found(name: str) -> bool:
        answer = server.cancel(name)
        if answer.status not in {200, 404}:
            raise DepartureError(f"a cancel answers {answer.described()}")
        return answer.status == 200

    return _soon(server, is_found, "get_delay")


@asks("Does a list show an execution as soon as its create is answered?")
def list_after_create(server: Server) -> Finding:
    """List after each of five creates."""

    def is_listed(name: str) -> bool:
        page: Answer = server.list("wait", pageSize=20)
        return name in {server.path("wait", each) for each in page.json.get("executions", [])}

    return _soon(server, is_listed, "list_delay")


def _soon(server: Server, is_there: Callable[[str], bool], setting: str) -> Finding:
    late = 0.0
    for _ in range(5):
        name, began = server.start("wait", {"seconds": 600}), server.clock()
        for _look in range(LOOKS):
            if is_there(name):
                break
            with server.quietly():
                server.sleep(PAUSE)
            late = max(late, server.clock() - began)
        else:
            return Finding("not within a minute", f"{setting} > {LOOKS}")
    if not late:
        return Finding("yes, five times of five", f"{setting}=0")
    return Finding("no, but within a minute" if late > 20 else "no, but within 20 seconds", f"{setting} > 0")
