# SPDX-License-Identifier: Apache-2.0
"""
What a worker and a triggerer make of a machine's environment: a table, each line in a process of its own.

``python -m tests.network_table`` prints it, with what comes of an operator's create, of each hook's, and of a deferred
wait; ``tests/unit/auth/test_network.py`` holds that all do the same, and what. The network of it is on this machine:
see :mod:`tests.network_servers`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

from airflow_provider_workflows.testing import DEFAULT_LOCATION, DEFAULT_PROJECT, Emulator
from tests.network_servers import ESCAPED_LOGIN, LOGIN, Authority, HttpProxy, Servers, SocksProxy, run_servers
from tests.token_server import TOKEN, TokenServer, make_private_key, serve_tokens

ROOT = Path(__file__).resolve().parent.parent
API, TOKENS = "workflows.test", "tokens.test"

HAS_SOCKS = bool(find_spec("socks") and find_spec("aiohttp_socks"))
TLS_IN_TLS = sys.version_info >= (3, 11)

UNTRUSTED = "no connection to the service (its certificate could not be verified)"
NO_CONNECTION = "no connection to the service"
NO_PROXY = "no connection to the service (the proxy did not connect)"
CA = {"REQUESTS_CA_BUNDLE": "{ca}"}
METADATA = {"GCE_METADATA_HOST": "{metadata}", "GCE_METADATA_IP": "{metadata}", "CLOUDSDK_CONFIG": "/nowhere"}
#: By the kind of the address that the API has: a name that only proxies know, and real ones.
ENDPOINTS = {
    "name": f"https://{API}",
    "address": "https://127.0.0.1:{api_port}",
    "localhost": "https://localhost:{api_port}",
    "plain": f"http://{API}",
}


@dataclass(frozen=True)
class Line:
    """
    Hold one environment and what comes of it.

    :param environment: variables; ``{ca}`` and the like stand for what the network has.
    :param endpoint: of :data:`ENDPOINTS`.
    :param expected: the way that the request takes (``direct``, or the proxy's name and the host it was asked for),
        or words of the error.
    :param identity: whether a token is needed, which is fetched first: with a ``key`` from a server with a name or an
        address like that of the API, or of the ``machine`` from its metadata server.
    """

    environment: Mapping[str, str]
    endpoint: str
    expected: str
    identity: Literal["key", "machine"] | None = None

    def __str__(self) -> str:
        said = " ".join(f"{name}={value}" for name, value in self.environment.items()) or "(nothing)"
        return f"{said} -> {self.endpoint}{f' with a token ({self.identity})' if self.identity else ''}"


def _refusal(variable: str, words: str) -> str:
    return f"{variable} {words}. Nothing was sent."


_SOCKS_MISSING = _refusal(
    "ALL_PROXY",
    "names a SOCKS proxy, which needs two packages that are not both installed: pip install pysocks aiohttp-socks",
)
_ODD = "is not the address of a proxy: "
_UNCLEAR = "it cannot be understood; check its host and port, and that its login is escaped (%40 for @, %2F for /)"

LINES = [
    # --- certificates
    Line({}, "address", UNTRUSTED),
    Line(CA, "address", "direct"),
    Line(CA, "localhost", "direct"),
    Line({"CURL_CA_BUNDLE": "{ca}"}, "address", "direct"),
    Line({"SSL_CERT_FILE": "{ca}"}, "address", "direct"),
    Line({"SSL_CERT_DIR": "{ca_dir}"}, "address", "direct"),
    Line({"SSL_CERT_DIR": "/nowhere:{ca_dir}"}, "address", "direct"),
    Line({"SSL_CERT_FILE": "{other_ca}", "SSL_CERT_DIR": "{ca_dir}"}, "address", "direct"),
    Line({"REQUESTS_CA_BUNDLE": "{ca_dir}"}, "address", "direct"),
    Line({**CA, "CURL_CA_BUNDLE": "{other_ca}", "SSL_CERT_FILE": "/nowhere"}, "address", "direct"),
    Line({"CURL_CA_BUNDLE": "{ca}", "SSL_CERT_FILE": "{other_ca}"}, "address", "direct"),
    Line({"REQUESTS_CA_BUNDLE": "", "SSL_CERT_FILE": "{ca}"}, "address", "direct"),
    Line({"REQUESTS_CA_BUNDLE": "{other_ca}", "SSL_CERT_FILE": "{ca}"}, "address", UNTRUSTED),
    Line(CA, "address", "direct", identity="key"),
    Line({"SSL_CERT_FILE": "{ca}"}, "address", "direct", identity="key"),
    *(
        Line(
            {name: "/nowhere/ca.pem"},
            "address",
            _refusal(name, f"names '/nowhere/ca.pem', which cannot be used: No such {what}"),
        )
        for name, what in {
            "REQUESTS_CA_BUNDLE": "file or directory",
            "CURL_CA_BUNDLE": "file or directory",
            "SSL_CERT_FILE": "file or directory",
            "SSL_CERT_DIR": "directory",
        }.items()
    ),
    Line(
        {"SSL_CERT_FILE": "{empty}"},
        "address",
        _refusal("SSL_CERT_FILE", "names '{empty}', which cannot be used: No certificate in it"),
        identity="key",
    ),
    Line(
        {"SSL_CERT_FILE": "{ca_dir}"},
        "address",
        _refusal("SSL_CERT_FILE", "names '{ca_dir}', which cannot be used: Is a directory"),
    ),
    Line(
        {"SSL_CERT_DIR": "{ca}"},
        "address",
        _refusal("SSL_CERT_DIR", "names '{ca}', which cannot be used: No such directory"),
    ),
    *(
        Line(
            {name: "{no_ca_dir}"},
            "address",
            _refusal(
                name,
                "names '{no_ca_dir}', which cannot be used: "
                "No certificate in it that is named by its hash (see: openssl rehash)",
            ),
        )
        for name in ("SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
    ),
    # --- proxies, and who goes without them
    Line({**CA, "HTTPS_PROXY": "{proxy}"}, "name", f"proxy {API}"),
    Line({**CA, "https_proxy": "{proxy}"}, "name", f"proxy {API}"),
    Line({**CA, "ALL_PROXY": "{proxy}"}, "name", f"proxy {API}"),
    Line({**CA, "all_proxy": "{proxy}"}, "name", f"proxy {API}"),
    Line({**CA, "HTTPS_PROXY": "127.0.0.1:{proxy_port}"}, "name", f"proxy {API}"),
    Line({**CA, "HTTPS_PROXY": "{proxy}", "https_proxy": ""}, "address", "direct"),
    Line({**CA, "HTTPS_PROXY": "{proxy}", "ALL_PROXY": "http://127.0.0.1:{closed_port}"}, "name", f"proxy {API}"),
    Line({**CA, "HTTP_PROXY": "{proxy}"}, "address", "direct"),
    Line({"HTTP_PROXY": "{proxy}"}, "plain", f"proxy {API}"),
    Line({"ALL_PROXY": "{proxy}"}, "plain", f"proxy {API}"),
    Line({**CA, "HTTPS_PROXY": "{proxy}"}, "address", "proxy 127.0.0.1"),
    Line({**CA, "HTTPS_PROXY": "{proxy}", "NO_PROXY": "127.0.0.1"}, "address", "direct"),
    Line({**CA, "HTTPS_PROXY": "{proxy}", "no_proxy": "10.0.0.0/8, 127.0.0.0/8"}, "address", "direct"),
    Line({**CA, "HTTPS_PROXY": "{proxy}", "NO_PROXY": "10.0.0.0/8"}, "address", "proxy 127.0.0.1"),
    Line({**CA, "HTTPS_PROXY": "{proxy}", "NO_PROXY": "127.0.0.1:{api_port}"}, "address", "proxy 127.0.0.1"),
    Line({**CA, "HTTPS_PROXY": "{proxy}", "NO_PROXY": "localhost:{api_port}"}, "localhost", "direct"),
    Line({**CA, "HTTPS_PROXY": "{proxy}", "NO_PROXY": "localhost:1"}, "localhost", "proxy localhost"),
    Line({**CA, "HTTPS_PROXY": "{proxy}", "NO_PROXY": ".localhost"}, "localhost", "direct"),
    Line({**CA, "HTTPS_PROXY": "{proxy}", "NO_PROXY": "example.com"}, "localhost", "proxy localhost"),
    Line({**CA, "HTTPS_PROXY": "{proxy}", "NO_PROXY": "example.com,*"}, "localhost", "proxy localhost"),
    Line({**CA, "ALL_PROXY": "{proxy}", "NO_PROXY": "*"}, "localhost", "direct"),
    Line({**CA, "HTTPS_PROXY": "{proxy}"}, "name", f"proxy {TOKENS}, proxy {API}", identity="key"),
    Line({"SSL_CERT_FILE": "{ca}", "ALL_PROXY": "{proxy}"}, "name", f"proxy {TOKENS}, proxy {API}", identity="key"),
    Line({"HTTPS_PROXY": "{proxy}"}, "name", UNTRUSTED),
    Line({**CA, "HTTPS_PROXY": "http://127.0.0.1:{closed_port}"}, "name", NO_PROXY),
    Line(
        {**METADATA, **CA, "HTTPS_PROXY": "{proxy}", "HTTP_PROXY": "http://127.0.0.1:{closed_port}"},
        "name",
        f"proxy {API}",
        identity="machine",
    ),
    Line({**METADATA, **CA, "ALL_PROXY": "{proxy}"}, "name", f"proxy {API}", identity="machine"),
    # --- a proxy that asks who one is
    Line({**CA, "HTTPS_PROXY": "http://{login}@127.0.0.1:{login_port}"}, "name", f"login {API}"),
    Line({"HTTP_PROXY": "http://{login}@127.0.0.1:{login_port}"}, "plain", f"login {API}"),
    Line(
        {**CA, "ALL_PROXY": "http://{login}@127.0.0.1:{login_port}"},
        "name",
        f"login {TOKENS}, login {API}",
        identity="key",
    ),
    Line({**CA, "HTTPS_PROXY": "http://127.0.0.1:{login_port}"}, "name", NO_PROXY),
    Line({**CA, "HTTPS_PROXY": "http://me:wrong@127.0.0.1:{login_port}"}, "name", NO_PROXY),
    # --- a proxy that is spoken to over TLS
    Line(
        {**CA, "HTTPS_PROXY": "https://localhost:{tls_port}"},
        "name",
        f"tls {API}"
        if TLS_IN_TLS
        else _refusal("HTTPS_PROXY", "names a proxy that is spoken to over TLS, which needs Python 3.11"),
    ),
    Line({**CA, "HTTP_PROXY": "https://localhost:{tls_port}"}, "plain", f"tls {API}"),
    Line({"HTTP_PROXY": "https://localhost:{tls_port}"}, "plain", UNTRUSTED),
    # --- SOCKS
    Line(
        {**CA, "ALL_PROXY": "socks5h://127.0.0.1:{socks_port}"}, "name", f"socks {API}" if HAS_SOCKS else _SOCKS_MISSING
    ),
    Line(
        {**CA, "ALL_PROXY": "socks5://127.0.0.1:{socks_port}"},
        "localhost",
        "socks 127.0.0.1" if HAS_SOCKS else _SOCKS_MISSING,
    ),
    Line(
        {**CA, "ALL_PROXY": "socks5h://me:s3cr3t%40%3A@127.0.0.1:{socks_login_port}"},
        "name",
        f"socks login {TOKENS}, socks login {API}" if HAS_SOCKS else _SOCKS_MISSING,
        identity="key",
    ),
    Line({**CA, "ALL_PROXY": "socks5h://127.0.0.1:{socks_port}", "NO_PROXY": "127.0.0.1"}, "address", "direct"),
    *(
        Line(
            {**CA, "ALL_PROXY": f"socks5h://{where}"},
            "name",
            (NO_CONNECTION if HAS_SOCKS else _SOCKS_MISSING),
        )
        for where in ("127.0.0.1:{closed_port}", "me:wrong@127.0.0.1:{socks_login_port}")
    ),
    Line(
        {**CA, "ALL_PROXY": "socks5h://{login}@127.0.0.1:{socks_login_port}"},
        "name",
        _refusal("ALL_PROXY", _ODD + "its login has characters that a SOCKS proxy cannot be told"),
    ),
    # --- what is no address
    *(
        Line({**CA, "HTTPS_PROXY": address}, "name", _refusal("HTTPS_PROXY", _ODD + why))
        for address, why in {
            "http://": "it names no host",
            "http://me:s3cr3t@:80": "it names no host",
            "http://me:s3cr3t@": _UNCLEAR,
            "http//me:s3cr3t@127.0.0.1:3128": "it must have :// after http",
            "https//127.0.0.1:3128": "it must have :// after https",
            "http://me:s3cr3t@127.0.0.1:0": "its port is no number from 1 to 65535",
            "http://me:s3cr3t@127.0.0.1:99999": _UNCLEAR,
            "http://me:s3cr3t@127.0.0.1:port": _UNCLEAR,
            "http://me:s3c/r3t@127.0.0.1:80": _UNCLEAR,
            "http://me:s3cr3t@host..name:80": "it names no host",
            "http://me:s3cr3t@host name:80": "it has a space or a line break in it",
            "http://me:s3cr3t@127.0.0.1:{proxy_port}\n": "it has a space or a line break in it",
            f"http://me:s3cr3t@{'long' * 16}:80": "it names no host",
            "ftp://me:s3cr3t@127.0.0.1": "it must begin with one of http://, https://, "
            "socks4://, socks4a://, socks5://, socks5h://",
        }.items()
    ),
    # --- client certificates, which neither uses
    Line(
        {**CA, "GOOGLE_API_USE_CLIENT_CERTIFICATE": "true", "GOOGLE_API_USE_MTLS_ENDPOINT": "always"},
        "address",
        "direct",
        identity="key",
    ),
]

#: What is tried in each environment, in this order; see :mod:`tests.network_child`.
FACES = ("operator", "hook", "async hook", "deferred wait")


class Network:
    """
    Hold the servers of the table.

    :ivar words: what the words in braces stand for.
    """

    def __init__(
        self,
        folder: Path,
        servers: Servers,
        emulator: Emulator,
        tokens: TokenServer,
        process: subprocess.Popen[str],
    ) -> None:
        authority, other = Authority(folder / "ca"), Authority(folder / "other", "another authority")
        context = authority.server(API, TOKENS, "localhost")
        plain = int(emulator.endpoint.rpartition(":")[2])
        self.folder = folder
        self.authority = authority
        self.emulator = emulator
        self._tokens = tokens
        self._process = process
        self._key = make_private_key()
        api_port = servers.tls(plain, context)
        token_port = servers.tls(int(tokens.url.rpartition(":")[2]), context)
        ports, plain_ports = {API: api_port, TOKENS: token_port}, {API: plain}
        self.proxies: dict[str, HttpProxy | SocksProxy] = {}

        def http(name: str, login: tuple[str, str] | None = None, tls: Any = None) -> int:
            proxy = HttpProxy(ports, plain_ports, login)
            self.proxies[name] = proxy
            return servers.start(proxy.serve, tls)

        def socks(name: str, login: tuple[str, str] | None = None) -> int:
            proxy = SocksProxy(ports, login)
            self.proxies[name] = proxy
            return servers.start(proxy.serve)

        empty = folder / "empty.pem"
        empty.touch()
        proxy_port = http("proxy")
        self.words: dict[str, Any] = {
            "ca": authority.file,
            "ca_dir": authority.directory,
            "other_ca": other.file,
            "empty": empty,
            "no_ca_dir": folder / "other",
            "metadata": tokens.url.removeprefix("http://"),
            "api_port": api_port,
            "token_port": token_port,
            "proxy_port": proxy_port,
            "proxy": f"http://127.0.0.1:{proxy_port}",
            "login": ESCAPED_LOGIN,
            "login_port": http("login", LOGIN),
            "tls_port": http("tls", tls=context),
            "socks_port": socks("socks"),
            "socks_login_port": socks("socks login", ("me", "s3cr3t@:")),
            "closed_port": _closed_port(),
        }

    def fill(self, text: str) -> str:
        """Put what the network has for the words in braces."""
        for word, value in self.words.items():
            text = text.replace(f"{{{word}}}", str(value))
        return text

    def _connection(self, line: Line) -> dict[str, Any]:
        extra: dict[str, Any] = {
            "project": DEFAULT_PROJECT,
            "location": DEFAULT_LOCATION,
            "api_endpoint": self.fill(ENDPOINTS[line.endpoint]),
            "num_retries": 0,
            "timeout": 20,
        }
        if line.identity != "key":
            return extra if line.identity else {**extra, "is_anonymous": True}
        where = f"https://{TOKENS}" if line.endpoint == "name" else f"https://127.0.0.1:{self.words['token_port']}"
        return {**extra, "keyfile_dict": {**self._tokens.key(self._key), "token_uri": f"{where}/token"}}

    def run(self, line: Line) -> dict[str, Outcome]:
        """Return what comes of each of the faces in a process with this environment."""
        kept = {name: value for name, value in os.environ.items() if not _is_about_the_network(name)}
        connection = {"conn_type": "google_cloud_workflows", "extra": self._connection(line)}
        said = {name: self.fill(value) for name, value in line.environment.items()}
        environment = {**kept, "AIRFLOW_CONN_NETWORK": json.dumps(connection), **said}
        self.emulator.settings.token = TOKEN if line.identity else None
        self._tell(json.dumps({"environment": environment, "execution_id": self.emulator.start("echo")}))
        outcomes: list[Outcome] = []
        assert self._process.stdout
        for text in self._process.stdout:
            if text == "done\n":
                break
            if text.startswith("said "):
                outcomes.append(self._outcome(json.loads(text[5:])))
                self._tell("")
        return dict(zip(FACES, outcomes, strict=True))

    def _tell(self, text: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()

    def _outcome(self, error: dict[str, Any] | None) -> Outcome:
        way = [f"{name} {target}" for name, proxy in self.proxies.items() for target in proxy.targets]
        for proxy in self.proxies.values():
            proxy.targets.clear()
        arrived = len(self.emulator.requests)
        self.emulator.clear_requests()
        if error is None:
            # Plain requests go through a proxy one by one.
            return Outcome(", ".join(dict.fromkeys(way)) or "direct", arrived, None)
        return Outcome(error["text"], arrived, error)


class Outcome(NamedTuple):
    """
    Hold what came of a create or a wait.

    :param text: the way that it took, or the error's text.
    :param arrived: how many requests the service got.
    :param error: class and attributes of the error; of a wait the status of its event.
    """

    text: str
    arrived: int
    error: dict[str, Any] | None

    @property
    def reason(self) -> str:
        """Return the text without what was asked of whom."""
        head, _, reason = self.text.partition(" s: " if self.text.startswith("Not seen") else ": ")
        return reason.partition(" (projects/")[0] if head.startswith(("Could not ", "Not seen")) else self.text


def _is_about_the_network(name: str) -> bool:
    return name.lower().endswith("_proxy") or name.endswith(("CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "GCE_CHECK"))


def _closed_port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def run_network(folder: Path) -> Iterator[Network]:
    """Run the servers of the table, and the process that its lines are run from."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.network_child"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process, run_servers() as servers, Emulator() as emulator, serve_tokens() as tokens:
        try:
            yield Network(folder, servers, emulator, tokens, process)
        finally:
            process.terminate()


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AIRFLOW_HOME"] = f"{folder}/airflow"
        with run_network(Path(folder)) as network:
            for line in LINES:
                print(line)
                for face, outcome in network.run(line).items():
                    print(f"    {face:15}{outcome.reason}")


if __name__ == "__main__":
    main()
