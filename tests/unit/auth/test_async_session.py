# SPDX-License-Identifier: Apache-2.0
"""The event loop's session: one fetch of a token for all, renewed in time, and counted where a request goes twice."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import aiohttp
import pytest
from google.auth.credentials import Credentials
from google.auth.exceptions import RefreshError, TransportError

from airflow_provider_workflows.api.client import AsyncWorkflowsClient
from airflow_provider_workflows.api.requests import ExecutionsApi
from airflow_provider_workflows.auth.async_session import AsyncSession, make_async_session
from airflow_provider_workflows.auth.refreshing import refresh_carefully
from airflow_provider_workflows.core.names import WorkflowName
from airflow_provider_workflows.exceptions import AmbiguousCreate, CredentialsError, WorkflowsApiError
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsAsyncHook
from airflow_provider_workflows.polling.shared import shared_poller
from airflow_provider_workflows.testing import DEFAULT_LOCATION, DEFAULT_PROJECT, Emulator
from airflow_provider_workflows.testing.server import serve
from tests import virtual_time
from tests.harness import AdvancingClock
from tests.token_server import TokenServer

Connect = Callable[..., None]
TARGET = "target@test-project.iam.gserviceaccount.com"
WORKFLOW = WorkflowName(DEFAULT_PROJECT, DEFAULT_LOCATION, "echo")


class Identity(Credentials):
    """
    Credentials that get a token when the test says so.

    :ivar gate: each fetch waits for it.
    :ivar again: set with the second fetch.
    :ivar error: raised instead of getting a token.
    :ivar seconds: the life of the next token.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.gate = threading.Event()
        self.gate.set()
        self.again = threading.Event()
        self.fetches = 0
        self.error: Exception | None = None
        self.seconds = 3600.0

    def refresh(self, request: Any) -> None:
        """Get token-1, token-2 and so on."""
        self.fetches += 1
        if self.fetches > 1:
            self.again.set()
        assert self.gate.wait(30)
        if self.error:
            raise self.error
        self.token = f"token-{self.fetches}"
        self.expires_in(self.seconds)

    def expires_in(self, seconds: float) -> None:
        """Have the token expire so many seconds from now."""
        self.expiry = datetime.now(timezone.utc).replace(tzinfo=None) + timedelta(seconds=seconds)


@pytest.fixture
def identity() -> Identity:
    """Give credentials without a token."""
    return Identity()


@pytest.fixture
async def session(identity: Identity) -> AsyncIterator[AsyncSession]:
    """Give a session with these credentials."""
    session = make_async_session(identity, timeout=30, limit=5)
    yield session
    identity.gate.set()
    await session.close()


def url(emulator: Emulator) -> str:
    """Return what a list asks for."""
    return f"{emulator.endpoint}/v1/{WORKFLOW}/executions"


def statuses(emulator: Emulator) -> list[int | None]:
    """Return how the requests were answered; 401 where their token was not the one that the test has set."""
    return [request.status for request in emulator.requests]


async def turns(number: int = 50) -> None:
    """Let the other tasks of the loop come to where they wait for something."""
    for _ in range(number):
        await asyncio.sleep(0)


# -- tokens that are about to expire


async def test_an_old_token_is_used_while_the_next_is_fetched(
    emulator: Emulator, identity: Identity, session: AsyncSession
) -> None:
    """Requests do not wait for a token server as long as they have a token, and one fetch serves them all."""
    emulator.settings.token = "token-1"
    await session.request("GET", url(emulator))
    identity.expires_in(60)
    identity.gate.clear()
    await asyncio.gather(*(session.request("GET", url(emulator)) for _ in range(3)))
    assert await asyncio.to_thread(identity.again.wait, 30)
    assert identity.fetches == 2
    emulator.settings.token = "token-2"
    identity.gate.set()
    identity.expires_in(-1)
    await session.request("GET", url(emulator))
    assert statuses(emulator) == [200] * 5
    assert identity.fetches == 2


