# SPDX-License-Identifier: Apache-2.0
"""Labels: what Google takes, what is refused before any request, and what becomes of any text."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_workflows.core.labels import MAX_LABEL_BYTES, MAX_LABEL_LENGTH, check_labels, label_text

#: Letters that Python takes for letters, and the service does not: modifiers, and capitals without a small form.
NO_LETTERS = ["ʰ", "ᵃ", "ー", "\u2102", "\U0001d400", "ǅ"]


@pytest.mark.parametrize(
    "labels", [{}, {"a": ""}, {"größe": "äöü-1_"}, {"日本": "x"}, {"a" * 63: "b" * 63}, {"a": "٣Ⅷ½"}]
)
def test_labels_that_the_service_takes(labels: dict[str, str]) -> None:
    """Lowercase and caseless letters of any language, digits, dashes and underscores are fine."""
    assert check_labels(labels) == labels


@pytest.mark.parametrize(
    "labels",
    [
        {"A": "x"},
        {"a": "X"},
        {"a": "x y"},
        {"a": "x" * 64},
        {"a" * 64: "x"},
        {"1a": "x"},
        {"-a": "x"},
        {"": "x"},
        {1: "x"},
        {"a": None},
        [],
        *({letter: "x"} for letter in NO_LETTERS),
        *({"a": letter} for letter in NO_LETTERS),
    ],
)
def test_labels_that_it_does_not_take(labels: Any) -> None:
    """Everything else is an error that says which label breaks which rule."""
    with pytest.raises(ValueError, match=r"^labels.*(letter|string)"):
        check_labels(labels)


@given(st.characters(exclude_categories=["Cs"]))
def test_the_rule_is_googles(char: str) -> None:
    r"""A value takes what matches ``[\p{Ll}\p{Lo}\p{N}_-]``, and a key begins with ``[\p{Ll}\p{Lo}]``."""
    category = unicodedata.category(char)
    assert _takes({"a": char}) == (category in {"Ll", "Lo", "Nd", "Nl", "No"} or char in "_-")
    assert _takes({char: ""}) == (category in {"Ll", "Lo"})


def _takes(labels: dict[str, str]) -> bool:
    try:
        check_labels(labels)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    "text",
    [
        *("Task.One", "scheduled__2026-01-01T00:00:00+00:00", "ÄÖ ü", "x" * 200, "", "İ", "日本" * 40, "ʰ\u2102"),
        "a" * 62 + "日",
    ],
)
def test_any_text_becomes_a_label(text: str) -> None:
    """Names of DAGs, tasks and DAG runs become values that the service takes, still readable."""
    made = label_text(text)
    assert check_labels({"a": made}) == {"a": made}
    assert len(made) <= MAX_LABEL_LENGTH
    assert len(made.encode()) <= MAX_LABEL_BYTES


@given(st.text())
def test_every_text_becomes_a_label(text: str) -> None:
    """No name of a DAG, task or DAG run makes a label that the service refuses."""
    made = label_text(text)
    assert check_labels({"a": made}) == {"a": made}
    assert len(made.encode()) <= MAX_LABEL_BYTES
