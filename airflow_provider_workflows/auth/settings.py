# SPDX-License-Identifier: Apache-2.0
"""
The fields of a connection: one table, and how a connection's extra becomes checked settings.

Pure: standard library only, nothing of Airflow or google-auth, no I/O. The table :data:`FIELDS` feeds the
parser here, the form of Airflow 3 (``conn-fields`` in the provider info) and the form of Airflow 2 (widgets).

What a user can rely on: a field that is filled is honoured or refused, never skipped, because a skipped field
can mean another identity than the one that was asked for. No message, ``repr`` or exception chain made here
holds a secret.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import logging
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import SplitResult, urlsplit

log = logging.getLogger(__name__)

API_VERSIONS = ("v1", "v1beta")
DEFAULT_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)

# What the web UI and the API show, and send back, in place of a secret they do not reveal.
MASK = "***"

# Older Airflow stored form fields under these names; a bare name wins over them.
_PREFIXES = ("", "extra__google_cloud_workflows__", "extra__google_cloud_platform__")

# A service account's e-mail address or its numeric id: both end up in a URL's path.
_PRINCIPAL = re.compile(r"[A-Za-z0-9_.:+@-]+")


def _as_text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"connection field {name!r} must be a text")
    return value.strip()


def _as_list(name: str, value: Any) -> tuple[str, ...]:
    """Accept a list, a JSON list, or a text separated by commas or blanks."""
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
    if MASK in value.values():
        raise ValueError(_masked(name))
    return dict(value)


def _as_path_or_object(name: str, value: Any) -> str | dict[str, Any]:
    if isinstance(value, str) and not value.lstrip().startswith("{"):
        return _as_text(name, value)
    return _as_object(name, value)


def _as_bool(name: str, value: Any) -> bool:
    known = {"true": True, "1": True, "yes": True, "on": True}
    known |= {"false": False, "0": False, "no": False, "off": False}
    answer = known.get(str(value).strip().lower())
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
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"connection field {name!r} must be a number")
    return number


def _json(name: str, text: str) -> Any:
    # Raised outside of the handler: the parser's own error holds the whole text, which may be a private key.
    with suppress(ValueError):
        return json.loads(text)
    raise ValueError(f"connection field {name!r} is not valid JSON")


def _masked(name: str) -> str:
    return (
        f"connection field {name!r} holds {MASK!r}, which the web UI shows in place of a secret. "
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
        parse=_as_list,
    ),
    ConnectionField(
        "scope",
        "Scopes (comma separated)",
        "OAuth scopes of the access token. Empty: cloud-platform, the only one that the API accepts.",
        parse=_as_list,
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

_EXCLUSIVE = ("key_path", "keyfile_dict", "credential_config_file", "is_anonymous")


@dataclass(frozen=True)
class ConnectionSettings:
    """
    Hold what a connection says, parsed and checked.

    :param project: default project id; ``None`` means that of the credentials.
    :param location: default region.
    :param key_path: path of a service account key in JSON.
    :param keyfile_dict: content of a service account key.
    :param credential_config_file: path or content of a credential configuration.
    :param impersonation_chain: accounts to impersonate, delegates first and the target last.
    :param scopes: OAuth scopes; the default is the only scope that the API knows.
    :param quota_project_id: project that is charged for quota.
    :param num_retries: repeats after the first attempt; 5 is what the Google provider's connection has.
    :param is_anonymous: send no token.
    :param api_endpoint: ``http(s)://host[:port]``; ``None`` means Google's global endpoint.
    :param api_version: ``v1`` or ``v1beta``.
    :param timeout: seconds for one request; 60 is google-api-python-client's own default.
    :raises ValueError: when fields exclude each other or are out of range; never quotes a secret.
    """

    project: str | None = None
    location: str | None = None
    key_path: str | None = None
    keyfile_dict: Mapping[str, Any] | None = field(default=None, repr=False)
    credential_config_file: str | Mapping[str, Any] | None = field(default=None, repr=False)
    impersonation_chain: tuple[str, ...] = ()
    scopes: tuple[str, ...] = DEFAULT_SCOPES
    quota_project_id: str | None = None
    num_retries: int = 5
    is_anonymous: bool = False
    api_endpoint: str | None = None
    api_version: str = "v1"
    timeout: float = 60.0

    def __post_init__(self) -> None:
        """Check the fields, each alone and together."""
        _check_one_identity(self)
        _check_principals(self.impersonation_chain)
        if self.api_version not in API_VERSIONS:
            raise ValueError(f"api_version must be one of {', '.join(API_VERSIONS)}")
        if self.num_retries < 0:
            raise ValueError("num_retries must be 0 or more")
        if self.timeout <= 0:
            raise ValueError("timeout must be more than 0 seconds")
        if self.api_endpoint is not None:
            object.__setattr__(self, "api_endpoint", _checked_endpoint(self.api_endpoint, self.is_anonymous))

    def override(
        self,
        *,
        impersonation_chain: str | Sequence[str] | None = None,
        api_version: str | None = None,
        api_endpoint: str | None = None,
    ) -> ConnectionSettings:
        """Return these settings with a task's own arguments in place of the connection's; ``None`` keeps."""
        given: dict[str, Any] = {"api_version": api_version or None, "api_endpoint": api_endpoint or None}
        if impersonation_chain:
            given["impersonation_chain"] = _as_list("impersonation_chain", impersonation_chain)
        return replace(self, **{name: value for name, value in given.items() if value is not None})

    def identity_key(self) -> str:
        """
        Return a digest that tells credentials, endpoint and API version apart.

        Two settings with the same key may share a session and a poller. Project, location, retries and
        timeout do not count. The digest does not reveal the secrets that went into it.
        """
        parts = [
            self.key_path,
            self.keyfile_dict,
            self.credential_config_file,
            self.impersonation_chain,
            self.scopes,
            self.quota_project_id,
            self.is_anonymous,
            self.api_endpoint,
            self.api_version,
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=dict).encode()).hexdigest()


def settings_from_extra(extra: Mapping[str, Any]) -> ConnectionSettings:
    """
    Read a connection's extra, of this provider's connection type or of the Google provider's.

    Empty texts and ``None`` count as absent. Keys that are not known are ignored, because a connection is
    shared with other tools; one that looks like a misspelt field is logged.

    :param extra: the decoded extra of the connection; values may be texts whatever the field's type.
    :raises ValueError: names the field and says what is wrong or what to use instead.
    """
    for name, advice in REFUSED_FIELDS.items():
        if _lookup(extra, name) is not None:
            raise ValueError(f"connection field {name!r} is not supported: {advice}, and remove {name!r}")
    _warn_about_misspelt(extra)
    values = {}
    for spec in FIELDS:
        value = _lookup(extra, spec.name)
        if value is not None:
            values[spec.attribute or spec.name] = spec.parse(spec.name, value)
    return ConnectionSettings(**values)


def _lookup(extra: Mapping[str, Any], name: str) -> Any:
    """Return the first non-empty value among the bare and the prefixed names."""
    for prefix in _PREFIXES:
        value = extra.get(prefix + name)
        if isinstance(value, str) and value.strip() == MASK:
            raise ValueError(_masked(name))
        if value not in (None, [], {}, ()) and not (isinstance(value, str) and not value.strip()):
            return value
    return None


def _warn_about_misspelt(extra: Mapping[str, Any]) -> None:
    from difflib import get_close_matches

    known = [spec.name for spec in FIELDS]
    for key in set(extra) - set(known) - set(REFUSED_FIELDS):
        similar = get_close_matches(str(key), known, n=1, cutoff=0.85)
        if similar:
            log.warning("Connection extra %r is not known and ignored; did you mean %r?", key, similar[0])


def _check_one_identity(settings: ConnectionSettings) -> None:
    given = [name for name in _EXCLUSIVE if getattr(settings, name)]
    if len(given) > 1:
        raise ValueError(f"connection fields {', '.join(given)} exclude each other: fill one of them")


def _check_principals(chain: Iterable[str]) -> None:
    if not all(_PRINCIPAL.fullmatch(principal) for principal in chain):
        raise ValueError("impersonation_chain must hold e-mail addresses of service accounts")


def _checked_endpoint(endpoint: str, is_anonymous: bool) -> str:
    """Return the endpoint without a trailing slash, or say why it cannot be used."""
    wanted = "api_endpoint must look like https://host or http://host:port"
    parts, host, port = _split(endpoint)
    if parts.scheme not in ("http", "https") or not host or port == 0 or "@" in parts.netloc:
        raise ValueError(wanted)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"{wanted}, without a path")
    if parts.scheme == "http" and not is_anonymous and not _is_loopback(host):
        raise ValueError(
            "api_endpoint uses http to another machine, which would send the access token in clear: "
            "use https, or set is_anonymous for an emulator"
        )
    return f"{parts.scheme}://{parts.netloc}"


def _split(endpoint: str) -> tuple[SplitResult, str, int | None]:
    """Return the address's parts, its host and its port; no host when it is malformed."""
    # The library's errors quote the address, which can hold a password.
    with suppress(ValueError):
        parts = urlsplit(endpoint.strip())
        return parts, parts.hostname or "", parts.port
    return urlsplit(""), "", None


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
