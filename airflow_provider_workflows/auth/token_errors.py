# SPDX-License-Identifier: Apache-2.0
"""
Say what the errors of google-auth and of servers of tokens mean, in our own words.

What google-auth says about a broken key can quote the key, so its errors are replaced here by
:class:`~airflow_provider_workflows.exceptions.CredentialsError`, without their cause, and only known texts
get through: the OAuth server's own ``error`` and ``error_description``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from http.client import responses
from typing import Any

from airflow_provider_workflows.auth.token_advice import token_advice
from airflow_provider_workflows.core.quoting import told
from airflow_provider_workflows.exceptions import CredentialsError

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


def credentials_error(error: BaseException) -> CredentialsError:
    """
    Say in our own words why a token could not be had.

    The result quotes only the OAuth or IAM server's error code and description. Raise it outside of the handler:
    the original can hold a token or a key.
    """
    details = " - ".join(filter(None, _server_says(error)))
    return CredentialsError(
        f"no access token could be obtained for the connection ({type(error).__name__}"
        + (f": {details}" if details else "")
        + f"): {token_advice([details, *_heard(error)])}"
    )


def _heard(error: BaseException) -> Iterator[str]:
    """Yield everything that google-auth's errors say, names of classes included; to look into, never to show."""
    for each in _google_errors(error):
        yield type(each).__name__
        yield from (arg if isinstance(arg, str) else type(arg).__name__ for arg in each.args)


def is_transient(error: BaseException) -> bool:
    """
    Say whether a token may be had later without anybody changing anything: its server is down, say.

    google-auth's ``retryable`` says so for a service account's key only. For an outage of the metadata server, of IAM
    or of STS it raises what it raises for a refusal. So the server's answer decides where there is one: a code of
    ``_LASTING`` is a refusal; any other, or a page instead of JSON, is an outage. Where there is none, an outage is a
    connection that failed, and everything else a mistake on this machine.
    """
    from google.auth.exceptions import TransportError

    errors = list(_google_errors(error))
    if any(each.retryable for each in errors):
        return True
    for answer in _answers(error):
        return _code_and_description(answer)[0] not in _LASTING
    return any(isinstance(each, TransportError) for each in errors)


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
        except (ValueError, RecursionError):
            return "", ""
    if not isinstance(answer, Mapping):
        return _phrase(getattr(answer, "status", None)), ""
    code = answer.get("error")
    if isinstance(code, Mapping):  # Google's own envelope: {"error": {"status": …, "message": …}}
        status = code.get("status")
        return safe_word(status) if status else _phrase(code.get("code")), _description(code.get("message"))
    if code is None and "id_token" in answer:
        return "no_access_token", ""
    return safe_word(code) if code else "", _description(answer.get("error_description"))


def _description(text: Any) -> str:
    return told(text[:300]) if isinstance(text, str) else ""


def _phrase(status: Any) -> str:
    """Return the words of an HTTP status."""
    return responses.get(status, "") if isinstance(status, int) else ""


def safe_word(value: Any) -> str:
    """Return a short identifier as it is, and a placeholder for anything that could be a secret."""
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z_]{1,40}", value) else "unknown"
