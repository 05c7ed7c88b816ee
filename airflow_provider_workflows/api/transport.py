# SPDX-License-Identifier: Apache-2.0
"""
Send built requests through the sessions of ``auth`` and map whatever breaks on the way, at this one boundary.

Nothing is repeated here: ``requests`` does not resend, and aiohttp's repetition of a GET whose connection was dropped
is turned off with the session. The only second send is the sessions' own after a 401, which the service answered
without executing anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_workflows.api.errors import Subject
from airflow_provider_workflows.auth.evidence import Evidence, evidence_of
from airflow_provider_workflows.auth.token_errors import credentials_error, is_transient
from airflow_provider_workflows.core.catching import caught
from airflow_provider_workflows.core.messages import life
from airflow_provider_workflows.exceptions import AmbiguousCreate, CredentialsError, WorkflowsApiError

if TYPE_CHECKING:
    from google.auth.transport.requests import AuthorizedSession

    from airflow_provider_workflows.auth.async_session import AsyncSession


@dataclass(frozen=True)
class Outgoing:
    """
    Hold one HTTP request.

    :param subject: what it is about.
    """

    subject: Subject
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True)
class Answer:
    """Hold one HTTP answer, its body read and decompressed."""

    status: int
    headers: Mapping[str, str]
    content: bytes


def send(session: AuthorizedSession, outgoing: Outgoing, timeout: float) -> Answer:
    """
    Send a request, blocking.

    :param timeout: seconds to connect, and seconds of silence before the answer counts as lost.
    :raises WorkflowsApiError: where no answer came; ``AmbiguousCreate`` where a create may have been taken.
    :raises CredentialsError: where the credentials could not be refreshed.
    """
    evidence = evidence_of(session)
    interrupted = evidence.sent
    try:
        with caught(Exception) as trouble:
            response = session.request(  # type: ignore[no-untyped-call]
                outgoing.method,
                outgoing.url,
                data=outgoing.body,
                headers=dict(outgoing.headers),
                timeout=timeout,
                allow_redirects=False,
            )
            return Answer(response.status_code, response.headers, response.content)
        raise _mapped(outgoing, trouble, evidence, timeout)
    finally:
        # A signal's handler may send within a request that it has interrupted, and goes back into that.
        evidence.sent = interrupted


async def send_async(
    session: AsyncSession,
    outgoing: Outgoing,
    timeout: float,
    on_resend: Callable[[], None] | None = None,
) -> Answer:
    """
    Send a request without blocking the event loop; errors as in :func:`send`.

    :param timeout: seconds until the answer is there; a token that must be fetched before has the same time again.
    :param on_resend: called before the request is sent once more, after a 401.
    """
    evidence = Evidence()
    with caught(Exception) as trouble:
        response = await session.request(
            outgoing.method,
            outgoing.url,
            data=outgoing.body,
            headers=outgoing.headers,
            timeout=timeout,
            on_resend=on_resend,
            evidence=evidence,
        )
        return Answer(response.status, response.headers, await response.read())
    raise _mapped(outgoing, trouble, evidence, timeout)


def _mapped(outgoing: Outgoing, trouble: caught, evidence: Evidence, timeout: float) -> BaseException:
    """
    Return this package's exception for anything that goes wrong between here and the service.

    google-auth's and requests' own texts can hold tokens and whole URLs, so they do not travel along.
    """
    assert trouble.error is not None  # noqa: S101 - for the type checker
    return _map(outgoing.subject, trouble.error, timeout, sent=evidence.sent) or trouble.error


def _map(subject: Subject, exc: BaseException, timeout: float, *, sent: bool) -> Exception | None:
    """Choose the exception; ``None`` for what is not the network's or the credentials' doing."""
    import aiohttp
    import requests.exceptions as requests_errors
    from google.auth.exceptions import GoogleAuthError

    if isinstance(exc, GoogleAuthError):
        return _no_token(subject, exc)
    kinds: tuple[type[Exception], ...] = (requests_errors.RequestException, aiohttp.ClientError)
    kinds += (asyncio.TimeoutError, OSError)
    return _no_answer(subject, exc, timeout, sent=sent) if isinstance(exc, kinds) else None


def _no_token(subject: Subject, exc: BaseException) -> Exception:
    """Map a refresh that failed: the request itself was never sent, or was answered 401."""
    text = subject.could_not(str(credentials_error(exc)))
    if is_transient(exc):
        return WorkflowsApiError(text, retryable=True, unsent=True, execution_name=subject.execution_name)
    return CredentialsError(text, execution_name=subject.execution_name)


def _no_answer(subject: Subject, exc: BaseException, timeout: float, *, sent: bool) -> WorkflowsApiError:
    """Map a connection that broke, was refused or stayed silent."""
    reason = _describe(exc, timeout, sent=sent)
    if subject.operation == "create" and sent:
        return AmbiguousCreate(subject.may_exist(reason), retryable=True)
    text = subject.could_not(reason)
    return WorkflowsApiError(text, retryable=True, unsent=not sent, execution_name=subject.execution_name)


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """Go through an exception, its causes and urllib3's ``reason``s."""
    seen: set[int] = set()
    todo: list[Any] = [exc]
    while todo:
        current = todo.pop()
        if isinstance(current, BaseException) and id(current) not in seen:
            seen.add(id(current))
            yield current
            todo += [current.__cause__, getattr(current, "reason", None), *current.args[:1]]


#: Why there was no connection, by what the exceptions are called.
_REASONS = {
    "SSLCert": " (its certificate could not be verified)",
    "CertificateError": " (its certificate could not be verified)",
    "Proxy": " (the proxy did not connect)",
    "NameResolution": " (its host name is not known)",
    "gaierror": " (its host name is not known)",
    "ConnectionRefused": " (refused)",
}


def _describe(exc: BaseException, timeout: float, *, sent: bool) -> str:
    """Name what happened; library texts are left out, because they can hold whole URLs and headers."""
    names = {type(each).__name__ for each in _chain(exc)}
    if not sent:
        why = next((text for kind, text in _REASONS.items() if any(kind in name for name in names)), "")
        return f"no connection to the service{why}"
    if any("Timeout" in name for name in names):
        return f"no answer within {life.span(timeout)} (the connection's `timeout`, at most)"
    return f"the connection broke ({type(exc).__name__})"
