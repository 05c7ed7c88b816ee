# SPDX-License-Identifier: Apache-2.0
"""
Install this package beside each Airflow release with the versions that its day pinned, and test what is installed.

    python scripts/test_releases.py --uv PATH [RELEASE...]

Each release has an environment of its own in ``.venv-releases/``, kept until its versions or its Python change. The
tests run on the installed package, in a copy of the checkout that lacks it. What came of it is printed, and written
into the table of ``docs/releases.md``; the rows of releases that were not chosen stay as they are.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from pythons import NoPython, find_python, version_of

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / ".venv-releases"
PAGE = ROOT / "docs" / "releases.md"
DISTRIBUTION = "airflow-provider-workflows"
TOOLS = ("pytest", "pytest-asyncio", "pytest-timeout", "pytest-xdist", "hypothesis")
#: What tests need of a checkout: everything but the package itself.
COPIED = (
    *("benchmarks", "constraints", "docs", "example_dags", "scripts", "tests"),
    *("CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "README.md", "SECURITY.md", "pyproject.toml"),
)
#: Holds the README to the page that is being written.
COMPARES = "tests/unit/test_docs.py::test_supported_releases_were_tested"
EVERYTHING = ("tests",)
#: The installed provider, the examples with ``dags test``, and what deferring, kills and durability rest on.
SAMPLE = (
    "tests/smoke",
    "tests/airflow/test_examples.py",
    "tests/migration",
    "tests/unit/durable",
    "tests/unit/hooks",
    "tests/unit/links",
    "tests/unit/operators",
    "tests/unit/sensors",
    "tests/unit/triggers",
    "tests/unit/test_compat.py",
    "tests/unit/test_docs.py",
    "tests/unit/test_docs_code.py",
    "tests/unit/test_imports.py",
    "tests/unit/test_provider_info.py",
)
#: The same, and a real scheduler, triggerer and API server, whose processes and tasks are killed.
CLUSTER = (*SAMPLE, "tests/airflow")
#: On a release that is not out yet: whether it works at all.
GLANCE = ("tests/smoke", "tests/airflow/test_examples.py", "tests/unit/test_compat.py", "tests/unit/triggers")
WORDS = {EVERYTHING: "everything", SAMPLE: "sample", CLUSTER: "sample, cluster", GLANCE: "glance"}
HEADS = ("Airflow", "Python", "google-auth", "aiohttp", "what ran", "passed", "failed", "skipped", "on")


@dataclass(frozen=True)
class Release:
    """
    Say how a release is tested.

    :ivar name: as it is chosen, and as its row in the table is called.
    :ivar airflow: what is installed, in the installer's words.
    :ivar pins: the file of versions, below ``constraints/``; ``None`` for the newest of everything.
    :ivar python: the wanted Python; another one stands in where it is missing, and the row says so.
    :ivar may_fail: its failures are reported and fail nothing.
    """

    name: str
    airflow: tuple[str, ...]
    pins: str | None
    python: str
    tests: tuple[str, ...]
    may_fail: bool = False


def released(version: str, python: str, tests: tuple[str, ...] = SAMPLE) -> Release:
    """Return a release that is out, with the versions that its day pinned."""
    return Release(version, (f"apache-airflow=={version}",), f"releases/{version}.txt", python, tests)


RELEASES = (
    # The lowest version of everything that pyproject.toml names.
    Release("2.11.0, lowest", ("apache-airflow==2.11.0",), "oldest.txt", "3.10", EVERYTHING),
    released("2.11.0", "3.10", EVERYTHING),
    released("2.11.2", "3.11"),
    released("3.0.6", "3.12", CLUSTER),
    released("3.1.8", "3.12", CLUSTER),
    released("3.2.2", "3.13", CLUSTER),
    released("3.3.2", "3.13", EVERYTHING),
    # Named one by one: what only another package asks for is never a pre-release.
    Release(
        "3.4 pre-release",
        ("apache-airflow>=3.4.0b1,<3.5", "apache-airflow-core>=3.4.0b1,<3.5", "apache-airflow-task-sdk>=1.4.0b1,<1.5"),
        None,
        "3.12",
        GLANCE,
        may_fail=True,
    ),
)


class CannotInstall(Exception):
    """No environment could be made."""


def say(text: str) -> None:
    """Print a line at once."""
    print(f"[releases] {text}", flush=True)


class Environment:
    """Make a release's environment, and run its tests there."""

    def __init__(self, release: Release, uv: str) -> None:
        self.release = release
        self._uv = uv
        self.folder = ENVIRONMENTS / re.sub(r"[^\w.]+", "-", release.name)
        self.python = str(self.folder / "bin" / "python")

    def install(self) -> None:
        """Make the environment where it is missing or out of date, and install the package as it is now."""
        wanted = find_python(self.release.python)
        pins = [] if self.release.pins is None else ["--constraint", str(ROOT / "constraints" / self.release.pins)]
        stamp, now = self.folder / ".stamp", self._stamp(wanted, pins)
        if not stamp.is_file() or stamp.read_text() != now:
            shutil.rmtree(self.folder, ignore_errors=True)
            self._run("venv", "--python", wanted, str(self.folder))
        # The tools in the same breath, so that they cannot replace what is pinned.
        self._run(
            *("pip", "install", "--python", self.python, "--compile-bytecode", *pins),
            *("--prerelease", "if-necessary-or-explicit", "--reinstall-package", DISTRIBUTION),
            *(*self.release.airflow, str(ROOT), *TOOLS),
        )
        stamp.write_text(now)

    def _stamp(self, python: str, pins: Sequence[str]) -> str:
        texts = [(ROOT / "pyproject.toml").read_text(), *(Path(name).read_text() for name in pins[1:])]
        # A pre-release is looked for anew each day.
        day = "" if pins else str(datetime.now(timezone.utc).date())
        described = json.dumps([python, day, self.release.airflow, *texts])
        return hashlib.sha256(described.encode()).hexdigest()

    def _run(self, *command: str) -> None:
        done = subprocess.run([self._uv, "--quiet", *command], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CannotInstall(f"uv {command[0]}: {done.stderr.strip()[-1500:]}")

    def versions(self, *names: str) -> list[str]:
        """Return the versions of installed distributions."""
        code = f"from importlib.metadata import version; print(*map(version, {names!r}))"
        done = subprocess.run([self.python, "-c", code], capture_output=True, text=True, check=True)
        return done.stdout.split()

    def test(self, arguments: Sequence[str]) -> dict[str, int]:
        """Run the release's tests on the installed package; return how many did what."""
        with tempfile.TemporaryDirectory(prefix="releases-") as folder:
            for name in COPIED:
                source = ROOT / name
                copy = shutil.copytree if source.is_dir() else shutil.copy
                copy(source, Path(folder) / name)
            report = Path(folder) / "report.xml"
            command = [self.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
            command += ["--deselect", COMPARES]
            environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            code = "import airflow_provider_workflows as package; print(package.__file__)"
            where = subprocess.run(
                [self.python, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=True
            )
            assert str(self.folder) in where.stdout, f"the tests would run on {where.stdout}"
            subprocess.run([*command, *self.release.tests, *arguments], cwd=folder, env=environment, check=False)
            return counts(report)


def counts(report: Path) -> dict[str, int]:
    """Read how many tests passed, failed and were skipped; an error counts as a failure, no report as one, too."""
    if not report.is_file():
        return {"passed": 0, "failed": 1, "skipped": 0}
    total = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for suite in ET.parse(report).getroot().iter("testsuite"):
        for name in total:
            total[name] += int(suite.get(name, 0))
    failed = total["failures"] + total["errors"]
    return {"passed": total["tests"] - failed - total["skipped"], "failed": failed, "skipped": total["skipped"]}


def test_release(
    release: Release, uv: str, arguments: Sequence[str], in_parallel: Sequence[str]
) -> tuple[list[str], bool]:
    """Install and test a release; return its row and whether nothing failed."""
    environment, began = Environment(release, uv), time.monotonic()
    today = str(datetime.now(timezone.utc).date())
    try:
        environment.install()
    except (CannotInstall, NoPython) as exc:
        say(f"{release.name}: cannot be installed. {exc}")
        return [release.name, release.python, "-", "-", "cannot be installed", "-", "-", "-", today], False
    airflow, auth, aiohttp = environment.versions("apache-airflow", "google-auth", "aiohttp")
    python = version_of(environment.python) or "?"
    if python != release.python:
        say(f"{release.name}: Python {release.python} is not here, {python} stands in for it")
        python += f" ({release.python} was not there)"
    say(f"{release.name}: Airflow {airflow}, Python {python}, google-auth {auth}, aiohttp {aiohttp}")
    found = environment.test([*in_parallel, *arguments])
    say(f"{release.name}: {found} in {time.monotonic() - began:.0f} s")
    name = release.name if airflow in release.name else f"{release.name} ({airflow})"
    kind = WORDS[release.tests] + (f" {' '.join(arguments)}" if arguments else "")
    results = [str(found[each]) for each in ("passed", "failed", "skipped")]
    return [name, python, auth, aiohttp, kind, *results, today], not found["failed"] and bool(found["passed"])


def table(rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [HEADS, ["---"] * len(HEADS), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write_page(rows: Sequence[Sequence[str]]) -> None:
    """Put the rows into the page's table, in the order of the releases, beside the rows that it has of others."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition("<!-- table -->\n")
    old, _, after = rest.partition("<!-- end of table -->\n")
    known = {}
    for cells in [*(line.strip("| ").split(" | ") for line in old.splitlines()[2:]), *rows]:
        for release in RELEASES:
            if cells[0].partition(" (")[0] == release.name:
                known[release.name] = cells
    ordered = [known[release.name] for release in RELEASES if release.name in known]
    text = f"{before}<!-- table -->\n{table(ordered)}<!-- end of table -->\n{after}"
    PAGE.write_text(text, encoding="utf-8")


def main() -> int:
    """Test the chosen releases; return the program's exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uv", required=True, help="the uv to install with")
    parser.add_argument("--arguments", default="", help="further arguments for pytest; then the page stays as it is")
    parser.add_argument("--in-parallel", default="", help="pytest's arguments for several processes")
    parser.add_argument("releases", nargs="*", help=f"of: {'; '.join(release.name for release in RELEASES)}")
    given = parser.parse_args()
    by_name = {release.name: release for release in RELEASES}
    by_name |= {name.partition(" ")[0]: release for name, release in by_name.items() if name.startswith("3.4")}
    by_name["oldest"] = RELEASES[0]
    unknown = [name for name in given.releases if name not in by_name]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(by_name)}")
    chosen = [by_name[name] for name in given.releases] or RELEASES
    arguments, in_parallel = given.arguments.split(), given.in_parallel.split()
    rows, failed = [], []
    for release in chosen:
        row, passed = test_release(release, given.uv, arguments, in_parallel)
        rows.append(row)
        if not arguments:
            write_page([row])
        if not passed:
            failed.append(f"{release.name}{' (may fail)' if release.may_fail else ''}")
    print(f"\n{table(rows)}")
    if failed:
        say(f"failed: {', '.join(failed)}")
    return int(any(not name.endswith("(may fail)") for name in failed))


if __name__ == "__main__":
    sys.exit(main())
