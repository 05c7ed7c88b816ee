# SPDX-License-Identifier: Apache-2.0
"""Send the contract's requests to a server, whichever it is, and keep what was sent and what came back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED", "UNAVAILABLE"})
#: Looks for something that should come soon, and the seconds between them.
LOOKS, PAUSE = 60, 1.0
#: Answers that say nothing about what was asked, and how often a GET is then sent again.
_PASSING, _REPEATS = frozenset({500, 502, 503, 504}), 3


class DepartureError(Exception):
    """Say what a server does otherwise than the package relies on."""


class UnsettledError(Exception):
    """Say why a question could not be settled on this server, and what would settle it."""


class RefusedError(Exception):
    """Say that the server does not let one ask: there is nothing to be learnt from going on."""


@dataclass(frozen=True)
class Answer:
    """What came back for a request."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        """Return the decoded body, an empty object where it is no JSON."""
        try:
            return json.loads(self.content)
        except ValueError:
            return {}

    @property
    def error(self) -> Mapping[str, Any]:
        """Return what Google's envelope holds, empty where there is none."""
        found = self.json.get("error") if isinstance(self.json, dict) else None
        return found if isinstance(found, dict) else {}

    def described(self) -> str:
        """Return an answer's status and, of an error, the shape of what it says: never its words."""
        if self.status < 300:
            return str(self.status)
        if not self.error:
            kind = self.headers.get("content-type", "no content type").partition(";")[0]
            return f"{self.status} without Google's envelope ({kind})"
        details = [_detail(each) for each in self.error.get("details", [])]
        return f"{self.status} {self.error.get('status')}, details: {', '.join(details) or 'none'}"


def _detail(detail: Mapping[str, Any]) -> str:
    """Return a `google.rpc` detail's type with its reason or the fields that it names."""
    kind = str(detail.get("@type", "without type")).rpartition(".")[2]
    fields = [str(each.get("field", "-")) for each in detail.get("fieldViolations", [])]
    said = [str(detail["reason"])] if "reason" in detail else fields
    metadata = sorted(detail.get("metadata", {}))
    return f"{kind}({' '.join([*said, *(f'+{key}' for key in metadata)])})"


@dataclass(frozen=True)
class Exchange:
    """One request and its answer, as the page shows them."""

    sent: str
    body: str
    status: int
    came: str


