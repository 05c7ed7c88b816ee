# SPDX-License-Identifier: Apache-2.0
r"""
Say which labels the service takes, and make label values out of any text; the emulator asks the same.

The one rule, as Google writes it: a key is ``[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{N}_-]{0,62}``, a value
``[\p{Ll}\p{Lo}\p{N}_-]{0,63}``. So letters are small ones and those without case; modifiers (Lm), which Python's
``isalpha`` takes, are none, nor are capitals without a small form.
https://cloud.google.com/workflows/docs/create-manage-labels
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from airflow_provider_workflows.core.quoting import quoted

MAX_LABELS = 64
MAX_LABEL_LENGTH = 63
#: Bytes in UTF-8 that some of Google's services take at most. This one does not say so: only our own labels keep to it.
MAX_LABEL_BYTES = 128
_LETTERS = frozenset({"Ll", "Lo"})
_NUMBERS = frozenset({"Nd", "Nl", "No"})


def _is_letter(char: str) -> bool:
    return unicodedata.category(char) in _LETTERS


def _is_label_text(text: str) -> bool:
    """Tell whether a text is short enough and has only what labels can have."""
    return len(text) <= MAX_LABEL_LENGTH and all(
        char in "_-" or unicodedata.category(char) in _LETTERS | _NUMBERS for char in text
    )


def check_labels(labels: Mapping[str, Any], parameter: str = "labels") -> dict[str, str]:
    """
    Return ``labels`` if the service can take them.

    At most 64; keys and values up to 63 characters of lowercase letters (international ones too), digits, ``_`` and
    ``-``; keys begin with a letter.

    :raises ValueError: naming the label and the rule.
    """
    if not isinstance(labels, Mapping):
        msg = f"{parameter} must be a dict of strings, got {type(labels).__name__}."
        raise ValueError(msg)
    if len(labels) > MAX_LABELS:
        msg = f"{parameter} has {len(labels)} entries; an execution can have at most {MAX_LABELS}."
        raise ValueError(msg)
    rule = f"lowercase letters, digits, '_' and '-', at most {MAX_LABEL_LENGTH} characters"
    for key, value in labels.items():
        if not isinstance(key, str) or not _is_label_text(key) or not key or not _is_letter(key[0]):
            msg = f"{parameter}: the key {quoted(key)} must begin with a letter and hold only {rule}."
            raise ValueError(msg)
        if not isinstance(value, str) or not _is_label_text(value):
            msg = f"{parameter}[{quoted(key)}] must be a string of {rule}, got {quoted(value)}."
            raise ValueError(msg)
    return dict(labels)


def label_text(text: str) -> str:
    """Make any text a valid label value: readable, cut to fit; never used to tell executions apart."""
    valid = "".join(char if _is_label_text(char) else "-" for char in text.lower())[:MAX_LABEL_LENGTH]
    return valid.encode()[:MAX_LABEL_BYTES].decode(errors="ignore")
