# SPDX-License-Identifier: Apache-2.0
"""Waits while no token can be had: an outage of the token's server ends none, a refusal does."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from google.auth.compute_engine import _metadata
from google.auth.exceptions import OAuthError, RefreshError, TransportError

from airflow_provider_workflows.auth.credentials import load_credentials
from airflow_provider_workflows.auth.settings import ConnectionSettings
from airflow_provider_workflows.auth.token_errors import credentials_error, is_transient
from airflow_provider_workflows.exceptions import CredentialsError
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsHook
from airflow_provider_workflows.testing import DEFAULT_LOCATION, DEFAULT_PROJECT, Emulator
from airflow_provider_workflows.triggers.executions import WorkflowExecutionTrigger
from tests.harness import AdvancingClock, make_trigger, only_event
from tests.token_server import OUTAGES, PAGES, TOKEN, TokenServer, be_the_metadata_server

Connect = Callable[..., None]
TARGET = "target@test-project.iam.gserviceaccount.com"
KINDS = ["key", "impersonated", "metadata", "external"]


@pytest.fixture(autouse=True)
def machine(token_server: TokenServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give this machine the token server as its metadata server, and no other credentials."""
    be_the_metadata_server(monkeypatch, token_server, tmp_path)


@pytest.fixture
def identify(
    connect: Connect, token_server: TokenServer, private_key: str, tmp_path: Path, emulator: Emulator
) -> Callable[[str], str]:
    """Give a function that connects with credentials of a kind; it returns the token that they get."""
    subject = tmp_path / "subject"
    subject.write_text("subject", encoding="utf-8")
    extras: dict[str, dict[str, Any]] = {
        "key": {"keyfile_dict": token_server.key(private_key)},
        "impersonated": {"keyfile_dict": token_server.key(private_key), "impersonation_chain": TARGET},
        "metadata": {},
        "external": {"credential_config_file": token_server.external_account(str(subject))},
    }

    def identify(kind: str) -> str:
        connect(is_anonymous=None, **extras[kind])
        emulator.settings.token = TARGET if kind == "impersonated" else TOKEN
        return emulator.settings.token

    return identify


def in_trigger(emulator: Emulator, clock: AdvancingClock) -> str:
    """Wait in a trigger; return ``success`` or the error's text."""
    execution_id = emulator.start("sleep", {"seconds": 1000})
    trigger = WorkflowExecutionTrigger(DEFAULT_PROJECT, DEFAULT_LOCATION, "sleep", execution_id)
    event = asyncio.run(only_event(make_trigger(*trigger.serialize(), clock)))
    return str(event["status"] if event["status"] == "success" else event["message"])


def in_worker(emulator: Emulator, clock: AdvancingClock) -> str:
    """Wait in the worker; return ``success`` or the error's text."""
    execution_id = emulator.start("sleep", {"seconds": 1000})
    with WorkflowExecutionsHook(clock=clock) as hook:
        try:
            hook.wait_for_execution("sleep", execution_id=execution_id)
        except CredentialsError as exc:
            return str(exc)
    return "success"


WAITS = [in_trigger, in_worker]


