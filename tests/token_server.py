# SPDX-License-Identifier: Apache-2.0
"""Give out access tokens on this machine, as Google's OAuth, IAM credentials, STS and metadata servers do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import google.auth.credentials
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.compute_engine import _metadata

TOKEN = "ya29.s3cr3t-token"


@dataclass
class TokenServer:
    """
    Hold what the server answers.

    :ivar tokens: given out in turn, the last one again and again.
    :ivar status: another than 200 refuses the key.
    :ivar iam_refusal: IAM's error for every impersonation, with status 403.
    :ivar outage: a name of :data:`OUTAGES` or :data:`PAGES`, for everything but the search for a metadata server.
    :ivar outage_at: the beginning of the paths that it is for.
    :ivar universe: what the metadata server says of it; ``None`` where it is too old to say.
    :ivar asked: the paths of all requests.
    """

    url: str = ""
    tokens: list[str] = field(default_factory=lambda: [TOKEN])
    status: int = 200
    iam_refusal: dict[str, Any] | None = None
    outage: str | None = None
    outage_at: str = "/"
    universe: str | None = None
    asked: list[str] = field(default_factory=list)

    def oauth(self) -> dict[str, Any]:
        """Return the answer to a service account's assertion."""
        if self.status != 200:
            return {"error": "invalid_grant", "error_description": "Invalid JWT signature."}
        token = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
        return {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}

    def key(self, private_key: str) -> dict[str, Any]:
        """Return a service account's key that asks this server."""
        return {
            "type": "service_account",
            "client_email": "runner@test-project.iam.gserviceaccount.com",
            "private_key_id": "s3cr3t-key-id",
            "private_key": private_key,
            "token_uri": f"{self.url}/token",
        }

    def external_account(self, subject_token_file: str) -> dict[str, Any]:
        """Return the configuration of an external account that changes its token here."""
        return {
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a/providers/b",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{self.url}/sts",
            "credential_source": {"file": subject_token_file},
        }

    def reply(self, path: str, body: bytes) -> tuple[Any, ...] | None:
        """Return status, type, text and further headers of an answer, as any of the servers; ``None`` for no answer."""
        self.asked.append(path)
        if self.outage and path != "/" and path.startswith(self.outage_at):
            return {**OUTAGES, **PAGES}[self.outage]
        status = 200
        content: dict[str, Any] = {"email": "vm@test-project.iam.gserviceaccount.com", "scopes": []}
        if path.endswith("/universe/universe-domain"):
            return (404, "text/plain", "") if self.universe is None else (200, "application/text", self.universe)
        if path.startswith("/iam/"):
            status, content = 200, impersonated_token(path, json.loads(body))
            if self.iam_refusal:
                status, content = 403, {"error": self.iam_refusal}
        elif "/token" in path or path == "/sts":
            status, content = self.status, self.oauth()
        return status, "application/json", json.dumps(content)


#: Status, type and text of what a server answers that is down; ``None`` closes the connection.
OUTAGES: dict[str, tuple[int, str, str] | None] = {
    "json": (503, "application/json", '{"error": {"code": 503, "message": "Away.", "status": "UNAVAILABLE"}}'),
    "html": (502, "text/html", "<html>Bad Gateway</html>"),
    "drop": None,
}

#: What somebody in between answers in the place of a server of tokens.
PAGES: dict[str, tuple[int, str, str | bytes]] = {
    "login": (200, "text/html", "<html>log in"),
    "null": (200, "application/json", "null"),
    "deep": (200, "application/json", "[" * 100_000),
    "empty": (200, "application/json", "{}"),
    "list": (403, "application/json", "[]"),
    "firewall": (403, "text/plain", "Blocked by the firewall"),
    "bytes": (404, "text/plain", b"\xff\xfe"),
    "header": (200, "application/json", '{"access_token": "a\\nb", "expires_in": 3600}'),
    "characters": (200, "application/json", '{"access_token": "\u20ac", "expires_in": 3600}'),
    "number": (200, "application/json", '{"access_token": 5, "expires_in": 3600}'),
    "soon": (200, "application/json", '{"access_token": "a", "expires_in": "soon"}'),
    "never": (200, "application/json", '{"access_token": "a", "expires_in": 1e30}'),
}


def impersonated_token(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return IAM's answer to generateAccessToken; the token says for whom it is, and through whom."""
    target = path.rpartition("/")[2].partition(":")[0]
    delegates = [each.rpartition("/")[2] for each in body.get("delegates") or []]
    return {"accessToken": "-".join([*delegates, target]), "expireTime": "2100-01-01T00:00:00Z"}


@contextmanager
def serve_tokens() -> Iterator[TokenServer]:
    """Serve on a free port of 127.0.0.1."""
    state = TokenServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(b"")

        def do_POST(self) -> None:
            self.answer(self.rfile.read(int(self.headers["Content-Length"])))

        def answer(self, sent: bytes) -> None:
            reply = state.reply(self.path, sent)
            if reply is None:
                self.close_connection = True
                return
            status, kind, text, headers = (*reply, {})[:4]
            body = text if isinstance(text, bytes) else text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Metadata-Flavor", "Google")
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def make_private_key() -> str:
    """Make a key as a service account's key file holds it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def stay_on_this_machine(monkeypatch: pytest.MonkeyPatch, server: TokenServer) -> None:
    """Let google-auth ask this server for impersonation, repeat at once, and look nothing up on the internet."""
    monkeypatch.setattr("google.auth.iam._IAM_ENDPOINT", f"{server.url}/iam/{{}}:generateAccessToken")
    look_up_no_regions(monkeypatch)
    monkeypatch.setattr("google.auth._exponential_backoff.time", SimpleNamespace(sleep=lambda _: None))


def be_the_metadata_server(monkeypatch: pytest.MonkeyPatch, server: TokenServer, folder: Path) -> None:
    """Give this machine the token server as its metadata server, and no other credentials."""
    host = server.url.removeprefix("http://")
    monkeypatch.setattr("google.auth.compute_engine._metadata._GCE_METADATA_HOST", host)
    monkeypatch.setattr("google.auth.compute_engine._metadata._NO_GCE_CHECK", False, raising=False)
    monkeypatch.setenv("GCE_METADATA_IP", host)
    # Old versions of google-auth make URLs of it when they are imported.
    if root := getattr(_metadata, "_METADATA_ROOT", None):
        there = f"{server.url}/computeMetadata/v1/"
        defaults = tuple(there if each == root else each for each in _metadata.get.__defaults__ or ())
        monkeypatch.setattr(_metadata.get, "__defaults__", defaults)
        monkeypatch.setattr(_metadata, "_METADATA_IP_ROOT", server.url)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(folder / "gcloud"))
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "NO_GCE_CHECK"):
        monkeypatch.delenv(name, raising=False)


def look_up_no_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep google-auth from looking up the account's allowed locations on the internet, which new versions do."""
    cls = getattr(google.auth.credentials, "CredentialsWithRegionalAccessBoundary", None)
    if cls is not None:
        monkeypatch.setattr(cls, "_is_regional_access_boundary_lookup_required", lambda _: False)
