# SPDX-License-Identifier: Apache-2.0
"""What Airflow gets to know about the provider, on the installed Airflow."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import airflow
import jsonschema  # type: ignore[import-untyped, unused-ignore]
import pytest

import airflow_provider_workflows
from airflow_provider_workflows.auth.fields import FIELDS, REFUSED_FIELDS, placeholders
from airflow_provider_workflows.hooks.connection_form import connection_form_widgets, ui_field_behaviour

AIRFLOW_FOLDER = Path(airflow.__path__[0])


@pytest.fixture
def info() -> dict[str, Any]:
    """Return what the entry point returns."""
    return airflow_provider_workflows.get_provider_info()


def schema(name: str) -> Any:
    """Return a schema of the installed Airflow."""
    return json.loads((AIRFLOW_FOLDER / name).read_text(encoding="utf-8"))


def test_provider_info_is_valid_for_the_installed_airflow(info: dict[str, Any]) -> None:
    """Airflow drops a provider whose metadata its schema refuses."""
    jsonschema.validate(info, schema("provider_info.schema.json"))
    assert info["package-name"] == "airflow-provider-workflows"
    assert info["versions"] == [airflow_provider_workflows.__version__]
    assert json.loads(json.dumps(info)) == info


def test_every_role_names_its_module(info: dict[str, Any]) -> None:
    """The registry and `airflow providers` list hooks, operators, sensors and triggers."""
    for role in ("hooks", "operators", "sensors", "triggers"):
        assert info[role][0]["python-modules"] == [f"airflow_provider_workflows.{role}.executions"]
        assert info[role][0]["integration-name"] == info["integrations"][0]["integration-name"]
    assert info["extra-links"] == [
        "airflow_provider_workflows.links.executions.WorkflowExecutionLink",
        "airflow_provider_workflows.links.executions.WorkflowLink",
    ]


def test_connection_type_has_its_public_name(info: dict[str, Any]) -> None:
    """The connection type and its name in the list are what the documentation says."""
    (connection,) = info["connection-types"]
    assert connection["connection-type"] == "google_cloud_workflows"
    assert connection["hook-name"] == "Google Cloud Workflows"
    assert connection["hook-class-name"] == "airflow_provider_workflows.hooks.executions.WorkflowExecutionsHook"


def test_form_shows_every_field_and_hides_the_key(info: dict[str, Any]) -> None:
    """The form of Airflow 3 has all fields that are honoured, and masks the key."""
    fields = info["connection-types"][0]["conn-fields"]
    assert list(fields) == [
        "project",
        "location",
        "key_path",
        "keyfile_dict",
        "credential_config_file",
        "impersonation_chain",
        "quota_project_id",
        "api_endpoint",
        "timeout",
        "num_retries",
        "scope",
        "api_version",
        "is_anonymous",
        "test_workflow",
    ]
    assert not set(fields) & set(REFUSED_FIELDS)
    assert fields["keyfile_dict"]["schema"] == {"type": ["string", "null"], "format": "password"}
    assert fields["num_retries"]["schema"] == {"type": ["integer", "null"], "minimum": 0, "default": 5}
    assert fields["api_version"]["schema"]["enum"] == ["v1", "v1beta"]
    for field in fields.values():
        jsonschema.Draft7Validator.check_schema(field["schema"])
        jsonschema.validate(field["schema"].get("default"), field["schema"])
        assert field["label"]
        assert field["description"]


def test_every_field_shows_an_example(info: dict[str, Any]) -> None:
    """Both forms show what to type: Airflow 2's in empty fields, Airflow 3's as a proposal for a text."""
    fields = info["connection-types"][0]["conn-fields"]
    assert set(fields) - set(placeholders()) == {"is_anonymous"}
    for spec in FIELDS:
        schema = fields[spec.name]["schema"]
        told = schema.get("examples") or schema.get("enum") or schema.get("default") is not None
        assert told or spec.format == "password"
    values = {spec.name: spec.parse(spec.name, spec.example) for spec in FIELDS if spec.example and not spec.format}
    assert (values["timeout"], values["num_retries"], values["api_version"]) == (60.0, 5, "v1")


def test_the_form_says_where_keys_must_be_and_what_empty_means() -> None:
    """A key's path is needed on triggerers, too; no identity at all means Application Default Credentials."""
    by_name = {spec.name: spec.description for spec in FIELDS}
    assert "on every worker and triggerer" in by_name["key_path"]
    assert "on every worker and triggerer" in by_name["credential_config_file"]
    assert (
        "Leave all identity fields empty for Application Default Credentials; fill one at most." in by_name["key_path"]
    )
    identities = {name for name, text in by_name.items() if text.startswith("Identity: ")}
    assert identities == {"key_path", "keyfile_dict", "credential_config_file", "is_anonymous"}
    assert "https://cloud.google.com/workflows/docs" in by_name["project"]