@pytest.mark.parametrize("outage", OUTAGES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wait", WAITS)
def test_a_token_server_that_is_down_ends_no_wait(
    wait: Callable[..., str],
    kind: str,
    outage: str,
    identify: Callable[[str], str],
    token_server: TokenServer,
    emulator: Emulator,
    clock: AdvancingClock,
) -> None:
    """A wait whose token is refused while there is no new one goes on when there is, whoever gives out the tokens."""
    token = identify(kind)
    token_server.outage_at = "/iam/" if kind == "impersonated" else "/"

    def begin() -> None:
        token_server.outage, emulator.settings.token = outage, "another"

    def end() -> None:
        token_server.outage, emulator.settings.token = None, token

    clock.on_sleep(begin, number=3)
    clock.on_sleep(end, number=6)
    assert wait(emulator, clock) == "success"
    assert 401 in {request.status for request in emulator.requests}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("kind", ["key", "impersonated", "external"])
@pytest.mark.parametrize("wait", WAITS)
def test_a_page_in_front_of_the_token_server_ends_no_wait(
    wait: Callable[..., str],
    kind: str,
    page: str,
    identify: Callable[[str], str],
    token_server: TokenServer,
    emulator: Emulator,
    clock: AdvancingClock,
) -> None:
    """What somebody in between answers, whatever it is, is no refusal: a wait goes on when the server is there."""
    identify(kind)
    token_server.outage_at = "/iam/" if kind == "impersonated" else "/"
    token_server.outage = page
    clock.on_sleep(lambda: setattr(token_server, "outage", None), number=6)
    assert wait(emulator, clock) == "success"
    with WorkflowExecutionsHook(clock=AdvancingClock()) as hook:
        token_server.outage = page
        tested, _ = hook.test_connection()
    assert not tested


@pytest.mark.parametrize("kind", KINDS)
def test_a_wait_begins_while_the_token_server_is_down(
    kind: str,
    identify: Callable[[str], str],
    token_server: TokenServer,
    emulator: Emulator,
    clock: AdvancingClock,
) -> None:
    """A triggerer that starts before the metadata server, or in an outage, waits for it."""
    identify(kind)
    token_server.outage = "json"
    clock.on_sleep(lambda: setattr(token_server, "outage", None), number=4)
    assert in_trigger(emulator, clock) == "success"


@pytest.mark.parametrize(("kind", "code"), [("key", "invalid_grant"), ("impersonated", "PERMISSION_DENIED")])
@pytest.mark.parametrize("wait", WAITS)
def test_a_refused_token_ends_a_wait(
    wait: Callable[..., str],
    kind: str,
    code: str,
    identify: Callable[[str], str],
    token_server: TokenServer,
    emulator: Emulator,
    clock: AdvancingClock,
) -> None:
    """A key or an impersonation that is refused for good ends the wait at once, with the server's own code."""
    identify(kind)

    def refuse() -> None:
        token_server.status, emulator.settings.token = 400, "another"
        token_server.iam_refusal = {"code": 403, "status": "PERMISSION_DENIED", "message": "No Token Creator role."}
        if kind == "impersonated":
            token_server.status = 200

    clock.on_sleep(refuse, number=3)
    assert f"RefreshError: {code}" in wait(emulator, clock)
    assert len(clock.slept) < 10


NOT_FOUND = TransportError("metadata", SimpleNamespace(status=404))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (RefreshError(TransportError("no connection")), True),  # type: ignore[no-untyped-call]
        (RefreshError("", retryable=False), True),  # type: ignore[no-untyped-call]
        (OAuthError("x", '{"message": "upstream"}'), True),  # type: ignore[no-untyped-call]
        (RefreshError("x", {"error": "slow_down"}), True),  # type: ignore[no-untyped-call]
        (RefreshError(NOT_FOUND), False),  # type: ignore[no-untyped-call]
        (OAuthError("x", '{"error": "invalid_target"}'), False),  # type: ignore[no-untyped-call]
        (RefreshError("x", '{"error": {"code": 404}}'), False),  # type: ignore[no-untyped-call]
        (RefreshError("No access token in response.", {"id_token": "s3cr3t"}), False),  # type: ignore[no-untyped-call]
        (RefreshError("The credentials do not contain the necessary fields."), False),  # type: ignore[no-untyped-call]
    ],
)
def test_what_may_pass_is_told_by_the_answer(error: Exception, transient: bool) -> None:
    """An outage may pass in whatever class it comes; a refusal and a mistake on this machine do not."""
    assert is_transient(error) is transient
    assert "s3cr3t" not in str(credentials_error(error))


def test_no_metadata_server_may_pass(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Credentials that only a metadata server could give may come later; a file that cannot be read stays wrong."""
    monkeypatch.setenv("GCE_METADATA_IP", "127.0.0.1:9")
    monkeypatch.setattr(_metadata, "_METADATA_IP_ROOT", "http://127.0.0.1:9", raising=False)
    with pytest.raises(CredentialsError) as caught:
        load_credentials(ConnectionSettings())
    assert caught.value.may_pass
    assert copy.copy(caught.value).may_pass
    assert pickle.loads(pickle.dumps(caught.value)).may_pass
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(CredentialsError) as caught:
        load_credentials(ConnectionSettings())
    assert not caught.value.may_pass


@pytest.mark.parametrize("outage", OUTAGES)
def test_a_pool_whose_project_cannot_be_asked_for_may_pass(
    outage: str, token_server: TokenServer, tmp_path: Path
) -> None:
    """An outage of STS while the project of an external account is looked up says nothing against the account."""
    subject = tmp_path / "subject"
    subject.write_text("subject", encoding="utf-8")
    token_server.outage = outage
    with pytest.raises(CredentialsError) as caught:
        load_credentials(ConnectionSettings(credential_config_file=token_server.external_account(str(subject))))
    assert caught.value.may_pass
