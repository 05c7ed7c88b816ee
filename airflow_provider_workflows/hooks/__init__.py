# SPDX-License-Identifier: Apache-2.0
"""Connect to the Workflow Executions API."""
