# SPDX-License-Identifier: Apache-2.0
"""Make workflows of JSON, for those who do not write Python: `{"steps": […], "result": …}` instead of a function.

======================  =================================================================================
`result`                what it returns, any JSON value
`echo`                  true: it returns its argument
`error`                 the payload that it fails with, any JSON value; instead of a result
`seconds`               how long it takes; with steps, after the last one
`steps`                 names, or objects of `Step`'s parameters (`name`, `seconds`, `routine`, `type`,
                        `variables`), or of `Callback`'s under `callback`, `method`, `timeout`, `routine`
`labels`                labels that its executions inherit
======================  =================================================================================
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from airflow_provider_workflows.core.labels import check_labels
from airflow_provider_workflows.testing.workflows import (
    Callback,
    Step,
    WorkflowError,
    WorkflowFunction,
    dump_json,
)

_KEYS = ("result", "echo", "error", "seconds", "steps", "labels")


def function_of(definition: Mapping[str, Any]) -> WorkflowFunction:
    """Return a workflow function for a definition.

    :raises ValueError: naming what is wrong with it.
    """
    if not isinstance(definition, Mapping):
        raise ValueError(f"a workflow is a JSON object with {', '.join(_KEYS)}, got {type(definition).__name__}")
    _check_keys(definition, _KEYS, "a workflow")
    given = [key for key in ("result", "echo", "error") if key in definition]
    if len(given) > 1:
        raise ValueError(f"give one of {' and '.join(given)}")
    steps = definition.get("steps", [])
    if not isinstance(steps, list):
        raise ValueError(f"steps must be a list, got {type(steps).__name__}")
    made = [_step(each) for each in steps]
    if "seconds" in definition:
        made.append(_step({"name": "wait", "seconds": definition["seconds"]}))
    dump_json(definition)  # what Python calls JSON and others do not (NaN) is better refused now

    def function(argument: Any) -> Generator[Any, Any, Any]:
        for each in made:  # noqa: UP028 - what a callback got is sent here, which `yield from` would hand to the list
            yield each
        if "error" in definition:
            raise WorkflowError(definition["error"])
        return argument if definition.get("echo") else definition.get("result")

    return function


def labels_of(definition: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels that a definition's executions inherit.

    :raises ValueError: they are no labels.
    """
    return check_labels(definition.get("labels", {}))


def _step(step: Any) -> Step | Callback:
    if isinstance(step, str):
        return Step(step)
    if not isinstance(step, Mapping):
        raise ValueError(f"a step is a name or an object, got {step!r}")
    if "callback" in step:
        _check_keys(step, ("callback", "method", "timeout", "routine"), "a callback")
        others = {key: value for key, value in step.items() if key != "callback"}
        return Callback(str(step["callback"]), **_numbers(others))
    _check_keys(step, ("name", "seconds", "routine", "type", "variables"), "a step")
    if "name" not in step:
        raise ValueError(f"a step needs a name, got {step!r}")
    return Step(**_numbers(step))


def _numbers(parameters: Mapping[str, Any]) -> dict[str, Any]:
    for key in ("seconds", "timeout"):
        value = parameters.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{key} must be a number, got {value!r}")
    for key in ("name", "routine", "type", "method"):
        if not isinstance(parameters.get(key, ""), str):
            raise ValueError(f"{key} must be a text, got {parameters[key]!r}")
    return dict(parameters)


def _check_keys(given: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
    unknown = [str(key) for key in given if key not in known]
    if unknown:
        raise ValueError(f"{what} has no {', '.join(unknown)}; it has {', '.join(known)}")


def read_folder(folder: Path) -> dict[str, Mapping[str, Any]]:
    """Return the definitions in a folder's files `NAME.json`, by name.

    :raises ValueError: a file is no definition, or there is no such folder; it names the file.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder")
    found = {}
    for path in sorted(folder.glob("*.json")):
        try:
            definition = json.loads(path.read_text(encoding="utf-8"))
            function_of(definition)
            labels_of(definition)
        except (ValueError, RecursionError, OSError) as error:
            raise ValueError(f"{path}: {error}") from None
        found[path.stem] = definition
    return found
