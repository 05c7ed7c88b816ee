# SPDX-License-Identifier: Apache-2.0
"""Choose how the emulator behaves, above all where nobody has published how the real service does."""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from airflow_provider_workflows.core.quoting import quoted
from airflow_provider_workflows.testing.clock import Clock, SystemClock

DEFAULT_PROJECT = "test-project"
DEFAULT_LOCATION = "us-central1"


@dataclass
class Settings:
    """What can be chosen about the emulator; every field may also be changed while it serves.

    A value that a field cannot have is a `ValueError` that names it; a field that does not exist, an `AttributeError`.

    Those marked *unconfirmed* choose between behaviours of which nobody has published the real one.

    :ivar clock: where the time comes from.
    :ivar project_number: the number of the first project seen; each further project gets the next one.
    :ivar projects: the project ids that exist (others are 403); None accepts any.
    :ivar concurrency_limit: executions going on at once per project and location; above it they are QUEUED.
    :ivar backlog_limit: executions queued per project and location; above it create answers 429.
    :ivar cancel_mode: "immediate": the cancel answer says CANCELLED; "late": it still says ACTIVE and
        CANCELLED follows `cancel_delay` seconds later. *Unconfirmed.*
    :ivar cancel_finished: cancelling an execution that is over is an "error" (400 FAILED_PRECONDITION) or
        "ok" (200, unchanged). *Unconfirmed.*
    :ivar label_filter: "accept" label comparisons in a list filter, or "refuse" them with 400. *Unconfirmed.*
    :ivar list_delay: seconds until a new execution shows up in list. *Unconfirmed*, as is `get_delay`.
    :ivar get_delay: seconds until get and cancel find a new execution.
    :ivar token: what requests must carry as `Authorization: Bearer …`; None asks for nothing.
    :ivar page_limit: a smaller bound on page sizes, for tests of paging.
    :ivar argument_limit: bytes. The reference says 32 KB, another page 512 KB: *unconfirmed*.
    :ivar history_level: what a workflow's history level would be, for executions that name none: "basic" step
        entries, which is documented as the default, "detailed" ones with variables, or "none" at all.
    :ivar delete_active_history: deleting the history of an execution that goes on is "ok" or an "error"
        (400 FAILED_PRECONDITION). *Unconfirmed.*
    :ivar batch: "accept" requests to `/batch`, or "refuse" them with 404. *Unconfirmed.*
    :ivar any_workflow: every workflow exists; one that nobody registered succeeds at once with `any_result`.
    :ivar any_result: any JSON value.
    :ivar function_timeout: real seconds that a workflow function may compute; then its execution fails.
    """

    clock: Clock = field(default_factory=SystemClock)
    project_number: str = "123456789012"
    projects: Collection[str] | None = None
    concurrency_limit: int | None = None
    backlog_limit: int | None = None
    cancel_mode: Literal["immediate", "late"] = "immediate"
    cancel_delay: float = 1.0
    cancel_finished: Literal["error", "ok"] = "error"
    label_filter: Literal["accept", "refuse"] = "accept"
    list_delay: float = 0.0
    get_delay: float = 0.0
    token: str | None = None
    page_limit: int | None = None
    argument_limit: int = 512 * 1024
    history_level: Literal["none", "basic", "detailed"] = "basic"
    delete_active_history: Literal["ok", "error"] = "ok"
    batch: Literal["accept", "refuse"] = "accept"
    any_workflow: bool = False
    any_result: Any = None
    function_timeout: float = 10.0

    if not TYPE_CHECKING:  # to a type checker, a class with this method has every field

        def __setattr__(self, name: str, value: Any) -> None:
            """Take a value that the field can have; a slip would leave a test without what it asks for."""
            kinds = _kinds()
            if name not in kinds:
                raise AttributeError(f"the emulator has no setting {name!r}; it has {', '.join(kinds)}")
            if not _fits(value, kinds[name]):
                raise ValueError(f"the emulator's setting {name} must be {_called(kinds[name])}, got {quoted(value)}")
            super().__setattr__(name, value)


@functools.lru_cache(maxsize=1)
def _kinds() -> dict[str, Any]:
    """Return the type of each field."""
    return get_type_hints(Settings)


def _fits(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) is Collection:
        return isinstance(value, Collection) and not isinstance(value, str) and all(isinstance(x, str) for x in value)
    if get_args(kind):
        return any(_fits(value, each) for each in get_args(kind))
    if kind in (int, float):
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    return isinstance(value, kind)


def _called(kind: Any) -> str:
    """Name a type as its field does."""
    if get_origin(kind) is Literal:
        return " or ".join(map(repr, get_args(kind)))
    return getattr(kind, "__name__", str(kind)) if not get_args(kind) else str(kind).replace("collections.abc.", "")
