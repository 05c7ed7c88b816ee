# SPDX-License-Identifier: Apache-2.0
"""
What Airflow reads about this package when it starts: connection type, modules, links, configuration.

One dict serves Airflow 2.11 and 3: keys that one of them does not know are ignored there. Only the field
table is imported, because every Airflow process loads this.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_workflows import __version__
from airflow_provider_workflows.auth.fields import FIELDS, placeholders
from airflow_provider_workflows.core.defaults import CONNECTION_TYPE

PACKAGE_NAME = "airflow-provider-workflows"
CONNECTION_NAME = "Google Cloud Workflows"
HOOK_CLASS = "airflow_provider_workflows.hooks.executions.WorkflowExecutionsHook"

# The extra stays visible: a field that is refused must be removable in the form.
HIDDEN_FIELDS = ("host", "schema", "login", "password", "port")

_INTEGRATION = "Google Cloud Workflows"


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata in the shape of ``airflow/provider_info.schema.json``."""
    return {
        "package-name": PACKAGE_NAME,
        "name": "Google Cloud Workflows Executions",
        "description": "Create executions of workflows, wait for them in the triggerer and cancel them: "
        "`Google Cloud Workflows <https://cloud.google.com/workflows>`__",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": _INTEGRATION,
                "external-doc-url": "https://cloud.google.com/workflows/docs",
                "tags": ["gcp"],
            }
        ],
        "hooks": _modules("hooks"),
        "operators": _modules("operators"),
        "sensors": _modules("sensors"),
        "triggers": _modules("triggers"),
        "connection-types": [_connection_type()],
        "extra-links": [
            "airflow_provider_workflows.links.executions.WorkflowExecutionLink",
            "airflow_provider_workflows.links.executions.WorkflowLink",
        ],
        "config": {
            "workflows": {
                "description": "Waiting for executions of Google Cloud Workflows.",
                "options": _options(),
            }
        },
    }


def _modules(role: str) -> list[dict[str, Any]]:
    module = f"airflow_provider_workflows.{role}.executions"
    return [{"integration-name": _INTEGRATION, "python-modules": [module]}]


def _connection_type() -> dict[str, Any]:
    return {
        "connection-type": CONNECTION_TYPE,
        "hook-class-name": HOOK_CLASS,
        "hook-name": CONNECTION_NAME,
        "conn-fields": {spec.name: spec.conn_field() for spec in FIELDS},
        "ui-field-behaviour": {
            "hidden-fields": list(HIDDEN_FIELDS),
            "relabeling": {},
            "placeholders": placeholders(),
        },
    }


def _options() -> dict[str, dict[str, Any]]:
    return {
        "poll_interval": _option(
            "float",
            "10",
            "Seconds between two looks at an execution that a task waits for, unless the task says another.",
        ),
        "defer_after": _option(
            "float",
            "5",
            "Seconds for which a deferrable task waits in its worker before it defers: short executions need no "
            "triggerer then. 0 defers after the first look.",
            "0.2.0",
        ),
        "resume_after": _option(
            "float",
            "15",
            "Seconds from a deferral until the trigger may end it. Airflow 3 fails a task that is resumed before its "
            "scheduler has noticed the end of the process that deferred it, which takes as long as a loop of the "
            "scheduler. 0 for no such wait.",
            "0.2.0",
        ),
        "get_requests_per_minute": _option(
            "integer",
            "3000",
            "How many get requests a minute one triggerer process sends at most, per project, location and "
            "endpoint. The documented quota is 6000 a minute for all clients of a project and location "
            "together: the default leaves half of it to workers, other triggerers and other programs. "
            "Divide it by the number of triggerers.",
        ),
        "list_requests_per_minute": _option(
            "integer",
            "600",
            "How many list requests a minute one triggerer process sends at most, per project, location and "
            "endpoint. The documented quota is 1200 a minute for all clients of a project and location "
            "together: the default leaves half of it to others. Divide it by the number of triggerers.",
        ),
        "end_from_trigger": _option(
            "boolean",
            "False",
            "Whether a succeeded execution with a small result ends its task from the triggerer, without "
            "starting a worker process again. Needs Airflow 3.3 or newer; ignored below.",
        ),
    }


def _option(kind: str, default: str, description: str, added: str = "0.1.0") -> dict[str, Any]:
    return {
        "description": description,
        "version_added": added,
        "type": kind,
        "example": None,
        "default": default,
    }