async def test_a_renewal_that_fails_matters_when_the_token_has_expired(
    emulator: Emulator, identity: Identity, session: AsyncSession
) -> None:
    """Until then requests go out with the token that there is, and the token server is not asked for each of them."""
    emulator.settings.token = "token-1"
    await session.request("GET", url(emulator))
    identity.expires_in(60)
    identity.error = RefreshError("no")  # type: ignore[no-untyped-call]
    await session.request("GET", url(emulator))
    assert await asyncio.to_thread(identity.again.wait, 30)
    for _ in range(4):
        await session.request("GET", url(emulator))
    assert statuses(emulator) == [200] * 6
    assert identity.fetches == 2
    identity.expires_in(-1)
    with pytest.raises(RefreshError):
        await session.request("GET", url(emulator))
    assert len(emulator.requests) == 6


async def test_a_token_that_is_born_old_is_used(emulator: Emulator, identity: Identity, session: AsyncSession) -> None:
    """A metadata server that gives out what it has, for its last minutes, is not asked twice for one request."""
    identity.seconds = 60
    emulator.settings.token = "token-1"
    await session.request("GET", url(emulator))
    assert statuses(emulator) == [200]
    assert identity.fetches == 1


# -- many who wait for one token


async def test_who_is_cancelled_takes_no_token_from_the_others(
    emulator: Emulator, identity: Identity, session: AsyncSession
) -> None:
    """The one who began the fetch may leave; those who joined it get their token from it."""
    identity.gate.clear()
    first, *others = [asyncio.create_task(session.request("GET", url(emulator))) for _ in range(3)]
    await turns()
    first.cancel()
    await turns()
    identity.gate.set()
    assert [answer.status for answer in await asyncio.gather(*others)] == [200, 200]
    assert first.cancelled()
    assert identity.fetches == 1


@pytest.mark.parametrize(
    ("error", "cls", "retryable"),
    [
        (TransportError("away"), WorkflowsApiError, True),  # type: ignore[no-untyped-call]
        (RefreshError("no", {"error": "invalid_grant"}), CredentialsError, None),  # type: ignore[no-untyped-call]
        (json.JSONDecodeError("x", "<html>", 0), WorkflowsApiError, True),
        (OSError("a file of ours"), CredentialsError, None),
    ],
)
async def test_the_error_of_a_fetch_reaches_all_who_waited(
    error: Exception, cls: type[Exception], retryable: bool | None, emulator: Emulator, identity: Identity
) -> None:
    """Each gets an error of its own that says what it was about; none says that the create may have been sent."""
    identity.gate.clear()
    identity.error = error
    session = make_async_session(refresh_carefully(identity), timeout=30, limit=5)
    client = AsyncWorkflowsClient(ExecutionsApi("v1", emulator.endpoint), session).without_retries()
    waiting = [asyncio.create_task(client.create(WORKFLOW, {})) for _ in range(3)]
    await turns()
    identity.gate.set()
    errors = await asyncio.gather(*waiting, return_exceptions=True)
    await session.close()
    assert [type(each) for each in errors] == [cls] * 3
    assert len(set(map(id, errors))) == 3
    assert [getattr(each, "retryable", None) for each in errors] == [retryable] * 3
    assert not any(isinstance(each, AmbiguousCreate) for each in errors)
    assert identity.fetches == 1
    assert emulator.requests == []


async def test_a_fetch_that_hangs_is_not_joined_by_a_second(
    emulator: Emulator, identity: Identity, session: AsyncSession
) -> None:
    """Who waits gives up in time, as for an outage; the next one waits for the same fetch."""
    identity.gate.clear()
    for _ in range(2):
        with pytest.raises(TransportError, match="in time"):
            await session.request("GET", url(emulator), timeout=0.05)
    waiting = asyncio.create_task(session.request("GET", url(emulator)))
    await turns()
    identity.gate.set()
    assert (await waiting).status == 200
    assert identity.fetches == 1


# -- 401


async def test_a_request_is_sent_twice_at_most(emulator: Emulator, identity: Identity, session: AsyncSession) -> None:
    """A service that refuses the new token, too, has its answer handed back, and each resend is told."""
    emulator.settings.token = "another"
    told: list[int] = []
    answer = await session.request("GET", url(emulator), on_resend=lambda: told.append(identity.fetches))
    assert answer.status == 401
    assert statuses(emulator) == [401, 401]
    assert told == [2]


