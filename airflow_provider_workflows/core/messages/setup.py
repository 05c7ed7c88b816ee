# SPDX-License-Identifier: Apache-2.0
"""Say what there is about the connection, its credentials and arguments."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_provider_workflows.core.quoting import one_line, quoted


def no_credentials_yet(patience: float, error: Exception) -> str:
    """Say that credentials are waited for."""
    return f"No credentials yet: asking again for up to {patience:.0f} s: {one_line(str(error))}"


def connection_not_read(error: Exception) -> str:
    """Say that a connection that was to be read again is used as it was."""
    return f"Connection not read again: going on with what it was: {one_line(str(error))}"


def misspelt_extra(key: object, similar: str) -> str:
    """Say that an extra is ignored."""
    return f"Connection extra {quoted(key)} is not known and ignored; did you mean {similar!r}?"


def anonymous() -> str:
    """Say that nobody is impersonated."""
    return "The connection is anonymous: impersonation_chain is not used and no token is sent."


def ignored(arguments: Iterable[str]) -> str:
    """Say which arguments are ignored, each with what it is called and what stands for it."""
    return f"Deprecated and ignored, so remove it: {'; '.join(arguments)}."
