# SPDX-License-Identifier: Apache-2.0
"""
Turn connection settings into google-auth credentials, and credentials into HTTP sessions.

The only module that knows google-auth; it, requests and aiohttp are imported where they are used. Loading may
read files and ask the metadata server: call :func:`load_credentials` in a thread, never on an event loop.

What google-auth says about a broken key can quote the key, so its errors are replaced here by
:class:`~airflow_provider_workflows.exceptions.CredentialsError`, without their cause, and only known texts
get through: the OAuth server's own ``error`` and ``error_description``.
"""

from __future__ import annotations

import json
import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from http.client import responses
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from airflow_provider_workflows import __version__
from airflow_provider_workflows.auth.settings import ConnectionSettings
from airflow_provider_workflows.exceptions import CredentialsError

if TYPE_CHECKING:
    from google.auth.aio.transport.sessions import AsyncAuthorizedSession
    from google.auth.credentials import Credentials
    from google.auth.transport.requests import AuthorizedSession

log = logging.getLogger(__name__)

USER_AGENT = f"airflow-provider-workflows/{__version__}"

# The hook sends one request at a time per thread; more connections than this are opened, but not kept.
_POOL_SIZE = 10

# Seconds for fetching a new token after a 401: a token server answers in well under one.
_REFRESH_TIMEOUT = 30.0

_SERVICE_ACCOUNT_SUFFIX = ".iam.gserviceaccount.com"

