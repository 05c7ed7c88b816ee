# SPDX-License-Identifier: Apache-2.0
"""Ask what nobody has published about lists: filters, orders, tokens, masks, batches."""

from __future__ import annotations

import uuid

from tests.contract.questions import NO_VALUE, Finding, asks
from tests.contract.server import Answer, Server

#: Ways to name the label `KEY` with the value `VALUE`; the first is what the package sends.
SPELLINGS = (
    'labels.KEY="VALUE"',
    "labels.KEY:VALUE",
    'label.KEY="VALUE"',
    "label.KEY:VALUE",
    "labels:KEY",
    'label="KEY:VALUE"',
    'label="KEY=VALUE"',
)


@asks("How does a list filter name a label? (The package sends the first.)", v1_only=True)
def label_filter(server: Server) -> Finding:
    """Find one execution of two by its label, in each spelling."""
    key, value = f"contract-{uuid.uuid4().hex[:8]}", "one"
    wanted = server.start("echo", 1, labels={key: value})
    other = server.start("echo", 2)
    server.listed("echo", {wanted, other})
    said = []
    for spelling in SPELLINGS:
        answer = server.list("echo", filter=spelling.replace("KEY", key).replace("VALUE", value), pageSize=100)
        said.append(f"`{spelling}` {_found(server, answer, wanted)}")
    values = {True: '="accept"', False: f": {NO_VALUE}"}
    refused = all(" is refused" in each for each in said)
    setting = '="refuse"' if refused else values[said[0].endswith(" finds it alone")]
    return Finding("; ".join(said), f"label_filter{setting}")


def _found(server: Server, answer: Answer, wanted: str) -> str:
    if answer.status != 200:
        return f"is refused ({answer.status})"
    names = {server.path("echo", each) for each in answer.json.get("executions", [])}
    if names == {wanted}:
        return "finds it alone"
    return "finds nothing" if not names else "finds it and others" if wanted in names else "finds others"


def _accepted(answer: Answer) -> str:
    return "accepted" if answer.status == 200 else f"refused: {answer.described()}"


@asks("Can a filter say OR?", v1_only=True)
def filter_or(server: Server) -> Finding:
    """Filter by two states."""
    return Finding(_accepted(server.list("echo", filter='state="FAILED" OR state="SUCCEEDED"')))


@asks("What does a filter answer that is none?", v1_only=True)
def filter_wrong(server: Server) -> Finding:
    """Filter by a field that is not there, and by half an expression."""
    answers = [server.list("echo", filter=text).described() for text in ('noSuchField="x"', "state=")]
    return Finding("; ".join(answers))


@asks("Can a list be ordered by createTime? (The package asks for it, and does without.)", v1_only=True)
def order_by_create_time(server: Server) -> Finding:
    """Order newest first and oldest first."""
    made = [server.start("echo", number) for number in range(2)]
    server.listed("echo", set(made))
    said = []
    for order in ("createTime desc", "createTime"):
        answer = server.list("echo", orderBy=order, pageSize=1000)
        listed = [server.path("echo", each) for each in answer.json.get("executions", [])]
        places = [listed.index(name) if name in listed else -1 for name in made]
        heeded = places[0] > places[1] if order.endswith("desc") else places[0] < places[1]
        said.append(
            f"`{order}` {_accepted(answer)}{'' if answer.status != 200 else ', heeded' if heeded else ', not heeded'}"
        )
    return Finding("; ".join(said))


@asks("May a page token be used with another pageSize?")
def token_reuse(server: Server) -> Finding:
    """Ask for a second page of another size."""
    _two(server)
    token = server.list("echo", pageSize=1).json.get("nextPageToken", "")
    return Finding(_accepted(server.list("echo", pageSize=2, pageToken=token)) if token else "there is no token")


@asks("What does a page token answer that is none?")
def token_wrong(server: Server) -> Finding:
    """Send an invented token."""
    return Finding(_accepted(server.list("echo", pageToken="no-token")))


@asks("What does a negative pageSize answer?")
def negative_page(server: Server) -> Finding:
    """Ask for less than nothing."""
    return Finding(_accepted(server.list("echo", pageSize=-1)))


@asks("What does `fields` answer that names a field which is not there?")
def unknown_fields(server: Server) -> Finding:
    """Ask get and list for it."""
    name = server.start("echo", 1)
    server.until(name)
    found, listed = server.get(name, fields="noSuchField"), server.list("echo", fields="executions(noSuchField)")
    return Finding(f"get: {_accepted(found)}; list: {_accepted(listed)}")


@asks("Do enums come as numbers when `$alt` asks for them?")
def numeric_enums(server: Server) -> Finding:
    """Ask for `json;enum-encoding=int`, as Google's gRPC-transcoding clients do."""
    name = server.start("echo", 1)
    server.until(name)
    answer = server.get(name, **{"$alt": "json;enum-encoding=int"})
    if answer.status != 200:
        return Finding(_accepted(answer))
    state = answer.json.get("state")
    return Finding(f"yes: state is the number {state}" if isinstance(state, int) else f"no: state is {state}")


@asks("Does `/batch` take requests?", v1_only=True)
def batch(server: Server) -> Finding:
    """Send a batch of one list."""
    inner = f"GET /v1/{server.parent('echo')}/executions?pageSize=1 HTTP/1.1\r\n\r\n"
    part = f"--contract\r\nContent-Type: application/http\r\nContent-ID: <1>\r\n\r\n{inner}\r\n--contract--\r\n"
    kind = {"Content-Type": "multipart/mixed; boundary=contract"}
    answer = server.send("POST", "batch", body=part.encode(), headers=kind, root="")
    if answer.status == 200:
        inside = "200" if b" 200 " in answer.content else "an error"
        return Finding(f"accepted, with {inside} inside", 'batch="accept"')
    return Finding(f"refused ({answer.status})", 'batch="refuse"')


def _two(server: Server) -> None:
    server.listed("echo", {server.start("echo", number) for number in range(2)})
