# SPDX-License-Identifier: Apache-2.0
"""
How settings become credentials and sessions, against a server on this machine.

One small server plays the OAuth token endpoint, the IAM credentials endpoint and an API that shows the token
it got. Keys are made here, so nothing of Google is needed.
"""

from __future__ import annotations

import asyncio
import functools
import json
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
import requests
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import RefreshError, TransportError

from airflow_provider_workflows import __version__
from airflow_provider_workflows.auth.credentials import Resolved, load_credentials
from airflow_provider_workflows.auth.sessions import make_async_session, make_session
from airflow_provider_workflows.auth.settings import ConnectionSettings, settings_from_extra
from airflow_provider_workflows.auth.token_errors import credentials_error, is_transient
from airflow_provider_workflows.exceptions import CredentialsError, WorkflowsError
from tests.token_server import look_up_no_regions

SECRET = "s3cr3t-material"
ACCOUNT = "runner@key-project.iam.gserviceaccount.com"
TARGET = "target@target-project.iam.gserviceaccount.com"
DELEGATE = "delegate@other-project.iam.gserviceaccount.com"


@dataclass
class Request:
    """One request that the server got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Google:
    """The server's state: what it was asked, and how it should answer."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    token_status: int = 200
    token_error: dict[str, Any] = field(default_factory=lambda: {"error": "invalid_grant"})
    api_statuses: list[int] = field(default_factory=list)
    drop: bool = False
    token_gate: threading.Event = field(default_factory=threading.Event)
    token_asked: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    tokens: int = 0

    def to(self, path: str) -> list[Request]:
        """Return the requests to one path."""
        return [request for request in self.requests if request.path == path]

    def answer(self, request: Request) -> tuple[int, Any]:
        """Return status and body."""
        if request.path == "/token":
            self.token_asked.set()
            assert self.token_gate.wait(30)
            if self.token_status != 200:
                return self.token_status, self.token_error
            with self.lock:
                self.tokens += 1
                return 200, {
                    "access_token": f"token-{self.tokens}",
                    "expires_in": 3600,
                    "token_type": "Bearer",
                }
        if request.path.startswith("/iam"):
            return 200, {"accessToken": "impersonated", "expireTime": "2099-01-01T00:00:00Z"}
        with self.lock:
            status = self.api_statuses.pop(0) if self.api_statuses else 200
        if status >= 400:
            return status, {"error": {"code": status, "status": "OTHER"}}
        return status, {"authorization": request.headers.get("authorization")}