# What a server of tokens says where asking again does not help until somebody changes something.
_LASTING = frozenset(
    {
        # OAuth 2.0 (RFC 6749, 6750, 7523, 8693), of Google's OAuth server, of STS and of identity providers
        *("invalid_request", "invalid_client", "invalid_grant", "invalid_scope", "invalid_target", "invalid_token"),
        *("unauthorized_client", "unsupported_grant_type", "unsupported_response_type", "unsupported_token_type"),
        *("access_denied", "insufficient_scope", "interaction_required"),
        # Google's additions to it
        *("account_disabled", "admin_policy_enforced", "deleted_client", "disabled_client", "org_internal"),
        *("invalid_account", "invalid_rapt", "rapt_required"),
        # Google's APIs (google.rpc.Code), of IAM
        *("INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "UNAUTHENTICATED", "PERMISSION_DENIED"),
        *("NOT_FOUND", "ALREADY_EXISTS", "UNIMPLEMENTED"),
        # HTTP alone, of the metadata server
        *("Bad Request", "Unauthorized", "Forbidden", "Not Found"),
        # Our own name for an answer with an ID token alone: Google gives one for scopes that it does not know.
        "no_access_token",
    }
)


class Resolved(NamedTuple):
    """
    Hold usable credentials and the project that requests default to.

    :param credentials: google-auth credentials, not refreshed yet.
    :param project: the connection's project, else that of the identity; ``None`` when neither says one.
    """

    credentials: Credentials
    project: str | None


def load_credentials(settings: ConnectionSettings, impersonation_chain: str | Sequence[str] | None = None) -> Resolved:
    """
    Load the credentials a connection asks for; Application Default Credentials when it names none.

    Blocks: reads files and may ask the metadata server or, for an external account of a connection without
    project, the services that know its project.

    :param settings: the connection's settings.
    :param impersonation_chain: wins over the connection's: the delegates in order, the target last.
    :raises CredentialsError: names the field that cannot be used, never its content.
    """
    settings = settings.override(impersonation_chain=impersonation_chain)
    credentials, project = _source(settings)
    if settings.is_anonymous:
        if settings.impersonation_chain:
            log.warning("The connection is anonymous: impersonation_chain is not used and no token is sent.")
        return Resolved(credentials, settings.project)
    if settings.impersonation_chain:
        credentials = _impersonated(credentials, settings)
        project = _project_of(settings.impersonation_chain[-1]) or project
    if settings.quota_project_id:
        credentials = _with_quota_project(credentials, settings.quota_project_id)
    return Resolved(credentials, settings.project or project)


def _source(settings: ConnectionSettings) -> tuple[Credentials, str | None]:
    """Load what the one filled field says, before impersonation and quota project."""
    if settings.is_anonymous:
        from google.auth.credentials import AnonymousCredentials

        return AnonymousCredentials(), None  # type: ignore[no-untyped-call]
    if settings.key_path is not None:
        return _from_key_path(settings.key_path, settings.scopes)
    if settings.keyfile_dict is not None:
        return _from_key(settings.keyfile_dict, settings.scopes, "keyfile_dict")
    if settings.credential_config_file is not None:
        return _from_config(settings)
    return _application_default(settings.scopes)


def _from_key_path(path: str, scopes: Sequence[str]) -> tuple[Credentials, str | None]:
    if path.endswith(".p12"):
        raise CredentialsError("key_path names a P12 file, which is not supported: use a key in JSON")
    return _from_key(_read_json(path, "key_path"), scopes, "key_path")


def _read_json(path: str, field: str) -> dict[str, Any]:
    try:
        text = Path(path).read_bytes()
    except OSError as exc:
        raise CredentialsError(f"{field}: cannot read {path!r}: {exc.strerror}") from None
    content = None
    # The parser's error holds the file's text.
    with suppress(ValueError):
        content = json.loads(text)
    if not isinstance(content, dict):
        raise CredentialsError(f"{field}: {path!r} is not a file with a JSON object")
    return content


def _from_key(key: Mapping[str, Any], scopes: Sequence[str], field: str) -> tuple[Credentials, str | None]:
    """Load a service account key."""
    from google.oauth2.service_account import Credentials as ServiceAccountCredentials

    if key.get("type", "service_account") != "service_account":
        raise CredentialsError(f"{field} is no service account key: put other credentials into credential_config_file")
    missing = [name for name in ("client_email", "private_key", "token_uri") if not key.get(name)]
    if missing:
        raise CredentialsError(f"{field} is an incomplete service account key: {', '.join(missing)} missing")
    info = dict(key)
    # A key that went through a shell or a URI often has its line breaks escaped once more.
    info["private_key"] = str(info["private_key"]).replace("\\n", "\n")
    load = ServiceAccountCredentials.from_service_account_info
    # Raised outside of the handler: google-auth's and the crypto library's many errors may quote the key.
    with suppress(Exception):
        credentials: Credentials = load(info, scopes=list(scopes))  # type: ignore[no-untyped-call]
        return credentials, key.get("project_id")
    raise CredentialsError(f"{field} is a malformed service account key: its private_key is not valid")


def _from_config(settings: ConnectionSettings) -> tuple[Credentials, str | None]:
    """Load a credential configuration: external account, authorized user, impersonated or service account."""
    field, config = "credential_config_file", settings.credential_config_file
    info = _read_json(config, field) if isinstance(config, str) else dict(config or {})
    external = info.get("type") == "external_account"
    # With scopes, google-auth asks two services for the project of an external account already while loading.
    loaded = _load_config(info, None if external else settings.scopes)
    if loaded is None:
        raise CredentialsError(
            f"{field} is not a usable credential configuration (type {_safe_word(info.get('type'))}): "
            "a field is missing or malformed"
        )
    if not external:
        return loaded
    credentials = loaded[0].with_scopes(list(settings.scopes))
    return credentials, _project_of_pool(credentials) if settings.project is None else None


def _load_config(info: dict[str, Any], scopes: Sequence[str] | None) -> tuple[Any, str | None] | None:
    """Return credentials and project, or ``None``: google-auth's many errors may quote the configuration."""
    import google.auth

    load = google.auth.load_credentials_from_dict
    with suppress(Exception), warnings.catch_warnings():
        # google-auth warns that a configuration must come from a trusted source; a connection is one.
        warnings.simplefilter("ignore", DeprecationWarning)
        credentials, project = load(info, scopes=scopes and list(scopes))  # type: ignore[no-untyped-call]
        return credentials, project
    return None


def _project_of_pool(credentials: Any) -> str | None:
    """Ask for the project of an external account's pool; ``None`` when the account may not know it."""
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import Request

    try:
        project: str | None = credentials.get_project_id(Request())
    except (GoogleAuthError, json.JSONDecodeError) as exc:
        raise CredentialsError(
            "the project of credential_config_file could not be looked up; fill project in the connection, "
            f"or: {credentials_error(exc)}",
            may_pass=is_transient(exc),
        ) from None
    return project


def _application_default(scopes: Sequence[str]) -> tuple[Credentials, str | None]:
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    try:
        credentials, project = google.auth.default(scopes=list(scopes))
    except Exception as exc:  # noqa: BLE001 - many classes, and any may quote a file
        variable = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
        raise CredentialsError(
            f"Application Default Credentials cannot be loaded ({type(exc).__name__}): the connection names "
            "no credentials, so GOOGLE_APPLICATION_CREDENTIALS "
            + (f"(now {variable!r})" if variable else "(not set)")
            + ", gcloud's login or an attached service account must provide them",
            may_pass=is_transient(exc) or (isinstance(exc, DefaultCredentialsError) and _only_metadata_is_left()),
        ) from None
    return credentials, project


def _only_metadata_is_left() -> bool:
    """Say whether only a metadata server can provide credentials: one that does not answer may do so later."""
    from google.auth._cloud_sdk import get_application_default_credentials_path

    if os.environ.get("GOOGLE_APPLICATION_CREDENTIALS") or os.environ.get("NO_GCE_CHECK") == "true":
        return False
    return not Path(get_application_default_credentials_path()).is_file()  # type: ignore[no-untyped-call]


def _impersonated(source: Credentials, settings: ConnectionSettings) -> Credentials:
    from google.auth.impersonated_credentials import Credentials as ImpersonatedCredentials

    *delegates, target = settings.impersonation_chain
    return ImpersonatedCredentials(  # type: ignore[no-untyped-call]
        source_credentials=source,
        target_principal=target,
        delegates=delegates,
        target_scopes=list(settings.scopes),
    )


def _with_quota_project(credentials: Credentials, quota_project_id: str) -> Credentials:
    from google.auth.credentials import CredentialsWithQuotaProject

    if not isinstance(credentials, CredentialsWithQuotaProject):
        raise CredentialsError("quota_project_id cannot be used with this type of credentials: remove it")
    charged: Credentials = credentials.with_quota_project(quota_project_id)  # type: ignore[no-untyped-call]
    return charged


def _project_of(principal: str) -> str | None:
    """Return the project that a service account's address names; ``None`` when it names none."""
    _, _, domain = principal.partition("@")
    if not domain.endswith(_SERVICE_ACCOUNT_SUFFIX):
        return None
    project, _, organization = domain.removesuffix(_SERVICE_ACCOUNT_SUFFIX).partition(".")
    return f"{organization}:{project}" if organization else project


def credentials_error(error: Exception) -> CredentialsError:
    """
    Say in our own words why a token could not be had.

    The result quotes only the OAuth or IAM server's error code and description. Raise it ``from None``: the
    original can hold a token or a key.
    """
    details = " - ".join(filter(None, _server_says(error)))
    return CredentialsError(
        f"no access token could be obtained for the connection ({type(error).__name__}"
        + (f": {details}" if details else "")
        + "): check the key, the impersonation chain and the permissions of the identity"
    )


def is_transient(error: BaseException) -> bool:
    """
    Say whether a token may be had later without anybody changing anything: its server is down, say.

    google-auth's ``retryable`` says so for a service account's key only. For an outage of the metadata server, of IAM
    or of STS it raises what it raises for a refusal. So the server's answer decides where there is one: a code of
    ``_LASTING`` is a refusal; any other, or a page instead of JSON, is an outage. Where there is none, an outage is a
    connection that failed, and everything else a mistake on this machine.
    """
    from google.auth.exceptions import TimeoutError, TransportError  # noqa: A004 - google-auth's own

    if isinstance(error, json.JSONDecodeError):  # of an answer with status 200
        return True
    errors = list(_google_errors(error))
    if any(each.retryable for each in errors):
        return True
    for answer in _answers(error):
        return _code_and_description(answer)[0] not in _LASTING
    return any(isinstance(each, (TransportError, TimeoutError)) for each in errors)


def _google_errors(error: BaseException) -> Iterator[Any]:
    """Yield google-auth's errors in an error, from the outside to the inside: it wraps its own in several ways."""
    from google.auth.exceptions import GoogleAuthError

    seen: list[BaseException] = []
    todo: list[Any] = [error]
    while todo:
        current = todo.pop(0)
        if isinstance(current, BaseException) and current not in seen:
            seen.append(current)
            todo += [*current.args, current.__cause__, current.__context__]
            if isinstance(current, GoogleAuthError):
                yield current


def _answers(error: BaseException) -> Iterator[Any]:
    """Yield what servers of tokens answered: text, decoded JSON, or the metadata server's whole response."""
    from google.auth.exceptions import DefaultCredentialsError

    for each in _google_errors(error):
        if isinstance(each, DefaultCredentialsError):
            continue
        if len(each.args) > 1:
            yield each.args[1]
        # A page instead of JSON is the only argument, as are google-auth's own sentences, which are not yielded.
        elif each.args and isinstance(each.args[0], str) and each.args[0].lstrip()[:1] in ("", "<"):
            yield each.args[0]


def _server_says(error: BaseException) -> tuple[str, str]:
    """Return code and description of the token server's answer, empty where there are none."""
    return next(map(_code_and_description, _answers(error)), ("", ""))


def _code_and_description(answer: Any) -> tuple[str, str]:
    if isinstance(answer, str):
        try:
            answer = json.loads(answer)
        except ValueError:
            return "", ""
    if not isinstance(answer, Mapping):
        return _phrase(getattr(answer, "status", None)), ""
    code = answer.get("error")
    if isinstance(code, Mapping):  # Google's own envelope: {"error": {"status": …, "message": …}}
        return str(code.get("status") or _phrase(code.get("code"))), str(code.get("message", ""))[:300]
    if code is None and "id_token" in answer:
        return "no_access_token", ""
    return _safe_word(code) if code else "", str(answer.get("error_description", ""))[:300]


def _phrase(status: Any) -> str:
    """Return the words of an HTTP status."""
    return responses.get(status, "") if isinstance(status, int) else ""


def _safe_word(value: Any) -> str:
    """Return a short identifier as it is, and a placeholder for anything that could be a secret."""
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z_]{1,40}", value) else "unknown"


