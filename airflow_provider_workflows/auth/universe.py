# SPDX-License-Identifier: Apache-2.0
"""
Decide where the API is: at ``api_endpoint``, or else in the universe of the credentials.

A universe is a cloud of its own with Google's software, such as a sovereign one: its APIs have the same names under
another domain than ``googleapis.com``. What is promised: a token goes to the universe that it is good for, or to where
``api_endpoint`` says. Which one that is, a key, a configuration or the metadata server says in ``universe_domain``;
the variable ``GOOGLE_CLOUD_UNIVERSE_DOMAIN`` must say the same where it is set. An ``api_endpoint`` needs neither: an
emulator works whatever they are. Impersonation makes its tokens in the same universe.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from airflow_provider_workflows.auth.token_errors import credentials_error, is_transient
from airflow_provider_workflows.auth.tokens import make_token_session
from airflow_provider_workflows.core.catching import caught
from airflow_provider_workflows.core.quoting import quoted
from airflow_provider_workflows.exceptions import CredentialsError

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

GOOGLE_UNIVERSE = "googleapis.com"
VARIABLE = "GOOGLE_CLOUD_UNIVERSE_DOMAIN"

_OF_CREDENTIALS = "universe_domain of the credentials"
# Small letters: a host name, without anything that could make another address of it.
_DOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")


def endpoint_in(universe: str) -> str:
    """Return the address of the API in a universe."""
    return f"https://workflowexecutions.{universe}"


GOOGLE_ENDPOINT = endpoint_in(GOOGLE_UNIVERSE)


def choose_endpoint(api_endpoint: str | None, credentials: Credentials | None) -> str:
    """
    Return the address that requests go to, and that a token may be sent to.

    :param api_endpoint: what the connection or a task's own argument says; it is taken as it is.
    :param credentials: such as know their universe, unless there is an ``api_endpoint``; ``None`` where no token is
        sent, then the variable decides.
    :raises CredentialsError: where variable and credentials contradict each other, or one of them is no domain.
    """
    if api_endpoint:
        return api_endpoint
    wanted = _domain(os.environ.get(VARIABLE, "").strip(), VARIABLE)
    if credentials is None:
        return endpoint_in(wanted or GOOGLE_UNIVERSE)
    universe = universe_of(credentials)
    if wanted and wanted != universe:
        raise CredentialsError(
            f"the credentials are of the universe {universe!r}, and {VARIABLE} says {wanted!r}: no token is sent from "
            f"one to the other. Set the variable to {universe!r} or remove it, use credentials of {wanted!r} (their "
            "universe_domain says so), or say in api_endpoint where the API is"
        )
    return endpoint_in(universe)


def universe_of(credentials: Credentials) -> str:
    """
    Return the universe of credentials that know it.

    :raises CredentialsError: where it is no domain, or user credentials are of another one than Google's.
    """
    from google.oauth2.credentials import Credentials as UserCredentials

    universe = _domain(credentials.universe_domain, _OF_CREDENTIALS) or GOOGLE_UNIVERSE
    if isinstance(credentials, UserCredentials) and universe != GOOGLE_UNIVERSE:
        raise CredentialsError(f"a user's credentials (authorized_user) work in {GOOGLE_UNIVERSE} only, not {universe}")
    return universe


def knowing_universe(credentials: Credentials) -> Credentials:
    """
    Return credentials that know their universe: for those of a metadata server, that is asked.

    Blocks, for half a minute at most. google-auth would ask as well, later, and through a proxy.

    :raises CredentialsError: where it does not answer.
    """
    from google.auth import compute_engine
    from google.auth.compute_engine import _metadata
    from google.auth.transport.requests import Request

    if not isinstance(credentials, compute_engine.Credentials):
        return credentials
    with caught(Exception) as trouble:  # many classes, of google-auth and below
        said = _metadata.get_universe_domain(Request(make_token_session()))  # type: ignore[no-untyped-call]
    if trouble.error:
        raise CredentialsError(
            f"the metadata server did not say the universe of its credentials ({type(trouble.error).__name__}); "
            f"api_endpoint can say where the API is, or: {credentials_error(trouble.error)}",
            may_pass=is_transient(trouble.error),
        )
    known: Credentials = credentials.with_universe_domain(_domain(said, _OF_CREDENTIALS))
    return known


def _domain(given: object, name: str) -> str:
    """Return a domain in small letters; empty where there is none."""
    if given in (None, ""):
        return ""
    domain = given.lower() if isinstance(given, str) else ""
    if not _DOMAIN.fullmatch(domain):
        raise CredentialsError(f"{name} must be a domain such as {GOOGLE_UNIVERSE}, got {quoted(given)}")
    return domain