class Handler(BaseHTTPRequestHandler):
    """Speak HTTP for :class:`Google`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Record and answer."""
        google: Google = self.server.google  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body)
        google.requests.append(request)
        if google.drop and self.path == "/api":
            self.close_connection = True
            return
        status, content = google.answer(request)
        encoded = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    do_POST = do_GET  # noqa: N815 - the name that http.server calls

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Accept twenty clients that come at once."""

    request_queue_size = 64
    daemon_threads = True


@pytest.fixture
def google() -> Iterator[Google]:
    """Serve a stand-in for Google's endpoints."""
    state = Google()
    state.token_gate.set()
    server = Server(("127.0.0.1", 0), Handler)
    server.google = state  # type: ignore[attr-defined]
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=functools.partial(server.serve_forever, poll_interval=0.01), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.token_gate.set()
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def private_key() -> str:
    """Make a key once: it takes a while."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return encoded.decode()


@pytest.fixture
def key(google: Google, private_key: str) -> dict[str, Any]:
    """Return a service account key whose tokens come from the stand-in."""
    return {
        "type": "service_account",
        "project_id": "key-project",
        "private_key_id": "1",
        "private_key": private_key,
        "client_email": ACCOUNT,
        "client_id": "1",
        "token_uri": f"{google.url}/token",
    }


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide credentials of the machine, and never ask a metadata server."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_QUOTA_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    look_up_no_regions(monkeypatch)


def write(path: Path, content: Any) -> str:
    """Write JSON to a file and return its path."""
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


def get(resolved: Resolved, google: Google) -> Request:
    """Send one request with the credentials and return what the API saw."""
    with make_session(resolved.credentials, timeout=10) as session:
        assert session.get(f"{google.url}/api").status_code == 200
    return google.to("/api")[-1]


def refusal(settings: ConnectionSettings) -> str:
    """Return the message, after checking that nothing a log could show holds a secret."""
    with pytest.raises(CredentialsError) as caught:
        load_credentials(settings)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None or SECRET not in repr(vars(caught.value.__context__))
    return str(caught.value)


# --- which identity


def test_key_path_and_keyfile_dict_send_the_keys_token(google: Google, key: dict[str, Any], tmp_path: Path) -> None:
    """A key as file or as content gets a token for the account it names."""
    for extra in ({"key_path": write(tmp_path / "key.json", key)}, {"keyfile_dict": json.dumps(key)}):
        resolved = load_credentials(settings_from_extra(extra))
        assert resolved.project == "key-project"
        seen = get(resolved, google)
        assert seen.headers["authorization"] == f"Bearer token-{google.tokens}"
        assert seen.headers["user-agent"] == f"airflow-provider-workflows/{__version__}"
        assert "x-goog-user-project" not in seen.headers
    assert google.tokens == 2


def test_scopes_are_asked_for(google: Google, key: dict[str, Any]) -> None:
    """The token is requested for cloud-platform, or for the scopes of the connection."""
    from google.auth import jwt

    for extra, expected in (
        ({}, "https://www.googleapis.com/auth/cloud-platform"),
        ({"scope": "https://x/a, https://x/b"}, "https://x/a https://x/b"),
    ):
        get(load_credentials(settings_from_extra({"keyfile_dict": key, **extra})), google)
        (assertion,) = parse_qs(google.to("/token")[-1].body.decode())["assertion"]
        claims = jwt.decode(assertion, verify=False)  # type: ignore[no-untyped-call]
        assert (claims["iss"], claims["scope"]) == (ACCOUNT, expected)


def test_key_with_escaped_line_breaks_works(google: Google, key: dict[str, Any]) -> None:
    """A key that lost its line breaks in an environment variable or a URI is still read."""
    key["private_key"] = key["private_key"].replace("\n", "\\n")
    assert get(load_credentials(ConnectionSettings(keyfile_dict=key)), google).headers["authorization"]


def test_no_field_means_application_default_credentials(
    google: Google, key: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty connection uses what the environment provides."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", write(tmp_path / "adc.json", key))
    resolved = load_credentials(ConnectionSettings())
    assert resolved.project == "key-project"
    assert get(resolved, google).headers["authorization"] == "Bearer token-1"


def test_connections_project_wins_over_the_credentials(key: dict[str, Any]) -> None:
    """The project field decides where it is filled."""
    assert load_credentials(ConnectionSettings(keyfile_dict=key, project="mine")).project == "mine"


def test_anonymous_sends_no_token(google: Google, caplog: pytest.LogCaptureFixture) -> None:
    """An emulator gets no token, and a log line says so when an impersonation was asked for."""
    settings = ConnectionSettings(is_anonymous=True, project="p", quota_project_id="q")
    resolved = load_credentials(settings, impersonation_chain=TARGET)
    assert isinstance(resolved.credentials, AnonymousCredentials)
    assert resolved.project == "p"
    assert "authorization" not in get(resolved, google).headers
    assert "impersonation_chain is not used" in caplog.text
    assert load_credentials(ConnectionSettings(is_anonymous=True)).project is None


def test_credential_config_file_takes_a_key_too(google: Google, key: dict[str, Any]) -> None:
    """Whatever type google-auth can load may stand in the configuration."""
    resolved = load_credentials(ConnectionSettings(credential_config_file=key))
    assert resolved.project == "key-project"
    assert get(resolved, google).headers["authorization"] == "Bearer token-1"


@pytest.mark.parametrize("as_file", [True, False])
def test_workload_identity_federation(google: Google, tmp_path: Path, as_file: bool) -> None:
    """A credential configuration, as file or as content, exchanges the foreign token and impersonates."""
    (tmp_path / "subject").write_text("foreign-token")
    config = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{google.url}/token",
        "service_account_impersonation_url": f"{google.url}/iam/{TARGET}:generateAccessToken",
        "credential_source": {"file": str(tmp_path / "subject")},
    }
    value: Any = write(tmp_path / "config.json", config) if as_file else json.dumps(config)
    extra = {"credential_config_file": value, "project": "p"}
    resolved = load_credentials(settings_from_extra(extra))
    assert google.requests == []
    seen = get(resolved, google)
    assert seen.headers["authorization"] == "Bearer impersonated"
    (subject,) = parse_qs(google.to("/token")[0].body.decode())["subject_token"]
    assert subject == "foreign-token"


def test_federation_that_cannot_name_its_project(google: Google, tmp_path: Path) -> None:
    """Without a project in the connection it is looked up; the message says to fill it when that fails."""
    (tmp_path / "subject").write_text("foreign-token")
    config = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{google.url}/token",
        "credential_source": {"file": str(tmp_path / "subject")},
    }
    google.token_status = 400
    assert "fill project" in refusal(ConnectionSettings(credential_config_file=config))
    assert len(google.to("/token")) == 1
    config["audience"] = "//iam.googleapis.com/locations/global/workforcePools/p/providers/x"
    assert load_credentials(ConnectionSettings(credential_config_file=config)).project is None


def test_impersonation_asks_for_the_target_through_the_delegates(google: Google, key: dict[str, Any]) -> None:
    """The last of the chain is who acts, the others stand between, and the key's account asks."""
    settings = ConnectionSettings(keyfile_dict=key, impersonation_chain=(DELEGATE, TARGET))
    resolved = load_credentials(settings)
    assert resolved.project == "target-project"
    assert resolved.credentials.service_account_email == TARGET  # type: ignore[attr-defined]
    # The real endpoint is on the internet, and another one is no setting of ours.
    resolved.credentials._iam_endpoint_override = f"{google.url}/iam"  # type: ignore[attr-defined]
    assert get(resolved, google).headers["authorization"] == "Bearer impersonated"
    (asked,) = google.to("/iam")
    body = json.loads(asked.body)
    assert body["delegates"] == [DELEGATE]
    assert body["scope"] == ["https://www.googleapis.com/auth/cloud-platform"]
    assert asked.headers["authorization"] == "Bearer token-1"