def make_session(credentials: Credentials, *, timeout: float) -> AuthorizedSession:
    """
    Return a requests session that adds the token, refreshes it and resends once or twice after a 401.

    Nothing else is resent: a POST that is sent twice is two executions. Not for several threads at once, like
    every requests session. Close it to release its connections.

    :param timeout: seconds for connecting and for each wait for data, unless a request gives its own.
    """
    from google.auth.transport.requests import AuthorizedSession
    from requests.adapters import HTTPAdapter

    class BoundedSession(AuthorizedSession):
        """Give every request a timeout: google-auth's default is 120 seconds, and ``None`` means for ever."""

        def request(  # type: ignore[override, unused-ignore]
            self, method: str, url: str, *args: Any, **kwargs: Any
        ) -> Any:
            if kwargs.get("timeout") is None:
                kwargs["timeout"] = timeout
            return super().request(method, url, *args, **kwargs)  # type: ignore[no-untyped-call]

    session = BoundedSession(credentials, refresh_timeout=_REFRESH_TIMEOUT)  # type: ignore[no-untyped-call]
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=_POOL_SIZE, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.headers["User-Agent"] = USER_AGENT
    # Without a say of its own in this, requests replaces the token by a login that ~/.netrc has for the host.
    session.auth = lambda request: request
    return session


