# SPDX-License-Identifier: Apache-2.0
"""Check that the chaos run's proxy loses what it says, and that the package asks it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from airflow_provider_workflows.exceptions import AmbiguousCreate
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsHook
from airflow_provider_workflows.testing import Emulator
from chaos_proxy import AFTER, BEFORE, CUT, HOST, LossyProxy
from local_emulator import connection_environment


@pytest.fixture
def proxy(workflows_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[LossyProxy]:
    """Return a proxy in front of the emulator that the default connection leads through."""
    with LossyProxy(workflows_emulator.endpoint, seed=1, share=1.0).serving() as serving:
        for name, value in connection_environment(f"http://{HOST}").items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("http_proxy", serving.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
        yield serving


def test_forwards(proxy: LossyProxy, workflows_emulator: Emulator) -> None:
    """While it loses nothing, requests and answers pass as they are."""
    with WorkflowExecutionsHook() as hook:
        created = hook.create_execution("echo", argument=[1])
        got = hook.get_execution("echo", execution_id=created["name"].rpartition("/")[2])
    assert json.loads(got["result"]) == [1]
    assert workflows_emulator.counts()["create"] == 1
    assert not proxy.lost


@pytest.mark.parametrize(("kind", "created"), [(BEFORE, 0), (AFTER, 1), (CUT, 1)])
def test_loses(
    proxy: LossyProxy, workflows_emulator: Emulator, monkeypatch: pytest.MonkeyPatch, kind: str, created: int
) -> None:
    """A request that is dropped before has no effect; one whose answer is lost has."""
    monkeypatch.setattr("chaos_proxy.KINDS", (kind,))
    proxy.losing = True
    with WorkflowExecutionsHook() as hook, pytest.raises(AmbiguousCreate):
        hook.create_execution("echo", argument=[1])
    assert set(proxy.lost) == {kind}
    assert workflows_emulator.counts()["create"] == created
