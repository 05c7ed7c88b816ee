# SPDX-License-Identifier: Apache-2.0
"""Take a request apart: which method of the API it is, the names in its path, its query and its body."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from airflow_provider_workflows.testing.discovery import Method, find_method

_CALLBACK = re.compile(
    r"/v1/projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/workflows/(?P<workflow>[^/:]+)"
    r"/executions/(?P<execution>[^/:]+)/callbacks/(?P<callback>[^/:]+)\Z"
)


@dataclass(frozen=True)
class Call:
    """A request taken apart; `names` are the path's variables, decoded.

    :ivar method: None for what is no method of the API.
    :ivar operation: create, get, list, …; `callback` for a callback's URL, else `other`.
    :ivar verbs: those that the path has, when it is a method's and the request's verb is not among them.
    """

    operation: str
    verb: str
    path: str
    query: dict[str, str]
    body: bytes
    headers: Mapping[str, str]
    method: Method | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    verbs: list[str] = field(default_factory=list)

    @property
    def version(self) -> str:
        """Return the version that the path names, "" for none."""
        match = re.match(r"/(v1|v1beta)/", self.path)
        return match[1] if match else ""

    def json(self) -> Any:
        """Return the decoded body, None when there is none that is JSON."""
        try:
            return json.loads(self.body) if self.body else None
        except (ValueError, RecursionError):
            return None


def take_apart(verb: str, url: str, headers: Mapping[str, str], body: bytes) -> Call:
    """Take a request apart.

    :param url: path and query as they were sent, percent-encoded.
    """
    _, _, path, query_text, _ = urlsplit(url if url.startswith("/") else f"/{url}")
    override = headers.get("X-HTTP-Method-Override", "")
    if override and verb == "POST":  # clients send a GET whose URL is too long as a POST with the query in the body
        verb, body, query_text = override.upper(), b"", body.decode(errors="replace")
    query = dict(parse_qsl(query_text, keep_blank_values=True))
    method, names, verbs = find_method(verb, path)
    operation = method.operation if method is not None else "other"
    callback = _CALLBACK.match(path)
    if callback is not None:
        operation, names = "callback", callback.groupdict()
    decoded = {name: unquote(value) for name, value in names.items()}
    return Call(operation, verb, path, query, body, headers, method, decoded, verbs)
