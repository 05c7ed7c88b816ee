# SPDX-License-Identifier: Apache-2.0
"""A slip in a setting of the emulator is an error, not a test that does not test what it says."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_workflows.testing import Emulator, ManualClock
from airflow_provider_workflows.testing.settings import Settings

WRONG = [
    ("projects", "my-project"),
    ("projects", [1]),
    ("project_number", 123),
    ("concurrency_limit", "1"),
    ("concurrency_limit", True),
    ("page_limit", 1.5),
    ("cancel_mode", "latte"),
    ("cancel_finished", True),
    ("history_level", None),
    ("list_delay", "5"),
    ("token", b"secret"),
    ("any_workflow", "yes"),
    ("clock", 5.0),
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=str)
def test_a_value_that_cannot_be_is_refused(name: str, value: Any) -> None:
    """The error names the setting, when the emulator is made as well as while it serves."""
    with pytest.raises(ValueError, match=f"the emulator's setting {name} must be "):
        Emulator(**{name: value})
    with Emulator() as emulator, pytest.raises(ValueError, match=f"the emulator's setting {name} must be "):
        setattr(emulator.settings, name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("projects", {"a"}), ("projects", ("a", "b")), ("list_delay", 5), ("any_result", [1, None]), ("token", None)],
    ids=str,
)
def test_a_value_that_can_be_is_taken(name: str, value: Any) -> None:
    """Whole numbers are seconds, and any collection names projects."""
    assert getattr(Settings(**{name: value}), name) is value


def test_choices_are_told() -> None:
    """The error says what the setting can be, and what it was given."""
    with pytest.raises(ValueError, match="cancel_mode must be 'immediate' or 'late', got 'latte'"):
        Settings(cancel_mode="latte")  # type: ignore[arg-type]


def test_a_setting_that_does_not_exist_is_refused() -> None:
    """An attribute that nobody reads would be set in vain."""
    with pytest.raises(AttributeError, match=r"no setting 'concurency_limit'; it has .*concurrency_limit"):
        Emulator().settings.concurency_limit = 1  # type: ignore[attr-defined]


def test_a_clock_of_ones_own_is_taken() -> None:
    """Whatever can tell the time is a clock."""

    class Frozen:
        def time(self) -> float:
            return 1.0

    assert Settings(clock=Frozen()).clock.time() == 1.0
    assert Settings(clock=ManualClock(5.0)).clock.time() == 5.0
