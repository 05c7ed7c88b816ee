# SPDX-License-Identifier: Apache-2.0
"""Say whose certificates are trusted, for proxies and token servers too, by the rules that ``auth/network.py`` tells."""

from __future__ import annotations

import functools
import os
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from airflow_provider_workflows.core.quoting import quoted
from airflow_provider_workflows.exceptions import WorkflowsApiError

#: What OpenSSL calls files with certificates in a directory.
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")


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
        raise unusable(
            f"{bundle.variable} names {quoted(bundle.path)}, which cannot be used: {why or 'It is no path'}"
        ) from None


def unusable(text: str) -> WorkflowsApiError:
    """Return the error for what this machine's environment says."""
    return WorkflowsApiError(f"{text}. Nothing was sent.", unsent=True)
