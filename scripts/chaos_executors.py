# SPDX-License-Identifier: Apache-2.0
"""Say which processes and settings each executor of a chaos run needs, and start the servers that it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from airflow_cluster import COMPONENTS
from chaos_redis import redis_server

EXECUTORS = ("local", "celery")
PARALLELISM = 8
CELERY_WORKERS = 2

#: Airflow's own times are made for machines that fail once a month; these make it notice within seconds.
IMPATIENT = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "4",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "25",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
    # Not less: a scheduler that is slow on a busy machine takes itself for dead and begins all its tasks anew.
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "80",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
    # With the default of 15 connections the API server stands still for 30 s when as many tasks start at once: each
    # of these requests holds a connection while it waits for another one.
    "AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE": "40",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_MAX_OVERFLOW": "20",
}


@dataclass(frozen=True)
class Setup:
    """Hold what an Airflow is started with."""

    components: Mapping[str, Sequence[str]]
    environment: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def setup_of(executor: str, home: Path, database: str, say: Callable[[str], None]) -> Iterator[Setup]:
    """
    Serve what an executor needs for the block; yield the components and environment of its Airflow.

    :param database: SQLAlchemy URL of the PostgreSQL, which Celery's results go to as well
    """
    components = dict(COMPONENTS)
    triggerer = components.pop("triggerer")
    if executor == "local":
        yield Setup({**components, "triggerer-1": triggerer}, IMPATIENT)
        return
    workers = {name: _worker(name, home) for name in (f"worker-{number + 1}" for number in range(CELERY_WORKERS))}
    with redis_server(home / "processes" / "redis.log", say) as broker:
        yield Setup(
            {**components, "triggerer-1": triggerer, "triggerer-2": triggerer, **workers},
            {**IMPATIENT, **_celery(broker, database)},
        )


def _worker(name: str, home: Path) -> list[str]:
    # Without the first its log server would listen on all interfaces of the machine.
    options = ["--skip-serve-logs", "--concurrency", str(PARALLELISM // CELERY_WORKERS)]
    return ["celery", "worker", *options, "--celery-hostname", name, "--pid", str(home / f"{name}.pid")]


def _celery(broker: str, database: str) -> dict[str, str]:
    return {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CELERY__BROKER_URL": broker,
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{database}",
        # What a killed worker had fetched and not begun is lost; Airflow sends it again after this time.
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
    }
