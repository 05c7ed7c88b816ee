# SPDX-License-Identifier: Apache-2.0
"""
Turn connection settings into google-auth credentials.

Loading may read files and ask the metadata server: call :func:`load_credentials` in a thread, never on an event loop.
google-auth is imported where it is used. Its errors about a broken key can quote the key, so none gets out of here.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_workflows.auth.refreshing import make_token_request, own_errors, refresh_carefully
from airflow_provider_workflows.auth.settings import ConnectionSettings
from airflow_provider_workflows.auth.token_errors import credentials_error, is_transient, safe_word
from airflow_provider_workflows.auth.tokens import make_token_session
from airflow_provider_workflows.auth.universe import GOOGLE_ENDPOINT, choose_endpoint, knowing_universe, universe_of
from airflow_provider_workflows.core.catching import caught
from airflow_provider_workflows.core.messages import setup
from airflow_provider_workflows.core.quoting import quoted
from airflow_provider_workflows.exceptions import CredentialsError, WorkflowsError

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

log = logging.getLogger(__name__)

_SERVICE_ACCOUNT_SUFFIX = ".iam.gserviceaccount.com"


class Resolved(NamedTuple):
    """
    Hold usable credentials, the project that requests default to, and where they go.

    :param credentials: google-auth credentials, not refreshed yet.
    :param project: the connection's project, else that of the identity; ``None`` when neither says one.
    :param endpoint: the one address that the token may be sent to.
    """

    credentials: Credentials
    project: str | None
    endpoint: str = GOOGLE_ENDPOINT


def load_credentials(settings: ConnectionSettings, impersonation_chain: str | Sequence[str] | None = None) -> Resolved:
    """
    Load the credentials a connection asks for; Application Default Credentials when it names none.

    Blocks: reads files and may ask the metadata server for itself and its universe or, for an external account
    of a connection without project, the services that know its project.

    :param settings: the connection's settings.
    :param impersonation_chain: wins over the connection's: the delegates in order, the target last.
    :raises CredentialsError: names the field that cannot be used, never its content; or says that credentials and
        environment are of two universes.
    """
    settings = settings.override(impersonation_chain=impersonation_chain)
    credentials, project = _source(settings)
    if settings.is_anonymous:
        if settings.impersonation_chain:
            log.warning(setup.anonymous())
        return Resolved(credentials, settings.project, choose_endpoint(settings.api_endpoint, None))
    if settings.impersonation_chain or not settings.api_endpoint:
        credentials = knowing_universe(credentials)
    endpoint = choose_endpoint(settings.api_endpoint, credentials)
    if settings.impersonation_chain:
        credentials = _impersonated(credentials, settings)
        project = _project_of(settings.impersonation_chain[-1]) or project
    if settings.quota_project_id:
        credentials = _with_quota_project(credentials, settings.quota_project_id)
    return Resolved(refresh_carefully(credentials), settings.project or project, endpoint)


def _source(settings: ConnectionSettings) -> tuple[Credentials, str | None]:
    """Load what the one filled field says, before impersonation and quota project."""
    if settings.is_anonymous:
        from google.auth.credentials import AnonymousCredentials

        return AnonymousCredentials(), None  # type: ignore[no-untyped-call]
    if settings.key_path is not None:
        return _from_key_path(settings.key_path, settings.scopes)
    if settings.keyfile_dict is not None:
        return _from_key(settings.keyfile_dict, settings.scopes, "keyfile_dict")
    if settings.credential_config_file is not None:
        return _from_config(settings)
    return _application_default(settings.scopes)


def _from_key_path(path: str, scopes: Sequence[str]) -> tuple[Credentials, str | None]:
    if path.endswith(".p12"):
        raise CredentialsError("key_path names a P12 file, which is not supported: use a key in JSON")
    return _from_key(_read_json(path, "key_path"), scopes, "key_path")


def _read_json(path: str, field: str) -> dict[str, Any]:
    with caught(OSError, ValueError) as unreadable:
        text = Path(path).read_bytes()
    if unreadable.error:
        why = getattr(unreadable.error, "strerror", None) or "it is no path"
        raise CredentialsError(f"{field}: cannot read {quoted(path)}: {why}")
    content = None
    # The parser's error holds the file's text.
    with suppress(ValueError, RecursionError):
        content = json.loads(text)
    if not isinstance(content, dict):
        raise CredentialsError(f"{field}: {quoted(path)} is not a file with a JSON object")
    return content


def _from_key(key: Mapping[str, Any], scopes: Sequence[str], field: str) -> tuple[Credentials, str | None]:
    """Load a service account key."""
    from google.oauth2.service_account import Credentials as ServiceAccountCredentials

    if key.get("type", "service_account") != "service_account":
        raise CredentialsError(f"{field} is no service account key: put other credentials into credential_config_file")
    missing = [name for name in ("client_email", "private_key", "token_uri") if not key.get(name)]
    if missing:
        raise CredentialsError(f"{field} is an incomplete service account key: {', '.join(missing)} missing")
    info = dict(key)
    # A key that went through a shell or a URI often has its line breaks escaped once more.
    info["private_key"] = str(info["private_key"]).replace("\\n", "\n")
    load = ServiceAccountCredentials.from_service_account_info
    # Raised outside of the handler: google-auth's and the crypto library's many errors may quote the key.
    with suppress(Exception):
        credentials: Credentials = load(info, scopes=list(scopes))  # type: ignore[no-untyped-call]
        return credentials, key.get("project_id")
    raise CredentialsError(f"{field} is a malformed service account key: its private_key is not valid")


def _from_config(settings: ConnectionSettings) -> tuple[Credentials, str | None]:
    """Load a credential configuration: external account, authorized user, impersonated or service account."""
    field, config = "credential_config_file", settings.credential_config_file
    info = _read_json(config, field) if isinstance(config, str) else dict(config or {})
    external = info.get("type") == "external_account"
    # With scopes, google-auth asks two services for the project of an external account already while loading.
    loaded = _load_config(info, None if external else settings.scopes)
    if loaded is None:
        raise CredentialsError(
            f"{field} is not a usable credential configuration (type {safe_word(info.get('type'))}): "
            "a field is missing or malformed"
        )
    if not external:
        return loaded
    credentials = loaded[0].with_scopes(list(settings.scopes))
    return credentials, _project_of_pool(credentials) if settings.project is None else None


def _load_config(info: dict[str, Any], scopes: Sequence[str] | None) -> tuple[Any, str | None] | None:
    """Return credentials and project, or ``None``: google-auth's many errors may quote the configuration."""
    import google.auth

    if _reads_descriptor(info):
        return None
    load = google.auth.load_credentials_from_dict
    with suppress(Exception), warnings.catch_warnings():
        # google-auth warns that a configuration must come from a trusted source; a connection is one.
        warnings.simplefilter("ignore", DeprecationWarning)
        credentials, project = load(info, scopes=scopes and list(scopes))  # type: ignore[no-untyped-call]
        return credentials, project
    return None


