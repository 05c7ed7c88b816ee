# SPDX-License-Identifier: Apache-2.0
"""
Break everything at random while executions run, and count what got lost.

A real Airflow 3 (LocalExecutor or CeleryExecutor, on a PostgreSQL of our own) starts many executions over mapped tasks,
through a proxy, at the emulator in a process of its own. Meanwhile a fifth of all requests fails in the service or in
the proxy, some after they took effect; task processes, their supervisors, workers, triggerers and the scheduler are
killed with SIGKILL or frozen; a triggerer's clock is wrong; and tasks are cleared and marked. When most tasks are
through, the trouble stops, and the rest may end in peace.

Ends with status 0 when there is no duplicate, no orphan, no execution that a stop did not cancel, no lost result and no
wrong task; 1 when there is; 130 after Ctrl-C. Everything that was started is stopped in any case.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

from airflow_cluster import AirflowCluster, ClusterError, inherited_environment
from chaos_executors import EXECUTORS, PARALLELISM, setup_of
from chaos_faults import LOST_SHARE, TIMEOUT
from chaos_items import EXECUTIONS, SEED, plan
from chaos_postgres import postgres_server
from chaos_proxy import HOST, LossyProxy
from chaos_run import ChaosRun
from chaos_scene import Scene
from clocks import install_clocks
from debian import ServiceError
from local_emulator import connection_environment, emulator_process
from processes import Progress, interruptible

SCRIPTS = Path(__file__).resolve().parent
DAGS = SCRIPTS / "chaos_dags"


def chaos(home: Path, executor: str, executions: int, seed: int, timeout: float) -> bool:
    """Do one run in a folder; return whether nothing got lost."""
    say = Progress()
    title = f"chaos with seed {seed} on the executor {executor!r}"
    say(f"{title}; logs in {home}")
    install_clocks(say)
    logs = home / "processes"
    with (
        postgres_server(logs / "postgres.log", say) as database,
        setup_of(executor, home, database, say) as setup,
        emulator_process(logs / "emulator.log", inherited_environment(), ["--seed", str(seed)]) as emulator,
        LossyProxy(emulator.endpoint, seed, LOST_SHARE).serving() as proxy,
    ):
        environment = {
            **connection_environment(f"http://{HOST}", timeout=TIMEOUT),
            "HTTP_PROXY": proxy.url,
            "http_proxy": proxy.url,
            EXECUTIONS: str(executions),
            SEED: str(seed),
            "PYTHONPATH": ":".join(filter(None, [str(SCRIPTS), inherited_environment().get("PYTHONPATH")])),
            **setup.environment,
        }
        with AirflowCluster(
            home,
            DAGS,
            database=database,
            env=environment,
            components=setup.components,
            parallelism=PARALLELISM,
            say=say,
        ) as cluster:
            scene = Scene(cluster, emulator, proxy, random.Random(seed), say)
            run = ChaosRun(scene, plan(executions, seed), timeout)
            ended = True
            try:
                run.finish()
            except ClusterError as error:
                ended = False
                say(f"error: {error}")
            verdict = run.verdict()
            run.print_report(verdict, title)
    return ended and verdict.fine


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--seed", type=int, default=None, help="for everything random (default: a new one)")
    parser.add_argument("--executions", type=int, default=200, help="how many (default: %(default)s)")
    parser.add_argument("--executor", choices=EXECUTORS, default="local", help="of Airflow (default: %(default)s)")
    parser.add_argument("--timeout", type=float, default=2400, help="seconds for the DAG run (default: %(default)s)")
    options = parser.parse_args()
    seed = random.randrange(1_000_000) if options.seed is None else options.seed
    home = Path(tempfile.mkdtemp(prefix="workflows-chaos-"))
    fine = False
    try:
        with interruptible():
            fine = chaos(home, options.executor, options.executions, seed, options.timeout)
    except KeyboardInterrupt:
        print("interrupted; everything is stopped", file=sys.stderr)
        return 130
    except (ClusterError, ServiceError) as error:
        print(f"error: {error}", file=sys.stderr)
    finally:
        if fine:
            shutil.rmtree(home, ignore_errors=True)
        else:
            print(f"logs are in {home}", file=sys.stderr)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
