# SPDX-License-Identifier: Apache-2.0
"""
Write docs/clients.md: each client on this machine, with each method of each version of the API.

``make clients`` runs it, and installs what npm has before. What a cell says is judged by `client_answers`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path

from airflow_provider_workflows import __version__
from tests.contract.client_answers import ROOT, Way, ask, methods

PAGE = ROOT / "docs" / "clients.md"
PROGRAMS = Path(__file__).with_name("clients")
NODE_MODULES = PROGRAMS / "node_modules"
GO_PACKAGES = Path("/usr/share/gocode")
VERSIONS = ("v1", "v1beta")


@dataclass(frozen=True)
class Client:
    """
    Hold a client and how to ask with it.

    :ivar column: its name in the tables.
    :ivar release: which one is on this machine; empty where there is none.
    :ivar command: makes what is run, for a version and with a folder to build in; the facts are put behind it.
    """

    column: str
    release: Callable[[], str]
    description: str
    command: Callable[[str, Path], list[str]]
    way: Way = "plain"


def _python(program: str, *mode: str) -> Callable[[str, Path], list[str]]:
    return lambda version, folder: [sys.executable, str(PROGRAMS / program), *mode]


def _node(version: str, folder: Path) -> list[str]:
    return ["node", str(PROGRAMS / "googleapis.mjs")]


def _go(version: str, folder: Path) -> list[str]:
    source = (PROGRAMS / "client.go").read_text(encoding="utf-8")
    return compile_go(source.replace("workflowexecutions/v1", f"workflowexecutions/{version}"), folder / version)


def compile_go(source: str, folder: Path) -> list[str]:
    """Compile a Go program in a new folder with Debian's packages, so that nothing is fetched; return what runs it."""
    folder.mkdir()
    (folder / "main.go").write_text(source, encoding="utf-8")
    environment = {**os.environ, "GO111MODULE": "off", "GOFLAGS": "", "GOPATH": f"{folder}:{GO_PACKAGES}"}
    subprocess.run(["go", "build", "-o", "client", "main.go"], cwd=folder, env=environment, check=True, timeout=300)
    return [str(folder / "client")]


def google_api_release() -> str:
    """Return the release of google-api-python-client."""
    return installed("google-api-python-client")


def node_release() -> str:
    """Return the release of googleapis beside its program."""
    package = NODE_MODULES / "googleapis" / "package.json"
    if shutil.which("node") is None or not package.is_file():
        return ""
    return str(json.loads(package.read_text(encoding="utf-8"))["version"])


def go_release() -> str:
    """Return the release of Debian's package of google.golang.org/api."""
    if shutil.which("go") is None or shutil.which("dpkg-query") is None:
        return ""
    command = ["dpkg-query", "--show", "--showformat=${Version}", "golang-google-api-dev"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.partition("-")[0]


def gcloud_release() -> str:
    """Return the release of the Google Cloud SDK."""
    if shutil.which("gcloud") is None:
        return ""
    command = ["gcloud", "version", "--format=json"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=120)
    return str(json.loads(done.stdout)["Google Cloud SDK"])


CLIENTS = (
    Client(
        "httplib2",
        google_api_release,
        "google-api-python-client, each request by itself",
        _python("google_api.py", "plain"),
    ),
    Client(
        "batch",
        google_api_release,
        "google-api-python-client, all methods in one `new_batch_http_request()`, further pages in more of them; built"
        " from the emulator's own discovery document, which says where batches go",
        _python("google_api.py", "batch"),
        "batch",
    ),
    Client(
        "`num_retries`",
        google_api_release,
        "google-api-python-client, `execute(num_retries=1)`, each method's first request answered with 503",
        _python("google_api.py", "retries"),
        "retries",
    ),
    Client("googleapis", node_release, "npm's googleapis", _node),
    Client("Go", go_release, "`google.golang.org/api`, Debian's package golang-google-api-dev", _go),
    Client(
        "gcloud",
        gcloud_release,
        "the Google Cloud SDK; its `beta` commands are what asks v1beta",
        _python("with_gcloud.py"),
    ),
    Client("hook", lambda: __version__, "`WorkflowExecutionsHook`", _python("our_hooks.py", "sync")),
    Client("async hook", lambda: __version__, "`WorkflowExecutionsAsyncHook`", _python("our_hooks.py", "async")),
)

HEAD = """\
# Clients on the emulator

`make clients` writes this page: it asks the emulator with each client on the machine, each method of each version.
*Works* says that the emulator got the requests of this version and no others, and that what the client read is what was
there; *not offered* that the client has no such method. How to point each at the emulator is in
[testing.md](testing.md#other-clients). What speaks gRPC only, the Google provider's own Workflows operators among it,
cannot ask it at all.
"""


def page(cells: dict[str, dict[str, dict[str, str]]], releases: dict[str, str]) -> str:
    """Return the page's text.

    :param cells: by version, client and method.
    """
    here = [client for client in CLIENTS if releases[client.column]]
    away = [client.column for client in CLIENTS if not releases[client.column]]
    described = [[client.column, releases[client.column], client.description] for client in here]
    parts = [HEAD, "## What asked\n", *_table(["column", "release", "client"], described)]
    if away:
        parts.append(f"\nNot on the machine that wrote this page, and so not tested: {', '.join(away)}.")
    for version in VERSIONS:
        rows = [[f"`{method}`", *(cells[version][each.column][method] for each in here)] for method in methods(version)]
        parts += [f"\n## {version}\n", *_table(["method", *(client.column for client in here)], rows)]
    return "\n".join(parts) + "\n"


def _table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield _line(head)
    yield "|" + "---|" * len(head)
    yield from map(_line, rows)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Ask with every client and write the page."""
    releases = {client.column: client.release() for client in CLIENTS}
    cells: dict[str, dict[str, dict[str, str]]] = {version: {} for version in VERSIONS}
    for client in CLIENTS:
        for version in VERSIONS if releases[client.column] else ():
            with tempfile.TemporaryDirectory() as folder:
                cells[version][client.column] = ask(
                    client.command(version, Path(folder)), client.way, version, Path(folder)
                )
            print(f"{client.column} {version}: {', '.join(sorted(set(cells[version][client.column].values())))}")
    PAGE.write_text(page(cells, releases), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
