# SPDX-License-Identifier: Apache-2.0
"""Render an execution as the API's JSON, per version and view.

Empty fields are omitted, as the service does; BASIC never holds argument, result, error, status or labels.
"""

from __future__ import annotations

import json
import time
from functools import lru_cache
from typing import Any

from airflow_provider_workflows.testing.execution import Execution
from airflow_provider_workflows.testing.masks import Mask, apply_mask

SECOND = 1_000_000_000

# What a v1 reader is told about an UNAVAILABLE execution: the one documented cause.
STATE_ERROR = {"details": "The KMS key of the workflow is not available.", "type": "KMS_ERROR"}


@lru_cache(maxsize=4096)
def _second_text(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def timestamp(at: int) -> str:
    """Return epoch nanoseconds as RFC 3339 with Z, and 0, 3, 6 or 9 fractional digits, as proto3 JSON has it."""
    return f"{_second_text(at // SECOND)}{_fraction(at % SECOND)}Z"


def duration(length: int) -> str:
    """Return nanoseconds as a JSON duration: `"5.984232710s"`, `"2s"`."""
    return f"{length // SECOND}{_fraction(length % SECOND)}s"


def _fraction(nanoseconds: int) -> str:
    text = f"{nanoseconds:09d}"
    for digits in (0, 3, 6):
        if set(text[digits:]) <= {"0"}:
            return f".{text[:digits]}" if digits else ""
    return f".{text}"


def basic(execution: Execution, version: str, now: int) -> dict[str, Any]:
    """Return the BASIC view; `createTime` is not among its documented fields."""
    state = execution.state(now)
    fields: dict[str, Any] = {"name": f"{execution.parent}/executions/{execution.id}"}
    begun = execution.begun if state != "QUEUED" else None
    if begun is not None:
        fields["startTime"] = timestamp(begun)
    ended = execution.ended(now)
    if ended is not None:
        fields["endTime"] = timestamp(ended.at)
        if begun is not None and version == "v1":
            fields["duration"] = duration(ended.at - begun)
    fields["state"] = state
    fields["workflowRevisionId"] = execution.revision
    return fields


def basic_text(execution: Execution, version: str, now: int, mask: Mask = None, mask_text: str = "") -> str:
    """Return the BASIC view serialised; the text is kept, as pages of 10,000 need.

    Within one state the BASIC view never changes, and `Execution.force` throws the kept texts away.

    :param mask_text: identifies `mask` among the kept texts.
    """
    key = f"{version} {execution.state(now)} {mask_text}"
    if execution.texts is None:
        execution.texts = {}
    if key not in execution.texts:
        fields = apply_mask(mask, basic(execution, version, now))
        execution.texts[key] = json.dumps(fields, separators=(",", ":"))
    return execution.texts[key]


def full(execution: Execution, version: str, now: int) -> dict[str, Any]:
    """Return the FULL view."""
    fields = basic(execution, version, now)
    fields["argument"] = execution.argument
    outcome = execution.outcome(now)
    if outcome is not None and outcome.result is not None:
        fields["result"] = outcome.result
    if outcome is not None and outcome.error is not None:
        fields["error"] = outcome.error
    step = execution.current_step(now)
    steps = {"currentSteps": [{"routine": step.routine, "step": step.name}]} if step else {}
    fields["status"] = steps
    fields.update(execution.options if version == "v1" else _beta_options(execution))
    if version == "v1":
        fields["createTime"] = timestamp(execution.created)
        if execution.labels:
            fields["labels"] = dict(execution.labels)
        if fields["state"] == "UNAVAILABLE":
            fields["stateError"] = STATE_ERROR
    return fields


def _beta_options(execution: Execution) -> dict[str, Any]:
    level = execution.options.get("callLogLevel")
    return {"callLogLevel": level} if level and level != "LOG_NONE" else {}


def created(execution: Execution, version: str) -> dict[str, Any]:
    """Return the answer to create: the execution has only just begun, whatever its timeline says."""
    fields = full(execution, version, execution.created)
    for name in ("endTime", "duration", "result", "error"):
        fields.pop(name, None)
    fields["state"] = "QUEUED" if execution.begun is None else "ACTIVE"
    fields["status"] = {}
    return fields
