# SPDX-License-Identifier: Apache-2.0
"""Serve an emulator over HTTP: in a thread of its own, or in the caller's event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from aiohttp import web

from airflow_provider_workflows.testing.control_api import add_control_routes
from airflow_provider_workflows.testing.controls import Controls
from airflow_provider_workflows.testing.routes import Routes, errors_in_envelopes
from airflow_provider_workflows.testing.settings import Settings

if TYPE_CHECKING:
    from typing_extensions import Self

# Long enough that a virtual-time loop's jumps do not close a client's idle connection.
_KEEPALIVE_SECONDS = 10_000_000.0
_LARGEST_BODY = 16 * 1024 * 1024
_LARGEST_HEAD = 1024 * 1024  # what is longer is answered by the web server, as text


class Emulator(Controls):
    """Emulate the Workflow Executions API over HTTP.

    As a context manager it serves in a thread of its own, on a free port of 127.0.0.1::

        with Emulator(clock=ManualClock()) as emulator:
            client(api_endpoint=emulator.endpoint)

    To serve it in your own event loop, use `serve`.

    :param port: 0 takes a free one.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(settings, seed=seed, **options)
        self.host = host
        self.port = port
        self._routes = Routes(self.service, self.log, self.faults)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop: asyncio.Event | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None

    @property
    def endpoint(self) -> str:
        """Return the base URL, without a slash at the end; it is known once it serves."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def release(self) -> None:
        """Answer the requests that a fault is delaying, now."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._routes.release)

    def open(self) -> None:
        """Start serving in a thread; return when the port is open.

        :raises OSError: the port cannot be had.
        """
        if self._thread is not None:
            raise RuntimeError("the emulator is already serving")
        self._ready.clear()
        self._failure = None
        self._thread = threading.Thread(target=self._run, name="workflows-emulator", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            self._thread = None
            raise self._failure

    def close(self) -> None:
        """Stop serving; delayed requests are answered first. Without effect when it does not serve."""
        if self._thread is None:
            return
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._thread = None

    def _run(self) -> None:
        try:
            asyncio.run(self._serve_until_stopped())
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits in open()
            self._failure = error
        finally:
            self._ready.set()

    async def _serve_until_stopped(self) -> None:
        self._stop = asyncio.Event()
        async with serve(self, host=self.host, port=self.port):
            self._ready.set()
            await self._stop.wait()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@asynccontextmanager
async def serve(emulator: Emulator, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Emulator]:
    """Serve an emulator in the running event loop; yield it with its `endpoint` set.

    Delays of faults are then in that loop's time.
    """
    emulator._loop = asyncio.get_running_loop()  # noqa: SLF001 - the other half of one class
    routes = emulator._routes  # noqa: SLF001
    app = web.Application(client_max_size=_LARGEST_BODY, middlewares=[errors_in_envelopes])
    add_control_routes(app, emulator, emulator.release)
    app.router.add_route("*", "/{path:.*}", routes.handle)
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        keepalive_timeout=_KEEPALIVE_SECONDS,
        shutdown_timeout=1.0,
        max_line_size=_LARGEST_HEAD,
        max_field_size=_LARGEST_HEAD,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024)
        await site.start()
        emulator.host, emulator.port = host, runner.addresses[0][1]
        yield emulator
    finally:
        routes.release()
        await runner.cleanup()
        emulator._loop = None  # noqa: SLF001
