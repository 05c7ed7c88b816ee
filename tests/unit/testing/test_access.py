# SPDX-License-Identifier: Apache-2.0
"""Tokens and projects: who may ask, and for what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from airflow_provider_workflows.testing import Emulator, RemoteEmulator

if TYPE_CHECKING:
    from tests.unit.testing.conftest import Api


def test_token_is_required_when_set(api: Api, emulator: Emulator) -> None:
    """With `token`, requests without it are 401 with the reason of Google's front end."""
    emulator.settings.token = "right"
    missing = api.list("echo")
    api.session.headers["Authorization"] = "Bearer wrong"
    wrong = api.list("echo")
    api.session.headers["Authorization"] = "Bearer right"
    assert api.list("echo").status_code == 200
    assert [answer.status_code for answer in (missing, wrong)] == [401, 401]
    reasons = [answer.json()["error"]["details"][0]["reason"] for answer in (missing, wrong)]
    assert reasons == ["CREDENTIALS_MISSING", "ACCESS_TOKEN_EXPIRED"]


def test_token_is_for_the_api_only(v1: Api, emulator: Emulator) -> None:
    """A callback's URL wants the token like every method; steering and the discovery document do not."""
    emulator.settings.token = "right"
    assert v1.call_back("echo", "e", "c").status_code == 401
    RemoteEmulator(emulator.endpoint).define("w", {})
    assert requests.get(f"{emulator.endpoint}/$discovery/rest", timeout=10).status_code == 200


def test_projects_can_be_bounded(api: Api, emulator: Emulator) -> None:
    """With `projects`, others are 403; the known ones have consecutive numbers, which work as well."""
    emulator.settings.projects = ["one", "two"]
    place = "locations/us-central1/workflows/echo/executions"
    assert api.read(f"projects/three/{place}").status_code == 403
    assert api.read(f"projects/999/{place}").status_code == 403
    name = api.post(f"projects/two/{place}").json()["name"]
    assert name.startswith("projects/123456789013/")
    assert api.read(name).status_code == 200
    assert api.read(f"projects/one/{place}").json() == {}


def test_projects_are_apart(api: Api) -> None:
    """An execution of one project is not listed in another, nor in another location."""
    api.created("echo")
    for place in ("projects/other/locations/us-central1", "projects/test-project/locations/europe-west1"):
        assert api.read(f"{place}/workflows/echo/executions").json() == {}