async def test_who_was_refused_with_an_older_token_takes_the_newer(
    emulator: Emulator, identity: Identity, session: AsyncSession
) -> None:
    """A 401 that arrives after others have renewed the token does not renew it again."""
    await session.request("GET", url(emulator))
    emulator.settings.token = "token-2"
    emulator.fail("list", "slow", times=1)
    late = asyncio.create_task(session.request("GET", url(emulator)))
    while len(emulator.requests) < 2:  # noqa: ASYNC110 - the emulator is no part of this loop
        await asyncio.sleep(0)
    assert (await session.request("GET", url(emulator))).status == 200
    emulator.release()
    assert (await late).status == 200
    assert identity.fetches == 2


async def test_a_refresh_that_fails_after_a_401_is_the_answer(
    emulator: Emulator, identity: Identity, session: AsyncSession
) -> None:
    """What went wrong is that there is no new token."""
    await session.request("GET", url(emulator))
    emulator.settings.token = "another"
    identity.error = TransportError("away")  # type: ignore[no-untyped-call]
    with pytest.raises(TransportError):
        await session.request("GET", url(emulator))
    assert len(emulator.requests) == 2


@pytest.mark.parametrize(("status", "retries"), [(401, 1), (403, 0)])
def test_the_budget_pays_for_a_resend(status: int, retries: int) -> None:
    """A look of a poller that took two requests uses up two requests' share."""

    async def scene(clock: virtual_time.VirtualClock) -> None:
        emulator = Emulator(clock=clock)
        async with serve(emulator):
            identity = Identity()
            session = make_async_session(identity, timeout=60.0, limit=4)

            async def open_client() -> Any:
                return AsyncWorkflowsClient(ExecutionsApi("v1", emulator.endpoint), session), session.close

            execution_id = emulator.start("forever")
            name = WorkflowName(DEFAULT_PROJECT, DEFAULT_LOCATION, "forever")
            async with shared_poller("connection", name, open_client, clock=clock) as poller:
                budget = poller._budget_of(AsyncWorkflowsClient(ExecutionsApi("v1", emulator.endpoint), session))
                bucket = budget._buckets["get"]
                emulator.fail("get", status=status, times=1)
                if status == 401:
                    await poller.get(execution_id)
                else:
                    with pytest.raises(WorkflowsApiError):
                        await poller.get(execution_id)
                assert bucket.burst - bucket.tokens == pytest.approx(1 + retries, abs=0.1)
                assert emulator.count("get") == 1 + retries

    virtual_time.run(scene)


# -- headers, and what a session is


async def test_the_kind_of_credentials_is_told_beside_what_the_client_tells(
    connect: Connect, token_server: TokenServer, private_key: str, emulator: Emulator, clock: AdvancingClock
) -> None:
    """google-auth's note on the credentials is added to the client library's header, and the payer has his own."""
    connect(
        keyfile_dict=token_server.key(private_key),
        is_anonymous=None,
        impersonation_chain=TARGET,
        quota_project_id="payer",
    )
    emulator.settings.token = TARGET
    async with WorkflowExecutionsAsyncHook(clock=clock) as hook:
        await hook.create_execution("echo")
    headers = {name.lower(): value for name, value in emulator.requests[0].headers.items()}
    assert statuses(emulator) == [200]
    assert headers["x-goog-api-client"].startswith("gdcl/")
    assert headers["x-goog-api-client"].endswith(" cred-type/imp")
    assert headers["x-goog-user-project"] == "payer"


async def test_redirects_are_not_followed(emulator: Emulator, session: AsyncSession) -> None:
    """A token is for the service that was asked, and nobody else."""
    emulator.fail("list", status=307, headers={"Location": url(emulator)})
    assert (await session.request("GET", url(emulator))).status == 307
    assert len(emulator.requests) == 1


async def test_an_answer_that_breaks_off_is_an_error(emulator: Emulator, session: AsyncSession) -> None:
    """Half an answer is none; the connection is not used again."""
    emulator.fail("list", "drop_after")
    with pytest.raises(aiohttp.ClientError):
        await session.request("GET", url(emulator))
    assert (await session.request("GET", url(emulator))).status == 200
