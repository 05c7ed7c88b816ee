# SPDX-License-Identifier: Apache-2.0
"""Check the labels of executions, and make label values out of any text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_workflows.core.quoting import quoted

MAX_LABELS = 64
MAX_LABEL_LENGTH = 63


def _is_label_text(text: str) -> bool:
    """Tell whether every character is a lowercase or caseless letter, a digit, '_' or '-'."""
    return len(text) <= MAX_LABEL_LENGTH and all(
        char in "_-" or (char.isalnum() and char == char.lower()) for char in text
    )


def check_labels(labels: Mapping[str, Any], parameter: str = "labels") -> dict[str, str]:
    """
    Return ``labels`` if the service can take them.

    At most 64; keys and values up to 63 characters of lowercase letters (international ones too), digits, ``_`` and
    ``-``; keys begin with a letter. https://cloud.google.com/workflows/docs/create-manage-labels

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
        if not isinstance(key, str) or not _is_label_text(key) or not key[:1].isalpha():
            msg = f"{parameter}: the key {quoted(key)} must begin with a letter and hold only {rule}."
            raise ValueError(msg)
        if not isinstance(value, str) or not _is_label_text(value):
            msg = f"{parameter}[{quoted(key)}] must be a string of {rule}, got {quoted(value)}."
            raise ValueError(msg)
    return dict(labels)


def label_text(text: str) -> str:
    """Make any text a valid label value: readable, cut to 63 characters; never used to tell executions apart."""
    return "".join(char if _is_label_text(char) else "-" for char in text.lower())[:MAX_LABEL_LENGTH]
