# SPDX-License-Identifier: Apache-2.0
"""
Import from Airflow what has another home in some release from 2.11 on, from wherever the installed one keeps it.

Each name is taken from the first of its homes that has it, the newest, which does not warn; no version is compared.
Nothing is imported before it is asked for: DAG files need a few of these, and a hook others. What has one home in
all releases, ``airflow.triggers.base`` for example, is imported from there and not from here.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import (
        BaseHook,
        BaseOperator,
        BaseOperatorLink,
        BaseSensorOperator,
        Connection,
        Context,
        PokeReturnValue,
        XComArg,
    )
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
    from airflow.sdk.execution_time.xcom import XCom
    from airflow.sdk.types import TaskInstanceKey

_EXCEPTIONS = ("airflow.sdk.exceptions", "airflow.exceptions")
#: The homes of each name, the newest first: 3.0 is the first with ``airflow.sdk``, which had no hook yet; its
#: exceptions, configuration and keys came with 3.2.
HOMES: Mapping[str, tuple[str, ...]] = {
    "AirflowException": _EXCEPTIONS,
    "AirflowFailException": _EXCEPTIONS,
    "AirflowNotFoundException": _EXCEPTIONS,
    "AirflowSensorTimeout": _EXCEPTIONS,
    "AirflowSkipException": _EXCEPTIONS,
    "AirflowTaskTimeout": _EXCEPTIONS,
    "BaseHook": ("airflow.sdk", "airflow.hooks.base"),
    "BaseOperator": ("airflow.sdk", "airflow.models.baseoperator"),
    "BaseOperatorLink": ("airflow.sdk", "airflow.models.baseoperatorlink"),
    "BaseSensorOperator": ("airflow.sdk", "airflow.sensors.base"),
    "Connection": ("airflow.sdk", "airflow.models.connection"),
    "Context": ("airflow.sdk", "airflow.utils.context"),
    "PokeReturnValue": ("airflow.sdk", "airflow.sensors.base"),
    "TaskDeferred": _EXCEPTIONS,
    "TaskInstanceKey": ("airflow.sdk.types", "airflow.models.taskinstancekey"),
    "XCom": ("airflow.sdk.execution_time.xcom", "airflow.models.xcom"),
    "XComArg": ("airflow.sdk", "airflow.models.xcom_arg"),
    "conf": ("airflow.sdk.configuration", "airflow.configuration"),
}

__all__ = [
    "HOMES",
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


def __getattr__(name: str) -> Any:
    """Find one of the names above; the interpreter asks here once, the first time that it is imported."""
    failed: Exception | None = None
    for home in HOMES.get(name, ()):
        try:
            value = getattr(import_module(home), name)
        except (ImportError, AttributeError) as exc:
            failed = exc
            continue
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from failed


def seconds_after_sigterm() -> float:
    """
    Return the seconds that Airflow gives a killed task between SIGTERM and SIGKILL.

    Airflow 3's supervisor has them in its code; Airflow 2 in its configuration.
    """
    if find_spec("airflow.sdk") is not None:
        return 5.0
    from airflow_provider_workflows.compat import conf

    return float(conf.getfloat("core", "killed_task_cleanup_time", fallback=60.0))


def clears_while_running(ti: Any) -> int:
    """
    Count the tries of a task that ended because somebody cleared it while it ran, as far as Airflow 2 tells.

    Airflow 3 raises ``max_tries`` then, as every Airflow does when a task is cleared that does not run; Airflow 2 does
    not. But there a clear writes the end of the try into the history of tries, and the try's process logs its failure
    when it is killed after that. A try that fails by itself logs that first, and then its end is written down.
    """
    if not hasattr(ti, "refresh_from_db") or ti.try_number <= 1:
        return 0
    from airflow.models.log import Log
    from airflow.models.taskinstancehistory import TaskInstanceHistory
    from airflow.utils.session import create_session
    from sqlalchemy import and_, func

    keys = ("dag_id", "task_id", "run_id", "map_index", "try_number")
    same_try = and_(*(getattr(Log, key) == getattr(TaskInstanceHistory, key) for key in keys))
    this_task = and_(*(getattr(TaskInstanceHistory, key) == getattr(ti, key) for key in keys[:-1]))
    with create_session() as session:
        cleared = (
            session.query(TaskInstanceHistory.try_number)
            .join(Log, same_try)
            .filter(this_task, Log.event == "failed")
            .group_by(TaskInstanceHistory.try_number, TaskInstanceHistory.end_date)
            .having(func.min(Log.dttm) > TaskInstanceHistory.end_date)
        )
        return len(cleared.all())


def was_rescheduled(context: Context) -> bool:
    """Tell whether a sensor that reschedules itself has poked before in this try."""
    ti: Any = context["ti"]
    if hasattr(ti, "get_first_reschedule_date"):
        return ti.get_first_reschedule_date(context) is not None
    from airflow.sensors.base import _orig_start_date

    this_try = {key: getattr(ti, key) for key in ("dag_id", "task_id", "run_id", "map_index", "try_number")}
    return _orig_start_date(**this_try) is not None


@functools.cache
def stores_none() -> bool:
    """Tell whether this Airflow takes ``None`` for an XCom: 3.0 refuses it, the one with an SDK that has no hook."""
    sdk = sys.modules.get("airflow.sdk")
    return sdk is None or hasattr(sdk, "BaseHook")


async def get_connection_async(conn_id: str) -> Connection:
    """
    Read a connection without blocking the event loop.

    Airflow's own coroutine came with 3.1. Before 3.3.2 it reports the connection's secrets to the process above by a
    blocking call, which fails while another task of the loop waits for an answer; ``aextra_dejson`` came with the
    repair. Where it is missing the connection is read in a thread.
    """
    from airflow_provider_workflows.compat import BaseHook, Connection

    if hasattr(Connection, "aextra_dejson"):
        return await BaseHook.aget_connection(conn_id)
    from asgiref.sync import sync_to_async

    return await sync_to_async(BaseHook.get_connection)(conn_id)
