# SPDX-License-Identifier: Apache-2.0
"""Ask what happens at a quota; only where whoever runs it says that it may, since others share the quota."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.contract.questions import Finding, asks
from tests.contract.server import Answer, Server, UnsettledError

_LOWER = "lower the quota of concurrent executions of the location, and give CROWD=, a few more than that"


def _crowd(server: Server) -> list[str]:
    """Start a crowd of which some are QUEUED; return the names of those, oldest first."""
    if not server.crowd:
        raise UnsettledError(_LOWER)
    with server.quietly():
        names = [server.start("wait", {"seconds": 600}) for _ in range(server.crowd)]
        queued = [name for name in names if server.get(name).json.get("state") == "QUEUED"]
    if len(queued) < 2:
        raise UnsettledError(f"fewer than two of the crowd were QUEUED: {_LOWER}")
    return queued


@asks("In which order does a list show QUEUED executions, and which times have they?")
def queued_order(server: Server) -> Finding:
    """List while some are queued."""
    queued = _crowd(server)
    page = server.list("wait", pageSize=100, view="FULL").json["executions"]
    states = [each["state"] for each in page if each["state"] in {"QUEUED", "ACTIVE"}]
    first = next(each for each in page if each["state"] == "QUEUED")
    times = [key for key in ("createTime", "startTime") if key in first]
    order = [server.path("wait", each) for each in page if server.path("wait", each) in queued]
    place = "before the active" if states[0] == "QUEUED" else "after the active"
    sort = "newest first" if order == queued[::-1] else "oldest first" if order == queued else "in no such order"
    return Finding(f"{place}, {sort}; with {' and '.join(times) or 'no time'}")


@asks("What does a cancel of a QUEUED execution do?")
def cancel_queued(server: Server) -> Finding:
    """Cancel the last in the queue."""
    last = _crowd(server)[-1]
    answer = server.cancel(last)
    if answer.status != 200:
        return Finding(answer.described())
    return Finding(f"{answer.json.get('state')}, {server.until(last)[0]['state']} in the end")


@asks("What does a create say that may not queue, when the quota of concurrent executions is used up?", v1_only=True)
def concurrency_error(server: Server) -> Finding:
    """Create with `disableConcurrencyQuotaOverflowBuffering` beside a crowd."""
    _crowd(server)
    answer = server.try_create("echo", 1, disableConcurrencyQuotaOverflowBuffering=True)
    return Finding(_quota(answer))


@asks("What does a request say when the quota of requests is used up?")
def rate_error(server: Server) -> Finding:
    """List as often as it takes."""
    if not server.burst:
        raise UnsettledError("give BURST=, more than the list requests that the location may have in a minute")

    def look(_: int) -> Answer:
        return server.list("echo", pageSize=1, fields="nextPageToken")

    with server.quietly(), ThreadPoolExecutor(8) as pool:
        refused = [answer for answer in pool.map(look, range(server.burst)) if answer.status != 200]
    if not refused:
        raise UnsettledError("none was refused: give a larger BURST=")
    return Finding(_quota(refused[0]))


def _quota(answer: Answer) -> str:
    return f"{answer.described()}, {'with' if 'retry-after' in answer.headers else 'without'} Retry-After"
