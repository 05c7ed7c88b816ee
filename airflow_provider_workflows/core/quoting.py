# SPDX-License-Identifier: Apache-2.0
"""
Decide what of a bad value an error may show: keys and tokens land in the wrong fields, and errors land in logs.

A value is quoted only when it is as short as an id or a path can be and holds nothing that looks like a secret.
Otherwise the error says what the value looks like, and where that belongs.
"""

from __future__ import annotations

import re
from typing import Any

#: Resource ids have at most 64 characters, file names 255; a path in practice is not longer.
_LONGEST = 255
# Runs that no id, word or UUID has: a digest, base64; and the same with the two signs that are safe in addresses.
_RUN = re.compile(
    r"[A-Za-z0-9+=]{25,}|(?=[^\s/.]*[a-z])(?=[^\s/.]*[A-Z])(?=[^\s/.]*[0-9])[A-Za-z0-9+=_-]{32,}",
)
# How tokens, keys and client secrets of Google begin, whatever their length; a JWT; a login in an address.
_TELLTALE = re.compile(
    r"PRIVATE KEY|-----|ya29\.|AIza|GOCSPX-|1//0|\bey[JK]|://[^/\s]*@|[{}\n\r]|(password|secret)\s*[=:]", re.IGNORECASE
)


def is_quotable(value: Any) -> bool:
    """Tell whether a value can be shown: short, and nothing in it that could be a secret."""
    text = value if isinstance(value, str) else repr(value)
    return len(text) <= _LONGEST and not _RUN.search(text) and not _TELLTALE.search(text)


def quoted(value: Any) -> str:
    """Return a value as it can stand in an error's text."""
    if is_quotable(value):
        return repr(value)
    return f"{looks_like(value) or _size(value)}, which is not shown"


def one_line(text: str) -> str:
    """Return somebody else's text as it can stand in a log: no line breaks, escape codes or halves of characters."""
    return "".join(char if char.isprintable() else " " for char in text)


def looks_like(value: Any) -> str | None:
    """Say which kind of key or credentials a value looks like, and where that belongs; ``None`` for none."""
    if not isinstance(value, str):
        return None
    if "private_key" in value and "client_email" in value:
        return "a service account key (it belongs into keyfile_dict)"
    if "PRIVATE KEY" in value:
        return "a private key (the whole key file's JSON belongs into keyfile_dict)"
    if "external_account" in value or "refresh_token" in value:
        return "a credential configuration (it belongs into credential_config_file)"
    return None


def _size(value: Any) -> str:
    return f"a text of {len(value)} characters" if isinstance(value, str) else f"a {type(value).__name__}"
