# SPDX-License-Identifier: Apache-2.0
"""
Requests go to the universe of their credentials, or to where the connection says, from workers and triggerers alike.

The universes are on this machine: a proxy believes in their hosts, and a company's authority vouches for them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from airflow_provider_workflows.auth.credentials import load_credentials
from airflow_provider_workflows.auth.settings import ConnectionSettings
from airflow_provider_workflows.exceptions import CredentialsError
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsAsyncHook, WorkflowExecutionsHook
from airflow_provider_workflows.testing import DEFAULT_LOCATION, DEFAULT_PROJECT, Emulator
from airflow_provider_workflows.triggers.executions import WorkflowExecutionTrigger
from tests.harness import AdvancingClock, make_trigger, only_event
from tests.network_servers import Authority, HttpProxy, run_servers
from tests.token_server import OUTAGES, TokenServer, be_the_metadata_server

Connect = Callable[..., None]
GOOGLE, CLOUD, OTHER = "googleapis.com", "apis.example.cloud", "other.example"
TARGET = "target@test-project.iam.gserviceaccount.com"
PARENT = f"projects/{DEFAULT_PROJECT}/locations/{DEFAULT_LOCATION}/workflows/echo"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make who vouches for the hosts of all universes."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def hosts(
    authority: Authority,
    emulator: Emulator,
    token_server: TokenServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[list[str]]:
    """Run the universes; give the list of the hosts that were connected to."""
    be_the_metadata_server(monkeypatch, token_server, tmp_path)
    monkeypatch.setattr(
        "google.auth.iam._IAM_ENDPOINT", f"https://iamcredentials.{GOOGLE}/iam/{{}}:generateAccessToken"
    )
    services = {"workflowexecutions": emulator.endpoint, "iamcredentials": token_server.url, "sts": token_server.url}
    names = {f"{service}.{universe}": url for universe in (GOOGLE, CLOUD) for service, url in services.items()}
    with run_servers() as servers:
        context = authority.server(*names)
        ports = {name: servers.tls(int(url.rpartition(":")[2]), context) for name, url in names.items()}
        proxy = HttpProxy(ports, {})
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{servers.start(proxy.serve)}")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
        monkeypatch.delenv("GOOGLE_CLOUD_UNIVERSE_DOMAIN", raising=False)
        yield proxy.targets


@pytest.fixture
def identify(
    connect: Connect, token_server: TokenServer, private_key: str, tmp_path: Path
) -> Callable[..., dict[str, Any]]:
    """Give a function that connects with credentials of a kind and universe, beside further fields."""
    subject = tmp_path / "subject"
    subject.write_text("subject", encoding="utf-8")

    def identify(kind: str, universe: Any, **extra: Any) -> dict[str, Any]:
        said = {} if universe is None else {"universe_domain": universe}
        key = {**token_server.key(private_key), **said}
        user = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r", **said}
        external = token_server.external_account(str(subject))
        external["token_url"] = f"https://sts.{universe or GOOGLE}/sts"
        kinds: dict[str, dict[str, Any]] = {
            "key": {"keyfile_dict": key},
            "impersonated": {"keyfile_dict": key, "impersonation_chain": TARGET},
            "external": {"credential_config_file": {**external, **said}},
            "user": {"credential_config_file": user},
            "metadata": {},
            "anonymous": {"is_anonymous": True},
        }
        token_server.universe = universe if kind == "metadata" else None
        fields = {"api_endpoint": None, "is_anonymous": None, **kinds[kind], **extra}
        connect(**fields)
        return {name: value for name, value in fields.items() if value is not None}

    return identify


def with_hook(clock: AdvancingClock) -> None:
    """List from a worker."""
    with WorkflowExecutionsHook(clock=clock) as hook:
        assert list(hook.list_executions("echo")) == []


def with_async_hook(clock: AdvancingClock) -> None:
    """List from an event loop."""

    async def scene() -> None:
        async with WorkflowExecutionsAsyncHook(clock=clock) as hook:
            assert [each async for each in hook.list_executions("echo")] == []

    asyncio.run(scene())


def with_get_conn(clock: AdvancingClock) -> None:
    """List with google-api-python-client's own resource."""
    with WorkflowExecutionsHook(clock=clock) as hook:
        executions = hook.get_conn().projects().locations().workflows().executions()
        assert executions.list(parent=PARENT).execute() == {}


CALLERS = [with_hook, with_async_hook, with_get_conn]


class Case(NamedTuple):
    """
    Hold what the environment and the connection say, and where the request goes.

    :param variable: what GOOGLE_CLOUD_UNIVERSE_DOMAIN says.
    :param there: the universe whose API is asked; ``None`` for the endpoint that the connection names.
    """

    variable: str | None
    kind: str
    universe: str | None
    there: str | None


