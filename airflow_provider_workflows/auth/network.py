# SPDX-License-Identifier: Apache-2.0
"""
Say what the machine's environment wants of the network, the same for the sync and the async session.

A worker that can create and a triggerer that cannot look is a task that waits for ever. So what requests does by
itself is decided here for both, by requests' own functions, and what only one of them could do is refused for both:

* **Proxies**: ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``, in small letters too, as requests reads
  them. A proxy may have a login, may be spoken to over TLS (``https://``; from Python 3.11 on), and may be a SOCKS
  proxy where PySocks and aiohttp-socks are installed. None leads to the metadata server, which is the machine's own.
* **Authorities** whose certificates are trusted: the first that is set of ``REQUESTS_CA_BUNDLE`` and
  ``CURL_CA_BUNDLE`` (a file or a directory), else ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` (together), else those that
  requests brings along (certifi's). Proxies and servers of tokens are held against them, too.
* **Client certificates** (``GOOGLE_API_USE_CLIENT_CERTIFICATE``, ``GOOGLE_API_USE_MTLS_ENDPOINT``) are used by neither:
  only google-auth's sync session knows them. The variables are often set for everything on a machine, so they are no
  error, and requests go where they would go without them.

* **Redirects** are not followed, also those of servers of tokens.

A file that does not exist and an address that is none are errors of this machine: they are raised before anything is
sent, name the variable, and are not worth repeating. A proxy's address is never quoted: it can hold a password.
"""

from __future__ import annotations

import functools
import os
import re
import ssl
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from airflow_provider_workflows.core.catching import caught
from airflow_provider_workflows.core.quoting import quoted
from airflow_provider_workflows.exceptions import WorkflowsApiError

if TYPE_CHECKING:
    from requests.adapters import HTTPAdapter

_SOCKS = ("socks4", "socks4a", "socks5", "socks5h")
#: What the address of a proxy may begin with, and its port where it says none.
_PORTS = {"http": 80, "https": 443, **dict.fromkeys(_SOCKS, 1080)}
_UNCLEAR = "it cannot be understood; check its host and port, and that its login is escaped (%40 for @, %2F for /)"
#: What OpenSSL calls files with certificates in a directory.
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")
#: Where machines in the cloud are told about themselves, and what says that it is elsewhere.
_METADATA = ("169.254.169.254", "metadata.google.internal")
_METADATA_VARIABLES = ("GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP")


class Bundle(NamedTuple):
    """Hold a variable that names files of certificates, and what it says."""

    variable: str
    path: str


class Authorities(NamedTuple):
    """
    Hold the files of the certificates that are trusted.

    :param file: many certificates in one file.
    :param directory: certificates in files named by their hashes; several directories where OpenSSL takes several.
    """

    file: str | None
    directory: str | None


class NotConnectedError(OSError):
    """Say that a SOCKS proxy made no connection, so that nothing was sent."""


class Proxy(NamedTuple):
    """
    Hold a proxy that a request goes through.

    :param url: the whole address, with the login.
    :param address: the same without the login.
    :param authorization: the header that the login makes.
    """

    url: str
    address: str
    authorization: str | None

    @property
    def is_socks(self) -> bool:
        """Tell whether it speaks SOCKS, not HTTP."""
        return self.url.partition(":")[0] in _SOCKS


# --- authorities


def choose_bundles(environ: Mapping[str, str]) -> tuple[Bundle, ...]:
    """Decide which variables say whose certificates are trusted; none for those that requests brings along."""
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if path := environ.get(variable):
            return (Bundle(variable, path),)
    return tuple(Bundle(each, environ[each]) for each in ("SSL_CERT_FILE", "SSL_CERT_DIR") if environ.get(each))