def test_tasks_impersonation_wins_over_the_connections(key: dict[str, Any]) -> None:
    """A task can act as another account than its connection says."""
    settings = ConnectionSettings(keyfile_dict=key, impersonation_chain=(DELEGATE,))
    credentials: Any = load_credentials(settings, impersonation_chain=[TARGET]).credentials
    assert credentials.service_account_email == TARGET
    credentials = load_credentials(settings).credentials
    assert credentials.service_account_email == DELEGATE


@pytest.mark.parametrize(
    ("target", "project"),
    [
        (TARGET, "target-project"),
        ("a@p.example.org.iam.gserviceaccount.com", "example.org:p"),
        ("1-compute@developer.gserviceaccount.com", "key-project"),
        ("123456", "key-project"),
    ],
)
def test_project_of_an_impersonated_account(key: dict[str, Any], target: str, project: str) -> None:
    """The default project is that of the account that acts, where its address says one."""
    settings = ConnectionSettings(keyfile_dict=key, impersonation_chain=(target,))
    assert load_credentials(settings).project == project


def test_quota_project_is_sent(google: Google, key: dict[str, Any]) -> None:
    """The quota project travels as a header with every request."""
    settings = ConnectionSettings(keyfile_dict=key, quota_project_id="payer")
    assert get(load_credentials(settings), google).headers["x-goog-user-project"] == "payer"


def test_quota_project_with_impersonation(key: dict[str, Any]) -> None:
    """Impersonated credentials are charged to the quota project too."""
    settings = ConnectionSettings(keyfile_dict=key, impersonation_chain=(TARGET,), quota_project_id="payer")
    assert load_credentials(settings).credentials.quota_project_id == "payer"


def test_quota_project_on_credentials_that_have_none_is_refused() -> None:
    """A quota project is never dropped silently."""
    from airflow_provider_workflows.auth.credentials import _with_quota_project

    anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call]
    with pytest.raises(CredentialsError, match="quota_project_id cannot be used"):
        _with_quota_project(anonymous, "payer")


# --- what is wrong with them


