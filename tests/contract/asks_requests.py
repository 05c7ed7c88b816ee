# SPDX-License-Identifier: Apache-2.0
"""Ask what nobody has published about creates, histories and refusals."""

from __future__ import annotations

import json

import requests

from tests.contract.questions import Finding, asks
from tests.contract.server import PAUSE, Server, UnsettledError

_KIB = 1024
#: Bytes of an argument that are certainly taken, and what is tried before the boundary is searched between two.
SIZES = (32 * _KIB, 32 * _KIB + 1, 256 * _KIB, 512 * _KIB, 512 * _KIB + 1, 1024 * _KIB, 4096 * _KIB)


@asks("How large may an argument be? (32 KB and 512 KB are both documented.)", v1_only=True)
def largest_argument(server: Server) -> Finding:
    """Find the byte from which a create is refused."""
    taken, refused = 0, 0
    with server.quietly():
        for size in SIZES:
            if _is_taken(server, size):
                taken = size
            else:
                refused = size
                break
        if not refused:
            return Finding(f"{taken} bytes are taken, and more was not tried", f"argument_limit > {taken}")
        while refused - taken > 1:
            middle = (taken + refused) // 2
            if _is_taken(server, middle):
                taken = middle
            else:
                refused = middle
    answer = server.try_create("echo", "x" * (refused - 2))
    server.exchanges.clear()  # nobody wants to read it
    return Finding(f"{taken} bytes; one more is {answer.described()}", f"argument_limit={taken}")


def _is_taken(server: Server, size: int) -> bool:
    """Create with a JSON text of so many bytes, quotes included."""
    return server.try_create("echo", "x" * (size - 2)).status == 200


@asks("Is a create taken whose body is empty?")
def empty_body(server: Server) -> Finding:
    """Create with no body, and with an empty object; compare the arguments."""
    said = []
    for label, body in (("no body", None), ("an empty object", {}), ("an empty argument", {"argument": ""})):
        answer = server.send("POST", f"{server.parent('echo')}/executions", body=body)
        argument = f", argument {answer.json.get('argument', 'absent')}" if answer.status == 200 else ""
        said.append(f"{label}: {answer.described()}{argument}")
    return Finding("; ".join(said))


@asks("Is a cancel taken whose body is an empty object?")
def cancel_with_body(server: Server) -> Finding:
    """Cancel as clients do that always send a body; the reference says that it must be empty."""
    name = server.start("wait", {"seconds": 600})
    server.until(name, frozenset({"ACTIVE"}))
    return Finding(server.send("POST", f"{name}:cancel", body={}).described())


@asks("How does an argument come back: as it was sent, or written anew?")
def argument_text(server: Server) -> Finding:
    """Send JSON with spaces, escapes, a large number and unsorted keys."""
    text = '{"b": 1.0,  "a": "\\u00fc</", "n": 98765432109876543210}'
    answer = server.send("POST", f"{server.parent('echo')}/executions", body={"argument": text})
    if answer.status != 200:
        return Finding(answer.described())
    came = answer.json.get("argument", "")
    return Finding("as it was sent" if came == text else f"anew: `{came}`")


@asks("What do refusals say, beside their status?")
def refusals(server: Server) -> Finding:
    """Ask for what is missing and send what is wrong, and note the shapes of the errors."""
    create = f"{server.parent('echo')}/executions"
    missing = f"{server.parent('echo')}/executions/00000000-0000-4000-8000-000000000000"
    answers = {
        "execution missing": server.get(missing),
        "workflow missing": server.send("POST", f"{server.parent('echo')}-none/executions", body={}),
        "execution id malformed": server.get(f"{server.parent('echo')}/executions/no.id"),
        "location missing": server.send(
            "GET", f"projects/{server.project}/locations/nowhere1/workflows/{server.workflows['echo']}/executions"
        ),
        "body no JSON": server.send("POST", create, body=b"{"),
        "argument no JSON": server.send("POST", create, body={"argument": "{no"}),
        "unknown field": server.send("POST", create, body={"noSuchField": 1}),
        "unknown enum": server.send("POST", create, body={"callLogLevel": "NO_SUCH_LEVEL"}),
        "unknown parameter": server.send("GET", create, params={"noSuchParameter": 1}),
        "unknown view": server.send("GET", create, params={"view": "NO_SUCH_VIEW"}),
    }
    if server.version == "v1":
        answers["label in capitals"] = server.send("POST", create, body={"labels": {"A": "B"}})
    return Finding("; ".join(f"{what}: {answer.described()}" for what, answer in answers.items()))


@asks("What does a request without a token answer?")
def no_token(server: Server) -> Finding:
    """Get without credentials."""
    own = server.session
    with requests.Session() as anonymous:
        server.session = anonymous
        try:
            answer = server.list("echo", pageSize=1)
        finally:
            server.session = own
    if answer.status == 200:
        raise UnsettledError("this server asks for none")
    return Finding(answer.described())


@asks("May the history of an execution be deleted that goes on?", v1_only=True)
def delete_active_history(server: Server) -> Finding:
    """Delete it."""
    name = server.start("wait", {"seconds": 600})
    server.until(name, frozenset({"ACTIVE"}))
    answer = server.send("POST", f"{name}:deleteExecutionHistory", body={})
    value = "ok" if answer.status == 200 else "error"
    return Finding(answer.described(), f'delete_active_history="{value}"')


@asks("What does an export of an execution hold?", v1_only=True)
def export(server: Server) -> Finding:
    """Export one that is over, and name the keys."""
    name = server.start("echo", 1)
    server.until(name)
    answer = server.send("GET", f"{name}:exportData")
    if answer.status != 200:
        return Finding(answer.described())
    data = json.loads(answer.json.get("data", "null"))
    return Finding(f"an object with {', '.join(sorted(data))}" if isinstance(data, dict) else type(data).__name__)


@asks("What is in the first step entry, and is the history on unless one asks?", v1_only=True)
def step_entries(server: Server) -> Finding:
    """List the step entries of an execution that is in its first step."""
    name = server.start("wait", {"seconds": 600})
    server.until(name, frozenset({"ACTIVE"}))
    with server.quietly():
        server.sleep(PAUSE)
    answer = server.send("GET", f"{name}/stepEntries")
    entries = answer.json.get("stepEntries", [])
    if answer.status != 200 or not entries:
        return Finding(f"{answer.described()}, no entries")
    return Finding(f"entries with {', '.join(sorted(entries[0]))}")
