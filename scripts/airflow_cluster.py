# SPDX-License-Identifier: Apache-2.0
"""
Run a real Airflow 3 on this machine: API server, scheduler, DAG processor and triggerer, each a process of its own.

Used by the demo and by tests. It listens on 127.0.0.1 only, keeps everything it writes below one folder, and ends
all that it started when its ``with`` block is left, by an exception, Ctrl-C and SIGTERM too::

    with AirflowCluster(home, dags_folder) as cluster:
        run_id = cluster.trigger("my_dag")
        cluster.wait_for_run("my_dag", run_id)
        cluster.xcom("my_dag", run_id, "my_task")
"""

from __future__ import annotations

import base64
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_api import AirflowApi, AirflowApiError, run_path
from airflow_health import Health
from clocks import Clock
from processes import ProcessInfo, Progress, Server, free_port, interruptible, stop_all, wait_until

if TYPE_CHECKING:
    from typing_extensions import Self

COMPONENTS: dict[str, list[str]] = {
    "api-server": ["api-server"],
    # Their log servers would listen on all interfaces of the machine.
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
SIGN_OF_LIFE = 5.0  # seconds between two lines while nothing else happens
FINISHED_RUN = frozenset({"success", "failed"})


class ClusterError(Exception):
    """The local Airflow does not do what it should; the message holds the end of the log concerned."""


def inherited_environment() -> dict[str, str]:
    """Return this process's environment without Airflow settings, which would meddle with another Airflow."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    # Airflow's processes talk to each other over HTTP; a proxy cannot reach this machine's 127.0.0.1.
    environment["no_proxy"] = environment["NO_PROXY"] = "127.0.0.1,localhost"
    environment["PYTHONUNBUFFERED"] = "1"
    return environment


class AirflowCluster:
    """
    Own one local Airflow.

    :param home: folder for its configuration, logs and sqlite database; made when it is missing
    :param dags_folder: folder of DAG files
    :param port: port of the API server and web UI, default a free one
    :param database: ``"sqlite"``, or an SQLAlchemy URL such as ``postgresql+psycopg2://user@127.0.0.1:5432/name``
    :param python: interpreter of the environment that has Airflow, default this process's
    :param env: further environment variables of all processes, such as connections and configuration
    :param components: name -> arguments of `airflow`, default all; several of a kind are called `triggerer-1`,
        `triggerer-2`
    :param parallelism: tasks that the executor runs at the same time
    :param say: called with a line of text on progress
    :param boot_timeout: seconds until every component has to be healthy; generous, for slow and busy machines
    """

    api_class: ClassVar[type[AirflowApi]] = AirflowApi
    new_run: ClassVar[Mapping[str, Any]] = {"logical_date": None}
    all_components: ClassVar[Mapping[str, Sequence[str]]] = COMPONENTS

    def __init__(
        self,
        home: Path,
        dags_folder: Path,
        *,
        port: int | None = None,
        database: str = "sqlite",
        python: str = sys.executable,
        env: Mapping[str, str] | None = None,
        components: Mapping[str, Sequence[str]] | None = None,
        parallelism: int = 4,
        say: Callable[[str], None] | None = None,
        boot_timeout: float = 180.0,
    ) -> None:
        self.home = home.resolve()
        self.dags_folder = dags_folder.resolve()
        self.port = port or free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.boot_timeout = boot_timeout
        self._python = python
        self.environment = {**inherited_environment(), **self._settings(database, parallelism), **(env or {})}
        self._say = say or Progress()
        self._api = self.api_class(self.base_url)
        self._cleanup = ExitStack()
        self._killed: set[str] = set()
        self.servers = {
            name: Server(
                name,
                [self._python, "-m", "airflow", *arguments],
                self.home / "processes" / f"{name}.log",
                self.environment,
            )
            for name, arguments in (components or self.all_components).items()
        }
        self.health = Health(self._api, self.servers)

    def _settings(self, database: str, parallelism: int) -> dict[str, str]:
        url = f"sqlite:///{self.home / 'airflow.db'}" if database == "sqlite" else database
        return {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags_folder),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": str(parallelism),
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.base_url}/execution/",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.base_url,
            "AIRFLOW__API__WORKERS": "1",
            # Airflow 3.0 gives no values without it; later ones have no such option.
            "AIRFLOW__API__ENABLE_XCOM_DESERIALIZE_SUPPORT": "True",
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
        }

    # --- life ----------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Start it and wait until all components are healthy."""
        with ExitStack() as on_failure:
            on_failure.enter_context(interruptible())
            on_failure.callback(self._stop)
            self._migrate()
            for server in self.servers.values():
                server.start()
            self._say(f"Airflow starts: {', '.join(self.servers)}; logs in {self.home / 'processes'}")
            self.wait_healthy()
            self._say(f"Airflow is up at {self.base_url}")
            self._cleanup = on_failure.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop everything that was started."""
        self._cleanup.__exit__(kind, error, traceback)

    def _stop(self) -> None:
        self._say("stopping Airflow")
        stop_all(list(self.servers.values()))

    def _migrate(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self._say("making Airflow's metadata database")
        # Not stopped by a signal of the terminal but by _stop, like everything else.
        migration = Server(
            "db migrate",
            [self._python, "-m", "airflow", "db", "migrate"],
            self.home / "processes" / "db-migrate.log",
            self.environment,
        )
        try:
            migration.start()
            if not wait_until(lambda: migration.exit_code is not None, self.boot_timeout, interval=0.1):
                raise ClusterError(f"`airflow db migrate` does not end:\n{migration.log_tail()}")
        finally:
            migration.stop()
        if migration.exit_code != 0:
            raise ClusterError(f"`airflow db migrate` failed:\n{migration.log_tail()}")
        self._say("the database is ready")

    def wait_healthy(self, *names: str) -> None:
        """
        Wait until components are healthy; a heartbeat from before a component's start does not count.

        :param names: components, default all
        :raises ClusterError: when one of them ended, or is not healthy in time
        """
        waiting = list(names or self.servers)
        deadline = time.monotonic() + self.boot_timeout
        next_sign = time.monotonic() + SIGN_OF_LIFE
        while waiting:
            self._check_alive(waiting)
            self.health.look()
            for name in [name for name in waiting if self.health.is_up(name)]:
                waiting.remove(name)
                self._say(f"{name} is healthy")
            if waiting and time.monotonic() > next_sign:
                self._say(f"waiting for {', '.join(waiting)}")
                next_sign += SIGN_OF_LIFE
            if waiting and time.monotonic() > deadline:
                tails = "\n".join(f"--- {name}\n{self.servers[name].log_tail()}" for name in waiting)
                raise ClusterError(f"not healthy after {self.boot_timeout:.0f} s:\n{tails}")
            if waiting:
                time.sleep(0.25)

    def _check_alive(self, names: list[str]) -> None:
        for server in (self.servers[name] for name in names if name not in self._killed):
            if server.exit_code is not None:
                raise ClusterError(f"{server.name} ended with {server.exit_code}:\n{server.log_tail()}")

    # --- one component -------------------------------------------------------------------------------------------

    def log_file(self, component: str) -> Path:
        """Return the file with a component's output."""
        return self.servers[component].log

    def pid(self, component: str) -> int | None:
        """Return the process id of a component's main process."""
        return self.servers[component].pid

    def processes(self, component: str) -> list[ProcessInfo]:
        """List all live processes of a component; the scheduler's are executor workers and tasks."""
        return self.servers[component].processes()

    def kill(self, component: str, number: signal.Signals = signal.SIGKILL, *, whole: bool = True) -> None:
        """
        Send a signal to a component: to all of its processes, or with ``whole=False`` to the main one.

        Until :meth:`restart` nobody is surprised to find it dead.
        """
        self._killed.add(component)
        self.servers[component].kill(number, whole=whole)

    def restart(self, component: str, *, clock: Clock | None = None) -> None:
        """
        Start a component again, after ending whatever is left of it, and wait until it is healthy.

        :param clock: the time that it sees from now on, default the time it saw before
        """
        server = self.servers[component]
        server.stop()
        if clock is not None:
            server.environment = {**self.environment, **clock.environment}
            self.health.clocks[component] = clock.ahead
        server.start()
        self._killed.discard(component)
        self.wait_healthy(component)

    def run_cli(self, *arguments: str, timeout: float = 120.0) -> str:
        """Run an ``airflow`` command in the cluster's environment and return what it prints."""
        done = subprocess.run(
            [self._python, "-m", "airflow", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode != 0:
            raise ClusterError(f"airflow {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    # --- DAGs and runs -------------------------------------------------------------------------------------------

    def api(self, method: str, path: str, json: Any = None) -> Any:
        """
        Send a request to the REST API and return the decoded answer.

        :param path: below ``/api/v2``, such as ``/dags``
        :param json: body
        :raises AirflowApiError: when the status says that it failed
        """
        return self._api.request(method, path, json)

    def wait_for_dag(self, dag_id: str, timeout: float = 60.0) -> None:
        """
        Wait until the DAG processor has read a DAG.

        :raises ClusterError: when it does not come, with the import errors there are
        """

        def known() -> bool:
            try:
                self.api("GET", f"/dags/{dag_id}")
            except AirflowApiError as error:
                if error.status != 404:  # not found: not read yet
                    raise
                return False
            return True

        if not wait_until(known, timeout):
            errors = "".join(f"\n--- {file}\n{trace}" for file, trace in self.import_errors().items())
            raise ClusterError(f"no DAG {dag_id!r} after {timeout:.0f} s" + (errors or ", and no import errors"))

    def import_errors(self) -> dict[str, str]:
        """Return file -> stack trace of the DAG files that do not load."""
        errors = self._api.pages("/importErrors", "import_errors")
        return {error["filename"]: error["stack_trace"] for error in errors}

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None, run_id: str | None = None) -> str:
        """
        Start a DAG run as soon as the DAG is known, unpausing the DAG; return the run's id.

        :param conf: the run's configuration, that is its params
        :param run_id: default one that Airflow makes
        """
        self.wait_for_dag(dag_id)
        self.api("PATCH", f"/dags/{dag_id}", {"is_paused": False})
        body: dict[str, Any] = {**self.new_run, "conf": dict(conf or {})}
        if run_id:
            body["dag_run_id"] = run_id
        return str(self.api("POST", f"/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a DAG run: queued, running, success or failed."""
        return str(self.api("GET", run_path(dag_id, run_id))["state"])

    def wait_for_run(self, dag_id: str, run_id: str, timeout: float = 300.0) -> str:
        """
        Wait until a DAG run is over and return its state.

        :raises ClusterError: when it is not over in time, with the states of its tasks, or a component ended
        """
        deadline = time.monotonic() + timeout
        while (state := self.run_state(dag_id, run_id)) not in FINISHED_RUN:
            self._check_alive(list(self.servers))
            if time.monotonic() > deadline:
                tasks = ", ".join(
                    f"{task['task_id']}[{task['map_index']}] {task['state']}"
                    for task in self.task_instances(dag_id, run_id)
                )
                raise ClusterError(f"{dag_id} {run_id} is {state} after {timeout:.0f} s; tasks: {tasks}")
            time.sleep(0.5)
        return state

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return all task instances of a run, mapped ones each by itself, as the REST API has them."""
        return self._api.pages(f"{run_path(dag_id, run_id)}/taskInstances", "task_instances")

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """
        Return an XCom's value.

        :raises AirflowApiError: with status 404 when there is none
        """
        path = f"{run_path(dag_id, run_id)}/taskInstances/{task_id}/xcomEntries/{key}"
        return self.api("GET", f"{path}?map_index={map_index}&deserialize=true")["value"]
