# SPDX-License-Identifier: Apache-2.0
"""Hold the executions of one workflow in creation order, so that a page needs no sorting."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator

from airflow_provider_workflows.testing.execution import Execution


def _order(execution: Execution) -> tuple[int, str]:
    return execution.order


class ExecutionStore:
    """Keep executions oldest first, walk them newest first."""

    def __init__(self) -> None:
        self._ordered: list[Execution] = []
        self._by_id: dict[str, Execution] = {}

    def __iter__(self) -> Iterator[Execution]:
        return iter(self._ordered)

    def get(self, execution_id: str) -> Execution | None:
        """Return an execution, None when there is none."""
        return self._by_id.get(execution_id)

    def add(self, execution: Execution) -> None:
        """Add one; the usual case, the newest of all, costs an append."""
        self._by_id[execution.id] = execution
        if not self._ordered or self._ordered[-1].order < execution.order:
            self._ordered.append(execution)
        else:
            insort(self._ordered, execution, key=_order)

    def extend(self, executions: Iterable[Execution]) -> None:
        """Add many at once; they may lie anywhere in time."""
        added = list(executions)
        self._by_id.update((execution.id, execution) for execution in added)
        self._ordered.extend(added)
        self._ordered.sort(key=_order)

    def remove(self, execution_id: str) -> None:
        """Forget one.

        :raises KeyError: there is none.
        """
        self._ordered.remove(self._by_id.pop(execution_id))

    def newest_first(self, before: tuple[int, str] | None = None) -> Iterator[Execution]:
        """Walk from the newest, or from the first one older than the position `before`."""
        index = len(self._ordered) if before is None else bisect_left(self._ordered, before, key=_order)
        while index > 0:
            index -= 1
            yield self._ordered[index]