def test_the_description_ends_with_its_link(info: dict[str, Any]) -> None:
    """Airflow's list of providers shows a description whose link is at its end."""
    assert info["description"].endswith(" `Google Cloud Workflows <https://cloud.google.com/workflows>`__")


def test_hidden_fields_are_the_same_on_both_airflow_versions(info: dict[str, Any]) -> None:
    """The extra stays editable, because a refused field must be removable."""
    hidden = info["connection-types"][0]["ui-field-behaviour"]["hidden-fields"]
    assert hidden == ["host", "schema", "login", "password", "port"]
    assert ui_field_behaviour() == {"hidden_fields": hidden, "relabeling": {}, "placeholders": placeholders()}
    jsonschema.validate(ui_field_behaviour(), schema("customized_form_field_behaviours.schema.json"))


def test_configuration_has_defaults_as_text(info: dict[str, Any]) -> None:
    """Airflow's configuration reads defaults as text, and the documented section exists."""
    section = info["config"]["workflows"]
    assert {name: (option["type"], option["default"]) for name, option in section["options"].items()} == {
        "poll_interval": ("float", "10"),
        "defer_after": ("float", "5"),
        "resume_after": ("float", "15"),
        "get_requests_per_minute": ("integer", "3000"),
        "list_requests_per_minute": ("integer", "600"),
        "end_from_trigger": ("boolean", "False"),
    }
    later = {"defer_after", "resume_after"}
    added = {name: option["version_added"] for name, option in section["options"].items()}
    assert added == {name: "0.2.0" if name in later else "0.1.0" for name in added}


def test_provider_info_imports_nothing_heavy() -> None:
    """Every Airflow process calls this when it starts, so it must not load a client library."""
    code = (
        "import sys, airflow_provider_workflows as p; p.get_provider_info();"
        "print([m for m in ('airflow', 'google.auth', 'googleapiclient', 'aiohttp', 'httplib2', 'requests',"
        " 'wtforms', 'tenacity') if m in sys.modules])"
    )
    root = Path(airflow_provider_workflows.__file__).parents[1]
    shown = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


@pytest.mark.skipif(find_spec("flask_appbuilder") is None, reason="the form libraries come with Airflow 2 only")
def test_airflow_2_form_has_the_same_fields() -> None:
    """Airflow 2 refuses a hook with form fields of other classes than four, and hides the key."""
    from wtforms import BooleanField, Form, IntegerField, PasswordField, StringField

    widgets = connection_form_widgets()
    assert list(widgets) == [spec.name for spec in FIELDS]
    classes = {name: widget.field_class for name, widget in widgets.items()}
    assert set(classes.values()) == {BooleanField, IntegerField, PasswordField, StringField}
    assert classes["keyfile_dict"] is PasswordField
    assert classes["is_anonymous"] is BooleanField
    assert classes["num_retries"] is IntegerField
    form = type("ConnectionForm", (Form,), widgets)()
    assert form.num_retries.data == 5
    assert form.api_version.data == "v1"
    assert str(form.project.label.text) == "Project Id"
