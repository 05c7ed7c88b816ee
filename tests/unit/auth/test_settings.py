# SPDX-License-Identifier: Apache-2.0
"""How a connection's extra becomes settings, and what is refused."""

from __future__ import annotations

import json
import logging
import traceback
from typing import Any

import pytest

from airflow_provider_workflows.auth.fields import FIELDS, REFUSED_FIELDS
from airflow_provider_workflows.auth.settings import (
    DEFAULT_SCOPES,
    ConnectionSettings,
    settings_from_extra,
)

SECRET = "s3cr3t-key-material"
KEY = {"type": "service_account", "private_key": SECRET, "client_email": "a@p.iam.gserviceaccount.com"}


def refusal(extra: dict[str, Any]) -> str:
    """Return everything that a log could show of the refusal, after checking that no secret is in it."""
    with pytest.raises(ValueError, match=r".+") as caught:
        settings_from_extra(extra)
    chain: list[BaseException] = [caught.value]
    while (above := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(above)
    shown = "".join(traceback.format_exception(caught.value)) + repr([vars(exc) for exc in chain])
    shown += repr([exc.args for exc in chain])
    assert SECRET not in shown
    return str(caught.value)


def test_empty_extra_gives_the_documented_defaults() -> None:
    """A connection without any field means Application Default Credentials and Google's endpoint."""
    settings = settings_from_extra({})
    assert settings == ConnectionSettings()
    assert settings.scopes == DEFAULT_SCOPES == ("https://www.googleapis.com/auth/cloud-platform",)
    assert (settings.num_retries, settings.timeout, settings.api_version) == (5, 60.0, "v1")
    assert settings.api_endpoint is None
    assert not settings.is_anonymous


def test_every_field_of_the_table_reaches_the_settings() -> None:
    """A filled field is honoured: none of the table is forgotten by the parser."""
    examples = {
        "project": ("p", "p"),
        "location": ("europe-west1", "europe-west1"),
        "key_path": ("/keys/a.json", "/keys/a.json"),
        "keyfile_dict": (KEY, KEY),
        "credential_config_file": ("/keys/b.json", "/keys/b.json"),
        "impersonation_chain": ("a@p, b@p", ("a@p", "b@p")),
        "scope": ("x,y", ("x", "y")),
        "quota_project_id": ("q", "q"),
        "num_retries": ("2", 2),
        "is_anonymous": ("true", True),
        "api_endpoint": ("https://example.org", "https://example.org"),
        "api_version": ("v1beta", "v1beta"),
        "timeout": ("1.5", 1.5),
        "test_workflow": ("w", "w"),
    }
    assert set(examples) == {spec.name for spec in FIELDS}
    for spec in FIELDS:
        given, expected = examples[spec.name]
        settings = settings_from_extra({spec.name: given})
        assert getattr(settings, spec.attribute or spec.name) == expected


@pytest.mark.parametrize("given", ["y", "on", "true", "True", " Yes ", "1", 1, True])
@pytest.mark.parametrize("name", ["is_anonymous", "extra__google_cloud_platform__is_anonymous"])
def test_a_ticked_box_is_true(name: str, given: Any) -> None:
    """Whatever a form or an API makes of a tick."""
    assert settings_from_extra({name: given}).is_anonymous


def test_a_form_that_was_saved_untouched_changes_nothing() -> None:
    """The defaults that the form stores are the defaults of a connection without fields."""
    saved = {spec.name: spec.default for spec in FIELDS}
    assert settings_from_extra(saved) == ConnectionSettings()
    assert settings_from_extra({spec.name: "" for spec in FIELDS}) == ConnectionSettings()


@pytest.mark.parametrize("prefix", ["extra__google_cloud_platform__", "extra__google_cloud_workflows__"])
def test_old_prefixed_names_are_read(prefix: str) -> None:
    """A connection that an older Airflow stored works unchanged."""
    assert settings_from_extra({f"{prefix}project": "old"}).project == "old"


def test_bare_name_wins_over_prefixed_unless_empty() -> None:
    """An edited connection holds both spellings; the newer one counts when it is filled."""
    prefixed = {"extra__google_cloud_platform__project": "old"}
    assert settings_from_extra({**prefixed, "project": "new"}).project == "new"
    assert settings_from_extra({**prefixed, "project": " "}).project == "old"
    assert settings_from_extra({**prefixed, "project": None}).project == "old"


@pytest.mark.parametrize(
    "value", ["a@p,b@p", "a@p, b@p ,", ["a@p", "b@p"], ("a@p", "b@p"), '["a@p", "b@p"]', "a@p b@p"]
)
def test_impersonation_chain_spellings(value: Any) -> None:
    """A chain can be a text with commas, a JSON list or a list."""
    assert settings_from_extra({"impersonation_chain": value}).impersonation_chain == ("a@p", "b@p")


@pytest.mark.parametrize("value", [["a@p", 5], 5, "a@p/x", "../x", "a@p?x", "[oops", {"a": 1}])
def test_impersonation_chain_that_cannot_be_accounts_is_refused(value: Any) -> None:
    """What would end up in the path of a URL must look like an account."""
    assert "impersonation_chain" in refusal({"impersonation_chain": value})


def test_scope_as_list() -> None:
    """Scopes can be a list too."""
    assert settings_from_extra({"scope": ["x", "y"]}).scopes == ("x", "y")


@pytest.mark.parametrize("value", [KEY, json.dumps(KEY)])
def test_keyfile_dict_as_object_or_json(value: Any) -> None:
    """The key's content can be an object or its JSON text, and is never shown."""
    settings = settings_from_extra({"keyfile_dict": value})
    assert settings.keyfile_dict == KEY
    assert SECRET not in repr(settings)


@pytest.mark.parametrize("value", [KEY, json.dumps(KEY)])
def test_credential_config_content_is_not_shown(value: Any) -> None:
    """A configuration can hold a refresh token, so its content is hidden like a key."""
    settings = settings_from_extra({"credential_config_file": value})
    assert settings.credential_config_file == KEY
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("spread", "field"),
    [
        ({"type": "service_account", "private_key": SECRET, "client_id": "1"}, "keyfile_dict"),
        ({"type": "authorized_user", "refresh_token": SECRET, "client_secret": SECRET}, "credential_config_file"),
        ({"type": "external_account", "credential_source": {"file": SECRET}}, "credential_config_file"),
    ],
    ids=lambda each: str(each)[:30],
)
def test_credentials_that_are_the_extra_itself_are_refused(spread: dict[str, Any], field: str) -> None:
    """A key's own fields among the connection's would be ignored, and the machine's account be used instead."""
    assert f"put the whole JSON that it is from into its field {field}" in refusal(spread)


