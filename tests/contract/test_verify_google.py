# SPDX-License-Identifier: Apache-2.0
"""The script that asks Google deploys, asks, removes and writes, shown on an emulator and a stand-in for Google."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

import verify_google
from airflow_provider_workflows.testing import Emulator, ManualClock
from tests.contract.asked import BearerSession
from tests.contract.asks_failures import KINDS
from tests.contract.server import Exchange
from tests.contract.stand_in import StandIn
from tests.contract.suite import Finding, Server, ask_all
from verify_access import Access, AccessError, access
from verify_deploy import DeployError, WorkflowsApi, at_google
from verify_page import Mask, page
from verify_sources import DEFINITIONS, SOURCES

PROJECT, LOCATION = "my-secret-project", "europe-west1"


@pytest.fixture
def google() -> Iterator[StandIn]:
    """Serve a stand-in for Google's two APIs."""
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def at() -> Iterator[Access]:
    """Give credentials that the stand-in takes."""
    with BearerSession("ya29.token") as session:
        yield Access(session, PROJECT, LOCATION)


def api(google: StandIn, at: Access) -> WorkflowsApi:
    """Return the client of the Workflows API, which does not wait in real time."""
    return WorkflowsApi(at.session, at.project, at.location, google.endpoint, sleep=google.clock.advance)


def deployed(google: StandIn, at: Access) -> Any:
    """Deploy at the stand-in for a block."""
    return verify_google.deployed(at, "", api(google, at), google.endpoint)


def test_deploys_asks_and_removes(google: StandIn, at: Access, capsys: pytest.CaptureFixture[str]) -> None:
    """Three workflows are deployed, asked about in both versions, and gone at the end; the page names neither."""
    with deployed(google, at) as workflows:
        assert set(google.deployed) == set(workflows.values())
        assert len(workflows) == 3
        server = Server(
            google.endpoint,
            PROJECT,
            LOCATION,
            workflows,
            at.session,
            sleep=google.clock.advance,
            clock=google.clock.time,
        )
        mask = verify_google.mask_for(PROJECT, workflows)
        when = datetime(2026, 1, 2, tzinfo=timezone.utc)
        outcome = verify_google.examine(server, mask, is_google=True, when=when)
    assert google.deployed == {}
    assert google.removed == list(workflows.values())
    assert outcome.page.startswith("# What Google's service answers\n\nAsked on 2026-01-02")
    assert '`cancel_finished="error"`' in outcome.page
    for secret in (PROJECT, *workflows.values(), "ya29", google.number):
        assert secret not in outcome.page + capsys.readouterr().out.partition("removed")[0].partition("v1 ")[2]
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-4", outcome.page)
    assert outcome.departures == []


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_removes_whatever_happens(google: StandIn, at: Access, failure: type[BaseException]) -> None:
    """A failure, and Ctrl-C, in the middle leave nothing behind."""
    with pytest.raises(failure), deployed(google, at):
        raise failure
    assert google.deployed == {}
    assert len(google.removed) == 3


def test_removes_what_was_deployed_before_a_refusal(google: StandIn, at: Access) -> None:
    """Where the second deployment is refused, the first is removed, and it is said what to do."""
    google.refuse_creates_after = 1
    with pytest.raises(AccessError, match=r"iam\.serviceAccounts\.actAs"), deployed(google, at):
        pytest.fail("it must not come so far")
    assert google.deployed == {}


def test_removes_what_was_deployed_without_an_answer(google: StandIn, at: Access) -> None:
    """A deployment that took effect, although it was answered by an error, is removed."""
    google.lose_creates = True
    with pytest.raises(DeployError, match="500"), deployed(google, at):
        pytest.fail("it must not come so far")
    assert len(google.removed) == 1


def test_goes_on_without_the_workflow_that_fails(google: StandIn, at: Access) -> None:
    """Where its source is refused, what needs it is left open, and the rest is asked."""
    google.refuse_source = "raise_text"
    with deployed(google, at) as workflows:
        assert set(workflows) == {"echo", "wait"}
        server = Server(google.endpoint, PROJECT, LOCATION, workflows, at.session, sleep=google.clock.advance)
        found = ask_all(server, ["failure_text", "failing_step", "filter_or"])
    assert [each.outcome for each in found.values()] == ["unsettled", "unsettled", "answered"]


