# SPDX-License-Identifier: Apache-2.0
"""Count what comes along on top of Airflow, hold ``docs/releases.md`` to it, and ask what is known to be unsafe."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pythons import PYTHONS
from release_report import ROOT, Failed, FallsShort, attempt, run, say

#: So many are aimed at; where there are more, the account says so.
AIM = 15
PAGE = ROOT / "docs" / "releases.md"
MARKS = ("<!-- packages -->\n", "<!-- end of packages -->\n")
RELEASES = sorted(path.stem for path in (ROOT / "constraints" / "releases").glob("*.txt"))


def resolve(uv: str, python: str, wishes: str, *options: str) -> dict[str, str]:
    """Return the versions of everything that would be installed for requirements, one a line."""
    command = (uv, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python-version", python)
    printed = run(*command, *options, "-", given=wishes)
    return dict(re.findall(r"^([\w.-]+)==([\w.+!]+)", printed, re.MULTILINE))


def on_top(uv: str, wheel: Path, python: str, airflow: str, *options: str) -> dict[str, str]:
    """Return the packages, with versions, that an Airflow does not have without ours."""
    together = resolve(uv, python, f"{airflow}\n{wheel.as_uri()}\n", *options)
    # All of it has just been asked of the index, which takes most of the time.
    alone = resolve(uv, python, f"{airflow}\n", *options, "--offline")
    return {name: version for name, version in together.items() if name not in alone}


def count_packages(uv: str, wheel: Path, pythons: Mapping[str, str]) -> None:
    """
    Count them with the versions that a release pins; renew the page, and fail, where it says otherwise.

    :param pythons: the Python for each release of Airflow.
    """
    counted = {}
    for release, python in pythons.items():
        pins = ("--constraint", str(ROOT / "constraints" / "releases" / f"{release}.txt"))
        counted[release] = sorted(on_top(uv, wheel, python, f"apache-airflow=={release}", *pins))
    rows = ["| Airflow | packages | which |", "| --- | --- | --- |"]
    for release, packages in counted.items():
        say(f"  on top of Airflow {release}: {len(packages)}: {', '.join(packages)}")
        rows.append(f"| {release} | {len(packages)} | {', '.join(packages)} |")
    _hold_page(rows)
    many = [f"{len(packages)} on {release}" for release, packages in counted.items() if len(packages) > AIM]
    if many:
        raise FallsShort(f"{AIM} are aimed at, there are {', '.join(many)}")


def _hold_page(rows: list[str]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(MARKS[0])
    renewed = before + MARKS[0] + "".join(f"{row}\n" for row in rows) + MARKS[1] + rest.partition(MARKS[1])[2]
    if renewed != page:
        PAGE.write_text(renewed, encoding="utf-8")
        raise Failed(f"{PAGE.name} said otherwise; it is renewed now: look at it, and run this again")


def audit(uv: str, pip_audit: str, wheel: Path) -> None:
    """Ask PyPI about the newest of each package that comes along: what somebody gets who installs today."""
    packages = on_top(uv, wheel, PYTHONS[-1], f"apache-airflow=={RELEASES[-1]}")
    with tempfile.TemporaryDirectory() as folder:
        pinned = Path(folder) / "packages.txt"
        pinned.write_text("".join(f"{name}=={version}\n" for name, version in packages.items()), encoding="utf-8")
        done = attempt(pip_audit, "--no-deps", "--disable-pip", "--format", "json", "--requirement", str(pinned))
    say(f"  {judge(done.stdout, done.stderr, len(packages))}")


def judge(answer: str, told: str, wanted: int) -> str:
    """
    Say what pip-audit's answer about so many packages means; its exit code is the same for a finding and an outage.

    :raises Failed: for a known vulnerability.
    :raises FallsShort: when the service was not reached, or does not know some of the packages.
    """
    try:
        answers = json.loads(answer)["dependencies"]
    except (ValueError, KeyError):
        raise FallsShort(f"pip-audit had no answer: {(told.strip() or 'nothing').splitlines()[-1][:200]}") from None
    unsafe = [f"{each['name']} {each['version']}: {found['id']}" for each in answers for found in each.get("vulns", ())]
    if unsafe:
        raise Failed("; ".join(unsafe))
    # One that the service does not know is passed by, and the exit code is 0 if there is nothing but such.
    asked = [each for each in answers if "skip_reason" not in each]
    if len(asked) < wanted:
        reason = next((each["skip_reason"] for each in answers if "skip_reason" in each), "it left the others out")
        raise FallsShort(f"the vulnerability service told of {len(asked)} of {wanted} packages; {reason}")
    return f"no known vulnerability in {len(asked)} packages"
