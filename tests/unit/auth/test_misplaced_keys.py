# SPDX-License-Identifier: Apache-2.0
"""Keys land in the wrong fields and arguments: no text quotes them, whichever field and whatever their shape."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import random
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider_workflows.auth.fields import FIELDS
from airflow_provider_workflows.auth.settings import ConnectionSettings, settings_from_extra
from airflow_provider_workflows.core import quoting
from airflow_provider_workflows.core.quoting import quoted
from airflow_provider_workflows.hooks.connection import ConnectionArguments
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsAsyncHook, WorkflowExecutionsHook
from airflow_provider_workflows.operators.executions import (
    WorkflowsCreateExecutionOperator,
    WorkflowsGetExecutionOperator,
    WorkflowsListExecutionsOperator,
)
from airflow_provider_workflows.triggers.executions import WorkflowExecutionTrigger
from tests.harness import AdvancingClock, make_trigger, only_event
from tests.token_server import TokenServer

Connect = Callable[..., None]

BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"
PEM = f"-----BEGIN PRIVATE KEY-----\n{BODY}\n-----END PRIVATE KEY-----\n"
KEY = json.dumps({"type": "service_account", "client_email": "a@b.c", "private_key": PEM, "private_key_id": BODY[:40]})
SHAPES = {
    "key": KEY,
    "key, indented": json.dumps(json.loads(KEY), indent=2),
    "key, as Python shows it": str(json.loads(KEY)),
    "pem": PEM,
    "pem, escaped": PEM.replace("\n", "\\n"),
    "pem, its body": BODY,
    "base64": base64.b64encode(KEY.encode()).decode(),
    "base64, for addresses": base64.urlsafe_b64encode(KEY.encode()).decode(),
    "half a key": KEY[: len(KEY) // 2],
    "user": json.dumps({"type": "authorized_user", "refresh_token": f"1//0{BODY}", "client_secret": "GOCSPX-" + BODY}),
    "token": "ya29.a0" + BODY,
    "jwt": "eyJhbGciOiJSUzI1NiJ9." + base64.urlsafe_b64encode(BODY.encode()).decode() + "." + BODY,
    "api key": "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY",
    "digest": "0123456789abcdef0123456789abcdef01234567",
    "address with a login": "https://user:pa55word@example.org",
    "key, url-encoded": quote(KEY, safe=""),
    "pem, url-encoded": quote(PEM, safe=""),
    "key, in a list": json.dumps([KEY]),
    "key, as a dict's key": json.dumps({KEY: 1}),
    "p12": base64.b64encode(random.Random(5).randbytes(900)).decode(),
    "base64 with slashes": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "refresh token": "1//0gdXN-Ks9dp4FLfrYb9JF8eF-ItKL_8pcqMKRLd7",
    "old refresh token": "1/fFAGRNJru1FTz70BzhT3Zg",
    "authorization code": "4/0AeaYSHiDIkidQ2iZ-gppCorL4txx0uiB",
    "short token": "ya29.Gl1ab-_cdefgh",
    "query": "https://example.org?access_token=abcdefghijklmnop",
}


def pieces(secret: str) -> Iterator[str]:
    """Return all pieces of a secret that are long enough to be worth something."""
    return (secret[at : at + 12] for at in range(len(secret) - 11))


def assert_nothing_of(secret: str, text: str) -> None:
    """Check that a text has no piece of a secret, but what it says by itself."""
    harmless = "service_account private_key client_email authorized_user https://example.org?access_token"
    assert [piece for piece in pieces(secret) if piece in text and piece not in harmless] == []


def told(call: Callable[[], Any]) -> str:
    """Return all that an exception would print, its whole chain included."""
    try:
        return repr(call())
    except Exception as exc:  # noqa: BLE001 - whatever it is, its text is what counts here
        return "".join(traceback.format_exception(exc)) + "".join(map(shown, chain(exc)))


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and all that hangs on it, also what a printed traceback leaves out."""
    if error is not None:
        yield error
        yield from chain(error.__cause__)
        yield from chain(error.__context__)


