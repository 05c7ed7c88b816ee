# SPDX-License-Identifier: Apache-2.0
"""
Watch whether a request left this machine: the evidence that decides whether an execution may exist.

What an error is called does not tell. Behind a proxy a lost answer is a "proxy error", as is a proxy that refused;
a certificate file that is missing is an ``OSError``, as is a connection that broke. So both HTTP libraries are
watched for the moment when the first byte of a request is about to be written: by then there is a connection to the
service, through the proxy's tunnel and with its handshake done. Before it nothing was sent; after it, who knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import aiohttp
    from requests.adapters import HTTPAdapter


@dataclass
class Evidence:
    """
    Hold what is known of one request.

    :param sent: whether a byte of it may have been written.
    """

    sent: bool = False


def evidence_of(session: object) -> Evidence:
    """Return what a session notes of its last request; of one that nobody watches, everything may have been sent."""
    found = getattr(session, "evidence", None)
    return found if isinstance(found, Evidence) else Evidence(sent=True)


def watched_adapter(evidence: Evidence) -> type[HTTPAdapter]:
    """Return the class of an adapter for a requests session that notes in ``evidence`` when a request is written."""
    from requests.adapters import HTTPAdapter

    class WatchedAdapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            _watch(self.poolmanager, evidence)

        def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
            manager = super().proxy_manager_for(*args, **kwargs)
            _watch(manager, evidence)
            return manager

    return WatchedAdapter


def _watch(manager: Any, evidence: Evidence) -> None:
    """Have the connections of urllib3's pool manager, a proxy's or a SOCKS proxy's, note when they write."""
    manager.pool_classes_by_scheme = {
        scheme: pool if getattr(pool, "is_watched", False) else _watched_pool(pool, evidence)
        for scheme, pool in manager.pool_classes_by_scheme.items()
    }


def _watched_pool(pool: Any, evidence: Evidence) -> Any:
    class WatchedConnection(pool.ConnectionCls):  # type: ignore[misc]
        def request(self, *args: Any, **kwargs: Any) -> Any:
            if self.sock is None:
                self.connect()
            evidence.sent = True
            return super().request(*args, **kwargs)

    return type(f"Watched{pool.__name__}", (pool,), {"ConnectionCls": WatchedConnection, "is_watched": True})


def watching_trace() -> aiohttp.TraceConfig:
    """Return what makes an aiohttp session note when it writes, in the :class:`Evidence` that a request brings."""
    import aiohttp

    async def note(_session: Any, context: Any, _params: Any) -> None:
        evidence = getattr(context, "trace_request_ctx", None)
        if isinstance(evidence, Evidence):
            evidence.sent = True

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(note)
    trace.on_request_chunk_sent.append(note)
    return trace
