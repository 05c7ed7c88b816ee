# SPDX-License-Identifier: Apache-2.0
"""
Whatever a client sends, the emulator answers it in the API's own form.

Requests are made from the discovery documents, about half of them right; in the others something is spoiled.
`EMULATOR_FUZZ=10000` sends so many instead of some hundreds. A failure names the seed of its request.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_workflows.testing import Callback, Emulator, Step
from tests.discovered import check_answer, document, methods

REQUESTS = int(os.environ.get("EMULATOR_FUZZ", "400"))
VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE")
JUNK = (
    "",
    "0",
    "-1",
    "1.5",
    "9" * 20,
    "true",
    "NaN",
    "a(b",
    "*",
    "\U0001f600",
    "\x00",
    "../..",
    "é/é",
    "a:b",
    "%",
    "x" * 300,
)
JSON: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 10**30, 1e308, "", "text", "\ud800", "9" * 30, [], [[]], {}, {"a": {"b": [None]}}),
)
BODIES = (
    *(b"", b"{", b"[]", b"null", b'"text"', b"{" * 5000, b"[" * 100_000, b"\xff\xfe", b"\x00", b'{"argument": NaN}'),
    *(b'{"argument":"' + b"[" * 50_000 + b'"}', b'{"argument":"1e999"}', b'{"labels":{"a":"\\udfff"}}'),
    *(b'{"argument":"\\ud800"}', b'{"argument":"\\"\\\\ud800\\""}', b'{"argument":"' + b"9" * 9000 + b'"}'),
)
PATHS = (
    "/",
    "//",
    "/batch",
    "/%zz",
    "//v1",
    "/$discovery/rest",
    "/v1",
    "/v1/",
    "/%",
    "/emulator",
    "/favicon.ico",
    "/v2/x",
)
RIGHT_TEXTS: Mapping[str, tuple[str, ...]] = {
    "filter": ('state="SUCCEEDED"', 'createTime>"2023-08-01" AND state="FAILED"', "NOT (state=ACTIVE OR state=FAILED)"),
    "orderBy": ("createTime desc", "state,createTime"),
    "fields": ("*", "nextPageToken", "name,state", "executions(name,state)", "stepEntries/name,totalSize"),
    "argument": ("1", '{"a": [1, null]}', '"\\ud800"'),
    "prettyPrint": ("true", "false"),
    "alt": ("json", "json;enum-encoding=int"),
    ".xgafv": ("1", "2"),
    "publishTime": ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123+01:00"),
    "data": ("YQ==", "YQ", "-_8="),
}
WRONG_TEXTS = (
    *(
        "(" * 2000,
        "NOT " * 2000 + "a=1",
        "createTime>9999-12-31T23:59:59-23:59",
        "createTime<0001-01-01T00:00:00+23:00",
    ),
    *("duration<1e999s", "entryId=" + "9" * 40, 'label."a b"=1', "-", "a=b OR", "name(" * 3000, "status" + "/x" * 3000),
)


@dataclass(frozen=True)
class Sent:
    """A request to be sent."""

    verb: str
    url: str
    body: bytes
    headers: dict[str, str]


class Maker:
    """Make a request of one seed; it is right unless `spoiled` says that something of it may be wrong."""

    def __init__(self, seed: int, execution_ids: Mapping[str, str]) -> None:
        self.random = random.Random(seed)
        self.spoiled = self.random.random() < 0.5
        self.ids = execution_ids

    def now_and_then(self, often: float = 0.1) -> bool:
        """Tell whether to spoil the next thing."""
        return self.spoiled and self.random.random() < often

    def request(self) -> Sent:
        """Make the request."""
        version = self.random.choice(("v1", "v1", "v1beta"))
        method, _ = self.random.choice(methods(version))
        schemas = document(version)["schemas"]
        path = self.random.choice(PATHS) if self.now_and_then() else self.path(method["flatPath"])
        query = urlencode(self.query(method, document(version)["parameters"]), errors="replace")
        headers = {}
        body = b""
        if "request" in method or self.now_and_then():
            schema = schemas[method.get("request", {"$ref": "Execution"})["$ref"]]
            body = json.dumps(self.message(schema, schemas)).encode()
        if self.now_and_then():
            body = self.random.choice(BODIES)
        if self.now_and_then():
            headers = self.random.choice(
                [{"X-HTTP-Method-Override": "GET"}, {"Content-Type": "multipart/mixed; boundary=b"}, {"Accept": "x"}]
            )
        verb = self.random.choice(VERBS) if self.now_and_then() else method["httpMethod"]
        return Sent(verb, f"{path}?{query}" if query else path, body, headers)

    def path(self, template: str) -> str:
        """Fill a path's names in."""
        workflow = "steps" if "stepEntries" in template else self.random.choice(["echo", "fail", "forever"])
        names = {
            "projectsId": "test-project",
            "locationsId": "us-central1",
            "workflowsId": workflow,
            "stepEntriesId": "1",
        }
        names["executionsId"] = self.ids[workflow]
        path = f"/{template}"
        for name, usual in names.items():
            text = self.random.choice(JUNK) if self.now_and_then(0.03) else usual
            path = path.replace("{" + name + "}", quote(text, safe=self.random.choice(["", ":", ":/"])))
        return f"{path}/callbacks/c" if self.now_and_then(0.03) else path

    def query(self, method: Mapping[str, Any], common: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Make some parameters, in any of their spellings."""
        declared = {name: each for name, each in method["parameters"].items() if each["location"] == "query"}
        known = sorted(declared) * 3 + sorted(set(common) - {"alt"}) + ["alt", "$alt"]
        query = []
        for name in self.random.sample(known, k=self.random.choice([0, 0, 1, 2, 3])):
            schema = declared.get(name) or common.get(name) or {"type": "string"}
            query.append((self.random.choice([name, snake(name)]), self.text(name, schema)))
        if self.now_and_then():
            query.append((self.random.choice(JUNK), self.random.choice(JUNK)))
        return query

    def text(self, name: str, schema: Mapping[str, Any]) -> str:
        """Make a parameter's value."""
        if self.now_and_then():
            return self.random.choice((*JUNK, *WRONG_TEXTS))
        if "enum" in schema and name.lstrip("$") not in RIGHT_TEXTS:
            return str(self.random.choice([*schema["enum"], self.random.randrange(len(schema["enum"]))]))
        if schema["type"] == "integer":
            return str(self.random.choice([0, 1, 2, 100, 10**6]))
        return self.random.choice(RIGHT_TEXTS.get(name.lstrip("$"), ("", "x")))

    def message(self, schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
        """Make a message with some of its fields, in either spelling."""
        made = {}
        for name, each in schema.get("properties", {}).items():
            if self.random.random() < 0.4 or name in {"message", "subscription", "GCPCloudEventsMode"}:
                made[self.random.choice([name, name, snake(name)])] = self.value(name, each, schemas)
        if self.now_and_then():
            made[self.random.choice(JUNK)] = self.random.choice(JSON)
        return made

    def value(self, name: str, schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
        """Make a field's value."""
        if self.now_and_then():
            return self.random.choice(JSON)
        schema = schemas[schema["$ref"]] if "$ref" in schema else schema
        makers: dict[str, Callable[[], Any]] = {
            "array": lambda: [self.value(name, schema["items"], schemas) for _ in range(self.random.randrange(3))],
            "object": lambda: self.message(schema, schemas),
            "integer": lambda: 1,
            "boolean": lambda: self.random.random() < 0.5,
            "string": lambda: self.string(name, schema),
            "any": lambda: self.random.choice(JSON),
        }
        if "additionalProperties" in schema:
            return {f"k{number}": f"v{number}" for number in range(self.random.randrange(3))}
        return makers[schema["type"]]()

    def string(self, name: str, schema: Mapping[str, Any]) -> Any:
        """Make a string, an enum's value or a number that JSON has as a string."""
        if "enum" in schema:
            return self.random.choice([*schema["enum"], self.random.randrange(len(schema["enum"]))])
        usual = {"int64": ("12", 12), "google-datetime": RIGHT_TEXTS["publishTime"]}
        return self.random.choice(RIGHT_TEXTS.get(name) or usual.get(schema.get("format", ""), ("text",)))


def snake(name: str) -> str:
    """Return a name as proto files have it; one that begins with capitals stays."""
    return re.sub(r"(?<=[a-z])[A-Z]", lambda match: f"_{match[0].lower()}", name) if name[:1].islower() else name


@pytest.fixture
def fuzzed() -> Iterator[Emulator]:
    """Serve an emulator with executions that have steps, callbacks, results and errors."""
    with Emulator() as emulator:

        @emulator.workflow("steps")
        def steps(argument: Any) -> Any:
            yield Step("one", variables={"a": [1]})
            yield Callback("c")

        emulator.add_executions("echo", 5, "UNAVAILABLE")
        emulator.add_executions("echo", 5, "CANCELLED")
        yield emulator


@pytest.mark.timeout(120 + REQUESTS // 20)
def test_every_request_is_answered_in_the_api_s_form(fuzzed: Emulator) -> None:
    """No request gets an answer that is not the document's, nor in Google's envelope; none finds a fault of ours."""
    ids = {workflow: fuzzed.start(workflow) for workflow in ("steps", "echo", "fail", "forever")}
    connection = http.client.HTTPConnection(fuzzed.host, fuzzed.port, timeout=30)
    seen: Counter[int] = Counter()

    @settings(max_examples=REQUESTS, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 2**63))
    def send(seed: int) -> None:
        sent = Maker(seed, ids).request()
        connection.request(sent.verb, sent.url, sent.body, sent.headers)
        answer = connection.getresponse()
        content = answer.read()
        seen[answer.status] += 1
        assert answer.status < 500, (sent, content)
        parts = urlsplit(f"http://x{sent.url}")
        verb = "GET" if sent.verb == "POST" and "X-HTTP-Method-Override" in sent.headers else sent.verb
        numbers = {"alt": "json;enum-encoding=int"} if "enum-encoding" in parts.query else {}
        check_answer(verb, parts.path, numbers, answer.status, answer.headers["Content-Type"], content)

    send()
    connection.close()
    assert seen[200] > REQUESTS / 4, f"most requests should be right: {seen}"
