# SPDX-License-Identifier: Apache-2.0
# Type checkers go by the first place of each name; what they say of the others, in an Airflow where they are old, is
# of no use.
# mypy: disable-error-code="assignment, attr-defined, no-redef"
"""
Import from Airflow what has another home in some release from 2.11 on, from wherever the installed one keeps it.

Each name is taken from the newest place that has it, which is the one that does not warn; no version is compared.
What has one home in all releases, ``airflow.triggers.base`` for example, is imported from there and not here.
"""

from __future__ import annotations

try:
    from airflow.sdk import (
        BaseOperator,
        BaseOperatorLink,
        BaseSensorOperator,
        Connection,
        Context,
        PokeReturnValue,
        XComArg,
    )
    from airflow.sdk.execution_time.xcom import XCom
except ImportError:  # 2.11
    from airflow.models.baseoperator import BaseOperator
    from airflow.models.baseoperatorlink import BaseOperatorLink
    from airflow.models.connection import Connection
    from airflow.models.xcom import XCom
    from airflow.models.xcom_arg import XComArg
    from airflow.sensors.base import BaseSensorOperator, PokeReturnValue
    from airflow.utils.context import Context

try:
    from airflow.sdk import BaseHook
except ImportError:  # 2.11 and 3.0
    from airflow.hooks.base import BaseHook

try:
    from airflow.sdk.configuration import conf
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSensorTimeout,
        AirflowSkipException,
        AirflowTaskTimeout,
        TaskDeferred,
    )
    from airflow.sdk.types import TaskInstanceKey
except ImportError:  # 2.11 to 3.1
    from airflow.configuration import conf
    from airflow.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSensorTimeout,
        AirflowSkipException,
        AirflowTaskTimeout,
        TaskDeferred,
    )
    from airflow.models.taskinstancekey import TaskInstanceKey

__all__ = [
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "AirflowTaskTimeout",
    "BaseHook",
    "BaseOperator",
    "BaseOperatorLink",
    "BaseSensorOperator",
    "Connection",
    "Context",
    "PokeReturnValue",
    "TaskDeferred",
    "TaskInstanceKey",
    "XCom",
    "XComArg",
    "conf",
    "get_connection_async",
]


async def get_connection_async(conn_id: str) -> Connection:
    """
    Read a connection without blocking the event loop.

    Airflow's own coroutine came with 3.1. Before 3.3.2 it reports the connection's secrets to the process above by a
    blocking call, which fails while another task of the loop waits for an answer; ``aextra_dejson`` came with the
    repair. Where it is missing the connection is read in a thread.
    """
    if hasattr(Connection, "aextra_dejson"):
        return await BaseHook.aget_connection(conn_id)
    from asgiref.sync import sync_to_async

    return await sync_to_async(BaseHook.get_connection)(conn_id)