def test_a_connection_that_is_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """An Airflow connection that does not exist is no reason to act as somebody else."""
    assert verify_google.main(["--connection", "nonexistent", "--project", PROJECT, "--location", LOCATION]) == 2
    assert "airflow connections add nonexistent" in capsys.readouterr().err


def test_removes_what_is_still_being_made(google: StandIn, at: Access) -> None:
    """A removal that is refused while something else goes on is tried again."""
    with deployed(google, at):
        google.busy = 4
    assert google.deployed == {}


def test_a_connection_says_who_and_where(monkeypatch: pytest.MonkeyPatch) -> None:
    """An Airflow connection gives credentials, project and location; what is said beside it wins."""
    extra = {"project": PROJECT, "location": LOCATION, "is_anonymous": True}
    monkeypatch.setenv("AIRFLOW_CONN_VERIFY", json.dumps({"conn_type": "google_cloud_workflows", "extra": extra}))
    found = access("", "", "verify")
    assert (found.project, found.location) == (PROJECT, LOCATION)
    assert access("other-project", "us-east1", "verify").project == "other-project"
    monkeypatch.setenv(
        "AIRFLOW_CONN_NOWHERE", '{"conn_type": "google_cloud_workflows", "extra": {"is_anonymous": true}}'
    )
    with pytest.raises(ValueError, match="LOCATION="):
        access("other-project", "", "nowhere")


def test_says_what_could_not_be_removed(google: StandIn, at: Access) -> None:
    """What cannot be removed is named with the command that does it; the others are removed."""
    said: list[str] = []
    with at_google(api(google, at), "", said.append) as workflows:
        google.keep = workflows["wait"]
    assert list(google.deployed) == [workflows["wait"]]
    command = f"gcloud workflows delete {workflows['wait']} --project={PROJECT} --location={LOCATION} --quiet"
    assert said[-1] == f"remove it yourself: {command}"


@pytest.mark.parametrize(
    ("reason", "commands"),
    [
        ("SERVICE_DISABLED", ["gcloud services enable workflows.googleapis.com workflowexecutions.googleapis.com"]),
        ("IAM_PERMISSION_DENIED", ["roles/workflows.admin", "roles/iam.serviceAccountUser"]),
    ],
)
@pytest.mark.parametrize("part", ["workflows", "executions"])
def test_says_what_to_run_first(google: StandIn, at: Access, part: str, reason: str, commands: list[str]) -> None:
    """Where an API is off or a permission is missing, it stops before it makes anything, and names the commands."""
    google.deny[part] = reason
    with pytest.raises(AccessError) as caught, deployed(google, at):
        pytest.fail("it must not come so far")
    for command in [reason, *commands]:
        assert command in str(caught.value)
    assert google.removed == []


def test_without_credentials_it_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there are no credentials it ends with status 2 and the command that makes some."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    assert verify_google.main(["--project", PROJECT, "--location", LOCATION]) == 2
    assert "gcloud auth application-default login" in capsys.readouterr().err


def test_an_emulators_page_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A page about an emulator says above all that it is not about Google, and is not written into docs/."""
    output = tmp_path / "page.md"
    clock = ManualClock()
    with Emulator(clock=clock) as emulator:
        options = verify_google.parse(["--endpoint", emulator.endpoint])
        with verify_google.emulator(options) as whom:
            server = replace(whom, sleep=clock.advance, clock=clock.time)
            mask = verify_google.mask_for(server.project, dict(server.workflows))
            output.write_text(verify_google.examine(server, mask, is_google=False).page, encoding="utf-8")
    text = output.read_text(encoding="utf-8")
    assert text.startswith(
        "# What an emulator answers, NOT Google's service\n\n**This page says nothing about Google.**"
    )
    assert "Google's service answers" not in text
    assert verify_google.EMULATORS_PAGE.parent.name == "build"


@pytest.mark.parametrize(
    "endpoint", ["https://workflowexecutions.googleapis.com", "http://10.0.0.1:8080", "127.0.0.1:8080"]
)
def test_only_emulators_here_are_asked_so(endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An endpoint elsewhere is refused: what is not Google must not be taken for it, nor the other way round."""
    assert verify_google.main(["--endpoint", endpoint]) == 2
    assert "emulator on this machine" in capsys.readouterr().err


