# SPDX-License-Identifier: Apache-2.0
"""Why there is no token, in words: what google-auth itself and servers of tokens are known to say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.auth import exceptions as google

from airflow_provider_workflows.auth.refreshing import NO_TOKEN_SERVER
from airflow_provider_workflows.auth.token_advice import OTHERWISE, TOKEN_ADVICE
from airflow_provider_workflows.auth.token_errors import credentials_error
from airflow_provider_workflows.exceptions import CredentialsError
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsHook
from airflow_provider_workflows.testing import Emulator
from tests.documents import names, tables
from tests.token_server import TokenServer

Connect = Callable[..., None]
MEANS = {advice.said[0]: advice.means for advice in TOKEN_ADVICE}


def refused(description: str, code: str = "invalid_grant") -> google.RefreshError:
    """Return what google-auth raises for an OAuth server's refusal."""
    answer = {"error": code, "error_description": description}
    return google.RefreshError(f"{code}: {description}", answer)  # type: ignore[no-untyped-call]


def iam(status: str, message: str) -> google.RefreshError:
    """Return what google-auth raises where impersonation is refused."""
    answer = json.dumps({"error": {"status": status, "message": message}})
    return google.RefreshError("Unable to acquire impersonated credentials", answer)  # type: ignore[no-untyped-call]


#: What is raised, and how the text that follows it begins in the table.
CASES: list[tuple[Exception, str]] = [
    (google.TransportError(NO_TOKEN_SERVER), NO_TOKEN_SERVER),  # type: ignore[no-untyped-call]
    (google.ReauthFailError("not in an interactive session"), "reauth"),  # type: ignore[no-untyped-call]
    (refused("reauth related error (invalid_rapt)"), "reauth"),
    (
        google.MalformedError("Executables need to be explicitly allowed (set … to '1') to run."),  # type: ignore[no-untyped-call]
        "executables need to be explicitly allowed",
    ),
    (google.RefreshError("Executable exited with non-zero return code 1. Error: b'x'"), "executable exited"),  # type: ignore[no-untyped-call]
    (google.RefreshError("File '/var/run/token' was not found."), "' was not found"),  # type: ignore[no-untyped-call]
    (
        refused(
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
            "Check your iat and exp values in the JWT claim."
        ),
        "short-lived token",
    ),
    (refused("Invalid JWT Signature."), "invalid jwt signature"),
    (refused("Invalid grant: account not found"), "account not found"),
    (refused("Token has been expired or revoked."), "expired or revoked"),
    (iam("PERMISSION_DENIED", "Permission 'iam.serviceAccounts.getAccessToken' denied on resource"), "getaccesstoken"),
    (
        iam("PERMISSION_DENIED", "IAM Service Account Credentials API has not been used in project 1 before"),
        "iamcredentials.googleapis.com",
    ),
    (
        refused("The given credential is rejected by the attribute condition.", "unauthorized_client"),
        "attribute condition",
    ),
    (refused("The audience in ID Token does not match the expected audience."), "audience"),
    (refused("Invalid OAuth scope or ID token audience provided.", "invalid_scope"), "audience"),
    (refused("", "invalid_scope"), "invalid_scope"),
    (google.RefreshError(google.TransportError(ConnectionError("x"))), "connectionerror"),  # type: ignore[no-untyped-call]
]


@pytest.mark.parametrize(("error", "first"), CASES)
def test_what_is_said_is_explained(error: Exception, first: str) -> None:
    """Each is explained with the words of the table, and nothing of google-auth's own sentence is quoted."""
    text = str(credentials_error(error))
    assert text.endswith(f"): {MEANS[first]}")
    assert "/var/run" not in text
    assert "b'x'" not in text


def test_each_explanation_is_tested() -> None:
    """No row of the table is without a case."""
    assert {first for _, first in CASES} == set(MEANS)


def test_what_is_not_known() -> None:
    """Anything else says where to look."""
    assert str(credentials_error(refused("Whatever."))).endswith(f"invalid_grant - Whatever.): {OTHERWISE}")


def test_through_a_task(
    connect: Connect, hook: WorkflowExecutionsHook, emulator: Emulator, token_server: TokenServer, private_key: str
) -> None:
    """A task with a key that was deleted says so, after what it tried."""
    connect(keyfile_dict=token_server.key(private_key), is_anonymous=None)
    token_server.status = 400
    with pytest.raises(CredentialsError, match="make a new one") as caught:
        hook.get_execution("echo", execution_id="e")
    assert str(caught.value).startswith("Could not get echo e: ")
    assert emulator.requests == []


def test_a_missing_token_file_of_a_federation(
    connect: Connect, hook: WorkflowExecutionsHook, emulator: Emulator, token_server: TokenServer, tmp_path: Path
) -> None:
    """google-auth's own words about a federation are understood as it says them today."""
    config: dict[str, Any] = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{token_server.url}/token",
        "credential_source": {"file": str(tmp_path / "missing")},
    }
    connect(credential_config_file=config, is_anonymous=None)
    with pytest.raises(CredentialsError, match="the federation's token file"):
        hook.get_execution("echo", execution_id="e")
    config["credential_source"] = {"executable": {"command": "/bin/true", "timeout_millis": 5000}}
    connect(credential_config_file=config, is_anonymous=None)
    with pytest.raises(CredentialsError, match="GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1"):
        WorkflowExecutionsHook(clock=hook.clock).get_execution("echo", execution_id="e")


def test_the_table_of_token_errors() -> None:
    """The documented table is that of the code."""
    rows = [(names(row[0]), row[1]) for row in tables("docs/troubleshooting.md", "## Why there is no token")]
    assert rows == [*((list(each.said), each.means) for each in TOKEN_ADVICE), ([], OTHERWISE)]
