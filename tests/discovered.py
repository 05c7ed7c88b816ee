# SPDX-License-Identifier: Apache-2.0
"""
Hold answers to Google's discovery documents: types, formats, enums, and no field that is not there.

Shares no code with the emulator that it judges. It reads google-api-python-client's own documents, or the emulator's
copies where an older client is installed.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Schema = Mapping[str, Any]

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6}|\.\d{9})?Z")
_DURATION = re.compile(r"\d+(\.\d{3}|\.\d{6}|\.\d{9})?s")
_STATUS = {
    400: {"INVALID_ARGUMENT", "FAILED_PRECONDITION"},
    401: {"UNAUTHENTICATED"},
    403: {"PERMISSION_DENIED"},
    404: {"NOT_FOUND"},
    405: {"UNIMPLEMENTED"},
    429: {"RESOURCE_EXHAUSTED"},
}


@lru_cache
def installed(version: str) -> Mapping[str, Any]:
    """Return the document of a version that the installed google-api-python-client ships."""
    return _read("googleapiclient", f"discovery_cache/documents/workflowexecutions.{version}.json")


@lru_cache
def document(version: str) -> Mapping[str, Any]:
    """Return the newest document that there is of a version."""
    ours = _read("airflow_provider_workflows", f"testing/documents/{version}.json")
    return max(installed(version), ours, key=lambda each: str(each["revision"]))


def _read(package: str, path: str) -> Mapping[str, Any]:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    loaded: Mapping[str, Any] = json.loads((Path(spec.origin).parent / path).read_text(encoding="utf-8"))
    return loaded


def client_has(method: str) -> bool:
    """Tell whether the installed client knows a method of v1, by the end of its id."""
    return any(each["id"].endswith(f".{method}") for each in _methods(installed("v1")))


@lru_cache
def methods(version: str) -> list[tuple[Schema, re.Pattern[str]]]:
    """Return a version's methods with what matches their paths."""
    return [(method, _pattern(method["flatPath"])) for method in _methods(document(version))]


def _methods(resource: Mapping[str, Any]) -> Iterator[Schema]:
    yield from resource.get("methods", {}).values()
    for inner in resource.get("resources", {}).values():
        yield from _methods(inner)


def _pattern(template: str) -> re.Pattern[str]:
    """Match a path; only the last part of one may have a verb after a colon, and old projects have one in their id."""
    whole = re.sub(r"\\{projectsId\\}|\\{locationsId\\}", "[^/]+", re.escape(template))
    return re.compile("/" + re.sub(r"\\{\w+\\}", "[^/:]+", whole))


def check_answer(verb: str, path: str, query: Mapping[str, Any], status: int, content_type: str, body: bytes) -> None:
    """
    Check an answer of the API, whatever was asked.

    :raises AssertionError: saying where it is not what the document describes.
    """
    assert content_type == "application/json; charset=UTF-8", content_type
    answer = json.loads(body)
    assert isinstance(answer, dict), answer
    if status != 200:
        _check_error(answer, status)
        return
    for version in ("v1", "v1beta"):
        for method, pattern in methods(version):
            if method["httpMethod"] == verb and pattern.fullmatch(path):
                numbers = "enum-encoding=int" in f"{query.get('alt')}{query.get('$alt')}"
                check(answer, {"$ref": method["response"]["$ref"]}, document(version), "answer", numbers=numbers)
                return
    assert re.search(r"/callbacks/[^/]+$", path) or path == "/$discovery/rest", f"{verb} {path} is no method"


def _check_error(answer: dict[str, Any], status: int) -> None:
    error = answer["error"]
    assert set(answer) == {"error"}, answer
    assert set(error) <= {"code", "message", "status", "details"}, error
    assert error["code"] == status, error
    assert isinstance(error["message"], str), error
    assert error["message"], error
    assert error["status"] in _STATUS.get(status, {error["status"]}), error
    assert all(detail["@type"].startswith("type.googleapis.com/google.rpc.") for detail in error.get("details", []))


def check(value: Any, schema: Schema, doc: Mapping[str, Any], at: str, *, numbers: bool = False) -> None:
    """Check a value against a schema; `numbers` means that enums come as numbers."""
    schema = doc["schemas"][schema["$ref"]] if "$ref" in schema else schema
    if "enum" in schema:
        assert value in (range(len(schema["enum"])) if numbers else schema["enum"]), f"{at}: {value!r}"
    elif schema["type"] == "array":
        assert isinstance(value, list), at
        assert value, f"{at} is an empty list, which proto3 JSON leaves out"
        for index, item in enumerate(value):
            check(item, schema["items"], doc, f"{at}[{index}]", numbers=numbers)
    elif schema["type"] == "object":
        _check_object(value, schema, doc, at, numbers=numbers)
    elif schema["type"] != "any":
        _check_scalar(value, schema, at)


def _check_object(value: Any, schema: Schema, doc: Mapping[str, Any], at: str, *, numbers: bool) -> None:
    assert isinstance(value, dict), at
    fields, others = schema.get("properties", {}), schema.get("additionalProperties")
    for name, item in value.items():
        known = fields.get(name, others)
        assert known is not None, f"{at}.{name} is no field"
        check(item, known, doc, f"{at}.{name}", numbers=numbers)


def _check_scalar(value: Any, schema: Schema, at: str) -> None:
    kinds = {"string": str, "boolean": bool, "integer": int, "number": (int, float)}
    assert isinstance(value, kinds[schema["type"]]), f"{at}: {value!r}"  # type: ignore[arg-type]
    form = schema.get("format")
    if form == "google-datetime":
        assert _TIME.fullmatch(value), f"{at}: {value!r}"
    elif form == "google-duration":
        assert _DURATION.fullmatch(value), f"{at}: {value!r}"
    elif form == "int64":
        assert re.fullmatch(r"-?\d{1,19}", value), f"{at}: {value!r}"
    elif form == "int32":
        assert -(2**31) <= value < 2**31, f"{at}: {value!r}"
    elif form == "byte":
        base64.b64decode(value, validate=True)
