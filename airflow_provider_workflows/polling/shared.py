# SPDX-License-Identifier: Apache-2.0
"""Let all who wait on one workflow with one connection, on one event loop, share a poller."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

from airflow_provider_workflows.core.clock import SYSTEM_CLOCK, Clock
from airflow_provider_workflows.core.names import WorkflowName
from airflow_provider_workflows.polling.budget import Limits
from airflow_provider_workflows.polling.per_loop import PerLoop
from airflow_provider_workflows.polling.poller import Poller
from airflow_provider_workflows.polling.source import IsLasting, OpenClient

_POLLERS: PerLoop[tuple[Hashable, WorkflowName], Poller] = PerLoop()


class shared_poller:  # noqa: N801 - used like a function, as context managers are
    """
    Join the poller of this event loop for a workflow; the first to come makes it, the last to leave closes it.

    To be entered once.

    :param key: tells connections apart (credentials, endpoint, API version).
    :param open_client: makes the client, when the first look is due; the others are those of :class:`Poller`.
    """

    __slots__ = ("_clock", "_is_lasting", "_key", "_limits", "_open_client", "_poller", "_workflow")

    def __init__(
        self,
        key: Hashable,
        workflow: WorkflowName,
        open_client: OpenClient,
        *,
        clock: Clock = SYSTEM_CLOCK,
        limits: Limits | None = None,
        is_lasting: IsLasting | None = None,
    ) -> None:
        self._key = (key, workflow)
        self._workflow = workflow
        self._open_client = open_client
        self._clock = clock
        self._limits = limits
        self._is_lasting = is_lasting
        self._poller: Poller | None = None

    async def __aenter__(self) -> Poller:
        pollers = _POLLERS.current()
        poller = pollers.get(self._key)
        if poller is None:
            limits, is_lasting = self._limits, self._is_lasting
            poller = Poller(self._workflow, self._open_client, self._clock, limits=limits, is_lasting=is_lasting)
            pollers[self._key] = poller
        self._poller = poller
        del self._open_client, self._is_lasting  # ten thousand of them cost memory
        poller.members += 1
        return poller

    async def __aexit__(self, *_: object) -> None:
        poller, self._poller = self._poller, None
        if poller is None:
            return
        poller.members -= 1
        if poller.members == 0:
            pollers = _POLLERS.current()
            if pollers.get(self._key) is poller:
                del pollers[self._key]
            # Whoever leaves may be cancelled once more; the client must be closed all the same.
            await asyncio.shield(asyncio.ensure_future(poller.close()))
