# SPDX-License-Identifier: Apache-2.0
"""Hold the names that DAG files need; apart from what they name, so that parsing a DAG file costs little."""

CONNECTION_TYPE = "google_cloud_workflows"
DEFAULT_CONNECTION_ID = "google_cloud_default"
