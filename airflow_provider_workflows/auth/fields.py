# SPDX-License-Identifier: Apache-2.0
"""
List the fields of a connection, and how the text of each is read.

The table :data:`FIELDS` feeds the parser of :mod:`~airflow_provider_workflows.auth.settings`, the form of Airflow 3
(``conn-fields`` in the provider info) and the form of Airflow 2 (widgets). Pure: standard library only.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_workflows.core.execution import API_VERSIONS
from airflow_provider_workflows.core.quoting import looks_like

# What web UI and API show, and send back, in place of a secret they do not reveal; the second is Airflow 2's form.
MASKS = ("***", "RATHER_LONG_SENSITIVE_FIELD_PLACEHOLDER")


def _as_text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"connection field {name!r} must be a text")
    if kind := looks_like(value):
        raise ValueError(f"connection field {name!r} holds {kind}")
    return value.strip()


def as_list(name: str, value: Any) -> tuple[str, ...]:
    """Accept a list, a JSON list, or a text separated by commas or blanks."""
    if kind := looks_like(value):
        raise ValueError(f"connection field {name!r} holds {kind}")
    if isinstance(value, str):
        value = _json(name, value) if value.lstrip().startswith("[") else re.split(r"[,\s]+", value)
    if not isinstance(value, Sequence) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"connection field {name!r} must be a list of texts or a comma separated text")
    return tuple(item.strip() for item in value if item.strip())


def _as_object(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        value = _json(name, value)
    if not isinstance(value, Mapping):
        raise ValueError(f"connection field {name!r} must be a JSON object")
    for mask in MASKS:
        if _holds(value, mask):
            raise ValueError(masked(name, mask))
    return dict(value)


def _holds(value: Any, mask: str) -> bool:
    """Tell whether a mask stands anywhere in a value: forms put it wherever a secret is."""
    todo = [value]
    while todo:
        each = todo.pop()
        if each == mask:
            return True
        todo += each.values() if isinstance(each, Mapping) else each if isinstance(each, list) else ()
    return False


def _as_path_or_object(name: str, value: Any) -> str | dict[str, Any]:
    if isinstance(value, str) and not value.lstrip().startswith("{"):
        return _as_text(name, value)
    return _as_object(name, value)


def _as_bool(name: str, value: Any) -> bool:
    known = dict.fromkeys(("true", "1", "yes", "y", "on", "t"), True)
    known |= dict.fromkeys(("false", "0", "no", "n", "off", "f"), False)
    answer = known.get(str(value).strip().lower()) if isinstance(value, (str, bool, int)) else None
    if answer is None:
        raise ValueError(f"connection field {name!r} must be true or false")
    return answer


def _as_int(name: str, value: Any) -> int:
    number = _as_float(name, value)
    if not number.is_integer():
        raise ValueError(f"connection field {name!r} must be a whole number")
    return int(number)


def _as_float(name: str, value: Any) -> float:
    try:
        number = float("nan" if isinstance(value, bool) else value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"connection field {name!r} must be a number")
    return number


def _json(name: str, text: str) -> Any:
    # Raised outside of the handler: the parser's own error holds the whole text, which may be a private key.
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    path = "; a path belongs into key_path" if name == "keyfile_dict" and "{" not in text and "/" in text else ""
    raise ValueError(f"connection field {name!r} is not valid JSON{path}")


def masked(name: str, mask: str) -> str:
    """Say that a field holds what forms show in place of a secret."""
    return (
        f"connection field {name!r} holds {mask!r}, which the web UI shows in place of a secret. "
        "Save the connection with the real value, or test it from a task instead of the form."
    )


@dataclass(frozen=True)
class ConnectionField:
    """
    Describe one field of the connection: how forms show it and how its text is read.

    :param name: the key in the connection's extra, unprefixed.
    :param json_type: ``string``, ``integer``, ``number`` or ``boolean``: the input control of the form.
    :param format: ``password`` hides the content in forms and API answers.
    :param default: the value forms start with; ``None`` leaves the field empty.
    :param limits: further JSON schema keywords, such as ``minimum`` or ``enum``.
    :param example: what Airflow 2's form shows while the field is empty, and Airflow 3's proposes for a text.
    :param attribute: the attribute of :class:`ConnectionSettings`, where it differs from ``name``.
    """

    name: str
    label: str
    description: str
    parse: Callable[[str, Any], Any] = _as_text
    json_type: str = "string"
    format: str | None = None
    default: str | int | float | bool | None = None
    limits: Mapping[str, Any] = field(default_factory=dict)
    attribute: str = ""
    example: str = ""

    def conn_field(self) -> dict[str, Any]:
        """Return the entry of ``conn-fields`` in the provider info (Airflow 3's form)."""
        schema: dict[str, Any] = {"type": [self.json_type, "null"], **self.limits}
        if self.format is not None:
            schema["format"] = self.format
        elif self.example and self.json_type == "string" and "enum" not in self.limits:
            schema["examples"] = [self.example]
        if self.default is not None:
            schema["default"] = self.default
        return {"label": self.label, "description": self.description, "schema": schema}


_EVERYWHERE = "every worker and triggerer, and for the form's Test of the API server"
#: In the order of how often they are needed.
FIELDS: tuple[ConnectionField, ...] = (
    ConnectionField(
        "project",
        "Project Id",
        "Project of the workflows, id or number, unless a task names another one; that of the credentials if empty. "
        "The fields are explained in docs/connection.md, the service in https://cloud.google.com/workflows/docs",
        example="my-project",
    ),
    ConnectionField(
        "location",
        "Location",
        "Region of the workflows, unless a task names another one.",
        example="europe-west1",
    ),
    ConnectionField(
        "key_path",
        "Keyfile Path",
        f"Identity: path of a service account key (JSON) on {_EVERYWHERE}. Leave all identity fields empty for "
        "Application Default Credentials; fill one at most.",
        example="/etc/airflow/keys/workflows.json",
    ),
    ConnectionField(
        "keyfile_dict",
        "Keyfile JSON",
        "Identity: content of a service account key (JSON).",
        parse=_as_object,
        format="password",
        example='{"type": "service_account", …}',
    ),
    ConnectionField(
        "credential_config_file",
        "Credential Configuration File",
        "Identity: path or JSON of a credential configuration, such as of workload identity federation. A path is read "
        f"on {_EVERYWHERE}.",
        parse=_as_path_or_object,
        example="/etc/airflow/keys/federation.json",
    ),
    ConnectionField(
        "impersonation_chain",
        "Impersonation Chain",
        "Service account to impersonate with that identity; or several, comma separated: delegates first, the target "
        "last.",
        parse=as_list,
        example="airflow@my-project.iam.gserviceaccount.com",
    ),
    ConnectionField(
        "quota_project_id",
        "Quota Project Id",
        "Project whose quota the requests use, if another one.",
        example="my-quota-project",
    ),
    ConnectionField(
        "api_endpoint",
        "API Endpoint",
        "Address of a regional or private endpoint, or of an emulator, without a path; empty for Google's.",
        example="https://workflowexecutions.googleapis.com",
    ),
    ConnectionField(
        "timeout",
        "Timeout (seconds)",
        "Seconds for one request.",
        parse=_as_float,
        json_type="number",
        default=60,
        limits={"exclusiveMinimum": 0},
        example="60",
    ),
    ConnectionField(
        "num_retries",
        "Number of Retries",
        "Repeats of a request after a passing error; a create is only repeated when it had no effect.",
        parse=_as_int,
        json_type="integer",
        default=5,
        limits={"minimum": 0},
        example="5",
    ),
    ConnectionField(
        "scope",
        "Scopes (comma separated)",
        "OAuth scopes of the access token; empty for the only one that the API documents.",
        parse=as_list,
        attribute="scopes",
        example="https://www.googleapis.com/auth/cloud-platform",
    ),
    ConnectionField(
        "api_version",
        "API Version",
        "v1 or v1beta, which lacks labels, filter and order_by.",
        default="v1",
        limits={"enum": list(API_VERSIONS)},
        example="v1",
    ),
    ConnectionField(
        "is_anonymous",
        "Anonymous credentials",
        "Identity: none, no access token is sent. For an emulator.",
        parse=_as_bool,
        json_type="boolean",
        default=False,
    ),
    ConnectionField(
        "test_workflow",
        "Workflow of the Test button",
        "Workflow whose executions the Test button lists; empty for one that need not exist.",
        example="my-workflow",
    ),
)


def placeholders() -> dict[str, str]:
    """Return what the form of Airflow 2 shows in empty fields, by the fields' names."""
    return {spec.name: spec.example for spec in FIELDS if spec.example}


_USE_INSTEAD = "let a secrets backend provide the connection with keyfile_dict, or use key_path"
_USE_FEDERATION = "use credential_config_file (workload identity federation)"

# Fields of the Google provider that choose an identity and are not implemented here.
REFUSED_FIELDS: Mapping[str, str] = {
    "key_secret_name": _USE_INSTEAD,
    "key_secret_project_id": _USE_INSTEAD,
    "idp_issuer_url": _USE_FEDERATION,
    "client_id": _USE_FEDERATION,
    "client_secret": _USE_FEDERATION,
    "idp_extra_params": _USE_FEDERATION,
    "idp_extra_parameters": _USE_FEDERATION,
    "delegate_to": "use impersonation_chain",
}
