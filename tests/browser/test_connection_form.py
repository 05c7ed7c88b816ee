# SPDX-License-Identifier: Apache-2.0
"""What a user does with the connection form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_workflows.auth.fields import FIELDS
from airflow_provider_workflows.auth.settings import settings_from_extra
from tests.browser.conftest import Site
from tests.browser.ui import Ui

pytestmark = pytest.mark.browser

KEY = '{"type": "service_account", "private_key": "s3cr3t"}'
NOBODY = "http://127.0.0.1:9"  # the port of a service that no longer exists anywhere


def stored(site: Site, connection_id: str) -> dict[str, Any]:
    """Return the connection's extra as the REST API shows it: with secrets masked."""
    extra: dict[str, Any] = json.loads(site.cluster.api("GET", f"/connections/{connection_id}")["extra"])
    return extra


def fill(ui: Ui, connection_id: str, endpoint: str) -> None:
    """Fill the form for an emulator."""
    ui.new_connection(connection_id)
    ui.field("project").fill("my-project")
    ui.field("location").fill("europe-west1")
    ui.field("api_endpoint").fill(endpoint)
    ui.tick("is_anonymous")


def test_a_connection_is_saved_and_read_back(ui: Ui, site: Site) -> None:
    """Values that were typed into the form come back in it, and make the settings they should."""
    fill(ui, "typed", "http://127.0.0.1:8080")
    for spec in FIELDS:
        assert ui.field(spec.name).count() == 1
    ui.picture_of_form("form")
    ui.save()

    ui.edit_connection("typed")
    assert ui.field("project").input_value() == "my-project"
    assert ui.field("location").input_value() == "europe-west1"
    assert ui.field("api_endpoint").input_value() == "http://127.0.0.1:8080"
    assert ui.field("is_anonymous").is_checked()
    assert ui.field("num_retries").input_value() == "5"

    settings = settings_from_extra(stored(site, "typed"))
    assert (settings.project, settings.location) == ("my-project", "europe-west1")
    assert (settings.api_endpoint, settings.is_anonymous) == ("http://127.0.0.1:8080", True)
    assert (settings.num_retries, settings.timeout, settings.api_version) == (5, 60.0, "v1")


def test_a_key_is_masked(ui: Ui, site: Site) -> None:
    """A key that was saved is shown neither in the form nor by the API."""
    ui.new_connection("with_key")
    assert ui.field("keyfile_dict").get_attribute("type") == "password"
    ui.field("keyfile_dict").fill(KEY)
    ui.save()

    ui.edit_connection("with_key")
    ui.field("keyfile_dict").wait_for()
    assert "s3cr3t" not in ui.page.content()
    assert "s3cr3t" not in ui.field("keyfile_dict").input_value()
    assert stored(site, "with_key")["keyfile_dict"] == "***"


def test_saving_the_mask_keeps_the_key(ui: Ui, site: Site) -> None:
    """A form of Airflow 3 that shows a masked key keeps the key when it is saved; Airflow 2's empties the field."""
    if ui.generation != "airflow3":
        pytest.skip("docs/connection.md says so of Airflow 2")
    ui.new_connection("kept")
    ui.field("keyfile_dict").fill(KEY)
    ui.save()
    ui.edit_connection("kept")
    ui.field("project").fill("changed")
    ui.save()
    kept = site.cluster.run_cli("connections", "get", "kept", "-o", "json")
    assert "s3cr3t" in kept
    assert "changed" in kept


def add_for_test(ui: Ui, site: Site, connection_id: str, endpoint: str) -> None:
    """Make a connection that the Test button can test: on Airflow 3.3 it needs a port, and 0 will do."""
    if ui.generation == "airflow3":
        extra = {"project": "my-project", "location": "europe-west1", "api_endpoint": endpoint, "is_anonymous": True}
        named = ("--conn-type", "google_cloud_workflows", "--conn-port", "0", "--conn-extra", json.dumps(extra))
        site.cluster.run_cli("connections", "add", connection_id, *named)
    else:
        fill(ui, connection_id, endpoint)
        ui.save()


def test_the_button_says_that_a_connection_works(ui: Ui, site: Site) -> None:
    """Both say in words whom they asked about what; Airflow 3 in green, Airflow 2 in no colour that tells."""
    add_for_test(ui, site, "works", site.emulator.endpoint)
    verdict = ui.test_connection("works", "test-green")
    assert f"{site.emulator.endpoint} answers for project my-project in europe-west1" in verdict.text
    assert verdict.colour == ("green" if ui.generation == "airflow3" else "neither")


def test_the_button_says_what_is_wrong(ui: Ui, site: Site) -> None:
    """Both say in words what failed and whom they asked; Airflow 3 in red, Airflow 2 in no colour that tells."""
    add_for_test(ui, site, "broken", NOBODY)
    verdict = ui.test_connection("broken", "test-red")
    assert "no connection to the service" in verdict.text
    assert NOBODY in verdict.text
    assert verdict.colour == ("red" if ui.generation == "airflow3" else "neither")


def test_airflow_3_refuses_to_test_what_its_form_saved(ui: Ui, site: Site) -> None:
    """A connection without a port, as the form saves it, is refused by Airflow 3.3 before anybody is asked."""
    if ui.generation != "airflow3":
        pytest.skip("Airflow 2 tests what stands in its form")
    fill(ui, "no_port", site.emulator.endpoint)
    ui.save()
    verdict = ui.test_connection("no_port", "test-refused")
    assert "Bad Request" in verdict.text