def test_missing_and_malformed_files_name_the_field(tmp_path: Path) -> None:
    """The message names field and path, and what is wrong, but not what is in the file."""
    torn = tmp_path / "torn.json"
    torn.write_text('{"private_key": "' + SECRET)
    listed = write(tmp_path / "list.json", [SECRET])
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe" + SECRET.encode())
    for name in ("key_path", "credential_config_file"):
        assert "No such file" in refusal(settings_from_extra({name: str(tmp_path / "none.json")}))
        for path in (str(torn), listed, str(binary)):
            message = refusal(settings_from_extra({name: path}))
            assert message == f"{name}: {path!r} is not a file with a JSON object"


def test_p12_key_is_refused() -> None:
    """The old key format gets a clear answer."""
    assert "P12" in refusal(ConnectionSettings(key_path="/keys/old.p12"))


def test_incomplete_and_malformed_keys_are_refused_without_their_content(key: dict[str, Any]) -> None:
    """A broken key is explained by the names of its parts only."""
    broken = {**key, "private_key": f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"}
    assert "private_key is not valid" in refusal(ConnectionSettings(keyfile_dict=broken))
    bare = {"private_key": SECRET}
    assert "client_email, token_uri missing" in refusal(ConnectionSettings(keyfile_dict=bare))
    assert "private_key missing" in refusal(ConnectionSettings(keyfile_dict={**key, "private_key": None}))


def test_credentials_of_another_type_belong_into_another_field(key: dict[str, Any]) -> None:
    """A gcloud login or a federation config in the key's field is told where to go."""
    user = {"type": "authorized_user", "refresh_token": SECRET}
    assert "credential_config_file" in refusal(ConnectionSettings(keyfile_dict=user))


@pytest.mark.parametrize("kind", ["authorized_user", "external_account", SECRET, 5, None])
def test_unusable_credential_configuration(kind: Any) -> None:
    """A configuration that google-auth cannot use is refused without its content."""
    message = refusal(ConnectionSettings(credential_config_file={"type": kind, "refresh_token": SECRET}))
    assert message.startswith("credential_config_file is not a usable credential configuration")


def test_file_of_a_configuration_is_a_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A number would be a file that this process has open: google-auth reads and closes it, an event loop's too."""
    config = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "http://127.0.0.1:9/token",
        "credential_source": {"file": 5},
    }
    message = refusal(ConnectionSettings(project="p", credential_config_file=config))
    assert message.startswith("credential_config_file is not a usable credential configuration")
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    assert "credential_source.file" in refusal(ConnectionSettings(project="p"))


def test_no_application_default_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The message says that the connection names no credentials, and where they could come from."""
    assert "GOOGLE_APPLICATION_CREDENTIALS (not set)" in refusal(ConnectionSettings())
    path = tmp_path / "torn.json"
    path.write_text('{"private_key": "' + SECRET)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    assert f"(now {str(path)!r})" in refusal(ConnectionSettings())


def test_refused_token_is_explained(google: Google, key: dict[str, Any]) -> None:
    """A revoked key shows the token server's reason, counts as permanent and is one of our errors."""
    google.token_status = 400
    google.token_error = {
        "error": "invalid_grant",
        "error_description": "Invalid JWT Signature.",
        "x": SECRET,
    }
    resolved = load_credentials(ConnectionSettings(keyfile_dict=key))
    with make_session(resolved.credentials, timeout=10) as session, pytest.raises(RefreshError) as caught:
        session.get(f"{google.url}/api")
    assert not is_transient(caught.value)
    error = credentials_error(caught.value)
    assert isinstance(error, WorkflowsError)
    assert "(RefreshError: invalid_grant - Invalid JWT Signature.)" in str(error)
    assert SECRET not in str(error)
    assert google.to("/api") == []


def test_token_server_that_is_down_is_transient(google: Google, key: dict[str, Any]) -> None:
    """No connection to the token server may pass, so the caller may try again later."""
    key["token_uri"] = "http://127.0.0.1:9/token"
    resolved = load_credentials(ConnectionSettings(keyfile_dict=key))
    with make_session(resolved.credentials, timeout=10) as session, pytest.raises(TransportError) as caught:
        session.get(f"{google.url}/api")
    assert is_transient(caught.value)
    assert not is_transient(ValueError())


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (
            json.dumps({"error": {"status": "PERMISSION_DENIED", "message": "no Token Creator role"}}),
            "no Token",
        ),
        (json.dumps({"accessToken": SECRET}), "(RefreshError): check"),
        (SECRET, "(RefreshError): check"),
        ([SECRET], "(RefreshError): check"),
        ({"error": SECRET}, "(RefreshError: unknown)"),
    ],
)
def test_only_known_texts_of_a_token_answer_get_through(answer: Any, text: str) -> None:
    """IAM's own reason is shown; an answer of another shape could hold a token and is not."""
    message = str(credentials_error(RefreshError("Unable to acquire: " + SECRET, answer)))  # type: ignore[no-untyped-call]
    assert text in message
    assert SECRET not in message


