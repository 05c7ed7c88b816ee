# SPDX-License-Identifier: Apache-2.0
"""
Check what would be released: build sdist and wheel, look at them, install them as users do, and use what is installed.

    python scripts/release_check.py --tools FOLDER

Every Python, the oldest and the newest Airflow with what they pin, and both files are covered; ``CELLS`` says how they
are combined. Each cell is an empty environment, in which every module is imported and the smoke tests run, as they
come in the sdist. Ends with 0 where everything passed, with 1 where something failed, and with 3 where nothing failed
and a part could not be done here.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from pythons import NoPython, find_python, version_of
from release_packages import RELEASES, audit, count_packages
from release_report import ROOT, Failed, FallsShort, Report, attempt, run

PACKAGE = "airflow_provider_workflows"
DIST = ROOT / "dist"
OLDEST, NEWEST = RELEASES[0], RELEASES[-1]
BUILD_WITH = ROOT / "constraints" / "release.txt"
#: In the repository and not for those who build or test from an sdist.
NOT_SHIPPED = (".ci/",)


@dataclass(frozen=True)
class Cell:
    """
    Say what is installed where.

    :ivar kind: `wheel` or `sdist`.
    :ivar typed: whether a user's file is type-checked there, too.
    """

    python: str
    airflow: str
    kind: str
    typed: bool = False

    def __str__(self) -> str:
        return f"{self.kind}, Python {self.python}, Airflow {self.airflow}"


CELLS = (
    Cell("3.10", OLDEST, "wheel", typed=True),
    Cell("3.10", OLDEST, "sdist"),
    Cell("3.12", OLDEST, "wheel"),
    Cell("3.11", NEWEST, "wheel"),
    Cell("3.13", NEWEST, "wheel", typed=True),
    Cell("3.13", NEWEST, "sdist"),
)


class Check:
    """Do the parts, with the tools of one environment."""

    def __init__(self, tools: Path, environments: Path, work: Path) -> None:
        self._tools, self._environments, self._work = tools, environments, work
        self._sdist, self._wheel, self._unpacked = DIST, DIST, work

    def tool(self, name: str) -> str:
        """Return a program of the tools' environment."""
        return str(self._tools / "bin" / name)

    def build(self) -> None:
        """Build the sdist, and the wheel from it: what an sdist lacks, its wheel lacks, too."""
        shutil.rmtree(DIST, ignore_errors=True)
        run(self.tool("python"), "-m", "build", "--installer", "uv", environment={"UV_CONSTRAINT": str(BUILD_WITH)})
        (self._sdist,), (self._wheel,) = DIST.glob("*.tar.gz"), DIST.glob("*.whl")
        run("tar", "-xzf", str(self._sdist), "-C", str(self._work))
        self._unpacked = self._work / self._sdist.name.removesuffix(".tar.gz")

    def look(self) -> None:
        """Have both files checked by what knows their formats."""
        run(self.tool("twine"), "check", "--strict", str(self._sdist), str(self._wheel), show=["PASSED"])
        run(self.tool("check-wheel-contents"), str(self._wheel), show=["OK"])

    def compare(self) -> None:
        """Hold both files to what git has: nothing is missing, and nobody's stray file is in them."""
        tracked = attempt("git", "ls-files", "-z")
        if tracked.returncode != 0:
            raise FallsShort("this is no checkout of git, so there is nothing to compare with")
        wanted = {name for name in tracked.stdout.split("\0") if name and not name.startswith(NOT_SHIPPED)}
        with zipfile.ZipFile(self._wheel) as archive:
            in_wheel = {name for name in archive.namelist() if not name.split("/")[0].endswith(".dist-info")}
        files = (path for path in self._unpacked.rglob("*") if path.is_file())
        in_sdist = {path.relative_to(self._unpacked).as_posix() for path in files} - {"PKG-INFO"}
        _same("the sdist", in_sdist, wanted)
        _same("the wheel", in_wheel, {name for name in wanted if name.startswith(f"{PACKAGE}/")})

    def use(self, cell: Cell) -> None:
        """Install one file into an empty environment, and use it there."""
        name = str(cell).replace(", ", "-").replace(" ", "-")
        python = str(self._environments / name / "bin" / "python")
        pins = str(ROOT / "constraints" / "releases" / f"{cell.airflow}.txt")
        try:
            base = find_python(cell.python)
        except NoPython as exc:
            raise FallsShort(str(exc)) from None
        run(self.tool("uv"), "venv", "--quiet", "--python", base, str(self._environments / name))
        run(
            *(self.tool("uv"), "pip", "install", "--quiet", "--python", python),
            *("--constraint", pins, "--build-constraint", str(BUILD_WITH)),
            *(f"apache-airflow=={cell.airflow}", str(getattr(self, f"_{cell.kind}")), "pytest", "pytest-asyncio"),
        )
        folder = self._work / name
        folder.mkdir()
        self._smoke(folder, python)
        if cell.typed:
            self._types(folder, python)
        if version_of(python) != cell.python:
            raise FallsShort(f"Python {cell.python} is not here; {version_of(python)} stood in for it, and passed")

    def _smoke(self, folder: Path, python: str) -> None:
        shutil.copytree(self._unpacked / "tests" / "smoke", folder / "smoke")
        home = {"AIRFLOW_HOME": str(folder / "airflow")}
        where = run(python, "-c", f"import {PACKAGE}; print({PACKAGE}.__file__)", cwd=folder, environment=home)
        if not where.startswith(str(self._environments)):
            raise Failed(f"the tests would run on {where}")
        tests = (python, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-m", "smoke", "smoke")
        run(*tests, cwd=folder, environment=home, show=["::test_", " passed"])

    def _types(self, folder: Path, python: str) -> None:
        """Check a user's file against what is installed, with no configuration of ours."""
        shutil.copy(self._unpacked / "tests" / "typing" / "public_api.py", folder / "dags.py")
        mypy = (self.tool("mypy"), "--strict", "--no-incremental", "--python-executable", python, "dags.py")
        run(*mypy, cwd=folder, show=["Success"])
        run(self.tool("pyright"), "--pythonpath", python, "dags.py", cwd=folder, show=[" errors"])

    def count(self) -> None:
        """Count what comes along."""
        count_packages(self.tool("uv"), self._wheel, {cell.airflow: cell.python for cell in CELLS if cell.typed})

    def audit(self) -> None:
        """Ask about vulnerabilities."""
        audit(self.tool("uv"), self.tool("pip-audit"), self._wheel)


def _same(what: str, found: set[str], wanted: set[str]) -> None:
    if found != wanted:
        raise Failed(f"{what} lacks {sorted(wanted - found)}, and has {sorted(found - wanted)}, which git has not")


def main() -> int:
    """Run all parts; return the program's exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", required=True, type=Path, help="the environment with constraints/release.txt")
    tools = parser.parse_args().tools.absolute()
    report = Report()
    # Beside the checkout's other environments: files are linked, not copied, from uv's cache on the same disk. What is
    # done with them is done elsewhere, so that nothing of the checkout is found.
    with (
        tempfile.TemporaryDirectory(dir=ROOT, prefix=".venv-check-") as environments,
        tempfile.TemporaryDirectory(prefix="release-") as work,
    ):
        check = Check(tools, Path(environments), Path(work))
        if report.part("build sdist and wheel", check.build):
            report.part("their format", check.look)
            report.part("their files are git's", check.compare)
            for cell in CELLS:
                report.part(str(cell), check.use, cell)
            report.part("packages on top of Airflow", check.count)
            report.part("known vulnerabilities", check.audit)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
