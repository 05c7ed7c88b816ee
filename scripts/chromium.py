# SPDX-License-Identifier: Apache-2.0
"""Find a Chromium for `make test-browser`, or install Debian's where that is possible; print where it is."""

from __future__ import annotations

import shutil
import sys

from debian import ServiceError, install

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str | None:
    """Return the browser's path, None when there is none."""
    return next((found for found in map(shutil.which, PROGRAMS) if found), None)


def main() -> int:
    """Run the command; return its exit status."""
    try:
        install("chromium", lambda: filter(None, [chromium()]), lambda line: print(line, file=sys.stderr, flush=True))
    except ServiceError as error:
        reason = str(error).splitlines()[0]
        print(f"no browser: none of {', '.join(PROGRAMS)} is installed, and {reason}", file=sys.stderr)
        return 1
    print(chromium())
    return 0


if __name__ == "__main__":
    sys.exit(main())
