# SPDX-License-Identifier: Apache-2.0
"""
Start server processes and surely end them, whatever they forked.

Every server is the leader of a session of its own: Ctrl-C in the terminal does not reach it behind our back, and
everything it starts can be found again by the session's number, also children that moved to another process group
(Airflow's task processes do) and orphans of a killed parent.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

_INTERRUPTIBLE = threading.Event()  # set while a block of interruptible() is entered


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Progress:
    """Print lines with the seconds since the start, so that a waiting user sees what is going on."""

    def __init__(self) -> None:
        self.start = time.monotonic()

    def __call__(self, message: str) -> None:
        """Print one line at once."""
        print(f"{time.monotonic() - self.start:6.1f} s  {message}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class ProcessInfo:
    """Describe one live process of a server."""

    pid: int
    parent: int
    command: str


class Server:
    """
    Run one command as the leader of its own session, with its output in a file.

    :param name: what messages call it
    :param command: program and arguments
    :param log: file that its output is appended to, over restarts
    :param environment: its whole environment
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self.environment = dict(environment)
        self.started_at = 0.0  # epoch seconds: compared with what other processes report
        self._process: subprocess.Popen[bytes] | None = None
        self._sessions: list[int] = []
        self._earlier_output = 0  # bytes in the log when it was started

    @property
    def pid(self) -> int | None:
        """Process id of the leader, None before the first start."""
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """Exit code of the leader, None while it is alive or was never started."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Start it."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.started_at = time.time()
        with self.log.open("ab") as output:
            self._earlier_output = output.tell()
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment,
                start_new_session=True,
            )
        self._sessions = [session for session in self._sessions if session_processes({session})]
        self._sessions.append(self._process.pid)

    def processes(self) -> list[ProcessInfo]:
        """List everything of it that is alive, the leader first (on Linux; elsewhere the leader only)."""
        return session_processes(set(self._sessions)) if self._sessions else []

    def kill(self, number: signal.Signals = signal.SIGKILL, *, whole: bool = True) -> None:
        """Send a signal to the leader and, unless ``whole`` is False, to all it started."""
        if self._process is None:
            return
        self._process.poll()
        targets = [info.pid for info in self.processes()] if whole else [self._process.pid]
        for pid in targets:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        if number == signal.SIGKILL:
            self._process.wait()

    def stop(self, patience: float = 15.0) -> None:
        """
        End it: SIGTERM to the leader, which ends its children in order, then to the rest, then SIGKILL.

        :param patience: seconds that the leader gets
        """
        if self._process is None:
            return
        self.kill(signal.SIGTERM, whole=False)
        wait_until(lambda: self.exit_code is not None, patience, interval=0.05)
        for number in (signal.SIGTERM, signal.SIGKILL):
            self.kill(number)
            if wait_until(self._gone, 3.0, interval=0.05):
                break
        self._sessions.clear()

    def _gone(self) -> bool:
        return self.exit_code is not None and not self.processes()

    def output(self) -> str:
        """Return what it has printed since its last start."""
        if not self.log.exists():
            return ""
        return self.log.read_bytes()[self._earlier_output :].decode(errors="replace")

    def log_tail(self) -> str:
        """Return the last lines of its output."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])


def session_processes(sessions: set[int]) -> list[ProcessInfo]:
    """List the live processes of some sessions, leaders first."""
    proc = Path("/proc")
    if not (proc / "self" / "stat").exists():
        return [ProcessInfo(pid, 0, "") for pid in sessions if _alive(pid)]
    found = []
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        # The process may end between any two of these lines.
        with suppress(OSError, ValueError, IndexError):
            # The second field is the name in parentheses and may hold blanks; count from its end.
            state, parent, _group, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(session) in sessions and state not in "ZX":
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                found.append(ProcessInfo(int(entry.name), int(parent), command))
    return sorted(found, key=lambda info: (info.pid not in sessions, info.pid))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition: Callable[[], bool], timeout: float, *, interval: float = 0.25) -> bool:
    """Wait until a condition holds; return whether it came to hold within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval)
    return True


@contextmanager
def interruptible() -> Iterator[None]:
    """
    Turn the first SIGINT, SIGTERM or SIGHUP during the block into KeyboardInterrupt and ignore later ones.

    So ``finally`` clauses run, and run to their end: a second signal (``make`` passes on those it gets, and people
    press Ctrl-C twice) cannot interrupt the stopping that the first one caused, which takes seconds. It is
    KeyboardInterrupt rather than SystemExit because pytest ends its session on the first only. Blocks may be
    nested, the outermost counts. Only the main thread may set signal handlers; elsewhere nothing changes.
    """
    if threading.current_thread() is not threading.main_thread() or _INTERRUPTIBLE.is_set():
        yield
        return
    interrupted = threading.Event()

    def leave(number: int, _frame: FrameType | None) -> None:
        if not interrupted.is_set():
            interrupted.set()
            raise KeyboardInterrupt(signal.Signals(number).name)

    # What is ignored stays so: a shell starts background commands that way.
    numbers = [
        number
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]
    _INTERRUPTIBLE.set()
    previous = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        _INTERRUPTIBLE.clear()
        for number, handler in previous.items():
            signal.signal(number, handler)


def stop_all(servers: Sequence[Server], patience: float = 5.0) -> None:
    """
    Stop several servers at the same time.

    ``patience`` is short by default: Airflow's triggerer takes ten seconds to end by itself, and nothing that it
    could still do is wanted.
    """
    threads = [threading.Thread(target=server.stop, args=(patience,), name=f"stop {server.name}") for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
