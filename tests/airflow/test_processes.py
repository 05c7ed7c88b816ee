# SPDX-License-Identifier: Apache-2.0
"""Check that the harness leaves no process behind, whatever happened to the ones it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from processes import Server, session_processes, wait_until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds descendants in /proc")

# A leader whose child has a process group of its own and ignores SIGTERM, as a hanging task would.
FAMILY = """
import os, signal, sys, time
if os.fork() == 0:
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("child ready", flush=True)
time.sleep(600)
"""


@pytest.fixture
def family(tmp_path: Path) -> Server:
    """Start a process with a stubborn child."""
    server = Server("family", [sys.executable, "-c", FAMILY], tmp_path / "log", os.environ)
    server.start()
    assert wait_until(lambda: "child ready" in server.log_tail(), 10)
    return server


def test_stop_ends_children_that_ignore_sigterm(family: Server) -> None:
    """Stopping a server ends also the child that moved to another process group and ignores SIGTERM."""
    session = family.pid or 0
    assert len(family.processes()) == 2
    family.stop(patience=1.0)
    assert session_processes({session}) == []


def test_stop_ends_orphans_of_a_killed_leader(family: Server) -> None:
    """A child that outlives its killed parent is found and ended, after a restart too."""
    first = family.pid or 0
    family.kill(signal.SIGKILL, whole=False)
    assert len(family.processes()) == 1
    family.start()
    second = family.pid or 0
    family.stop(patience=1.0)
    assert session_processes({first, second}) == []


def test_kill_ends_the_whole_family_at_once(family: Server) -> None:
    """Killing a server as a whole leaves nobody to stop."""
    family.kill(signal.SIGKILL)
    assert wait_until(lambda: not family.processes(), 5)


# Starts a server within interruptible(); two signals come while it waits, the second during the stopping.
INTERRUPTED = """
import os, signal, sys, time
from pathlib import Path
from processes import Server, interruptible

for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)  # a test run in the background has some of them ignored
server = Server("sleeper", ["sleep", "600"], Path(sys.argv[1]), os.environ)
try:
    with interruptible(), interruptible():
        try:
            server.start()
            print(server.pid, flush=True)
            time.sleep(600)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            server.stop()
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_second_signal_does_not_interrupt_the_stopping(number: signal.Signals, tmp_path: Path) -> None:
    """What a first signal ends is ended completely, although a second signal comes meanwhile."""
    scripts = Path(__file__).resolve().parent.parent.parent / "scripts"
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path / "log")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(scripts)},
    ) as process:
        assert process.stdout is not None
        session = int(process.stdout.readline())
        process.send_signal(number)
        assert process.stdout.read() == "stopped\n"
    assert session_processes({session}) == []
