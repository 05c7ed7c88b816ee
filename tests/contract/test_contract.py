# SPDX-License-Identifier: Apache-2.0
"""The emulator keeps the contract with every unconfirmed setting, and the contract notices each of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_workflows.testing import Emulator, ManualClock
from tests.contract.asked import findings
from tests.contract.suite import CONTRACT, Finding, differences

VERSIONS = ("v1", "v1beta")
#: What an unconfirmed setting changes: its value, the questions whose answer is another one than by default, and what
#: the first of them says which setting it was. A page of v1 shows what only v1 is asked.
NOTICED: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "cancel_mode": ({"cancel_mode": "late"}, ["cancel_answer"], 'cancel_mode="late"'),
    "cancel_finished": ({"cancel_finished": "ok"}, ["cancel_finished", "cancel_twice"], 'cancel_finished="ok"'),
    "label_filter": ({"label_filter": "refuse"}, ["label_filter"], 'label_filter="refuse"'),
    "list_delay": ({"list_delay": 5.0}, ["list_after_create"], "list_delay > 0"),
    "get_delay": ({"get_delay": 5.0}, ["get_after_create", "cancel_after_create"], "get_delay > 0"),
    "argument_limit": ({"argument_limit": 32_768}, ["largest_argument"], "argument_limit=32768"),
    "delete_active_history": (
        {"delete_active_history": "error"},
        ["delete_active_history"],
        'delete_active_history="error"',
    ),
    "batch": ({"batch": "refuse"}, ["batch"], 'batch="refuse"'),
}


def emulator(**settings: Any) -> Emulator:
    """Make an emulator in time that stands still."""
    return Emulator(clock=ManualClock(), **settings)


@pytest.fixture(scope="module")
def usual() -> dict[str, dict[str, Finding]]:
    """Ask the emulator as it is by default, once."""
    return {version: findings(emulator(), version) for version in VERSIONS}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_emulator_does_what_is_relied_on(usual: dict[str, dict[str, Finding]], version: str) -> None:
    """Everything that the package relies on holds at the emulator."""
    relied = {key: each.answer for key, each in usual[version].items() if CONTRACT[key].kind == "relies"}
    assert len(relied) >= 14
    assert set(relied.values()) == {"holds"}, relied


@pytest.mark.parametrize("version", VERSIONS)
def test_every_question_has_an_answer(usual: dict[str, dict[str, Finding]], version: str) -> None:
    """Only what needs a quota or a token is left open where there is neither."""
    unsettled = {key for key, each in usual[version].items() if each.outcome != "answered"}
    assert unsettled - {"concurrency_error"} == {"no_token", "queued_order", "cancel_queued", "rate_error"}


@pytest.mark.parametrize("setting", NOTICED)
@pytest.mark.parametrize("version", VERSIONS)
def test_unconfirmed_settings_are_noticed(usual: dict[str, dict[str, Finding]], version: str, setting: str) -> None:
    """Each unconfirmed setting changes the answers that it is about and no other, and is named as what matches."""
    values, keys, named = NOTICED[setting]
    keys = [key for key in keys if version in CONTRACT[key].versions]
    found = findings(emulator(**values), version)
    assert set(differences(usual[version], found)) == set(keys)
    if keys:
        assert found[keys[0]].setting == named


def test_every_unconfirmed_setting_has_a_question() -> None:
    """A setting that docs/testing.md calls unconfirmed is one that the contract asks about."""
    page = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `") and "(unconfirmed)" in line]
    unconfirmed = {name for row in rows for name in re.findall(r"`(\w+)`", row.split(" | ")[0])}
    assert unconfirmed == set(NOTICED)


def test_the_queue_is_seen() -> None:
    """Where the quota of concurrent executions is low, the questions about QUEUED executions are settled."""
    keys = ["queued_order", "cancel_queued", "concurrency_error"]
    found = findings(emulator(concurrency_limit=2), keys=keys, crowd=5)
    assert [found[key].answer for key in keys] == [
        "before the active, newest first; with createTime",
        "CANCELLED, CANCELLED in the end",
        "429 RESOURCE_EXHAUSTED, details: ErrorInfo(RATE_LIMIT_EXCEEDED +service), without Retry-After",
    ]


def test_a_crowd_that_is_too_small_settles_nothing() -> None:
    """Without anything QUEUED the page says what to do."""
    found = findings(emulator(), keys=["queued_order"], crowd=3)
    assert found["queued_order"].outcome == "unsettled"
    assert "CROWD=" in found["queued_order"].answer


def test_the_rate_limit_is_seen() -> None:
    """A burst that meets the quota says how the refusal looks."""
    limited = emulator()
    limited.fail("list", "rate_limited", times=1)
    (found,) = findings(limited, keys=["rate_error"], burst=10).values()
    assert found.answer.startswith("429 RESOURCE_EXHAUSTED, details: ErrorInfo(RATE_LIMIT_EXCEEDED")
    assert found.answer.endswith("with Retry-After")


def test_a_missing_token_is_seen() -> None:
    """Where a token is needed, a request without one is asked about."""
    (found,) = findings(emulator(token="secret"), keys=["no_token"]).values()
    assert found.answer == "401 UNAUTHENTICATED, details: ErrorInfo(CREDENTIALS_MISSING +service)"


def test_a_passing_error_settles_nothing_wrongly() -> None:
    """A GET that meets a 503 is sent again, so an outage is not taken for an answer."""
    shaky = emulator()
    shaky.fail("list", "unavailable", times=2)
    (found,) = findings(shaky, keys=["filter_or"]).values()
    assert found.answer == "accepted"


def test_a_connection_that_breaks_is_no_answer() -> None:
    """A question whose request gets no answer is left open, and the next one is asked."""
    broken = emulator()
    broken.fail("cancel", "drop_before", times=None)
    found = findings(broken, keys=["cancel_finished", "filter_or"])
    assert found["cancel_finished"].outcome == "unsettled"
    assert found["filter_or"].answer == "accepted"


def test_nothing_is_left_going() -> None:
    """What the contract has started is cancelled after each question, and forgotten at the end."""
    kept = emulator()
    findings(kept, keys=["list_after_create"])
    assert kept.count("create") == kept.count("cancel") == 5
    assert kept.executions() == []
