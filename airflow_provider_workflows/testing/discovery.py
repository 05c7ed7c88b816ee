# SPDX-License-Identifier: Apache-2.0
"""Read the API's discovery documents: which methods, parameters, fields and enums each version has.

The documents in `documents/` are Google's own, as google-api-python-client (Apache-2.0) ships them. They lie here so
that the emulator needs no Google library and answers the same whichever is installed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

Schema = Mapping[str, Any]

#: What the emulator calls each method, by the end of its id; these are the operations of faults and counts.
OPERATION_OF: Mapping[str, str] = {
    "executions.create": "create",
    "executions.get": "get",
    "executions.list": "list",
    "executions.cancel": "cancel",
    "executions.exportData": "export_data",
    "executions.deleteExecutionHistory": "delete_execution_history",
    "executions.callbacks.list": "list_callbacks",
    "executions.stepEntries.list": "list_step_entries",
    "executions.stepEntries.get": "get_step_entry",
    "workflows.triggerPubsubExecution": "trigger_pubsub_execution",
}
_SEGMENTS = {
    "projectsId": r"(?P<project>[^/]+)",
    "locationsId": r"(?P<location>[^/]+)",
    "workflowsId": r"(?P<workflow>[^/:]+)",
    "executionsId": r"(?P<execution>[^/:]+)",
    "stepEntriesId": r"(?P<entry>[^/:]+)",
}


@dataclass(frozen=True)
class Method:
    """One method of one version.

    :ivar path: matches a request's path, with the names in it as groups.
    :ivar parameters: the query parameters' schemas, those of every method (`fields`, …) left out.
    :ivar request: the body's schema, None where there is no body.
    """

    version: ApiVersion
    operation: str
    verb: str
    path: re.Pattern[str]
    parameters: Mapping[str, Schema]
    request: str | None
    response: str


@dataclass(frozen=True, eq=False)
class ApiVersion:
    """One version of the API, as its document describes it."""

    name: str
    document: Mapping[str, Any]

    @property
    def largest_basic_page(self) -> int:
        """Return how many executions a BASIC page holds at most; a FULL one holds 100 in either version."""
        return 1_000 if self.name == "v1" else 10_000

    @cached_property
    def methods(self) -> list[Method]:
        """Return all methods that the emulator has a name for."""
        return [self._method(method) for method in _methods(self.document) if _end_of_id(method["id"]) in OPERATION_OF]

    def _method(self, method: Mapping[str, Any]) -> Method:
        template = re.split(r"\{(\w+)\}", method["flatPath"])
        parts = [_SEGMENTS[part] if index % 2 else re.escape(part) for index, part in enumerate(template)]
        parameters = {name: each for name, each in method["parameters"].items() if each["location"] == "query"}
        return Method(
            self,
            OPERATION_OF[_end_of_id(method["id"])],
            method["httpMethod"],
            re.compile(f"/{''.join(parts)}\\Z"),
            parameters,
            method.get("request", {}).get("$ref"),
            method["response"]["$ref"],
        )

    def schema(self, name: str) -> Schema:
        """Return a message's schema by its name."""
        found: Schema = self.document["schemas"][name]
        return found

    def resolve(self, schema: Schema) -> Schema:
        """Return the schema that a schema refers to, or itself."""
        return self.schema(schema["$ref"]) if "$ref" in schema else schema


def _methods(resource: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from resource.get("methods", {}).values()
    for inner in resource.get("resources", {}).values():
        yield from _methods(inner)


def _end_of_id(method_id: str) -> str:
    """Return `executions.create` for `workflowexecutions.projects.locations.workflows.executions.create`."""
    end = method_id.partition(".locations.workflows.")[2]
    return end if end.startswith("executions.") else f"workflows.{end}"


@lru_cache
def versions() -> Mapping[str, ApiVersion]:
    """Return both versions by their names."""
    found = {}
    for name in ("v1", "v1beta"):
        text = Path(__file__).with_name("documents").joinpath(f"{name}.json").read_text(encoding="utf-8")
        found[name] = ApiVersion(name, json.loads(text))
    return found


def find_method(verb: str, path: str) -> tuple[Method | None, Mapping[str, str], list[str]]:
    """Return the method for a request, the names in its path (still percent-encoded), and the verbs of that path.

    :return: without a method, the verbs say whether the path is any method's.
    """
    verbs: list[str] = []
    for version in versions().values():
        for method in version.methods:
            match = method.path.match(path)
            if match is None:
                continue
            if method.verb == verb:
                return method, match.groupdict(), [verb]
            verbs.append(method.verb)
    return None, {}, verbs
