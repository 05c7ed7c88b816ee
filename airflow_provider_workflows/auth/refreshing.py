# SPDX-License-Identifier: Apache-2.0
"""
Tell the answer of a server of tokens from what somebody in between says in its place.

A firewall, a login page or a gateway answers with whatever it likes. google-auth takes that for a refusal, or fails
over it with any error at all. Here it becomes google-auth's ``TransportError``: no server of tokens was reached, which
may pass.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.core.catching import caught
from airflow_provider_workflows.exceptions import WorkflowsError

if TYPE_CHECKING:
    import requests
    from google.auth.credentials import Credentials
    from google.auth.exceptions import TransportError

#: What is said of it; looked for in :mod:`~airflow_provider_workflows.auth.token_advice`.
NO_TOKEN_SERVER = "answered by no server of tokens"  # noqa: S105 - no password


def make_token_request(session: requests.Session) -> Any:
    """Return what google-auth sends its requests with; what is posted must be answered by a JSON object."""
    from google.auth.transport.requests import Request

    class TokenRequest(Request):
        """Look at answers before google-auth does. Subject tokens and metadata may be texts: those are not posted."""

        def __call__(self, url: str, method: str = "GET", **options: Any) -> Any:  # type: ignore[override]
            answer = super().__call__(url, method, **options)  # type: ignore[no-untyped-call]
            if method == "POST" and not _is_object(answer.data):
                raise _not_reached()
            return answer

    return TokenRequest(session)


def refresh_carefully(credentials: Credentials) -> Credentials:
    """Let credentials fail with google-auth's own errors only where they get no token that can be sent."""
    refresh = credentials.refresh

    def careful(request: Any) -> None:
        with own_errors():
            refresh(request)  # type: ignore[no-untyped-call]
        token = credentials.token
        if not (isinstance(token, str) and token.isascii() and token.isprintable()):
            credentials.token = None  # or it would count as a good one until it expires
            raise _not_reached()

    credentials.refresh = careful  # type: ignore[method-assign]
    return credentials


@contextmanager
def own_errors() -> Iterator[None]:
    """Make google-auth's errors of whatever its handling of an answer fails with."""
    from google.auth.exceptions import GoogleAuthError, RefreshError

    with caught(Exception) as trouble:
        yield
    if trouble.error is None:
        return
    if isinstance(trouble.error, (GoogleAuthError, WorkflowsError)):
        raise trouble.error
    if isinstance(trouble.error, OSError):
        # A file that cannot be read, say: whoever sends must not take it for a trouble with its own request.
        raise RefreshError(trouble.error)  # type: ignore[no-untyped-call]
    raise _not_reached()


def _is_object(body: bytes) -> bool:
    with suppress(ValueError, RecursionError):
        return isinstance(json.loads(body.decode()), dict)
    return False


def _not_reached() -> TransportError:
    from google.auth.exceptions import TransportError

    return TransportError(NO_TOKEN_SERVER)  # type: ignore[no-untyped-call]
