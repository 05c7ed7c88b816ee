# SPDX-License-Identifier: Apache-2.0
"""
Ask Google's service what the package relies on, and what nobody has published; write the answers as a page.

    make verify-google PROJECT=my-project LOCATION=us-central1

Deploys three small workflows under names of its own, asks the contract in `tests/contract/` of v1 and v1beta, removes
what it has made (also after a failure or Ctrl-C), and writes `docs/verified.md`. With ``--endpoint`` it asks an
emulator instead, which costs nothing and proves nothing: that page goes to `build/`, and says so.

Ends with status 0 when everything that is relied on holds, 1 when something does not, 2 when it could not begin, and
130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import urlsplit

import requests

from airflow_provider_workflows.testing import DEFAULT_LOCATION, DEFAULT_PROJECT, Emulator, ManualClock
from processes import interruptible
from tests.contract.suite import Finding, RefusedError, Server, ask_all
from verify_access import EXECUTIONS, Access, AccessError, access, check, explained
from verify_deploy import DeployError, WorkflowsApi, at_emulator, at_google
from verify_page import Mask, page

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("v1", "v1beta")
PAGE, EMULATORS_PAGE = ROOT / "docs" / "verified.md", ROOT / "build" / "verified-emulator.md"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True)
class Outcome:
    """What a server answered, by version and question, and the page about it."""

    findings: dict[str, dict[str, Finding]]
    page: str

    @property
    def departures(self) -> list[str]:
        """Return where it does otherwise than the package relies on."""
        return [
            f"{version} {key}: {finding.answer}"
            for version, each in self.findings.items()
            for key, finding in each.items()
            if finding.outcome == "departs"
        ]


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="verify_google.py", description="Ask Google's service the contract.")
    parser.add_argument("--project", default="", help="project whose Workflows to use; a few cents are charged to it")
    parser.add_argument("--location", default="", help="region, such as us-central1")
    parser.add_argument("--connection", default="", help="Airflow connection to use instead of ADC")
    parser.add_argument(
        "--service-account", default="", help="as whom the workflows run; the project's default if empty"
    )
    parser.add_argument("--crowd", type=int, default=0, help="executions to start at once, to see some QUEUED")
    parser.add_argument("--burst", type=int, default=0, help="list requests to send at once, to meet the rate limit")
    parser.add_argument("--endpoint", default="", help="address of an emulator to ask instead of Google")
    parser.add_argument("--output", type=Path, help=f"page to write (default: {PAGE.name}, for an emulator in build/)")
    return parser.parse_args(arguments)


def emulators(endpoint: str) -> str:
    """Return the address of an emulator, checked.

    :raises ValueError: it is not on this machine.
    """
    if urlsplit(endpoint).hostname not in _LOOPBACK or not endpoint.startswith("http://"):
        raise ValueError(
            "ENDPOINT is for an emulator on this machine, such as http://127.0.0.1:8080; Google needs none"
        )
    return endpoint.rstrip("/")


def expected() -> dict[str, dict[str, Finding]]:
    """Ask an emulator with its default settings the same, for comparison; it takes no time and no network."""
    clock = ManualClock()
    with Emulator(clock=clock) as emulator, requests.Session() as session:
        session.trust_env = False
        with at_emulator(session, emulator.endpoint) as workflows:
            return {
                version: ask_all(
                    Server(
                        emulator.endpoint,
                        DEFAULT_PROJECT,
                        DEFAULT_LOCATION,
                        workflows,
                        session,
                        version,
                        sleep=clock.advance,
                        clock=clock.time,
                    )
                )
                for version in VERSIONS
            }


def examine(
    server: Server, mask: Mask, *, is_google: bool, say: Callable[[str], None] = print, when: datetime | None = None
) -> Outcome:
    """Ask a server the contract in both versions; return what it answered, and the page."""
    findings = {}
    for server.version in VERSIONS:
        findings[server.version] = ask_all(server, say=lambda text: say(mask(text)))
    date = (when or datetime.now(timezone.utc)).strftime("%Y-%m-%d")
    return Outcome(findings, page(findings, expected(), mask, when=date, is_google=is_google))


def mask_for(project: str, workflows: dict[str, str]) -> Mask:
    """Return what hides the project and the workflows' names."""
    return Mask({project: "PROJECT", **{name: f"CONTRACT-{role.upper()}" for role, name in workflows.items()}})


@contextmanager
def google(options: argparse.Namespace) -> Iterator[Server]:
    """Deploy at Google for the block; yield whom to ask.

    :raises AccessError: it is not allowed.
    """
    at = access(options.project, options.location, options.connection)
    with at.session, deployed(at, options.service_account) as workflows:
        yield Server(
            EXECUTIONS, at.project, at.location, workflows, at.session, crowd=options.crowd, burst=options.burst
        )


@contextmanager
def deployed(
    at: Access, service_account: str, api: WorkflowsApi | None = None, endpoint: str = EXECUTIONS
) -> Iterator[dict[str, str]]:
    """Make sure that one may, deploy for the block, and remove.

    :raises AccessError: it is not allowed.
    """
    api = api or WorkflowsApi(at.session, at.project, at.location)
    check(api, at, endpoint)
    try:
        with at_google(api, service_account, print) as workflows:
            yield workflows
    except DeployError as error:
        if error.status in {401, 403}:
            raise explained(error, at) from error
        raise
    except RefusedError as error:
        raise explained(DeployError(str(error)), at) from error


@contextmanager
def emulator(options: argparse.Namespace) -> Iterator[Server]:
    """Register at an emulator for the block; yield whom to ask."""
    endpoint = emulators(options.endpoint)
    with requests.Session() as session:
        session.trust_env = False
        with at_emulator(session, endpoint) as workflows:
            project, location = options.project or DEFAULT_PROJECT, options.location or DEFAULT_LOCATION
            yield Server(endpoint, project, location, workflows, session, crowd=options.crowd, burst=options.burst)


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, write the page, and return the exit status."""
    options = parse(arguments)
    is_google = not options.endpoint
    output = options.output or (PAGE if is_google else EMULATORS_PAGE)
    try:
        with interruptible(), (google if is_google else emulator)(options) as server:
            mask = mask_for(server.project, dict(server.workflows))
            outcome = examine(server, mask, is_google=is_google)
    except (AccessError, DeployError, RefusedError, ValueError, requests.RequestException) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: nothing was written", file=sys.stderr)
        return 130
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(outcome.page, encoding="utf-8")
    print(f"\n{'The service' if is_google else 'An EMULATOR, not Google,'} answered; written to {output}")
    for departure in outcome.departures:
        print(f"DEPARTS: {mask(departure)}")
    return 1 if outcome.departures else 0


if __name__ == "__main__":
    sys.exit(main())
