# SPDX-License-Identifier: Apache-2.0
"""docs/clients.md says what each client on this machine does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.contract.client_answers import ABSENT, WORKS, ask, methods
from tests.contract.clients_table import CLIENTS, PAGE, VERSIONS, Client

MADE_UP = 'print(\'{"get": {"name": "x/y", "result": "1"}, "cancel": {"error": "a | b"}}\')'
WRONG_VERSION = """
import json, sys, urllib.request
facts = json.loads(sys.argv[1])
url = f"{facts['endpoint']}/v1/{facts['known']}"
print(json.dumps({"get": json.load(urllib.request.urlopen(url))}))
"""


def documented(version: str, column: str) -> dict[str, str]:
    """Return a client's cells on the page, by method; none where it was not on the machine that wrote it."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {version}\n")[2].partition("\n## ")[0]
    head, _, *rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return {row[0].strip("`"): row[head.index(column)] for row in rows} if column in head else {}


def documented_release(column: str) -> str:
    """Return the release of a client that the page is about."""
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines()]
    return next((row[1] for row in rows if row[0] == column), "")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.column.strip("`"))
def test_the_page_says_what_a_client_does(client: Client, version: str, tmp_path: Path) -> None:
    """Each cell is what comes of the client here; another release of it may have more or fewer methods."""
    release = client.release()
    if not release:
        pytest.skip(f"not on this machine: {client.description}")
    cells = ask(client.command(version, tmp_path), client.way, version, tmp_path)
    assert set(cells.values()) <= {WORKS, ABSENT}
    if release == documented_release(client.column):
        assert cells == documented(version, client.column)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_not_asked_does_not_work(version: str, tmp_path: Path) -> None:
    """An answer that the emulator was not asked for, or an error, is no cell that says that it works."""
    cells = ask([sys.executable, "-c", MADE_UP], "plain", version, tmp_path)
    assert cells.pop("get") == "wrong: requests answered []"
    assert cells.pop("cancel") == "refused: a b"
    assert set(cells.values()) == {ABSENT}


def test_asking_another_version_is_noticed(tmp_path: Path) -> None:
    """A client that asks v1 while v1beta is tried does not work."""
    cells = ask([sys.executable, "-c", WRONG_VERSION], "plain", "v1beta", tmp_path)
    assert cells["get"] == "wrong: requests of ['v1']"
    assert ask([sys.executable, "-c", WRONG_VERSION], "plain", "v1", tmp_path)["get"] == WORKS


@pytest.mark.parametrize("way", ["batch", "retries"])
def test_asking_in_another_way_is_noticed(way: str, tmp_path: Path) -> None:
    """A client that sends no batch, or has not met the error that it was to get over, does not work."""
    plain = next(client for client in CLIENTS if client.way == "plain")
    cells = ask(plain.command("v1beta", tmp_path), "batch" if way == "batch" else "retries", "v1beta", tmp_path)
    assert not {WORKS, ABSENT} & {cells[method] for method in methods("v1beta")}
