# SPDX-License-Identifier: Apache-2.0
"""Give out access tokens on this machine, as Google's OAuth and IAM credentials services do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

TOKEN = "ya29.s3cr3t-token"


@dataclass
class TokenServer:
    """
    Hold what the server answers.

    :ivar tokens: given out in turn, the last one again and again.
    :ivar status: another than 200 refuses the key.
    """

    url: str = ""
    tokens: list[str] = field(default_factory=lambda: [TOKEN])
    status: int = 200

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
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path.startswith("/iam/"):
                self.answer(200, impersonated_token(self.path, json.loads(body)))
            else:
                self.answer(state.status, state.oauth())

        def answer(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
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
    monkeypatch.setattr(
        "google.auth.credentials.CredentialsWithRegionalAccessBoundary._is_regional_access_boundary_lookup_required",
        lambda _: False,
    )
    monkeypatch.setattr("google.auth._exponential_backoff.time", SimpleNamespace(sleep=lambda _: None))
