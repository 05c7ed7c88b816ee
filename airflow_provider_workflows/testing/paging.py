# SPDX-License-Identifier: Apache-2.0
"""Make and read page tokens: opaque to clients, and good only with the parameters that produced them."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from airflow_provider_workflows.testing.errors import invalid


def fingerprint(*parameters: object) -> str:
    """Return a short text that differs when any parameter differs."""
    return hashlib.sha256(repr(parameters).encode()).hexdigest()[:16]


def encode_token(bound_to: str, position: Any) -> str:
    """Return a token for a JSON `position`."""
    return base64.urlsafe_b64encode(json.dumps([bound_to, position]).encode()).decode().rstrip("=")


def decode_token(token: str, bound_to: str) -> Any:
    """Return the position, None for an empty token.

    :raises ApiError: 400, it is no token, or another call's.
    """
    if not token:
        return None
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        found, position = json.loads(text)
    except (ValueError, TypeError):
        raise invalid("The page token is invalid.", "page_token") from None
    if found != bound_to:
        raise invalid("The page token does not belong to this request: all other parameters must match.", "page_token")
    return position
