# SPDX-License-Identifier: Apache-2.0
"""
Put tokens on the requests of an event loop, from google-auth's ordinary credentials, which block.

* A token is fetched in a thread, by one fetch for all who wait for it; its error reaches all of them. Who is
  cancelled stops waiting, and the fetch goes on for the others. There is never a second fetch beside one that hangs.
* A token that is about to expire is renewed in the background, while requests still go out with it. Whether that
  fails is told by the fetch that is waited for, when the token has expired.
* A token that was refused is renewed once for all who were refused with it.

google-auth has that, too, in ``google.auth.aio``, but takes ordinary credentials there only since 2.60, which is newer
than what most releases of Airflow are installed with.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.auth.network import make_adapter, session_class
from airflow_provider_workflows.auth.refreshing import make_token_request

if TYPE_CHECKING:
    import requests
    from google.auth.credentials import Credentials

# Seconds for one request to a server of tokens, which answers in well under one. A fetch may be several requests.
REQUEST_TIMEOUT = 30.0
#: Seconds from the beginning of one renewal in the background to that of the next; google-auth begins to renew 225 s
#: before a token expires.
RENEW_AGAIN = 10.0

_USAGE = "x-goog-api-client"


def make_token_session() -> requests.Session:
    """Return a session for requests to servers of tokens; who cannot connect tries again, as google-auth's own does."""
    import requests

    session: requests.Session = session_class(requests.Session)()
    session.mount("https://", make_adapter(max_retries=3))
    session.mount("http://", make_adapter())
    # A request for an impersonation carries a token itself, which a login in ~/.netrc must not replace.
    session.auth = lambda request: request
    return session


class Tokens:
    """
    Add tokens to the requests of one event loop.

    :param credentials: nobody else may refresh them.
    """

    def __init__(self, credentials: Credentials) -> None:
        from google.auth.credentials import AnonymousCredentials

        self._credentials = None if isinstance(credentials, AnonymousCredentials) else credentials
        self._session = make_token_session()
        self._request = functools.partial(make_token_request(self._session), timeout=REQUEST_TIMEOUT)
        self._loop = asyncio.get_running_loop()
        self._fetch: asyncio.Future[str] | None = None
        self._fetched = 0
        self._renew_from = 0.0
        self._usage = ""

    async def add(self, headers: Mapping[str, str], url: str, *, within: float) -> tuple[dict[str, str], int]:
        """
        Return the headers with those of the credentials, and the number of their token for :meth:`renew`.

        :param within: seconds to wait for a token.
        :raises Exception: google-auth's own where there is no token.
        """
        added = dict(headers)
        if self._credentials is None:
            return added, 0
        from google.auth.credentials import TokenState

        state = self._credentials.token_state
        if state is TokenState.INVALID:
            await self._wait(url, within)
        elif state is TokenState.STALE and self._loop.time() >= self._renew_from:
            self._renew_from = self._loop.time() + RENEW_AGAIN
            self._begin(url)
        self._credentials.apply(added)  # type: ignore[no-untyped-call]
        if self._usage:
            added[_USAGE] = f"{added.get(_USAGE, '')} {self._usage}".strip()
        return added, self._fetched

    async def renew(self, number: int, url: str, *, within: float) -> bool:
        """
        Replace the token of that number, which was refused, unless it has been replaced since.

        :return: whether there is another token now; never for anonymous credentials.
        """
        if self._credentials is None:
            return False
        if number == self._fetched:
            await self._wait(url, within)
        return True

    async def _wait(self, url: str, within: float) -> None:
        fetch = self._begin(url)
        # Neither a timeout nor a cancellation of this waiting touches what is waited for.
        await asyncio.wait([fetch], timeout=within)
        if not fetch.done():
            from google.auth.exceptions import TransportError

            raise TransportError("No token in time")  # type: ignore[no-untyped-call]
        fetch.result()

    def _begin(self, url: str) -> asyncio.Future[str]:
        """Return the fetch that is under way, or a new one."""
        if self._fetch is None or self._fetch.done():
            self._fetch = self._loop.run_in_executor(None, self._refresh, url)
            self._fetch.add_done_callback(self._is_done)
        return self._fetch

    def _is_done(self, fetch: asyncio.Future[str]) -> None:
        """Take in the result before those who wait for it do; also where nobody waits."""
        if not fetch.cancelled() and fetch.exception() is None:
            self._fetched += 1
            self._usage = fetch.result()

    def _refresh(self, url: str) -> str:
        """Fetch a token, in a thread; return what google-auth wants to be told about the kind of credentials."""
        from google.auth.credentials import TokenState

        credentials: Any = self._credentials
        seen: dict[str, str] = {}
        credentials.refresh(self._request)
        # It also looks up, in the background, what some credentials must say about regions. With a token that has been
        # born old it would fetch another.
        if credentials.token_state is TokenState.FRESH:
            credentials.before_request(self._request, "GET", url, seen)
        return seen.get(_USAGE, "")

    def close(self) -> None:
        """Release the connections."""
        self._session.close()