def read_authorities() -> Authorities:
    """
    Return whose certificates this process trusts.

    Blocks, for some hundredths of a second where files are new and a variable names them.

    :raises WorkflowsApiError: for files that cannot be used.
    """
    from requests.utils import DEFAULT_CA_BUNDLE_PATH

    bundles = choose_bundles(os.environ)
    if not bundles:
        return Authorities(DEFAULT_CA_BUNDLE_PATH, None)
    files: dict[str, str] = {}
    for bundle in bundles:
        with _reported(bundle):
            files[_kind(bundle)] = bundle.path
    authorities = Authorities(files.get("file"), files.get("directory"))
    with _reported(bundles[0]):
        make_context(authorities)
    return authorities


def make_context(authorities: Authorities) -> ssl.SSLContext:
    """Return what checks servers' certificates for aiohttp; made once for as long as the file does not change."""
    state = Path(authorities.file).stat() if authorities.file else None
    return _context(authorities, (state.st_mtime_ns, state.st_size, state.st_ino) if state else ())


@functools.lru_cache(maxsize=4)
def _context(authorities: Authorities, _state: tuple[int, ...]) -> ssl.SSLContext:
    # As strict or lenient as the one that requests gets, on all versions of Python.
    from urllib3.util.ssl_ import create_urllib3_context

    context: ssl.SSLContext = create_urllib3_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.check_hostname = True
    context.set_alpn_protocols(["http/1.1"])
    context.load_verify_locations(authorities.file, authorities.directory)
    return context


def _kind(bundle: Bundle) -> str:
    """Tell whether a bundle is a file or a directory."""
    if bundle.variable == "SSL_CERT_FILE":
        kind = "file"
    elif bundle.variable == "SSL_CERT_DIR":
        kind = "directory"
    else:
        kind = "directory" if Path(bundle.path).is_dir() else "file"
    if kind == "file":
        with Path(bundle.path).open("rb"):
            pass
    else:
        _check_directories([Path(each) for each in bundle.path.split(os.pathsep)])
    return kind


def _check_directories(named: list[Path]) -> None:
    """Refuse what OpenSSL would pass over, only to find no certificate trusted then."""
    directories = [each for each in named if each.is_dir()]
    if not directories:
        raise NotADirectoryError(0, "No such directory")
    if not any(_HASHED.fullmatch(file.name) for each in directories for file in each.iterdir()):
        raise FileNotFoundError(0, "No certificate in it that is named by its hash (see: openssl rehash)")


@contextmanager
def _reported(bundle: Bundle) -> Iterator[None]:
    """Say which variable is wrong where its files cannot be used."""
    try:
        yield
    except (OSError, ValueError) as exc:  # OpenSSL's own are OSErrors
        why = "No certificate in it" if isinstance(exc, ssl.SSLError) else getattr(exc, "strerror", None)
        raise _unusable(
            f"{bundle.variable} names {quoted(bundle.path)}, which cannot be used: {why or 'It is no path'}"
        ) from None


# --- proxies


def proxy_for(url: str) -> Proxy | None:
    """
    Return the proxy that a request goes through, or ``None`` where it goes straight.

    :raises WorkflowsApiError: for an address that cannot be used.
    """
    from requests.utils import get_environ_proxies, select_proxy

    if urlsplit(url).netloc in {*_METADATA, *map(os.environ.get, _METADATA_VARIABLES)}:
        return None
    address = select_proxy(url, get_environ_proxies(url))
    if not address:
        return None
    scheme = urlsplit(url).scheme
    variable = _variable(os.environ, scheme, address)
    with caught(ValueError, TypeError) as wrong:  # their texts may hold the address; TypeError: a login without a host
        proxy = read_proxy(address)
    if wrong.error:
        why = str(wrong.error) if type(wrong.error) is _Unfit else _UNCLEAR
        raise _unusable(f"{variable} is not the address of a proxy: {why}")
    if proxy.is_socks and not (find_spec("socks") and find_spec("aiohttp_socks")):
        raise _unusable(
            f"{variable} names a SOCKS proxy, which needs two packages that are not both installed: "
            "pip install pysocks aiohttp-socks"
        )
    if scheme == "https" and proxy.url.startswith("https:") and sys.version_info < (3, 11):
        raise _unusable(f"{variable} names a proxy that is spoken to over TLS, which needs Python 3.11")
    return proxy


