# SPDX-License-Identifier: Apache-2.0
"""Both hooks make the same of a machine's proxies and certificates, whatever the environment says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.network_table import LINES, Line, Network, run_network


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Run proxies, an authority and an API on this machine."""
    with run_network(tmp_path_factory.mktemp("network")) as network:
        yield network


@pytest.mark.parametrize("line", LINES, ids=str)
def test_both_hooks_see_the_same_network(line: Line, network: Network) -> None:
    """A create goes the same way, or is refused with the same words, from a worker and from a triggerer."""
    hook, async_hook = network.run(line)
    assert hook == async_hook
    expected = network.fill(line.expected)
    if hook.error is None:
        assert hook.text == expected
        assert hook.arrived == 1
        return
    assert hook.arrived == 0
    assert expected in hook.text
    assert "s3cr3t" not in str(hook.error)
    assert hook.error["type"] == "WorkflowsApiError"
    assert hook.error["unsent"]
    assert hook.error["retryable"] is not expected.endswith("Nothing was sent.")
