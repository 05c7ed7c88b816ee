#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Make a virtual environment from pinned versions:
#
#     scripts/environment.sh VENV CONSTRAINTS NEWEST_PYTHON REQUIREMENT...
#
# VENV           folder of the environment; kept and brought up to date when its Python is the wanted one
# CONSTRAINTS    file with a version for every package
# NEWEST_PYTHON  3.13 or 3.12: the newest Python that the Airflow of this environment supports
# REQUIREMENT    what to install, in pip's words (-e '.[dev]', -r FILE, NAME...)
#
# The environment variable PYTHON says which interpreter to take; without it the first usable one of python3,
# python3.13 ... python3.10 is taken. uv installs in a fraction of pip's time; where it does not work, pip does it.
# Like pip it compiles what it installs: where PYTHONDONTWRITEBYTECODE is set, every process of Airflow would do so.
set -euo pipefail

venv=$1 constraints=$2 newest=$3
shift 3
uv_version=0.13.9
say() { printf '[%s] %s\n' "$(basename "$venv")" "$*" >&2; }

# Running a candidate is the only proof: it may be a shim that ends with an error, or lack the venv module.
usable() {
    "$1" -c "import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, ${newest#3.}))" \
        >/dev/null 2>&1
}

find_python() {
    local candidate
    if [ -n "${PYTHON:-}" ]; then
        if usable "$PYTHON"; then echo "$PYTHON"; return; fi
        say "PYTHON=$PYTHON is not a Python 3.10 to $newest with the venv module: $("$PYTHON" --version 2>&1 | head -n 1)"
        return 1
    fi
    for candidate in python3 python3.13 python3.12 python3.11 python3.10; do
        if usable "$candidate"; then echo "$candidate"; return; fi
    done
    say "No Python 3.10 to $newest with the venv module was found (tried python3 and python3.10 to python3.13)."
    say "Install one (on Debian and Ubuntu with its -venv package) or name it: make ... PYTHON=/path/to/python3"
    return 1
}

version_of() { "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null; }

began=$SECONDS
python=$(find_python)
if [ ! -x "$venv/bin/python" ] || [ "$(version_of "$venv/bin/python")" != "$(version_of "$python")" ]; then
    say "making the environment with $python ($(version_of "$python"))"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
rm -f "$venv"/.stamp*

if ! "$venv/bin/uv" --version 2>/dev/null | grep -qF "$uv_version"; then
    say "installing uv $uv_version"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$uv_version" ||
        say "uv could not be installed; pip will do, it takes some minutes longer"
fi
say "installing the pinned packages (a minute or two; the first time they are downloaded)"
# The list of hundreds of packages says nothing to who waits; that something goes on does.
(while sleep 10 >/dev/null 2>&1; do say "still installing: $((SECONDS - began)) s"; done) &
heartbeat=$!
trap 'kill "$heartbeat" 2>/dev/null || true' EXIT
if ! "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --compile-bytecode --constraint "$constraints" \
    --build-constraint "$constraints" "$@"; then
    say "installing with pip instead of uv"
    PIP_CONSTRAINT="$constraints" "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
fi
say "ready after $((SECONDS - began)) s: Python $(version_of "$venv/bin/python") in $venv"
