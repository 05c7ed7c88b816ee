# SPDX-License-Identifier: Apache-2.0
"""
Say what to do about an error of the API: by its reason where it gives one, else by its status.

Reasons: https://cloud.google.com/service-infrastructure/docs/service-management/reference/rpc/google.api#errorreason
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_TOKEN = "The service did not accept the credentials"  # noqa: S105
_KEY = "Remove the API key: the API wants an OAuth token, which the connection's credentials give."
_LOCATION = (
    "The organization's policy does not allow this location: use a workflow in one that it allows (location), or have "
    "constraints/gcp.resourceLocations changed."
)
_PROJECT = "Check project_id, of the task or the connection"

#: What to do, by the ErrorInfo reason.
BY_REASON: Mapping[str, str] = {
    "SERVICE_DISABLED": "Enable the Workflow Executions API (workflowexecutions.googleapis.com) in the project.",
    "SERVICE_NOT_VISIBLE": "Enable the Workflow Executions API (workflowexecutions.googleapis.com) in the project; "
    "its organization may have to allow it first.",
    "IAM_PERMISSION_DENIED": "The identity of the connection needs the permission '{permission}' (role {role}); "
    "or the project does not exist.",
    "BILLING_DISABLED": "Link the project to a billing account that is open.",
    "SECURITY_POLICY_VIOLATED": "A VPC Service Controls perimeter refuses: run Airflow inside of it, or have an "
    "ingress rule allow the connection's identity. The unique id in the message leads to the refusal in the audit log.",
    "CONSUMER_INVALID": f"{_PROJECT}, and quota_project_id: there is no such project, or it was deleted.",
    "CONSUMER_SUSPENDED": "The project is suspended: its owner finds the reason in Google Cloud's console.",
    "GCP_SUSPENDED": "The project is suspended: its owner finds the reason in Google Cloud's console.",
    "RESOURCE_PROJECT_INVALID": f"{_PROJECT}: there is no such project, or it was deleted.",
    "LOCATION_POLICY_VIOLATED": _LOCATION,
    "LOCATION_ORG_POLICY_VIOLATED": _LOCATION,
    "ORG_RESTRICTION_VIOLATION": "The network of Airflow only lets some organizations' resources through, and "
    "this project is in another one: have the proxy's list of organizations changed.",
    "ORG_RESTRICTION_HEADER_INVALID": "The proxy before Airflow adds a header X-Goog-Allowed-Resources that is "
    "malformed: have it corrected.",
    "RESOURCE_USAGE_RESTRICTION_VIOLATED": "The organization's policy does not allow this API: have "
    "constraints/gcp.restrictServiceUsage changed.",
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": "Give the credentials the scope https://www.googleapis.com/auth/cloud-platform: "
    "leave the connection's scope empty; a virtual machine has its scopes in its own settings.",
    "ACCESS_TOKEN_TYPE_UNSUPPORTED": f"{_TOKEN}: their token is no OAuth access token. Let "
    "the connection name a service account, or a configuration that ends at one.",
    "ACCESS_TOKEN_EXPIRED": f"{_TOKEN}: the token has expired or was revoked. Check the clock of this machine, "
    "and whether the account was disabled; with is_anonymous there is none.",
    "CREDENTIALS_MISSING": "The request had no token: is_anonymous is for emulators only.",
    "ACCOUNT_STATE_INVALID": "The account is disabled or deleted: enable it, or let the connection name another one.",
    "USER_BLOCKED_BY_ADMIN": "An administrator has blocked this account: ask them, or let the connection name "
    "another one.",
    "USER_PROJECT_DENIED": "Check quota_project_id of the connection: the identity needs "
    "'serviceusage.services.use' on that project (role roles/serviceusage.serviceUsageConsumer).",
    "RATE_LIMIT_EXCEEDED": "A quota of requests is used up; see https://cloud.google.com/workflows/quotas. Fewer looks "
    "(poll_interval, deferrable) need less of it.",
    "RESOURCE_QUOTA_EXCEEDED": "A quota is used up; see https://cloud.google.com/workflows/quotas.",
    "API_KEY_INVALID": _KEY,
    "API_KEY_SERVICE_BLOCKED": _KEY,
    "SYSTEM_PARAMETER_UNSUPPORTED": "Check api_endpoint and api_version: what answers does not know this request.",
}

#: What to do, by the status, where there is no reason or none that is known.
BY_STATUS: Mapping[int, str] = {
    401: f"{_TOKEN}: check the connection's key, identity and its expiry; with is_anonymous it has none.",
    403: "The identity of the connection needs the permission '{permission}' (role {role}).",
    404: "Check project_id, location, workflow_id and execution_id: one of them does not exist there.",
    429: "A quota is used up; see https://cloud.google.com/workflows/quotas.",
}
#: The operations that are about a workflow, not about one of its executions.
_OF_A_WORKFLOW = ("create", "list")
_NO_WORKFLOW = "Check workflow_id, project_id and location: there is no such workflow."
#: The permissions of operations that are not named like theirs.
_PERMISSIONS: Mapping[str, str] = {
    "list step entries of": "workflows.stepEntries.list",
    "get step entry": "workflows.stepEntries.get",
    "list callbacks of": "workflows.callbacks.list",
    "export data of": "workflows.executions.get",
    "delete the history of": "workflows.executions.cancel",
}
_PERMISSION = re.compile(r"[a-zA-Z]+(\.[a-zA-Z]+){1,3}")


def advice(operation: str, status_code: int, reason: str | None, details: Mapping[str, str]) -> str:
    """
    Return what to do about an error answer, empty where nothing is known.

    :param operation: ``create``, ``get``, ``list``, ``cancel``, …; names the permission.
    :param details: the ErrorInfo's metadata; IAM names the missing permission there.
    """
    text = BY_REASON.get(reason or "")
    if text is None and status_code == 404 and operation in _OF_A_WORKFLOW:
        return _NO_WORKFLOW
    text = text or BY_STATUS.get(status_code, "")
    permission = details.get("permission", "")
    if not _PERMISSION.fullmatch(permission):
        permission = _PERMISSIONS.get(operation, f"workflows.executions.{operation}")
    return text.replace("{permission}", permission).replace("{role}", _role(permission))


def _role(permission: str) -> str:
    """Return the smallest predefined role that has a permission."""
    if permission.startswith("serviceusage."):
        return "roles/serviceusage.serviceUsageConsumer"
    if permission.startswith(("workflows.stepEntries.", "workflows.callbacks.")):
        return "roles/workflows.invoker"  # which the viewer lacks
    return "roles/workflows.viewer" if permission.endswith((".get", ".list")) else "roles/workflows.invoker"
