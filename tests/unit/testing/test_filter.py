# SPDX-License-Identifier: Apache-2.0
"""Filters and orders of the v1 list method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_workflows.testing import Emulator, ManualClock

if TYPE_CHECKING:
    from tests.unit.testing.conftest import Api


@pytest.fixture
def names(emulator: Emulator, clock: ManualClock) -> dict[str, str]:
    """Have three executions of one workflow: `a` succeeded after 5 s, `b` failed after 1 s, `c` is going on."""

    @emulator.workflow("work")
    def work(argument: Any) -> Any:
        from airflow_provider_workflows.testing import Step

        yield Step("first", argument["seconds"])
        if argument.get("fail"):
            raise ValueError("no")

    ids = {
        "a": emulator.start("work", {"seconds": 5}, {"team": "x", "my-key": "1"}),
    }
    clock.advance(10)
    ids["b"] = emulator.start("work", {"seconds": 1, "fail": True}, {"team": "y"})
    clock.advance(10)
    ids["c"] = emulator.start("work", {"seconds": 100})
    return {execution_id: name for name, execution_id in ids.items()}


def listed(api: Api, names: dict[str, str], **query: Any) -> str:
    """List executions and return their one-letter names, in order."""
    answer = api.list("work", **query)
    assert answer.status_code == 200, answer.text
    executions = answer.json().get("executions", [])
    return "".join(names[execution["name"].rsplit("/", 1)[-1]] for execution in executions)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('state="SUCCEEDED"', "a"),
        ("state=ACTIVE", "c"),
        ("state='FAILED'", "b"),
        ('state!="FAILED"', "ca"),
        ('state="F*"', "b"),
        ('startTime>"2026-01-01" AND state="FAILED"', "b"),
        ('startTime>="2026-01-01T00:00:10Z"', "cb"),
        ('startTime<"2026-01-01T01:00:10+01:00"', "a"),
        ('createTime<="2026-01-01T00:00:10.000000001Z"', "ba"),
        ('endTime<"2026-01-01T00:00:06Z"', "a"),
        ("duration>3s", "a"),
        ("duration=1.0s", "b"),
        ('stepName="first"', "cba"),
        ('workflowRevisionId="000001-*"', "cba"),
        ("disableConcurrencyQuotaOverflowBuffering=false", "cba"),
        ('labels.team="x"', "a"),
        ('label.team:"y"', "b"),
        ('labels."my-key"="1"', "a"),
        ("labels.my-key:1", "a"),
        ("labels:team", "ba"),
        ("labels.team:*", "ba"),
        ('labels.team!="x"', "b"),
        ('NOT labels.team="x"', "cb"),
        ('-labels.team="x"', "cb"),
        ('NOT (state="ACTIVE" OR state="FAILED")', "a"),
        # OR binds tighter than AND: the other way round `a` would be found.
        ('state="SUCCEEDED" OR state="FAILED" AND labels.team="y"', "b"),
        ('(state="SUCCEEDED") (labels.team="x")', "a"),
    ],
)
def test_filter_selects(v1: Api, names: dict[str, str], text: str, found: str) -> None:
    """A filter keeps what it describes, newest first."""
    assert listed(v1, names, filter=text) == found


def test_filter_by_execution_id(v1: Api, names: dict[str, str]) -> None:
    """Both spellings of executionId work."""
    wanted = next(iter(names))
    assert listed(v1, names, filter=f'executionId="{wanted}"') == "a"
    assert listed(v1, names, filter=f'executionID="{wanted}"') == "a"


@pytest.mark.parametrize(
    "text",
    [
        "state",
        "state=",
        'colour="red"',
        'argument="x"',
        '(state="ACTIVE"',
        'state="ACTIVE")',
        "state:ACTIVE",
        'startTime>"yesterday"',
        'startTime>"2026-13-01"',
        "duration>long",
        'labels="x"',
        'labels.k>"x"',
        'state="ACTIVE" AND',
        'state="ACTIVE',
        "(state)(",
        "=",
    ],
)
def test_bad_filter_is_refused(v1: Api, names: dict[str, str], text: str) -> None:
    """A filter that cannot be understood is 400 INVALID_ARGUMENT."""
    answer = v1.list("work", filter=text)
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_label_filter_can_be_refused(v1: Api, names: dict[str, str], emulator: Emulator) -> None:
    """With `label_filter="refuse"` label comparisons are a 400 and other filters still work."""
    emulator.settings.label_filter = "refuse"
    assert v1.list("work", filter='labels.team="x"').status_code == 400
    assert v1.list("work", filter='state="ACTIVE" AND label.team:x').status_code == 400
    assert listed(v1, names, filter='state="ACTIVE"') == "c"


def test_filtered_pages_have_no_empty_last_one(v1: Api, names: dict[str, str]) -> None:
    """Paging counts matching executions, and the token is bound to the filter."""
    query = {"filter": "labels:team", "pageSize": 1}
    page = v1.list("work", **query).json()
    assert listed(v1, names, **query, pageToken=page["nextPageToken"]) == "a"
    assert "nextPageToken" not in v1.list("work", **query, pageToken=page["nextPageToken"]).json()
    other = {"filter": "state=ACTIVE", "pageSize": 1, "pageToken": page["nextPageToken"]}
    assert v1.list("work", **other).status_code == 400


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ("startTime", "abc"),
        ("startTime asc", "abc"),
        ("createTime desc", "cba"),
        ("endTime", "cab"),
        ("duration desc", "abc"),
        ("state", "cba"),
        ("workflowRevisionId, startTime", "abc"),
        ("", "cba"),
    ],
)
def test_order_by(v1: Api, names: dict[str, str], order: str, found: str) -> None:
    """`orderBy` sorts by its fields, `desc` reverses one, absent values come first."""
    assert listed(v1, names, orderBy=order) == found


def test_ordered_pages(v1: Api, names: dict[str, str]) -> None:
    """An ordered list is paged too."""
    query = {"orderBy": "startTime", "pageSize": 2}
    page = v1.list("work", **query).json()
    assert listed(v1, names, **query, pageToken=page["nextPageToken"]) == "c"


@pytest.mark.parametrize("order", ["stepName", "startTime down", "labels.team"])
def test_bad_order_is_refused(v1: Api, names: dict[str, str], order: str) -> None:
    """Ordering by something else is a 400."""
    assert v1.list("work", orderBy=order).status_code == 400
