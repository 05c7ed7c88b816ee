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

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from airflow_provider_workflows.auth.authorities import read_authorities, unusable
from airflow_provider_workflows.core.catching import caught

if TYPE_CHECKING:
    from requests.adapters import HTTPAdapter

_SOCKS = ("socks4", "socks4a", "socks5", "socks5h")
#: What the address of a proxy may begin with, and its port where it says none.
_PORTS = {"http": 80, "https": 443, **dict.fromkeys(_SOCKS, 1080)}
_UNCLEAR = "it cannot be understood; check its host and port, and that its login is escaped (%40 for @, %2F for /)"
#: Where machines in the cloud are told about themselves, and what says that it is elsewhere.
_METADATA = ("169.254.169.254", "metadata.google.internal")
_METADATA_VARIABLES = ("GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP")


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
        raise unusable(f"{variable} is not the address of a proxy: {why}")
    if proxy.is_socks and not (find_spec("socks") and find_spec("aiohttp_socks")):
        raise unusable(
            f"{variable} names a SOCKS proxy, which needs two packages that are not both installed: "
            "pip install pysocks aiohttp-socks"
        )
    if scheme == "https" and proxy.url.startswith("https:") and sys.version_info < (3, 11):
        raise unusable(f"{variable} names a proxy that is spoken to over TLS, which needs Python 3.11")
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