# --- sessions


@pytest.fixture
def resolved(key: dict[str, Any]) -> Resolved:
    """Return credentials that have no token yet, with a quota project."""
    return load_credentials(ConnectionSettings(keyfile_dict=key, quota_project_id="payer"))


def test_session_refreshes_and_resends_once_after_401(google: Google, resolved: Resolved) -> None:
    """A token that was revoked early is replaced, and the request sent again."""
    google.api_statuses = [401]
    with make_session(resolved.credentials, timeout=10) as session:
        assert session.post(f"{google.url}/api", json={}).status_code == 200
    assert [each.headers["authorization"] for each in google.to("/api")] == [
        "Bearer token-1",
        "Bearer token-2",
    ]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_session_never_resends_a_post(google: Google, resolved: Resolved, status: int) -> None:
    """A POST that is sent twice is two executions."""
    google.api_statuses = [status] * 3
    with make_session(resolved.credentials, timeout=10) as session:
        assert session.post(f"{google.url}/api", json={}).status_code == status
        google.drop = True
        with pytest.raises(requests.ConnectionError):
            session.post(f"{google.url}/api", json={})
    assert len(google.to("/api")) == 2


def test_session_gives_every_request_the_timeout(google: Google, key: dict[str, Any]) -> None:
    """A server that stays silent does not hold a worker longer than the connection's timeout."""
    google.token_gate.clear()  # the path /token never answers
    with make_session(AnonymousCredentials(), timeout=0.1) as session:  # type: ignore[no-untyped-call]
        with pytest.raises(requests.Timeout):
            session.get(f"{google.url}/token")
        with pytest.raises(requests.Timeout):
            session.get(f"{google.url}/token", timeout=None)
    with (
        make_session(load_credentials(ConnectionSettings(keyfile_dict=key)).credentials, timeout=0.1) as session,
        pytest.raises(TransportError) as caught,
    ):
        session.get(f"{google.url}/api")
    assert is_transient(caught.value)


async def test_async_session_fetches_one_token_for_all_without_blocking(google: Google, resolved: Resolved) -> None:
    """Twenty first requests wait for one slow token server, and the event loop goes on meanwhile."""
    google.token_gate.clear()
    session = make_async_session(resolved.credentials, timeout=30, limit=5)
    requests_ = [asyncio.create_task(session.request("GET", f"{google.url}/api")) for _ in range(20)]
    # The loop must be free to come here although the token server does not answer before it is told to.
    await asyncio.to_thread(google.token_asked.wait, 30)
    for _ in range(100):
        await asyncio.sleep(0)
    assert google.to("/api") == []
    google.token_gate.set()
    answers = await asyncio.gather(*requests_)
    bodies = [json.loads(await answer.read()) for answer in answers]
    await session.close()
    assert bodies == [{"authorization": "Bearer token-1"}] * 20
    assert len(google.to("/token")) == 1
    seen = google.to("/api")[0].headers
    assert seen["x-goog-user-project"] == "payer"
    assert seen["user-agent"] == f"airflow-provider-workflows/{__version__}"


