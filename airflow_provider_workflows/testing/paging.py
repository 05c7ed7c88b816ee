# SPDX-License-Identifier: Apache-2.0
"""Make and read page tokens: opaque to clients, and good only with the parameters that produced them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any, TypeVar

from airflow_provider_workflows.testing.errors import invalid

Item = TypeVar("Item")


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
    except (ValueError, TypeError, RecursionError):
        raise invalid("The page token is invalid.", "page_token") from None
    if found != bound_to:
        raise invalid("The page token does not belong to this request: all other parameters must match.", "page_token")
    return position


def cut_page(
    items: Sequence[Item], size: int, token: str, bound_to: str, skip: int = 0
) -> tuple[Sequence[Item], dict[str, str]]:
    """Return a page of what is all there, and `{"nextPageToken": …}` where something follows.

    :param skip: how many to leave out, from where the token points.
    :raises ApiError: 400, a token of another call, or a negative `skip`.
    """
    if skip < 0:
        raise invalid("skip must not be negative", "skip")
    start = (decode_token(token, bound_to) or 0) + skip
    end = start + size
    return items[start:end], {"nextPageToken": encode_token(bound_to, end)} if end < len(items) else {}
