# SPDX-License-Identifier: Apache-2.0
"""Install programs from Debian's packages where they are missing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable


class ServiceError(Exception):
    """A program of Debian's could not be installed or started; the message says why."""


def install(package: str, installed: Callable[[], Iterable[object]], say: Callable[[str], None]) -> None:
    """
    Install a package unless it is there.

    :param installed: finds what the package brings
    :param say: called with a line of text on progress
    :raises ServiceError: when that fails, for example without the right to install packages
    """
    if list(installed()):
        return
    say(f"installing Debian's {package}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-qy", package]):
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        except OSError as error:
            raise ServiceError(f"{command[0]} cannot be run; install {package}: {error}") from error
        if done.returncode != 0:
            raise ServiceError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    if not list(installed()):
        raise ServiceError(f"{package} is installed, but what it should bring is not there")
