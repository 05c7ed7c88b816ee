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
    raise ValueError(f"connection field {name!r} is not valid JSON")


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

    def conn_field(self) -> dict[str, Any]:
        """Return the entry of ``conn-fields`` in the provider info (Airflow 3's form)."""
        schema: dict[str, Any] = {"type": [self.json_type, "null"], **self.limits}
        if self.format is not None:
            schema["format"] = self.format
        if self.default is not None:
            schema["default"] = self.default
        return {"label": self.label, "description": self.description, "schema": schema}


FIELDS: tuple[ConnectionField, ...] = (
    ConnectionField("project", "Project Id", "Project of the workflows, unless a task names another one."),
    ConnectionField("location", "Location", "Region of the workflows, such as europe-west1."),
    ConnectionField("key_path", "Keyfile Path", "Path of a service account key (JSON) on every worker."),
    ConnectionField(
        "keyfile_dict",
        "Keyfile JSON",
        "Content of a service account key (JSON).",
        parse=_as_object,
        format="password",
    ),
    ConnectionField(
        "credential_config_file",
        "Credential Configuration File",
        "Path or JSON of a credential configuration, for example of workload identity federation.",
        parse=_as_path_or_object,
    ),
    ConnectionField(
        "impersonation_chain",
        "Impersonation Chain",
        "Service account to impersonate; or several, comma separated: delegates first, the target last.",
        parse=as_list,
    ),
    ConnectionField(
        "scope",
        "Scopes (comma separated)",
        "OAuth scopes of the access token. Empty: cloud-platform, the only one that the API accepts.",
        parse=as_list,
        attribute="scopes",
    ),
    ConnectionField("quota_project_id", "Quota Project Id", "Project whose quota the requests use, if another one."),
    ConnectionField(
        "num_retries",
        "Number of Retries",
        "Repeats of a request after a passing error; a create is only repeated when it had no effect.",
        parse=_as_int,
        json_type="integer",
        default=5,
        limits={"minimum": 0},
    ),
    ConnectionField(
        "is_anonymous",
        "Anonymous credentials",
        "Send no access token: for an emulator.",
        parse=_as_bool,
        json_type="boolean",
        default=False,
    ),
    ConnectionField(
        "api_endpoint",
        "API Endpoint",
        "Other address than https://workflowexecutions.googleapis.com: of a region, or of an emulator.",
    ),
    ConnectionField(
        "api_version",
        "API Version",
        "v1 has everything; v1beta lacks labels, filters and ordering.",
        default="v1",
        limits={"enum": list(API_VERSIONS)},
    ),
    ConnectionField(
        "timeout",
        "Timeout (seconds)",
        "How long one request may take.",
        parse=_as_float,
        json_type="number",
        default=60,
        limits={"exclusiveMinimum": 0},
    ),
)

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
