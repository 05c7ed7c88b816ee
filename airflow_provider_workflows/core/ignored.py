# SPDX-License-Identifier: Apache-2.0
"""
Know the arguments that the Google provider's operators, sensor and hook take and these ignore.

They are taken, so that a migration is one import line; a line in the log says where their meaning lives here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from airflow_provider_workflows.core.messages import setup

#: What stands for each of them here.
IGNORED: Mapping[str, str] = {
    "retry": "the connection's num_retries says how often a request is repeated",
    "timeout": "the connection's timeout says how many seconds a request may take",
    "request_timeout": "the connection's timeout says how many seconds a request may take",
    "metadata": "requests over REST have none",
}


class IgnoredArguments(TypedDict, total=False):
    """Type the ones that the hook's methods take."""

    retry: Any
    timeout: Any
    metadata: Sequence[Any]


def ignored_line(given: Mapping[str, Any]) -> str | None:
    """Return the line for those that have been given, by name; ``None`` where none has been."""
    told = [f"{name} ({IGNORED[name]})" for name, value in given.items() if value is not None and value != ()]
    return setup.ignored(told) if told else None
