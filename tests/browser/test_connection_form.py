# SPDX-License-Identifier: Apache-2.0
"""What a user does with the connection form of Airflow 3."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_cluster import AirflowCluster
from airflow_provider_workflows.auth.fields import FIELDS
from airflow_provider_workflows.auth.settings import settings_from_extra

pytestmark = pytest.mark.browser

KEY = '{"type": "service_account", "private_key": "s3cr3t"}'


def open_extra_fields(dialog: Any) -> None:
    """Unfold the fields of the connection type, which the form shows folded."""
    dialog.get_by_role("button", name="Extra Fields", exact=True).click()


def new_connection(page: Any, connection_id: str) -> Any:
    """Open the form for a new connection of our type and return it."""
    page.get_by_role("button", name="Add Connection").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("input[name='connection_id']").fill(connection_id)
    dialog.get_by_role("combobox").first.click()
    page.keyboard.type("Google Cloud Work")
    page.get_by_role("option", name="Google Cloud Workflows").click()
    open_extra_fields(dialog)
    return dialog


def save(page: Any, dialog: Any) -> None:
    """Press the button and wait until the form is gone."""
    dialog.get_by_role("button", name="Save").click()
    dialog.wait_for(state="hidden")


def edit_connection(page: Any, connection_id: str) -> Any:
    """Open the form of a stored connection and return it."""
    page.reload()
    row = page.get_by_role("row").filter(has_text=connection_id)
    row.get_by_role("button", name="Edit Connection").click()
    dialog = page.get_by_role("dialog")
    open_extra_fields(dialog)
    return dialog


def field(dialog: Any, name: str) -> Any:
    """Return the input of one of our fields."""
    return dialog.locator(f"#element_{name}, input[name='element_{name}']").first


def stored(web_ui: AirflowCluster, connection_id: str) -> dict[str, Any]:
    """Return the connection's extra as the REST API shows it: with secrets masked."""
    extra: dict[str, Any] = json.loads(web_ui.api("GET", f"/connections/{connection_id}")["extra"])
    return extra


def test_connection_for_an_emulator_is_saved_and_read_back(page: Any, web_ui: AirflowCluster) -> None:
    """Values that were typed into the form come back in it, and make the settings they should."""
    dialog = new_connection(page, "emulator")
    for spec in FIELDS:
        field(dialog, spec.name).wait_for(state="attached")
    assert dialog.locator("input[name='host']").count() == 0
    field(dialog, "project").fill("my-project")
    field(dialog, "location").fill("europe-west1")
    field(dialog, "api_endpoint").fill("http://127.0.0.1:8080")
    field(dialog, "is_anonymous").evaluate("element => element.click()")
    save(page, dialog)

    dialog = edit_connection(page, "emulator")
    assert field(dialog, "project").input_value() == "my-project"
    assert field(dialog, "location").input_value() == "europe-west1"
    assert field(dialog, "api_endpoint").input_value() == "http://127.0.0.1:8080"
    assert field(dialog, "is_anonymous").is_checked()
    assert field(dialog, "num_retries").input_value() == "5"

    settings = settings_from_extra(stored(web_ui, "emulator"))
    assert (settings.project, settings.location) == ("my-project", "europe-west1")
    assert (settings.api_endpoint, settings.is_anonymous) == ("http://127.0.0.1:8080", True)
    assert (settings.num_retries, settings.timeout, settings.api_version) == (5, 60.0, "v1")


def test_key_is_masked(page: Any, web_ui: AirflowCluster) -> None:
    """A key that was saved is neither shown in the form nor by the API, and saving the mask keeps it."""
    dialog = new_connection(page, "with_key")
    key = field(dialog, "keyfile_dict")
    assert key.get_attribute("type") == "password"
    key.fill(KEY)
    save(page, dialog)

    dialog = edit_connection(page, "with_key")
    assert "s3cr3t" not in page.content()
    assert "s3cr3t" not in field(dialog, "keyfile_dict").input_value()
    field(dialog, "project").fill("changed")
    save(page, dialog)

    assert stored(web_ui, "with_key")["keyfile_dict"] == "***"
    kept = web_ui.run_cli("connections", "get", "with_key", "-o", "json")
    assert "s3cr3t" in kept
    assert "changed" in kept
