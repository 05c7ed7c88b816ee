# SPDX-License-Identifier: Apache-2.0
"""
The connection form of Airflow 2, made from the same field table as Airflow 3's.

Airflow 3.3 reads the form from the provider info and does not call these; there, the form libraries are
usually not installed, so they are imported only when Airflow 2 asks.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from airflow_provider_workflows.auth.fields import FIELDS, ConnectionField, placeholders
from airflow_provider_workflows.provider_info import HIDDEN_FIELDS


def connection_form_widgets() -> dict[str, Any]:
    """Return the form field of every connection field, by its unprefixed name."""
    return {spec.name: _widget(spec) for spec in FIELDS}


def ui_field_behaviour() -> dict[str, Any]:
    """Return which of the standard fields the form hides, in Airflow 2's spelling."""
    return {"hidden_fields": list(HIDDEN_FIELDS), "relabeling": {}, "placeholders": placeholders()}


def _widget(spec: ConnectionField) -> Any:
    """
    Return one form field; Airflow 2 takes a hook only when all are of four classes.

    A fractional number is a text there: the integer field would refuse it, and the parser reads texts.
    """
    # Untyped libraries that only Airflow 2 has: as Any, the types of this module are the same everywhere.
    forms: Any = import_module("wtforms")
    widgets: Any = import_module("flask_appbuilder.fieldwidgets")
    label = import_module("flask_babel").lazy_gettext(spec.label)

    common: dict[str, Any] = {"description": spec.description, "default": spec.default}
    if spec.json_type == "boolean":
        return forms.BooleanField(label, **common)
    if spec.format == "password":
        return forms.PasswordField(label, widget=widgets.BS3PasswordFieldWidget(), **common)
    common["widget"] = widgets.BS3TextFieldWidget()
    if spec.json_type == "integer":
        limits = forms.validators.NumberRange(min=spec.limits.get("minimum"))
        return forms.IntegerField(label, validators=[forms.validators.Optional(), limits], **common)
    return forms.StringField(label, **common)