def shown(error: BaseException) -> str:
    """Return an error's text and attributes."""
    return f"{error!r} {vars(error)}"


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """Give a function that returns all that was logged."""
    caplog.set_level(logging.INFO)  # google-auth's own DEBUG lines name the file it looks for
    return lambda: "\n".join(f"{record.getMessage()} {record.exc_text or ''}" for record in caplog.records)


USED_WITH_A_TOKEN = ["quota_project_id", "scope", "impersonation_chain", "project", "location"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("field", USED_WITH_A_TOKEN)
def test_in_a_field_beside_a_key_that_works(
    field: str,
    shape: str,
    connect: Connect,
    everything: Callable[[], str],
    clock: AdvancingClock,
    token_server: TokenServer,
    private_key: str,
) -> None:
    """A field that is only used once there are credentials shows it as little, in whichever error it ends."""
    secret = SHAPES[shape]
    if re.fullmatch("[A-Za-z0-9_-]{1,128}", secret):
        pytest.skip("that is an id, as far as anybody can tell")
    connect(is_anonymous=None, num_retries=0, keyfile_dict=token_server.key(private_key), **{field: [secret]})
    texts = [told(lambda: WorkflowExecutionsHook(clock=clock).create_execution("echo"))]
    connect(is_anonymous=None, num_retries=0, keyfile_dict=token_server.key(private_key), **{field: secret})
    texts.append(told(lambda: WorkflowExecutionsHook(clock=clock).create_execution("echo")))
    texts.append(told(lambda: asyncio.run(WorkflowExecutionsAsyncHook(clock=clock).create_execution("echo"))))
    texts.append(told(lambda: WorkflowExecutionsHook(clock=clock).test_connection()))
    texts.append(told(lambda: WorkflowExecutionsHook(clock=clock).settings))
    for text in (*texts, everything()):
        assert_nothing_of(secret, text)


LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
BEGINNINGS = ["ya29.", "1//0", "AIzaSy", "GOCSPX-", "4/0A", "eyJ", "MIIE", "ghp_", ""]


WRAPS: list[Callable[[str], Any]] = [
    str,
    lambda secret: quote(secret, safe=""),
    lambda secret: f'"{secret}"',
    lambda secret: f"/run/{secret}",
    lambda secret: f"{secret[:24]}\\n{secret[24:]}",
    lambda secret: [secret],
    lambda secret: (secret, 1),
    lambda secret: {secret: 1},
    lambda secret: [{"a": secret}],
    str.encode,
]


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_random_tokens(beginning: str) -> None:
    """No token is quoted, however it is wrapped; nor is one that the service quotes."""
    for seed in range(50):
        secret = beginning + "".join(random.Random(seed).choices(f"{LETTERS}+/", k=48))
        for wrap in WRAPS:
            assert_nothing_of(secret, quoted(wrap(secret)))
        assert_nothing_of(secret, quoting.told(f"Invalid value at 'filter': \"{secret}\""))
        assert_nothing_of(secret, repr(ConnectionSettings(key_path=f"/run/{secret}", location=secret)))
        assert_nothing_of(secret, repr(ConnectionArguments(secret, (secret,), secret, secret)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("field", [spec.name for spec in FIELDS if spec.name != "keyfile_dict"])
def test_in_a_field_of_the_connection(
    field: str, shape: str, connect: Connect, everything: Callable[[], str], clock: AdvancingClock
) -> None:
    """Neither the parser nor the form's test nor a task's log nor a trigger's event shows it."""
    secret = SHAPES[shape]
    if field == "credential_config_file" and secret.lstrip().startswith("{"):
        pytest.skip("that is where it belongs")
    extra = {"project": "p", "location": "l", "is_anonymous": None, field: secret}
    texts = [told(lambda: repr(settings_from_extra(extra)) and None)]
    connect(**extra)
    texts.append(WorkflowExecutionsHook(clock=clock).test_connection()[1])
    texts.append(told(lambda: WorkflowExecutionsHook(clock=clock).create_execution("echo")))
    texts.append(told(lambda: asyncio.run(WorkflowExecutionsAsyncHook(clock=clock).create_execution("echo"))))
    trigger = WorkflowExecutionTrigger("p", "l", "w", "e")
    with suppress(Exception):
        texts.append(json.dumps(asyncio.run(only_event(make_trigger(*trigger.serialize(), clock)))))
    for text in (*texts, everything()):
        assert_nothing_of(secret, text)


ARGUMENTS: dict[str, Callable[[str], Any]] = {
    "gcp_conn_id": lambda value: WorkflowExecutionsHook(value).create_execution("echo"),
    "impersonation_chain": lambda value: WorkflowExecutionsHook(impersonation_chain=value).create_execution("echo"),
    "api_version": lambda value: WorkflowExecutionsHook(api_version=value).create_execution("echo"),
    "api_endpoint": lambda value: WorkflowExecutionsHook(api_endpoint=value).settings,
    "workflow_id": lambda value: WorkflowExecutionsHook().create_execution(value),
    "project_id": lambda value: WorkflowExecutionsHook().create_execution("echo", project_id=value),
    "location": lambda value: WorkflowExecutionsHook().create_execution("echo", location=value),
    "execution_id": lambda value: WorkflowExecutionsHook().get_execution("echo", execution_id=value),
    "view": lambda value: WorkflowExecutionsHook().get_execution("echo", execution_id="e", view=value),
    "limit": lambda value: list(WorkflowExecutionsHook().list_executions("echo", limit=value)),  # type: ignore[arg-type]
    "page_size": lambda value: list(WorkflowExecutionsHook().list_executions("echo", page_size=value)),  # type: ignore[arg-type]
    "labels": lambda value: WorkflowExecutionsHook().create_execution("echo", labels={value: value}),
    "label": lambda value: WorkflowExecutionsHook().create_execution("echo", labels={"a": value}),
    "execution": lambda value: WorkflowExecutionsHook().create_execution("echo", execution={value: value}),
    "callLogLevel": lambda value: WorkflowExecutionsHook().create_execution("echo", execution={"callLogLevel": value}),
    "argument key": lambda value: WorkflowExecutionsHook().create_execution("echo", argument={value: object()}),
    "execution argument": lambda value: WorkflowExecutionsHook().create_execution(
        "echo", execution={"argument": value}
    ),
    "poll_interval": lambda value: WorkflowsCreateExecutionOperator(
        task_id="t",
        workflow_id="echo",
        wait_for_completion=True,
        poll_interval=value,  # type: ignore[arg-type]
    ).execute({}),
    "start_date_filter": lambda value: WorkflowsListExecutionsOperator(
        task_id="t", workflow_id="echo", start_date_filter=value
    ).execute({}),
    "operator": lambda value: WorkflowsGetExecutionOperator(task_id="t", workflow_id=value, execution_id="e").execute(
        {}
    ),
}

IDS = {"workflow_id", "project_id", "location", "execution_id", "operator"}


# Airflow 2 logs what it has asked a database for that has no tables.
@pytest.mark.usefixtures("connection", "airflow_db")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("argument", ARGUMENTS)
def test_in_an_argument(argument: str, shape: str, everything: Callable[[], str]) -> None:
    """A bad argument is refused by its name, never by its content."""
    secret = SHAPES[shape]
    if argument in IDS and re.fullmatch("[A-Za-z0-9_-]{1,128}", secret):
        pytest.skip("that is an id, as far as anybody can tell")
    assert_nothing_of(secret, told(lambda: ARGUMENTS[argument](secret) and None))
    assert_nothing_of(secret, everything())


@pytest.mark.parametrize("shape", SHAPES)
def test_in_the_variable_for_the_machines_credentials(
    shape: str, connect: Connect, monkeypatch: pytest.MonkeyPatch, everything: Callable[[], str]
) -> None:
    """GOOGLE_APPLICATION_CREDENTIALS is a path; people put the key itself there."""
    secret = SHAPES[shape]
    connect(is_anonymous=None)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", secret)
    works, text = WorkflowExecutionsHook().test_connection()
    assert not works
    assert_nothing_of(secret, text)
    assert_nothing_of(secret, told(lambda: WorkflowExecutionsHook().create_execution("echo")))
    assert_nothing_of(secret, everything())
