# SPDX-License-Identifier: Apache-2.0
"""
Decide what of a bad value an error may show: keys and tokens land in the wrong fields, and errors land in logs.

A value is quoted only when it is as short as an id or a path can be and holds nothing that looks like a secret.
Otherwise the error says what the value looks like, and where that belongs.
"""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any
from urllib.parse import unquote

#: Resource ids have at most 64 characters, file names 255; a path in practice is not longer.
_LONGEST = 255
# Runs that no id, word or UUID has: a digest, base64.
_RUN = re.compile(r"[A-Za-z0-9+=]{25,}|([0-9A-Fa-f]{2}:){8,}")
# The same with the signs that paths and ids have as well: it has large and small letters, which change all the time.
_RANDOM = re.compile(r"(?=[^\s.]*[a-z])(?=[^\s.]*[A-Z])[A-Za-z0-9+/=_-]{20,}")
_CHANGE = re.compile(r"(?=[a-z][A-Z0-9]|[A-Z][a-z0-9]|[0-9][A-Za-z])")
#: Of all characters: 0.6 in base64, 0.2 in the names of classes.
_CHANGES = 0.25
# How tokens, keys and client secrets begin, whatever their length; a JWT; a login in an address.
_BEGINNING = re.compile(
    r"-----|ya29\.|AIza|GOCSPX-|gh[opsu]_|github_pat_|glpat-|sk_(?:live|test)_|xox[a-z]-|\bA[KS]IA[0-9A-Z]{12}"
    r"|\b[14]/[/0]|\b1/[\w-]{15}|\bey[JK]|://[^/\s]*@",
    re.IGNORECASE,
)
# What says of itself that it is secret, or can hold many things.
_TELLTALE = re.compile(
    r"PRIVATE KEY|[{}\n\r]|ssh-|key_id\b|\b(bearer|basic)\s"
    r"|(passw(or)?d|secret|token|key|credentials?|auth)[\\\"']*\s*[=:]",
    re.IGNORECASE,
)
# What is secret when it stands behind such a name in a text. Behind the first alone, or said of in JSON or with "=",
# everything is; of what people say in sentences ("invalid token: expired") only what has a digit.
_SECRETS = r"passw(?:or)?d|passphrase|pwd|(?:api|access|private|account|secret|signing)[-_]?key|\w[-_]?secret"
_NAMES = rf"(?:{_SECRETS}|secret|token|key|credentials?|authorization|cookie|session(?:[-_]?id)?|\bsig(?:nature)?)"
_WORD = r"[^\s\"',;&]+"
_SAID = (
    # A header: its scheme may be seen, and cookies are many.
    re.compile(rf"(authorization\s*[=:]\s*(?:(?:bearer|basic|digest|token|oauth|apikey)\s+)?){_WORD}", re.IGNORECASE),
    re.compile(r"(cookie\s*[=:]\s*)[^\"']+", re.IGNORECASE),
    re.compile(rf"(\b(?i:bearer|basic)\s+)(?=\S*(?:[\d._=/+]|[a-z][A-Z])){_WORD}"),
    # A name in quotes or before "=", a value in quotes, however often both are escaped: to the end of the value.
    re.compile(rf"({_NAMES}[\"'\\]*\s*[=:]\s*(?P<end>\\*[\"']))(?:(?!(?P=end)).|(?<=\\)[\"'])*", re.IGNORECASE),
    re.compile(rf"((?:{_SECRETS})\s+(?P<end>[\"']))(?:(?!(?P=end)).)*", re.IGNORECASE),
    re.compile(rf"({_NAMES}(?:[\"'\\]+\s*:|[\"'\\]*=)\s*[\[{{]+)[^\]}}]*", re.IGNORECASE),
    re.compile(rf"({_NAMES}(?:[\"'\\]+\s*:\s*(?=[-\d])|[\"'\\]*=(?![\\\"'\[{{]))){_WORD}", re.IGNORECASE),
    re.compile(rf"((?:{_SECRETS})\s*:\s*){_WORD}", re.IGNORECASE),
    re.compile(rf"((?:secret|token|credentials?|session\w*)\s*:\s*)(?=\S*\d)(?!projects/){_WORD}", re.IGNORECASE),
    re.compile(rf"(--[\w-]*(?:{_SECRETS}|secret|token|key)\s+){_WORD}", re.IGNORECASE),
)
# An HTTP answer, or its headers, in JSON: the same however often it is escaped.
_ANSWER = re.compile(r"\{(?=.*[\"'](?:headers|body)[\"'\\]+\s*:).*", re.IGNORECASE)
_KEY = re.compile(r"AIza[\w-]{30,}|GOCSPX-[\w-]{10,}|gh[opsu]_\w{30,}")


def is_key(text: str) -> bool:
    """Tell whether a text that could also be an id is a key: no id begins like that and is so long."""
    return _KEY.match(text) is not None


def is_quotable(value: Any) -> bool:
    """Tell whether a value can be shown: short, and nothing in it that could be a secret."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except Exception:  # noqa: BLE001 - nested too deeply, a number of thousands of digits, anybody's own __repr__
        return False
    if len(text) > _LONGEST:
        return False
    return not any(_RUN.search(each) or _TELLTALE.search(each) or _is_random(each) for each in {text, unquote(text)})


def _is_random(text: str) -> bool:
    if _BEGINNING.search(text):
        return True
    return any(len(_CHANGE.findall(run[0])) > _CHANGES * len(run[0]) for run in _RANDOM.finditer(text))


def told(text: str, longest: int | None = None) -> str:
    """
    Return a text of the service as it can stand in a log: one line, without control characters.

    Words that look like a key or a token are left out, or stand where one does: the service quotes what it was sent,
    and a workflow says anything. Of JSON that holds an HTTP answer nothing is shown.

    :param longest: its characters; it is cut after that, because half a key does not look like one.
    """
    line = _ANSWER.sub("{…}", one_line(text if longest is None else text[: 4 * longest]))
    for pattern in _SAID:
        line = pattern.sub(r"\1…", line)
    line = re.sub(r"\S+", _unless_key, line)
    return line if longest is None or len(line) <= longest else line[:longest] + "…"


def _unless_key(word: re.Match[str]) -> str:
    return "…" if _is_random(word[0]) or _has_digits_in_run(word[0]) else word[0]


def _has_digits_in_run(word: str) -> bool:
    """Tell a digest or a key from what Google's own words are, such as serviceAccountTokenCreator."""
    run = _RUN.search(word)
    return run is not None and any(each.isdigit() for each in run[0])


def quoted(value: Any) -> str:
    """Return a value as it can stand in an error's text."""
    if is_quotable(value):
        return repr(value)
    return f"{looks_like(value) or _size(value)}, which is not shown"


def one_line(text: str) -> str:
    """Return somebody else's text as it can stand in a log: no line breaks, escape codes or halves of characters."""
    return "".join(char if char.isprintable() else " " for char in text)


def quoted_fields(value: Any) -> str:
    """Return what ``repr`` may show of a dataclass: the fields that it has for that, each as an error would show it."""
    shown = (f"{each.name}={quoted(getattr(value, each.name))}" for each in fields(value) if each.repr)
    return f"{type(value).__name__}({', '.join(shown)})"


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