class _Unfit(ValueError):
    """Say what is wrong with an address, in words of our own."""


def read_proxy(address: str) -> Proxy:
    """
    Take the address of a proxy apart, as requests does.

    :raises ValueError: for one that cannot be used; its text may hold the address.
    """
    from requests.adapters import HTTPAdapter
    from requests.utils import get_auth_from_url, prepend_scheme_if_needed
    from urllib3.util import parse_url

    if not address.isprintable() or " " in address:
        raise _Unfit("it has a space or a line break in it")
    url = prepend_scheme_if_needed(address, "http")  # type: ignore[no-untyped-call]
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise _Unfit(f"it must begin with one of {', '.join(f'{each}://' for each in _PORTS)}")
    if parts.hostname in _PORTS:  # http//proxy:3128, of which the library makes http://http//proxy:3128
        raise _Unfit(f"it must have :// after {parts.hostname}")
    if urlsplit(address if "//" in address else f"//{address}").port == 0:  # which old versions of urllib3 drop
        raise _Unfit("its port is no number from 1 to 65535")
    bare = f"{parts.scheme}://{_host(parts)}:{parts.port or _PORTS[parts.scheme]}"
    if parse_url(url).host is None or parse_url(bare).url != bare:
        raise _Unfit("it names no host")
    if parts.scheme in _SOCKS and not all(each.isascii() for each in get_auth_from_url(url)):
        raise _Unfit("its login has characters that a SOCKS proxy cannot be told")
    return Proxy(url, bare, HTTPAdapter().proxy_headers(url).get("Proxy-Authorization"))


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    with suppress(UnicodeError):  # of a name that is no name anywhere
        if host.encode("idna"):
            return f"[{host}]" if ":" in host else host
    raise _Unfit("it names no host")


def _variable(environ: Mapping[str, str], scheme: str, address: str) -> str:
    """Return the name of the variable that a proxy's address is from."""
    names = [f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"]
    return next((name for name in names if environ.get(name) == address), "The proxy of the system's settings")


def _unusable(text: str) -> WorkflowsApiError:
    return WorkflowsApiError(f"{text}. Nothing was sent.", unsent=True)


# --- requests


def session_class(base: Any) -> Any:
    """Return a subclass of a class of requests sessions that goes by this file."""

    class OurSession(base):  # type: ignore[misc]
        def merge_environment_settings(self, url: str, _: Any, stream: Any, __: Any, cert: Any) -> dict[str, Any]:
            proxy, authorities = proxy_for(url), read_authorities()
            return {
                "proxies": {urlsplit(url).scheme: proxy.url} if proxy else {},
                "verify": authorities.file or authorities.directory,
                "stream": bool(stream),
                "cert": cert,
            }

        def get_redirect_target(self, _: Any) -> None:
            """Follow no redirect: what is sent to a server of tokens is as good as a token."""

    return OurSession


def make_adapter(base: Any = None, **options: Any) -> HTTPAdapter:
    """
    Return what sends a requests session's requests.

    :param base: a subclass of ``HTTPAdapter``, whose are the options.
    """
    from requests.adapters import HTTPAdapter

    class Adapter(base or HTTPAdapter):  # type: ignore[misc]
        """Trust a file and directories together, for which requests has no words, and for a proxy, too."""

        def cert_verify(self, conn: Any, url: str, _: Any, cert: Any) -> None:
            super().cert_verify(conn, url, True, cert)
            if conn.scheme == "https":  # that of the proxy, where the request itself is plain
                conn.cert_reqs = "CERT_REQUIRED"
                conn.ca_certs, conn.ca_cert_dir = read_authorities()

    adapter: HTTPAdapter = Adapter(**options)
    return adapter
