# SPDX-License-Identifier: Apache-2.0
"""Give both hooks the methods about one execution's history, which only v1 of the API has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from airflow_provider_workflows.hooks.opened import OpenedAsyncHook, OpenedHook


class HistoryMethods(OpenedHook):
    """Read and delete what the service keeps about an execution's steps; v1 only, a ValueError on v1beta."""

    def list_step_entries(
        self,
        workflow_id: str | None = None,
        location: str | None = None,
        project_id: str | None = None,
        *,
        execution_id: str,
        filter: str | None = None,  # noqa: A002 - the API's own name
        order_by: str | None = None,
        page_size: int | None = None,
        skip: int | None = None,
        limit: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """
        List an execution's step entries over all pages, by ascending ``entryId``; pages are fetched as consumed.

        Variables are in them where the execution was created with ``executionHistoryLevel`` of
        ``EXECUTION_HISTORY_DETAILED``.

        :param filter: for example ``state="FAILED"`` or ``routine="main"``.
        :param order_by: for example ``createTime desc``.
        :param page_size: entries per request, 1000 unless given.
        :param skip: leave out so many at the beginning.
        :param limit: stop after so many.
        """
        name = self.execution(workflow_id, execution_id, location, project_id)
        return self.client.list_step_entries(
            name, filter=filter, order_by=order_by, page_size=page_size, skip=skip, limit=limit
        )

    def get_step_entry(
        self,
        workflow_id: str | None = None,
        location: str | None = None,
        project_id: str | None = None,
        *,
        execution_id: str,
        entry_id: int | str,
    ) -> dict[str, Any]:
        """
        Get one step entry of an execution.

        :param entry_id: the entry's number, its ``entryId``.
        :raises ExecutionNotFound: where the execution or the entry does not exist.
        """
        return self.client.get_step_entry(self.execution(workflow_id, execution_id, location, project_id), entry_id)

    def list_callbacks(
        self,
        workflow_id: str | None = None,
        location: str | None = None,
        project_id: str | None = None,
        *,
        execution_id: str,
        page_size: int | None = None,
        limit: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """List the callbacks that an execution has at this time, by their ids, over all pages."""
        name = self.execution(workflow_id, execution_id, location, project_id)
        return self.client.list_callbacks(name, page_size=page_size, limit=limit)

    def export_data(
        self,
        workflow_id: str | None = None,
        location: str | None = None,
        project_id: str | None = None,
        *,
        execution_id: str,
    ) -> str:
        """
        Export what the service stores about an execution beside what other methods return.

        :return: JSON text, as the service sends it; what is in it is not documented.
        """
        return self.client.export_data(self.execution(workflow_id, execution_id, location, project_id))

    def delete_execution_history(
        self,
        workflow_id: str | None = None,
        location: str | None = None,
        project_id: str | None = None,
        *,
        execution_id: str,
    ) -> None:
        """Delete all step entries of an execution; the execution itself stays."""
        self.client.delete_execution_history(self.execution(workflow_id, execution_id, location, project_id))


class AsyncHistoryMethods(OpenedAsyncHook):
    """Offer :class:`HistoryMethods` as coroutines."""

    async def list_step_entries(
        self,
        workflow_id: str | None = None,
        location: str | None = None,
        project_id: str | None = None,
        *,
        execution_id: str,
        filter: str | None = None,  # noqa: A002 - the API's own name
        order_by: str | None = None,
        page_size: int | None = None,
        skip: int | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """List step entries; see :meth:`HistoryMethods.list_step_entries`."""
        name = await self.execution(workflow_id, execution_id, location, project_id)
        client = await self.get_client()
        entries = client.list_step_entries(
            name, filter=filter, order_by=order_by, page_size=page_size, skip=skip, limit=limit
        )
        async for entry in entries:
            yield entry

    async def get_step_entry(
        self,
        workflow_id: str | None = None,
        location: str | None = None,
        project_id: str | None = None,
        *,
        execution_id: str,
        entry_id: int | str,
    ) -> dict[str, Any]:
        """Get one step entry; see :meth:`HistoryMethods.get_step_entry`."""
        name = await self.execution(workflow_id, execution_id, location, project_id)
        return await (await self.get_client()).get_step_entry(name, entry_id)

    async def list_callbacks(
        self,
        workflow_id: str | None = None,
        location: str | None = None,
        project_id: str | None = None,
        *,
        execution_id: str,
        page_size: int | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """List callbacks; see :meth:`HistoryMethods.list_callbacks`."""
        name = await self.execution(workflow_id, execution_id, location, project_id)
        async for callback in (await self.get_client()).list_callbacks(name, page_size=page_size, limit=limit):
            yield callback

    async def export_data(
        self,
        workflow_id: str | None = None,
        location: str | None = None,
        project_id: str | None = None,
        *,
        execution_id: str,
    ) -> str:
        """Export an execution's metadata; see :meth:`HistoryMethods.export_data`."""
        name = await self.execution(workflow_id, execution_id, location, project_id)
        return await (await self.get_client()).export_data(name)

    async def delete_execution_history(
        self,
        workflow_id: str | None = None,
        location: str | None = None,
        project_id: str | None = None,
        *,
        execution_id: str,
    ) -> None:
        """Delete step entries; see :meth:`HistoryMethods.delete_execution_history`."""
        name = await self.execution(workflow_id, execution_id, location, project_id)
        await (await self.get_client()).delete_execution_history(name)
