# SPDX-License-Identifier: Apache-2.0
"""
Turn a connection's extra into checked settings.

Pure: nothing of Airflow or google-auth, no I/O. What a user can rely on: a field that is filled is honoured or
refused, never skipped, because a skipped field can mean another identity than the one that was asked for. No message,
``repr`` or exception chain made here holds a secret.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import SplitResult, urlsplit

from airflow_provider_workflows.auth.fields import FIELDS, MASKS, REFUSED_FIELDS, as_list, masked
from airflow_provider_workflows.core.execution import API_VERSIONS
from airflow_provider_workflows.core.messages import setup
from airflow_provider_workflows.core.names import check_project
from airflow_provider_workflows.core.quoting import is_quotable, quoted_fields
from airflow_provider_workflows.core.seconds import LONGEST

log = logging.getLogger(__name__)

DEFAULT_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)

# Older Airflow stored form fields under these names; a bare name wins over them.
_PREFIXES = ("", "extra__google_cloud_workflows__", "extra__google_cloud_platform__")

# A service account's e-mail address or its numeric id: both end up in a URL's path.
_PRINCIPAL = re.compile(r"[A-Za-z0-9_.+-]+@[A-Za-z0-9_.:-]+|[0-9]+")

# Compose names services with underscores; a dot may end a name.
_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*\.?")

# What keys and configurations have and no connection: where one is spread over the extra, and where it belongs.
_CREDENTIALS = {
    **dict.fromkeys(("private_key", "private_key_id"), "its field keyfile_dict"),
    **dict.fromkeys(("refresh_token", "credential_source"), "its field credential_config_file"),
}
_EXCLUSIVE = ("key_path", "keyfile_dict", "credential_config_file", "is_anonymous")


@dataclass(frozen=True, repr=False)
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
    :param api_endpoint: ``http(s)://host[:port]``; ``None`` means that of the credentials' universe.
    :param api_version: ``v1`` or ``v1beta``.
    :param timeout: seconds for one request; 60 is google-api-python-client's own default.
    :param test_workflow: workflow that a test of the connection lists.
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
    test_workflow: str | None = None

    def __post_init__(self) -> None:
        """Check the fields, each alone and together."""
        _check_one_identity(self)
        _check_principals(self.impersonation_chain)
        if not all(map(is_quotable, self.scopes)):
            raise ValueError("scope must hold OAuth scopes, such as https://www.googleapis.com/auth/cloud-platform")
        if self.quota_project_id is not None:
            check_project("quota_project_id", self.quota_project_id)
        if self.api_version not in API_VERSIONS:
            raise ValueError(f"api_version must be one of {', '.join(API_VERSIONS)}")
        if self.num_retries < 0:
            raise ValueError("num_retries must be 0 or more")
        if not 0 < self.timeout <= LONGEST:
            raise ValueError(f"timeout must be more than 0 seconds, and at most {LONGEST:.0f}")
        if self.api_endpoint is not None:
            object.__setattr__(self, "api_endpoint", _checked_endpoint(self.api_endpoint, self.is_anonymous))

    __repr__ = quoted_fields

    def override(
        self,
        *,
        impersonation_chain: str | Sequence[str] | None = None,
        api_version: str | None = None,
        api_endpoint: str | None = None,
    ) -> ConnectionSettings:
        """Return these settings with a task's own arguments in place of the connection's; ``None`` keeps."""
        given: dict[str, Any] = {"api_version": api_version or None, "api_endpoint": api_endpoint or None}
        # A template that renders to nothing says nothing: never "drop what the connection says".
        given["impersonation_chain"] = as_list("impersonation_chain", impersonation_chain or ()) or None
        return replace(self, **{name: value for name, value in given.items() if value is not None})


def settings_from_extra(extra: Mapping[str, Any]) -> ConnectionSettings:
    """
    Read a connection's extra, of this provider's connection type or of the Google provider's.

    Empty texts and ``None`` count as absent. Keys that are not known are ignored, because a connection is
    shared with other tools; one that looks like a misspelt field is logged.

    :param extra: the decoded extra of the connection; values may be texts whatever the field's type.
    :raises ValueError: names the field and says what is wrong or what to use instead.
    """
    for name, field_of_it in _CREDENTIALS.items():
        if _lookup(extra, name) is not None:
            raise ValueError(
                f"the connection's extra has {name!r}: put the whole JSON that it is from into {field_of_it}"
            )
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
        if isinstance(value, str) and value.strip() in MASKS:
            raise ValueError(masked(name, value.strip()))
        if not _is_blank(value):
            return value
    return None


def _is_blank(value: Any) -> bool:
    """Tell whether a value says nothing: empty, blank, or a list of nothing else, also as text."""
    if isinstance(value, str):
        return not re.sub(r"[\s,]|^\s*\[[\s,\"]*\]\s*$", "", value)
    if isinstance(value, (list, tuple)):
        return all(each is None or (isinstance(each, str) and _is_blank(each)) for each in value)
    return value in (None, {})


def _warn_about_misspelt(extra: Mapping[str, Any]) -> None:
    from difflib import get_close_matches

    known = [spec.name for spec in FIELDS]
    for key in set(extra) - set(known) - set(REFUSED_FIELDS):
        similar = get_close_matches(str(key), known, n=1, cutoff=0.85)
        if similar:
            log.warning(setup.misspelt_extra(key, similar[0]))


def _check_one_identity(settings: ConnectionSettings) -> None:
    given = [name for name in _EXCLUSIVE if getattr(settings, name)]
    if len(given) > 1:
        raise ValueError(f"connection fields {', '.join(given)} exclude each other: fill one of them")


def _check_principals(chain: Iterable[str]) -> None:
    if not all(_PRINCIPAL.fullmatch(principal) for principal in chain):
        raise ValueError("impersonation_chain must hold e-mail addresses of service accounts, or their numbers")


def _checked_endpoint(endpoint: str, is_anonymous: bool) -> str:
    """Return the endpoint as it is compared with others, or say why it cannot be used."""
    wanted = "api_endpoint must look like https://host or http://host:port"
    parts, host, port = _split(endpoint if isinstance(endpoint, str) else "")
    if parts.scheme not in ("http", "https") or not _is_host(host) or port == 0 or "@" in parts.netloc:
        raise ValueError(wanted)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"{wanted}, without a path")
    if parts.scheme == "http" and not is_anonymous and not _is_loopback(host):
        raise ValueError(
            "api_endpoint uses http to another machine, which would send the access token in clear: "
            "use https, or set is_anonymous for an emulator"
        )
    # One spelling of each: budgets of requests are shared by address.
    named_port = "" if port in (None, {"http": 80, "https": 443}[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{named_port}"


def _split(endpoint: str) -> tuple[SplitResult, str, int | None]:
    """Return the address's parts, its host and its port; no host when it is malformed."""
    # The library's errors quote the address, which can hold a password.
    with suppress(ValueError):
        parts = urlsplit(endpoint.strip())
        return parts, parts.hostname or "", parts.port
    return urlsplit(""), "", None


def _is_host(host: str) -> bool:
    """Tell whether a host is an IP address or can be looked up: both HTTP libraries raise errors of their own else."""
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return True
    with suppress(UnicodeError):  # a label is empty or too long
        return _HOST.fullmatch(host.encode("idna").decode()) is not None
    return False


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