def test_a_path_in_the_field_for_a_key() -> None:
    """The error says where a path belongs."""
    assert refusal({"keyfile_dict": "/keys/a.json"}).endswith("is not valid JSON; a path belongs into key_path")


@pytest.mark.parametrize("field", ["keyfile_dict", "credential_config_file"])
@pytest.mark.parametrize("value", ["{" + SECRET, '{"private_key": "' + SECRET])
def test_malformed_json_is_refused_without_its_content(field: str, value: str) -> None:
    """A key that lost its last brace must not appear in a log."""
    assert refusal({field: value}) == f"connection field {field!r} is not valid JSON"


@pytest.mark.parametrize("value", [f'"{SECRET}"', f'["{SECRET}"]', 5])
def test_keyfile_dict_that_is_no_object_is_refused(value: Any) -> None:
    """JSON of another shape is no key."""
    assert "'keyfile_dict' must be a JSON object" in refusal({"keyfile_dict": value})


@pytest.mark.parametrize("name", REFUSED_FIELDS)
@pytest.mark.parametrize("prefix", ["", "extra__google_cloud_platform__"])
def test_fields_that_choose_another_identity_are_refused(name: str, prefix: str) -> None:
    """A field that is not honoured is an error with an advice, never silently another identity."""
    message = refusal({prefix + name: SECRET})
    assert f"{name!r} is not supported" in message
    assert f"remove {name!r}" in message
    assert settings_from_extra({prefix + name: ""}) == ConnectionSettings()


@pytest.mark.parametrize(
    ("first", "second"),
    [("key_path", "keyfile_dict"), ("key_path", "is_anonymous"), ("keyfile_dict", "credential_config_file")],
)
def test_two_identities_are_refused(first: str, second: str) -> None:
    """Which of two identities was meant cannot be guessed."""
    filled = {"key_path": "/k", "keyfile_dict": KEY, "credential_config_file": "/c", "is_anonymous": True}
    message = refusal({first: filled[first], second: filled[second]})
    assert f"{first}, {second} exclude each other" in message


