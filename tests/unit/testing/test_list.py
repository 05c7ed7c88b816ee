# SPDX-License-Identifier: Apache-2.0
"""Listing: pages, their sizes and tokens, order, and speed with very many executions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_workflows.testing import Emulator, ManualClock

if TYPE_CHECKING:
    from tests.unit.testing.conftest import Api

PARENT = "projects/test-project/locations/us-central1/workflows/echo"


def ids(page: dict[str, Any]) -> list[str]:
    """Return the execution ids of a page, in order."""
    return [execution["name"].rsplit("/", 1)[-1] for execution in page.get("executions", [])]


def test_list_is_newest_first_and_basic(api: Api) -> None:
    """Without parameters list gives the BASIC view, newest first, and no token on the last page."""
    created = [api.created("echo") for _ in range(3)]
    page = api.list("echo").json()
    assert ids(page) == created[::-1]
    assert "nextPageToken" not in page
    assert "argument" not in page["executions"][0]


def test_list_full_view(api: Api) -> None:
    """`view=FULL` lists everything."""
    api.created("echo", 1)
    assert api.list("echo", view="FULL").json()["executions"][0]["result"] == "1"


def test_empty_list_omits_its_fields(api: Api) -> None:
    """A workflow without executions answers an empty object."""
    assert api.list("echo").json() == {}


@pytest.mark.parametrize(
    ("version_name", "view", "asked", "got"),
    [
        ("v1", "BASIC", None, 100),
        ("v1", "BASIC", 0, 100),
        ("v1", "BASIC", 20_000, 1_000),
        ("v1", "FULL", 20_000, 100),
        ("v1beta", "BASIC", None, 100),
        ("v1beta", "BASIC", 20_000, 10_000),
        ("v1beta", "FULL", 20_000, 100),
    ],
)
def test_page_size_is_coerced(
    emulator: Emulator, v1: Api, v1beta: Api, version_name: str, view: str, asked: int | None, got: int
) -> None:
    """A page holds 100 by default, and at most what the version allows for the view."""
    emulator.add_executions("echo", 10_001)
    api = v1 if version_name == "v1" else v1beta
    query = {} if asked is None else {"pageSize": asked}
    assert len(api.list("echo", view=view, **query).json()["executions"]) == got


@pytest.mark.parametrize("size", ["-1", "many"])
def test_bad_page_size_is_refused(api: Api, size: str) -> None:
    """A negative page size, or one that is no number, is a 400."""
    assert api.list("echo", pageSize=size).status_code == 400


def test_google_client_walks_all_pages(google: Callable[[str], Any], version: str, emulator: Emulator) -> None:
    """`list_next` of Google's client sees every execution once, in order."""
    wanted = emulator.add_executions("echo", 25)[::-1]
    executions = google(version)
    request, seen = executions.list(parent=PARENT, pageSize=10), []
    while request is not None:
        page = request.execute()
        seen += ids(page)
        request = executions.list_next(request, page)
    assert seen == wanted
    assert emulator.count("list") == 3


def test_exact_last_page_has_no_token(api: Api, emulator: Emulator) -> None:
    """When a page ends with the last execution there is no token."""
    emulator.add_executions("echo", 10)
    assert "nextPageToken" not in api.list("echo", pageSize=10).json()


def test_an_ordered_list_ends_without_an_empty_page(v1: Api, emulator: Emulator) -> None:
    """With an order, too, a page that ends with the last execution has no token; one emptied meanwhile is empty."""
    wanted = emulator.add_executions("echo", 4)
    first = v1.list("echo", pageSize=2, orderBy="startTime").json()
    token = first["nextPageToken"]
    last = v1.list("echo", pageSize=2, orderBy="startTime", pageToken=token).json()
    assert sorted(ids(first) + ids(last)) == sorted(wanted)
    assert "nextPageToken" not in last
    for execution_id in ids(last):
        emulator.delete(execution_id)
    assert v1.list("echo", pageSize=2, orderBy="startTime", pageToken=token).json() == {}


def test_new_executions_do_not_shift_pages(api: Api, emulator: Emulator) -> None:
    """An execution created between two pages neither repeats nor hides another."""
    first, second, third = emulator.add_executions("echo", 3)
    page = api.list("echo", pageSize=2).json()
    api.created("echo")
    rest = api.list("echo", pageSize=2, pageToken=page["nextPageToken"]).json()
    assert (ids(page), ids(rest)) == ([third, second], [first])


