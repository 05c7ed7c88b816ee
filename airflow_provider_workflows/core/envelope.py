# SPDX-License-Identifier: Apache-2.0
"""
Tell the API's own error answers from those of anybody in between.

Google's servers say ``{"error": {"code": …, "message": …, "status": …}}``, with the HTTP status as code:
https://cloud.google.com/apis/design/errors#http_mapping. Proxies and other servers use the same words at times, and
codes of their own.
"""

from __future__ import annotations

import json
from typing import Any


def decode_object(content: bytes) -> dict[str, Any]:
    """Decode a JSON object; anything else, JSON that is nested too deeply included, is an empty one."""
    try:
        decoded = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}


def error_in(status_code: int, content: bytes) -> dict[str, Any]:
    """Return what Google's envelope holds, empty where the answer is in none."""
    error = decode_object(content).get("error")
    return error if isinstance(error, dict) and error.get("code") == status_code >= 400 else {}
