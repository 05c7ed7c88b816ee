#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Run the smoke tests on the package that is installed in an environment:
#
#     scripts/wheel_smoke.sh VENV
#
# They run as a copy in an empty folder, so that nothing of the checkout can be imported by accident.
set -euo pipefail

venv=$(cd "$1" && pwd)
checkout=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -r "$checkout/tests/smoke" "$folder/"
cd "$folder"
unset PYTHONPATH
"$venv/bin/python" -c "import airflow_provider_workflows as package; print('testing', package.__file__)"
"$venv/bin/python" -m pytest -ra -m smoke smoke