@pytest.mark.parametrize("change", [{"pageSize": 2}, {"view": "FULL"}, {"pageToken": "nonsense"}, {"pageToken": "NQ"}])
def test_token_of_another_request_is_refused(api: Api, emulator: Emulator, change: dict[str, Any]) -> None:
    """A token works only with the parameters that gave it, and must be one."""
    emulator.add_executions("echo", 3)
    token = api.list("echo", pageSize=1).json()["nextPageToken"]
    answer = api.list("echo", **{"pageSize": 1, "pageToken": token, **change})
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_token_of_the_other_version_is_refused(v1: Api, v1beta: Api, emulator: Emulator) -> None:
    """A token of v1beta is none of v1."""
    emulator.add_executions("echo", 3)
    token = v1beta.list("echo", pageSize=1).json()["nextPageToken"]
    assert v1.list("echo", pageSize=1, pageToken=token).status_code == 400


def test_filter_and_order_do_not_exist_on_v1beta(v1beta: Api) -> None:
    """On v1beta `filter` and `orderBy` are unknown parameters: 400."""
    assert v1beta.list("echo", filter='state="ACTIVE"').status_code == 400
    assert v1beta.list("echo", orderBy="startTime").status_code == 400


def test_fields_mask_on_pages(api: Api, emulator: Emulator) -> None:
    """`fields` works inside a page, and leaves out what it does not name."""
    emulator.add_executions("echo", 3)
    mask = "executions(state,name),nextPageToken"
    for _ in range(2):  # the second answer comes from what the first one kept
        page = api.list("echo", pageSize=2, fields=mask).json()
        assert [set(execution) for execution in page["executions"]] == [{"name", "state"}] * 2
        assert page["nextPageToken"]
    assert set(api.list("echo", pageSize=2, fields="executions/state").json()) == {"executions"}
    assert set(api.list("echo", pageSize=2, fields="nextPageToken").json()) == {"nextPageToken"}
    assert api.list("echo", pageSize=2, fields="*").json() == api.list("echo", pageSize=2).json()
    full = api.list("echo", view="FULL", fields="executions/argument").json()
    assert full["executions"][0] == {"argument": "null"}


def test_kept_pages_show_later_changes(api: Api, emulator: Emulator, clock: ManualClock) -> None:
    """Serialised pieces that are kept for speed never hide a state that was set later."""
    (execution_id,) = emulator.add_executions("echo", 1)
    assert api.list("echo").json()["executions"][0]["state"] == "SUCCEEDED"
    emulator.set_state(execution_id, "UNAVAILABLE")
    (first,) = api.list("echo").json()["executions"]
    clock.advance(60)
    emulator.set_state(execution_id, "UNAVAILABLE")
    (second,) = api.list("echo").json()["executions"]
    assert (first["state"], second["state"]) == ("UNAVAILABLE", "UNAVAILABLE")
    assert first["endTime"] < second["endTime"]


def test_page_limit_makes_small_pages(clock: ManualClock, api: Api, emulator: Emulator) -> None:
    """`page_limit` bounds every page, so that paging can be tested with few executions."""
    emulator.settings.page_limit = 2
    emulator.add_executions("echo", 3)
    assert len(api.list("echo", pageSize=1000).json()["executions"]) == 2


def test_hundred_thousand_executions_are_paged(emulator: Emulator, v1beta: Api) -> None:
    """Ten pages of 10,000 out of 100,000 hold each execution once."""
    emulator.add_executions("echo", 100_000)
    seen: set[str] = set()
    token = ""
    for _ in range(10):
        page = v1beta.list("echo", pageSize=10_000, **({"pageToken": token} if token else {})).json()
        seen.update(ids(page))
        token = page.get("nextPageToken", "")
    assert (len(seen), token) == (100_000, "")


def test_foreign_executions_in_the_past_keep_their_place(v1: Api, emulator: Emulator, clock: ManualClock) -> None:
    """Executions that are added with an earlier start come after the newer ones."""
    mine = v1.created("echo")
    old = emulator.add_executions("echo", 2, start=clock.time() - 100, interval=10)
    between = emulator.add_executions("echo", 1, start=clock.time() - 95)
    assert ids(v1.list("echo").json()) == [mine, old[1], between[0], old[0]]