def _reads_descriptor(info: Mapping[str, Any]) -> bool:
    """Tell whether google-auth would read and close what this process has open under a number."""
    source, inner = info.get("credential_source"), info.get("source_credentials")
    if isinstance(source, Mapping) and not isinstance(source.get("file", ""), str):
        return True
    return isinstance(inner, Mapping) and _reads_descriptor(inner)


def _project_of_pool(credentials: Any) -> str | None:
    """Ask for the project of an external account's pool; ``None`` when the account may not know it."""
    from google.auth.exceptions import GoogleAuthError

    with caught(GoogleAuthError) as trouble, own_errors():
        project: str | None = credentials.get_project_id(make_token_request(make_token_session()))
    if trouble.error:
        raise CredentialsError(
            "the project of credential_config_file could not be looked up; fill project in the connection, "
            f"or: {credentials_error(trouble.error)}",
            may_pass=is_transient(trouble.error),
        )
    return project


def _application_default(scopes: Sequence[str]) -> tuple[Credentials, str | None]:
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    field = "GOOGLE_APPLICATION_CREDENTIALS"
    info: dict[str, Any] = {}
    with suppress(CredentialsError):  # google-auth has a word of its own on a file that cannot be read
        info = _read_json(os.environ.get(field, ""), field)
    if _reads_descriptor(info):
        raise CredentialsError(f"{field} names a credential configuration whose credential_source.file is no path")
    # For an external account's project, and the metadata server: google-auth's own request takes proxies to both.
    request = make_token_request(make_token_session())
    with caught(Exception) as trouble:  # many classes, and any may quote a file
        credentials, project = google.auth.default(scopes=list(scopes), request=request)
    if error := trouble.error:
        if isinstance(error, WorkflowsError):
            raise error
        variable = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
        raise CredentialsError(
            f"Application Default Credentials cannot be loaded ({type(error).__name__}): the connection names "
            "no credentials, so GOOGLE_APPLICATION_CREDENTIALS "
            + (f"(now {quoted(variable)})" if variable else "(not set)")
            + ", gcloud's login or an attached service account must provide them",
            may_pass=is_transient(error) or (isinstance(error, DefaultCredentialsError) and _only_metadata_is_left()),
        )
    return credentials, project


def _only_metadata_is_left() -> bool:
    """Say whether only a metadata server can provide credentials: one that does not answer may do so later."""
    from google.auth._cloud_sdk import get_application_default_credentials_path

    if os.environ.get("GOOGLE_APPLICATION_CREDENTIALS") or os.environ.get("NO_GCE_CHECK") == "true":
        return False
    return not Path(get_application_default_credentials_path()).is_file()  # type: ignore[no-untyped-call]


def _impersonated(source: Credentials, settings: ConnectionSettings) -> Credentials:
    from google.auth.impersonated_credentials import Credentials as ImpersonatedCredentials

    universe_of(source)  # which becomes part of an address
    *delegates, target = settings.impersonation_chain
    return ImpersonatedCredentials(  # type: ignore[no-untyped-call]
        source_credentials=refresh_carefully(source),
        target_principal=target,
        delegates=delegates,
        target_scopes=list(settings.scopes),
    )


def _with_quota_project(credentials: Credentials, quota_project_id: str) -> Credentials:
    from google.auth.credentials import CredentialsWithQuotaProject

    if not isinstance(credentials, CredentialsWithQuotaProject):
        raise CredentialsError("quota_project_id cannot be used with this type of credentials: remove it")
    charged: Credentials = credentials.with_quota_project(quota_project_id)  # type: ignore[no-untyped-call]
    return charged


def _project_of(principal: str) -> str | None:
    """Return the project that a service account's address names; ``None`` when it names none."""
    _, _, domain = principal.partition("@")
    if not domain.endswith(_SERVICE_ACCOUNT_SUFFIX):
        return None
    project, _, organization = domain.removesuffix(_SERVICE_ACCOUNT_SUFFIX).partition(".")
    return f"{organization}:{project}" if organization else project
