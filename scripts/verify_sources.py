# SPDX-License-Identifier: Apache-2.0
"""Write the three workflows that the contract asks for: for Google in its own language, for an emulator in its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Labels of the workflow `wait`; its executions inherit them.
LABELS = {"contract": "workflow", "origin": "workflow"}

ECHO = """\
main:
  params: [args]
  steps:
    - give:
        return: ${args}
"""

WAIT = """\
main:
  params: [args]
  steps:
    - pause:
        call: sys.sleep
        args:
          seconds: ${args.seconds}
    - give:
        return: ${args.seconds}
"""

# What the deployment could refuse is written so that only an execution finds out: an unassigned variable has an
# assignment in a branch that is never taken, zero and the texts come with the argument.
FAIL = """\
main:
  params: [args]
  steps:
    - choose:
        switch:
          - condition: ${args.kind == "text"}
            next: raise_text
          - condition: ${args.kind == "map"}
            next: raise_map
          - condition: ${args.kind == "http"}
            next: call_http
          - condition: ${args.kind == "undefined"}
            next: read_undefined
          - condition: ${args.kind == "type"}
            next: add_types
          - condition: ${args.kind == "timeout"}
            next: make_callback
          - condition: ${args.kind == "zero"}
            next: divide
          - condition: ${args.kind == "recursion"}
            next: call_recursion
          - condition: ${args.kind == "unsupported"}
            next: call_unsupported
          - condition: ${args.kind == "nested"}
            next: call_nested
        next: assign_unreached
    - assign_unreached:
        assign:
          - unreached: 1
        next: end
    - raise_text:
        raise: "a plain text"
    - raise_map:
        raise:
          code: 55
          message: "a map of the workflow's own"
          detail: [1, true]
    - call_http:
        call: http.get
        args:
          url: https://workflowexecutions.googleapis.com/v1/no-such-method
        next: end
    - read_undefined:
        return: ${unreached}
    - add_types:
        return: ${args.kind + 1}
    - make_callback:
        call: events.create_callback_endpoint
        args:
          http_callback_method: POST
        result: callback
    - await_callback:
        call: events.await_callback
        args:
          callback: ${callback}
          timeout: 1
        next: end
    - divide:
        return: ${1 / args.zero}
    - call_recursion:
        call: down
        next: end
    - call_unsupported:
        call: http.get
        args:
          url: ftp://example.com/
        next: end
    - call_nested:
        call: outer
        next: end
down:
  steps:
    - call_down:
        call: down
outer:
  steps:
    - call_inner:
        call: inner
inner:
  steps:
    - raise_inner:
        raise: "from within"
"""

#: What is deployed at Google, by role, with labels.
SOURCES: Mapping[str, tuple[str, Mapping[str, str]]] = {"echo": (ECHO, {}), "wait": (WAIT, LABELS), "fail": (FAIL, {})}


def _fails(payload: Any, step: str) -> dict[str, Any]:
    return {"steps": [step], "error": payload}


def _tagged(tag: str, **more: Any) -> dict[str, Any]:
    return {"message": "stands in for the service's own message", "tags": [tag], **more}


#: The same at an emulator, which knows no failures but those that somebody puts there: these are what documents show
#: or, where they show nothing, a map with a message and tags. They prove nothing about the service.
DEFINITIONS: Mapping[str, Mapping[str, Any]] = {
    "echo": {"echo": True},
    "wait": {"steps": [{"name": "pause", "seconds": 600}], "labels": LABELS},
    "fail_text": _fails("a plain text", "raise_text"),
    "fail_map": _fails({"code": 55, "message": "a map of the workflow's own", "detail": [1, True]}, "raise_map"),
    "fail_http": _fails(_tagged("HttpError", body="", code=404, headers={}), "call_http"),
    "fail_undefined": _fails(_tagged("KeyError"), "read_undefined"),
    "fail_type": _fails(_tagged("TypeError"), "add_types"),
    "fail_timeout": _fails(_tagged("TimeoutError"), "await_callback"),
    "fail_zero": _fails(_tagged("ZeroDivisionError"), "divide"),
    "fail_recursion": _fails(_tagged("RecursionError"), "call_down"),
    "fail_unsupported": _fails(_tagged("ValueError"), "call_unsupported"),
    "fail_nested": _fails("from within", "raise_inner"),
}