@dataclass
class Server:
    """Know where a server is, as whom to ask it, and which workflows are there for the contract.

    :param workflows: names by role: `echo` returns its argument, `wait` takes the `seconds` of its argument, `fail`
        fails as the `kind` in its argument says; `fail_KIND`, where it is there, stands in for that kind.
    :param session: a `requests.Session` that authenticates.
    :param crowd: executions that may be started at once to see the service queue them; 0 starts none.
    :param burst: list requests that may be sent at once to meet the rate limit; 0 sends none.
    """

    endpoint: str
    project: str
    location: str
    workflows: Mapping[str, str]
    session: Any
    version: str = "v1"
    crowd: int = 0
    burst: int = 0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    exchanges: list[Exchange] = field(default_factory=list)
    going: dict[str, str] = field(default_factory=dict)
    _silent: int = 0

    def parent(self, role: str) -> str:
        """Return a workflow's resource name, with the project as it was given."""
        return f"projects/{self.project}/locations/{self.location}/workflows/{self.workflows[role]}"

    def fails(self, kind: str) -> str:
        """Return the role of the workflow that fails in a way.

        :raises UnsettledError: it could not be deployed.
        """
        if not {f"fail_{kind}", "fail"} & set(self.workflows):
            raise UnsettledError("the workflow that fails could not be deployed")
        return f"fail_{kind}" if f"fail_{kind}" in self.workflows else "fail"

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        root: str | None = None,
    ) -> Answer:
        """Send one request; only a GET that meets a passing error is sent again.

        :param body: bytes as they are, or what becomes JSON.
        :param root: what stands between the endpoint and the path, instead of the version.
        """
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        kind = {"Content-Type": "application/json"} if data is not None else {}
        url = "/".join(filter(None, (self.endpoint, self.version if root is None else root, path)))
        options = {"params": params, "data": data, "headers": {**kind, **(headers or {})}}
        answer = self._answer(method, url, options)
        for _ in range(_REPEATS if method == "GET" else 0):
            if answer.status not in _PASSING:
                break
            self.sleep(PAUSE)
            answer = self._answer(method, url, options)
        if not self._silent:
            query = "&".join(f"{key}={value}" for key, value in (params or {}).items())
            sent = f"{method} {url.removeprefix(self.endpoint)}{'?' if query else ''}{query}"
            came = answer.content.decode(errors="replace")
            self.exchanges.append(Exchange(sent, (data or b"").decode(errors="replace"), answer.status, came))
        return answer

    def _answer(self, method: str, url: str, options: Mapping[str, Any]) -> Answer:
        response = self.session.request(method, url, **options, timeout=60, allow_redirects=False)
        return Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()}, response.content)

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """Keep none of the exchanges in the block: they only wait, or prepare."""
        self._silent += 1
        try:
            yield
        finally:
            self._silent -= 1

    def create(self, role: str, argument: Any = None, **fields: Any) -> dict[str, Any]:
        """Create an execution; return the answer.

        :raises DepartureError: it was not created.
        :raises RefusedError: one may not create.
        """
        created = self.try_create(role, argument, **fields)
        if created.status in {401, 403}:
            raise RefusedError(f"a create answers {created.described()}")
        if created.status != 200:
            raise DepartureError(f"a create answers {created.described()}")
        return dict(created.json)

    def try_create(self, role: str, argument: Any = None, **fields: Any) -> Answer:
        """Create an execution, perhaps in vain."""
        body = {**({} if argument is None else {"argument": json.dumps(argument)}), **fields}
        answer = self.send("POST", f"{self.parent(role)}/executions", body=body)
        if answer.status == 200:
            self.going[self.path(role, answer.json)] = role
        return answer

    def path(self, role: str, execution: Mapping[str, Any]) -> str:
        """Return an execution's name with the project as it was given."""
        return f"{self.parent(role)}/executions/{str(execution['name']).rpartition('/')[2]}"

    def start(self, role: str, argument: Any = None, **fields: Any) -> str:
        """Create an execution; return its name."""
        return self.path(role, self.create(role, argument, **fields))

    def get(self, name: str, **params: Any) -> Answer:
        """Get an execution."""
        return self.send("GET", name, params=params)

    def list(self, role: str, **params: Any) -> Answer:
        """List a page of executions."""
        return self.send("GET", f"{self.parent(role)}/executions", params=params)

    def listed(self, role: str, names: Iterable[str]) -> None:
        """Wait until a list shows what was created; how soon it does is a question of its own.

        :raises DepartureError: it does not within a minute of looks.
        """
        with self.quietly():
            for _ in range(LOOKS):
                page = self.list(role, pageSize=50).json.get("executions", [])
                if set(names) <= {self.path(role, each) for each in page}:
                    return
                self.sleep(PAUSE)
        raise DepartureError(f"a list does not show a new execution after {LOOKS} looks")

    def cancel(self, name: str) -> Answer:
        """Cancel an execution, without a body."""
        return self.send("POST", f"{name}:cancel")

    def until(self, name: str, states: frozenset[str] = ENDED) -> tuple[dict[str, Any], int]:
        """Look at an execution until it is in one of some states; return it and how many looks that took.

        :raises DepartureError: it is in none of them after a minute of looks.
        """
        found: dict[str, Any] = {}
        with self.quietly():
            for look in range(1, LOOKS + 1):
                found = self.get(name).json
                if found.get("state") in states:
                    if found["state"] in ENDED:
                        self.going.pop(name, None)
                    return found, look
                self.sleep(PAUSE)
        raise DepartureError(f"after {LOOKS} looks it is {found.get('state')}, not {' or '.join(sorted(states))}")

    def ended(self, role: str, argument: Any = None, **fields: Any) -> dict[str, Any]:
        """Create an execution and return it as it ended."""
        return self.until(self.start(role, argument, **fields))[0]

    def tidy(self) -> None:
        """Cancel what still goes on; who cannot be asked is left to the removal of the workflows."""
        with self.quietly():
            while self.going:
                name, role = self.going.popitem()
                if role == "wait":
                    with suppress(Exception):
                        self.cancel(name)
