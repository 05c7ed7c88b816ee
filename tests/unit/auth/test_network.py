# SPDX-License-Identifier: Apache-2.0
"""Worker and triggerer make the same of a machine's proxies and certificates, whatever the environment says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_workflows.api.requests import ExecutionsApi
from airflow_provider_workflows.auth.authorities import Bundle, choose_bundles, make_context, read_authorities
from airflow_provider_workflows.auth.network import read_proxy
from airflow_provider_workflows.core.names import WorkflowName
from airflow_provider_workflows.exceptions import WorkflowsApiError
from tests.network_table import LINES, Line, Network, run_network


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Run proxies, an authority and an API on this machine."""
    with run_network(tmp_path_factory.mktemp("network")) as network:
        yield network


@pytest.mark.parametrize("line", LINES, ids=str)
def test_worker_and_triggerer_see_the_same_network(line: Line, network: Network) -> None:
    """A create goes the same way, or is refused with the same words, from a task and both hooks, as does a wait."""
    outcomes = network.run(line)
    hook, wait = outcomes["hook"], outcomes["deferred wait"]
    assert outcomes["async hook"] == hook
    assert outcomes["operator"]._replace(arrived=hook.arrived) == hook
    expected = network.fill(line.expected)
    if hook.error is None:
        assert {outcome.text for outcome in outcomes.values()} == {expected}
        assert all(outcome.arrived for outcome in outcomes.values())
        return
    assert all(expected in outcome.text for outcome in outcomes.values())
    assert not any(outcome.arrived for outcome in outcomes.values())
    assert "s3cr3t" not in str(outcomes)
    assert hook.error["type"] == "WorkflowsApiError"
    assert hook.error["unsent"]
    lasting = expected.endswith("Nothing was sent.")
    assert hook.error["retryable"] is not lasting
    assert wait.error
    assert wait.error["type"] == ("error" if lasting else "timeout")
    assert ("Not seen for" in wait.text) is not lasting


def test_the_first_variable_wins() -> None:
    """Requests' own variables come before OpenSSL's, which count together; a blank one says nothing."""
    everything = {name: name for name in ("SSL_CERT_DIR", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")}
    chosen = []
    while bundles := choose_bundles(everything):
        chosen.append([bundle.variable for bundle in bundles])
        everything.update(dict.fromkeys(chosen[-1], ""))
    assert chosen == [["REQUESTS_CA_BUNDLE"], ["CURL_CA_BUNDLE"], ["SSL_CERT_FILE", "SSL_CERT_DIR"]]
    assert choose_bundles({"SSL_CERT_DIR": "/a"}) == (Bundle("SSL_CERT_DIR", "/a"),)


def test_certificates_are_read_once_until_they_change(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand waits do not read them ten thousand times, and a bundle that is replaced is read again."""
    file = network.folder / "bundle.pem"
    file.write_bytes(network.authority.file.read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    first = make_context(read_authorities())
    assert make_context(read_authorities()) is first
    assert "workflows test authority" in str(first.get_ca_certs())
    file.write_bytes(network.authority.file.read_bytes() * 2)
    assert make_context(read_authorities()) is not first
    file.unlink()
    with pytest.raises(WorkflowsApiError, match="SSL_CERT_FILE"):
        read_authorities()


@pytest.mark.parametrize(
    ("address", "url", "bare"),
    [
        ("proxy", "http://proxy", "http://proxy:80"),
        ("HTTPS://Proxy", "https://Proxy", "https://proxy:443"),
        ("http://[::1]:3128", "http://[::1]:3128", "http://[::1]:3128"),
        ("http://me:word@proxy:3128", "http://me:word@proxy:3128", "http://proxy:3128"),
        ("socks5h://proxy", "socks5h://proxy", "socks5h://proxy:1080"),
    ],
)
def test_the_address_of_a_proxy_is_taken_apart(address: str, url: str, bare: str) -> None:
    """A scheme and a port are added where there is none; the login goes into a header."""
    proxy = read_proxy(address)
    assert (proxy.url.lower(), proxy.address) == (url.lower(), bare)
    assert proxy.authorization == ("Basic bWU6d29yZA==" if "@" in address else None)


def test_requests_do_not_go_where_client_certificates_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose other tools use client certificates gets to the ordinary endpoint, which takes tokens alone."""
    monkeypatch.setenv("GOOGLE_API_USE_MTLS_ENDPOINT", "always")
    call = ExecutionsApi().list(WorkflowName("p", "us-central1", "w"))
    assert call.outgoing.url.startswith("https://workflowexecutions.googleapis.com/")


def test_a_key_in_a_variable_of_certificates_is_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who puts a key where a file's path belongs is told the variable, and the key stays out of the log."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "-----BEGIN PRIVATE KEY-----\nMIIEs3cr3t")
    with pytest.raises(WorkflowsApiError, match="REQUESTS_CA_BUNDLE names a private key") as caught:
        read_authorities()
    assert "s3cr3t" not in str(caught.value)