GO = [
    Case(None, "key", None, GOOGLE),
    Case("", "key", None, GOOGLE),
    Case(" ", "key", None, GOOGLE),
    Case(GOOGLE, "key", None, GOOGLE),
    Case(GOOGLE, "key", GOOGLE, GOOGLE),
    Case(None, "key", CLOUD, CLOUD),
    Case(CLOUD, "key", CLOUD, CLOUD),
    Case(f" {CLOUD.upper()}\n", "key", CLOUD, CLOUD),
    Case(None, "impersonated", None, GOOGLE),
    Case(CLOUD, "impersonated", CLOUD, CLOUD),
    Case(None, "external", None, GOOGLE),
    Case(CLOUD, "external", CLOUD, CLOUD),
    Case(None, "metadata", None, GOOGLE),
    Case(None, "metadata", CLOUD, CLOUD),
    Case(CLOUD, "metadata", CLOUD, CLOUD),
    Case(None, "anonymous", None, GOOGLE),
    Case(CLOUD, "anonymous", None, CLOUD),
    # an endpoint that is named needs neither the variable nor that they agree
    *(
        Case(variable, kind, universe, None)
        for variable in (None, CLOUD, GOOGLE, "no domain")
        for kind, universe in (("key", None), ("key", CLOUD), ("metadata", CLOUD), ("anonymous", None))
    ),
]


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("case", GO, ids=str)
def test_requests_go_to_the_universe_of_the_credentials(
    case: Case,
    caller: Callable[[AdvancingClock], None],
    hosts: list[str],
    identify: Callable[..., Any],
    emulator: Emulator,
    token_server: TokenServer,
    clock: AdvancingClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A token is made and spent in one universe, or goes where api_endpoint says; the quota's project goes along."""
    if case.variable is not None:
        monkeypatch.setenv("GOOGLE_CLOUD_UNIVERSE_DOMAIN", case.variable)
    payer = {} if case.kind == "anonymous" else {"quota_project_id": "payer"}
    identify(case.kind, case.universe, api_endpoint=None if case.there else emulator.endpoint, **payer)
    caller(clock)
    services = {"impersonated": ["iamcredentials"], "external": ["sts"]}.get(case.kind, [])
    wanted = [f"{service}.{case.there}" for service in (*services, "workflowexecutions")] if case.there else []
    assert hosts == wanted
    (request,) = emulator.requests
    anonymous = case.kind == "anonymous"
    assert request.headers.get("authorization") == (None if anonymous else "Bearer")
    assert request.headers.get("x-goog-user-project") == (None if anonymous else "payer")
    assert any(path.endswith("universe-domain") for path in token_server.asked) is (
        case.kind == "metadata" and case.there is not None
    )


MISMATCH = (
    "the credentials are of the universe {0!r}, and GOOGLE_CLOUD_UNIVERSE_DOMAIN says {1!r}: no token is sent from one "
    "to the other. Set the variable to {0!r} or remove it, use credentials of {1!r} (their universe_domain says so), "
    "or say in api_endpoint where the API is"
)
NO_DOMAIN = "{} must be a domain such as googleapis.com, got {!r}"
OF_CREDENTIALS = "universe_domain of the credentials"
REFUSALS = [
    *((kind, None, OTHER, MISMATCH.format(GOOGLE, OTHER)) for kind in ("key", "impersonated", "external", "metadata")),
    *((kind, CLOUD, OTHER, MISMATCH.format(CLOUD, OTHER)) for kind in ("key", "impersonated", "external", "metadata")),
    ("key", CLOUD, GOOGLE, MISMATCH.format(CLOUD, GOOGLE)),
    ("user", None, CLOUD, MISMATCH.format(GOOGLE, CLOUD)),
    ("user", CLOUD, CLOUD, f"a user's credentials (authorized_user) work in {GOOGLE} only, not {CLOUD}"),
    *(
        ("key", None, wrong, NO_DOMAIN.format("GOOGLE_CLOUD_UNIVERSE_DOMAIN", wrong))
        for wrong in ("example", "https://example.cloud", "example.cloud/path", "me@example.cloud", "example.cloud:80")
    ),
    *(
        ("key", wrong, None, NO_DOMAIN.format(OF_CREDENTIALS, wrong))
        for wrong in ("evil.example/", "a.b?", "a.b#", "a.b ", "a..b", "-a.b", "a b.c", "\u00e4.example", 5, ["a.b"])
    ),
    ("metadata", "<html>", None, "universe_domain of the credentials must be a domain"),
    ("anonymous", None, "example/path", NO_DOMAIN.format("GOOGLE_CLOUD_UNIVERSE_DOMAIN", "example/path")),
]


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize(("kind", "universe", "variable", "text"), REFUSALS, ids=str)
def test_two_universes_are_an_error_before_any_request(
    kind: str,
    universe: Any,
    variable: str | None,
    text: str,
    caller: Callable[[AdvancingClock], None],
    hosts: list[str],
    identify: Callable[..., Any],
    emulator: Emulator,
    clock: AdvancingClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Credentials of one universe are not used in another, and what is no domain makes no address."""
    if variable is not None:
        monkeypatch.setenv("GOOGLE_CLOUD_UNIVERSE_DOMAIN", variable)
    identify(kind, universe)
    with pytest.raises(CredentialsError) as caught:
        caller(clock)
    assert text in str(caught.value)
    assert not caught.value.may_pass
    assert (hosts, emulator.requests) == ([], [])


def test_the_form_tells_of_two_universes(
    hosts: list[str], identify: Callable[..., Any], clock: AdvancingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever presses Test reads what the variable and the key say."""
    monkeypatch.setenv("GOOGLE_CLOUD_UNIVERSE_DOMAIN", CLOUD)
    identify("key", None)
    assert WorkflowExecutionsHook(clock=clock).test_connection() == (False, MISMATCH.format(GOOGLE, CLOUD))
    assert hosts == []


@pytest.mark.parametrize("variable", [CLOUD, OTHER])
def test_a_trigger_waits_in_the_universe_of_the_credentials(
    variable: str,
    hosts: list[str],
    identify: Callable[..., Any],
    emulator: Emulator,
    clock: AdvancingClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The triggerer looks where the worker has created, or ends the wait with the same words."""
    monkeypatch.setenv("GOOGLE_CLOUD_UNIVERSE_DOMAIN", variable)
    identify("key", CLOUD)
    trigger = WorkflowExecutionTrigger(DEFAULT_PROJECT, DEFAULT_LOCATION, "echo", emulator.start("echo", {}))
    event = asyncio.run(only_event(make_trigger(*trigger.serialize(), clock)))
    if variable == CLOUD:
        assert event["status"] == "success"
        assert set(hosts) == {f"workflowexecutions.{CLOUD}"}
    else:
        assert MISMATCH.format(CLOUD, OTHER) in event["message"]
        assert hosts == []


@pytest.mark.parametrize("kind", ["metadata", "impersonated metadata"])
@pytest.mark.parametrize("outage", OUTAGES)
def test_a_metadata_server_that_does_not_say_its_universe_may_do_so_later(
    outage: str, kind: str, hosts: list[str], identify: Callable[..., Any], token_server: TokenServer
) -> None:
    """An outage in the look-up is one that passes; it is never taken for Google's universe."""
    fields = identify("metadata", CLOUD)
    if kind != "metadata":
        fields = {"impersonation_chain": (TARGET,), "api_endpoint": "http://127.0.0.1:1"}
    token_server.outage, token_server.outage_at = outage, "/computeMetadata/v1/universe"
    with pytest.raises(CredentialsError, match="did not say the universe") as caught:
        load_credentials(ConnectionSettings(**fields))
    assert caught.value.may_pass
    assert hosts == []


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("https://Example.org:443/", "https://example.org"),
        ("http://LOCALHOST:80", "http://localhost"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://workflowexecutions.googleapis.com", "https://workflowexecutions.googleapis.com"),
    ],
)
def test_one_spelling_of_each_endpoint(given: str, address: str) -> None:
    """Whoever names Google's endpoint shares the budget of whoever names none."""
    assert ConnectionSettings(api_endpoint=given).api_endpoint == address


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("caller", CALLERS)
def test_redirects_are_not_followed(
    caller: Callable[[AdvancingClock], None],
    status: int,
    hosts: list[str],
    identify: Callable[..., Any],
    emulator: Emulator,
    token_server: TokenServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither the API nor a server of tokens can send a token, or what is as good as one, somewhere else."""
    elsewhere = f"https://workflowexecutions.{CLOUD}/token"

    def reply(path: str, body: bytes) -> Any:
        token_server.asked.append(path)
        return status, "text/html", "", {"Location": elsewhere}

    identify("key", None, num_retries=0)
    emulator.fail("*", status=status, headers={"Location": elsewhere}, times=None)
    with pytest.raises(Exception, match=str(status)):
        caller(AdvancingClock())
    assert hosts == [f"workflowexecutions.{GOOGLE}"]
    monkeypatch.setattr(token_server, "reply", reply)
    with pytest.raises(Exception, match="no access token"):
        caller(AdvancingClock())
    assert hosts == [f"workflowexecutions.{GOOGLE}"]
    assert token_server.asked.count("/token") == 2


def test_a_connection_as_an_environment_gives_it(
    hosts: list[str], identify: Callable[..., Any], connect: Connect, emulator: Emulator, clock: AdvancingClock
) -> None:
    """A key as JSON text says its universe as well."""
    key = identify("key", CLOUD)["keyfile_dict"]
    connect(keyfile_dict=json.dumps(key), api_endpoint=None, is_anonymous=None)
    with_hook(clock)
    assert hosts == [f"workflowexecutions.{CLOUD}"]
    assert len(emulator.requests) == 1
