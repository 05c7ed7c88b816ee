# SPDX-License-Identifier: Apache-2.0
"""
Say in words why there is no token and what to do, by what google-auth and servers of tokens are known to say.

Their texts are only looked into, never quoted: they can hold a token, a key or what a program printed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from airflow_provider_workflows.auth.refreshing import NO_TOKEN_SERVER


class TokenAdvice(NamedTuple):
    """Hold what is known to be said, in small letters, any of it, and what it means."""

    said: tuple[str, ...]
    means: str


#: What to do where nothing below fits.
OTHERWISE = "check the key, the impersonation chain and the permissions of the identity"

TOKEN_ADVICE: tuple[TokenAdvice, ...] = (
    TokenAdvice(
        (NO_TOKEN_SERVER,),
        "a proxy, a firewall or a login page answers in place of the server of tokens: check the way to it from this "
        "machine",
    ),
    TokenAdvice(
        ("reauth", "invalid_rapt", "rapt_required"),
        "a person's login has to be repeated, which no worker can do: run 'gcloud auth application-default login' "
        "again, or give the connection a service account",
    ),
    TokenAdvice(
        ("executables need to be explicitly allowed",),
        "the configuration gets its token from a program, which is not allowed here: set "
        "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1 on every worker and triggerer",
    ),
    TokenAdvice(
        ("executable exited", "executable returned", "returned by the executable"),
        "the program that the configuration gets its token from failed: run it by hand on this machine",
    ),
    TokenAdvice(
        ("' was not found",),
        "the federation's token file, credential_source.file of the configuration, is not on this machine: every "
        "worker and triggerer needs it",
    ),
    TokenAdvice(
        ("short-lived token", "iat and exp", "reasonable timeframe"),
        "the clock of this machine is wrong: let it be set by NTP",
    ),
    TokenAdvice(
        ("invalid jwt signature",),
        "the key is none of this service account's, or was deleted: make a new one",
    ),
    TokenAdvice(
        ("account not found", "account_disabled", "account has been deleted", "disabled_client", "deleted_client"),
        "the account of the key was deleted or disabled: enable it, or use another one's key",
    ),
    TokenAdvice(
        ("expired or revoked",),
        "a person's login has expired or was revoked: run 'gcloud auth application-default login' again, or give the "
        "connection a service account",
    ),
    TokenAdvice(
        ("getaccesstoken", "iam_permission_denied"),
        "the identity needs roles/iam.serviceAccountTokenCreator on the next account of impersonation_chain",
    ),
    TokenAdvice(
        ("iamcredentials.googleapis.com", "iam service account credentials api"),
        "impersonation needs the IAM Service Account Credentials API: enable iamcredentials.googleapis.com in the "
        "project of the source account",
    ),
    TokenAdvice(
        ("attribute condition",),
        "the pool's attribute condition refuses this workload: check it, and where Airflow runs",
    ),
    TokenAdvice(
        ("audience", "invalid_target"),
        "the pool or provider of the configuration does not take this token: check its audience, and that both exist",
    ),
    TokenAdvice(
        ("invalid_scope", "no_access_token"),
        "the scopes are not known: leave the connection's scope empty",
    ),
    TokenAdvice(
        ("connectionerror", "connecttimeout", "readtimeout", "proxyerror", "sslerror", "no token in time"),
        "the server of tokens was not reached: check its address, and proxy, firewall and certificates of this machine",
    ),
)


def token_advice(texts: Iterable[str]) -> str:
    """Return what the first thing known in the texts means."""
    heard = " ".join(texts).lower()
    return next((known.means for known in TOKEN_ADVICE if any(each in heard for each in known.said)), OTHERWISE)