async def test_async_session_refreshes_once_after_401(google: Google, resolved: Resolved) -> None:
    """Requests that a revoked token failed share one new token, and each is sent again once."""
    session = make_async_session(resolved.credentials, timeout=30, limit=10)
    await (await session.request("GET", f"{google.url}/api")).read()
    google.api_statuses = [401] * 5
    google.token_gate.clear()  # or the first would be sent again before the last is sent
    requests_ = [asyncio.create_task(session.request("POST", f"{google.url}/api")) for _ in range(5)]
    while google.api_statuses:  # noqa: ASYNC110 - the server is no part of this loop
        await asyncio.sleep(0)
    google.token_gate.set()
    answers = await asyncio.gather(*requests_)
    await asyncio.gather(*(answer.read() for answer in answers))
    await session.close()
    assert [answer.status for answer in answers] == [200] * 5
    assert len(google.to("/token")) == 2
    assert len(google.to("/api")) == 1 + 5 + 5


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_async_session_never_resends_a_post(google: Google, resolved: Resolved, status: int) -> None:
    """Neither an answer that asks for a repeat nor a dropped connection makes a second POST."""
    google.api_statuses = [status] * 3
    session = make_async_session(resolved.credentials, timeout=30, limit=1)
    assert (await session.request("POST", f"{google.url}/api", data=b"{}")).status == status
    google.drop = True
    with pytest.raises(aiohttp.ClientConnectionError):
        await session.request("POST", f"{google.url}/api", data=b"{}")
    await session.close()
    assert len(google.to("/api")) == 2


async def test_async_session_takes_anonymous_credentials(google: Google) -> None:
    """An emulator is used without a token, and its 401 is handed back."""
    session = make_async_session(AnonymousCredentials(), timeout=30, limit=1)  # type: ignore[no-untyped-call]
    answer = await session.request("GET", f"{google.url}/api")
    assert json.loads(await answer.read()) == {"authorization": None}
    google.api_statuses = [401]
    answer = await session.request("GET", f"{google.url}/api")
    await answer.read()
    assert answer.status == 401
    await session.close()


async def test_closing_the_async_session_closes_its_connections(google: Google) -> None:
    """A closed session leaves no open aiohttp session behind and takes no request."""
    session = make_async_session(AnonymousCredentials(), timeout=30, limit=1)  # type: ignore[no-untyped-call]
    await (await session.request("GET", f"{google.url}/api")).read()
    http = session._http
    assert not http.closed
    await session.close()
    assert http.closed
    with pytest.raises(RuntimeError, match="closed"):
        await session.request("GET", f"{google.url}/api")


async def test_async_session_has_the_timeout(google: Google) -> None:
    """A server that stays silent does not hold a waiter longer than the connection's timeout."""
    google.token_gate.clear()
    session = make_async_session(AnonymousCredentials(), timeout=0.1, limit=1)  # type: ignore[no-untyped-call]
    with pytest.raises(asyncio.TimeoutError):
        await session.request("GET", f"{google.url}/token")
    await session.close()


# --- what the machine's environment says about the network


async def both_sessions(resolved: Resolved, url: str) -> list[Any]:
    """Ask with a session of each kind; return what the API saw of the token."""

    def ask() -> Any:
        with make_session(resolved.credentials, timeout=10) as session:
            return session.get(url).json()

    session = make_async_session(resolved.credentials, timeout=10, limit=1)
    try:
        answer = json.loads(await (await session.request("GET", url)).read())
    finally:
        await session.close()
    return [await asyncio.to_thread(ask), answer]


async def test_netrc_does_not_replace_the_token(
    google: Google, resolved: Resolved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login that the machine has for every host is neither sent instead of the token nor an error."""
    netrc = tmp_path / "netrc"
    netrc.write_text(f"default login me password {SECRET}\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    seen = await both_sessions(resolved, f"{google.url}/api")
    assert [each["authorization"].partition(" ")[0] for each in seen] == ["Bearer", "Bearer"]


@pytest.mark.parametrize(("prefix", "login"), [("http://me:word@", "Basic bWU6d29yZA=="), ("", None)])
async def test_requests_go_through_the_proxy_of_the_environment(
    google: Google, monkeypatch: pytest.MonkeyPatch, prefix: str, login: str | None
) -> None:
    """Both sessions use it, with its login, and leave it out for the hosts that the environment excepts."""
    anonymous = Resolved(AnonymousCredentials(), None)  # type: ignore[no-untyped-call]
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", google.url.replace("http://", prefix))
    await both_sessions(anonymous, "http://workflows.invalid/api")
    assert [request.path for request in google.requests] == ["http://workflows.invalid/api"] * 2
    assert [request.headers.get("proxy-authorization") for request in google.requests] == [login] * 2
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    await both_sessions(anonymous, f"{google.url}/api")
    assert [request.path for request in google.requests[2:]] == ["/api"] * 2