@pytest.mark.parametrize(
    "extra",
    [
        {"keyfile_dict": "***"},
        {"keyfile_dict": {**KEY, "private_key": "***"}},
        {"keyfile_dict": json.dumps({**KEY, "private_key": "***"})},
        {"project": "***"},
        {"impersonation_chain": "***"},
        {"credential_config_file": {"credential_source": {"headers": [{"Authorization": "***"}]}}},
    ],
)
def test_masked_secret_is_explained(extra: dict[str, Any]) -> None:
    """The form's Test button sends a mask in place of stored secrets; the message says what to do."""
    message = refusal(extra)
    assert "holds '***'" in message
    assert repr(next(iter(extra))) in message


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://workflowexecutions.googleapis.com/", "https://workflowexecutions.googleapis.com"),
        (" https://example.org:8443 ", "https://example.org:8443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("http://emulator.localhost", "http://emulator.localhost"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_endpoint_is_kept_without_trailing_slash(given: str, kept: str) -> None:
    """Google's, a regional, a private and a local address can be given."""
    assert settings_from_extra({"api_endpoint": given}).api_endpoint == kept


@pytest.mark.parametrize(
    "endpoint",
    [
        "example.org",
        "ftp://example.org",
        "https://",
        "https://example.org/v1",
        "https://example.org?x=1",
        "https://example.org#x",
        f"https://user:{SECRET}@example.org",
        f"https://[{SECRET}",
        "https://example.org:99999",
        "https://example.org:0",
        "https://x..y",
        f"https://{SECRET * 4}",
        f"https://AIza{SECRET * 4}",
        "https://a b",
        "https://h%2fevil",
        "https://*",
    ],
)
def test_endpoint_of_another_shape_is_refused(endpoint: str) -> None:
    """A path, a password or a missing scheme in the endpoint would break requests later."""
    assert "api_endpoint must look like" in refusal({"api_endpoint": endpoint})


def test_plain_http_to_another_machine_needs_anonymous_credentials() -> None:
    """An access token never travels in clear over a network."""
    extra = {"api_endpoint": "http://emulator:8080"}
    assert "in clear" in refusal(extra)
    assert settings_from_extra({**extra, "is_anonymous": True}).api_endpoint == "http://emulator:8080"
    with pytest.raises(ValueError, match="in clear"):
        ConnectionSettings().override(api_endpoint="http://emulator:8080")


@pytest.mark.parametrize("host", ["evillocalhost", "localhost.example.org", "127.0.0.1.example.org"])
def test_plain_http_to_a_host_that_looks_local_is_refused(host: str) -> None:
    """A name that only ends or begins like this machine's is another machine."""
    assert "in clear" in refusal({"api_endpoint": f"http://{host}:8080"})


@pytest.mark.parametrize(
    ("text", "expected"), [("true", True), ("False", False), ("1", True), ("no", False), (True, True)]
)
def test_booleans_as_text(text: Any, expected: bool) -> None:
    """An extra that came through a URI holds texts only."""
    assert settings_from_extra({"is_anonymous": text}).is_anonymous is expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("is_anonymous", "maybe"),
        ("num_retries", "many"),
        ("num_retries", -1),
        ("num_retries", 1.5),
        ("num_retries", True),
        ("timeout", 0),
        ("timeout", "nan"),
        ("timeout", "inf"),
        ("timeout", 1e10),
        ("timeout", [1]),
        ("api_version", "v2"),
        ("project", 5),
        ("location", {"a": 1}),
    ],
)
def test_values_out_of_range_are_refused(field: str, value: Any) -> None:
    """The message names the field that has to be changed."""
    assert field in refusal({field: value})


def test_misspelt_key_is_logged_and_foreign_key_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    """Other tools keep keys of their own in a connection, but a typing error should be seen."""
    with caplog.at_level(logging.DEBUG):
        settings = settings_from_extra({"projects": "p", "use_legacy_sql": True})
    assert settings == ConnectionSettings()
    assert [record.getMessage() for record in caplog.records] == [
        "Connection extra 'projects' is not known and ignored; did you mean 'project'?"
    ]


def test_override_keeps_what_a_task_does_not_say() -> None:
    """A task's own arguments win over the connection's, one by one."""
    base = settings_from_extra({"project": "p", "impersonation_chain": "a@p", "api_version": "v1beta"})
    assert base.override() == base
    assert base.override(impersonation_chain="").impersonation_chain == ("a@p",)
    changed = base.override(impersonation_chain=["b@p", "c@p"], api_endpoint="https://example.org/")
    assert changed.impersonation_chain == ("b@p", "c@p")
    assert changed.api_endpoint == "https://example.org"
    assert (changed.project, changed.api_version) == ("p", "v1beta")
    with pytest.raises(ValueError, match="api_version must be one of v1, v1beta"):
        base.override(api_version="v3")


@pytest.mark.parametrize("blank", [",", " , ", "[]", '[""]', '[" ", ""]', [""], [" ", ""], [], " "])
def test_a_blank_list_counts_as_absent(blank: Any) -> None:
    """A chain or scope that names nothing never drops what stands under an older name, nor the default."""
    prefixed = {"extra__google_cloud_platform__impersonation_chain": "t@p.iam.gserviceaccount.com"}
    settings = settings_from_extra({"impersonation_chain": blank, "scope": blank, **prefixed})
    assert settings.impersonation_chain == ("t@p.iam.gserviceaccount.com",)
    assert settings.scopes == DEFAULT_SCOPES