def import_async_session() -> None:
    """Import what :func:`make_async_session` and its first request need, which takes too long on an event loop."""
    import google.auth.aio.transport.aiohttp
    import google.auth.aio.transport.sessions
    import google.auth.transport.requests  # noqa: F401 - google-auth itself does so at the first request


def make_async_session(credentials: Credentials, *, timeout: float, limit: int) -> AsyncAuthorizedSession:
    """
    Return a session for the running event loop that adds the token, refreshes it and resends after a 401.

    Tokens are fetched in a thread, once for all requests that wait for one. Nothing else is sent twice here: answers
    that ask for a repeat (429, 5xx) are handed back, and a dropped connection is an error for a read, too, so that
    whoever counts requests counts them all. Proxies are the environment's. Await ``close()`` to release its
    connections.

    :param timeout: seconds for one request, unless it gives its own; a token that must be fetched first has
        the same time again.
    :param limit: the number of connections, thus of requests in flight.
    :raises RuntimeError: when no event loop runs.
    """
    import aiohttp
    from google.auth.aio.transport.aiohttp import Request
    from google.auth.aio.transport.sessions import AsyncAuthorizedSession

    class BoundedSession(AsyncAuthorizedSession):
        """Pin the attempts to one and shorten the timeouts: google-auth's defaults are 3 and 180 seconds."""

        async def request(
            self,
            method: str,
            url: str,
            data: bytes | None = None,
            headers: Mapping[str, str] | None = None,
            max_allowed_time: float = 2 * timeout,
            timeout: float | aiohttp.ClientTimeout = timeout,
            total_attempts: int | None = 1,  # noqa: ARG002 - part of the signature, and what must not be obeyed
            **kwargs: Any,
        ) -> Any:
            kwargs.setdefault("proxy", _environment_proxy(url))
            return await super().request(
                method, url, data, headers, max_allowed_time, timeout, total_attempts=1, **kwargs
            )

    class OneAttempt(aiohttp.ClientResponse):
        """
        Report a dropped connection by an error after which aiohttp does not send a GET again.

        Works with all versions of aiohttp, of which those since 3.10 do that and have no option against it.
        """

        async def start(self, connection: Any) -> aiohttp.ClientResponse:
            try:
                return await super().start(connection)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as exc:
                raise aiohttp.ClientConnectionError(str(exc)) from exc

    http = aiohttp.ClientSession(
        # Google's front ends close connections that were idle for ten minutes. Closing them long before that keeps a
        # request from meeting one that is just being closed.
        connector=aiohttp.TCPConnector(limit=limit, keepalive_timeout=15.0),
        response_class=OneAttempt,
        # With it, aiohttp reads ~/.netrc in a thread for each request, and refuses to send a token to a host in it.
        trust_env=False,
        headers={"User-Agent": USER_AGENT},
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    return BoundedSession(credentials, auth_request=Request(session=http))


def _environment_proxy(url: str) -> str | None:
    """Return the proxy that environment variables set for a URL, as requests finds it by itself."""
    parts = urlsplit(url)
    proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"
