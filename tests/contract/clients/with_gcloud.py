# SPDX-License-Identifier: Apache-2.0
"""Ask with gcloud, whose `beta` commands speak v1beta; see `client_answers`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from typing import Any

#: What there is to try; a gcloud that has more needs more lines here.
COMMANDS = {"cancel", "describe", "describe-last", "list", "wait", "wait-last"}


def answers(facts: dict[str, str], environment: dict[str, str]) -> dict[str, Any]:
    """Run a command for each method that has one."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        track = ["beta"] if facts["version"] == "v1beta" else []
        command = ["gcloud", *track, "workflows", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    def answer(*arguments: str) -> Any:
        done = run(*arguments, "--format=json")
        lines = done.stderr.strip().splitlines() or ["ended without a word"]
        return json.loads(done.stdout) if done.returncode == 0 else {"error": lines[-1]}

    described = re.sub(r"\x1b\[[\d;]*m", "", run("executions", "--help").stdout)
    commands = set(re.findall(r"^     ([a-z-]+)$", described.partition("\nCOMMANDS\n")[2], re.MULTILINE))
    if commands != COMMANDS:
        raise SystemExit(
            f"gcloud workflows executions has the commands {sorted(commands)}, expected {sorted(COMMANDS)}"
        )
    return {
        "create": answer("execute", "echo", '--data={"pieces": 2}'),
        "get": answer("executions", "describe", facts["known"]),
        "list": answer("executions", "list", "crowd"),
        "list, all pages": answer("executions", "list", "crowd", "--page-size=2"),
        "cancel": answer("executions", "cancel", facts["forever"]),
    }


def main() -> None:
    """Print the answers: `with_gcloud.py FACTS`."""
    facts = json.loads(sys.argv[1])
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CLOUDSDK_", "GOOGLE_"))}
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **kept,
            "CLOUDSDK_CONFIG": folder,
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
            "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_WORKFLOWEXECUTIONS": f"{facts['endpoint']}/",
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
            "CLOUDSDK_CORE_PROJECT": "test-project",
            "CLOUDSDK_WORKFLOWS_LOCATION": "us-central1",
        }
        print(json.dumps(answers(facts, environment)))


if __name__ == "__main__":
    main()
