# SPDX-License-Identifier: Apache-2.0
"""
Choose among the executions that a task instance has made before: which to go on with, which to cancel.

Pure: labels and states in, a decision out. :mod:`airflow_provider_workflows.durable.create` says why.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from airflow_provider_workflows.core.execution import Execution, created_at, is_ended
from airflow_provider_workflows.durable.identity import GENERATION, KEY, label_of


@dataclass(frozen=True)
class Choice:
    """
    Say what to do with the executions that this task instance has created before.

    :param attach: the one to go on with; ``None`` to create one.
    :param cancel: those that nobody waits for any more.
    :param newest: of those that say why none is attached to: of the same create, where there are any; ``None`` where
        there are none at all.
    :param is_mine: whether it is of the same create and generation.
    """

    attach: Execution | None
    cancel: tuple[Execution, ...]
    newest: Execution | None = None
    is_mine: bool = False


def choose(found: Iterable[Execution], key: str, generation: int, *, not_before: float, cancel_stale: bool) -> Choice:
    """
    Decide by the executions' labels and states; the one place where that is decided.

    * Same create, same generation: one that is still going is attached to, else one that succeeded is taken; failed
      and cancelled ones are left behind.
    * Anything of this task instance from before a clear, or with another argument, that is still going is nobody's:
      it is cancelled, or, with ``cancel_stale`` off, attached to when it is the same create.

    :param not_before: epoch seconds; older ones belong to a deleted DAG run that had the same id.
    :param cancel_stale: whether executions may be cancelled at all (the operator's ``cancel_on_kill``).
    """
    every = list(found)
    mine = [each for each in every if label_of(each, KEY) == key]
    now = [
        each
        for each in mine
        if label_of(each, GENERATION) == str(generation) and created_at(each).timestamp() >= not_before
    ]
    going = [each for each in every if not is_ended(each.get("state"))]
    candidates = [each for each in going if each in now] or [each for each in now if each.get("state") == "SUCCEEDED"]
    if not candidates and not cancel_stale:
        candidates = [each for each in going if each in mine]
    attach = max(candidates, key=created_at, default=None)
    stale = tuple(each for each in going if each is not attach) if cancel_stale else ()
    return Choice(attach, stale, max(now or every, key=created_at, default=None), bool(now))