def test_a_server_that_is_no_emulator_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody takes the workflows, it ends with status 2."""
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.handle_request, daemon=True)
        thread.start()
        assert verify_google.main(["--endpoint", f"http://127.0.0.1:{server.server_port}"]) == 2
        thread.join()
    assert "is no emulator: it answers 501" in capsys.readouterr().err


def test_a_server_that_refuses_has_no_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where one may not create executions, it ends with status 2 and writes nothing."""
    output = tmp_path / "page.md"
    with Emulator(token="secret") as emulator:
        assert verify_google.main(["--endpoint", emulator.endpoint, "--output", str(output)]) == 2
    assert "a create answers 401 UNAUTHENTICATED" in capsys.readouterr().err
    assert not output.exists()


def test_masks_everything() -> None:
    """Projects, numbers, executions, accounts, addresses, tokens and trace ids do not reach a page."""
    mask = Mask({"my-project": "PROJECT", "my": "OTHER"})
    text = (
        "projects/my-project/x projects/123456/y 5f3b9f9c-9d0a-4d5e-8c57-0e8a8f0f7d11 me@my-project.iam.example.com "
        '10.1.2.3:8080 ya29.a0Af_x pageToken=abcdefghijkl "X-Cloud-Trace-Context":"abc/1;o=1" '
        r'{\"X-Cloud-Trace-Context\":\"abc/1;o=1\"} "nextPageToken": "abcdefghijkl"'
    )
    assert mask(text) == (
        "projects/PROJECT/x projects/PROJECT-NUMBER/y EXECUTION ACCOUNT ADDRESS TOKEN pageToken=PAGE-TOKEN "
        '"X-Cloud-Trace-Context":"TRACE" '
        r'{\"X-Cloud-Trace-Context\":\"TRACE\"} "nextPageToken": "PAGE-TOKEN"'
    )


def test_masks_numbers_wherever_they_stand() -> None:
    """The number of a project, once it was in a name, is masked in the words of an error, too."""
    came = '{"name": "projects/424242/locations/x", "message": "Consumer 424242 is unknown."}'
    finding = Finding("400", exchanges=[Exchange("GET /v1/x", "", 400, came)])
    text = page({"v1": {"filter_or": finding}}, {}, Mask({}), when="today", is_google=True)
    assert "Consumer PROJECT-NUMBER is unknown" in text
    assert "424242" not in text


def test_a_name_that_is_cut_is_masked_before() -> None:
    """What is too long to be shown is masked before it is cut: half a name would stay."""
    finding = Finding("400", exchanges=[Exchange("GET /v1/x", "", 400, "x " * 295 + "my-secret-project-of-mine")])
    text = page({"v1": {"filter_or": finding}}, {}, Mask({"my-secret-project-of-mine": "P"}), when="", is_google=True)
    assert "my-secret" not in text


def test_sources_are_workflows() -> None:
    """What is deployed is YAML whose jumps lead to steps and whose calls lead to subworkflows or Google's functions."""
    for source, _ in SOURCES.values():
        program = yaml.safe_load(source)
        steps = {name for part in program.values() for step in part["steps"] for name in step}
        jumps = set(re.findall(r"next: (\w+)", source)) - {"end"}
        calls = {name for name in re.findall(r"call: ([\w.]+)", source) if "." not in name}
        assert jumps <= steps
        assert calls <= set(program)


def test_every_failure_is_there_twice() -> None:
    """Each way to fail is in Google's workflow and has a stand-in at an emulator."""
    assert set(re.findall(r'args\.kind == "(\w+)"', SOURCES["fail"][0])) == set(KINDS)
    assert {f"fail_{kind}" for kind in KINDS} == {role for role in DEFINITIONS if role.startswith("fail_")}


def test_a_strange_operation_is_an_error(google: StandIn, at: Access) -> None:
    """A deployment that fails after it was taken on is an error that names the workflow."""
    google.fail_operations = True
    with pytest.raises(DeployError, match="contract-x: cannot be compiled"):
        api(google, at).create("contract-x", "", {})
