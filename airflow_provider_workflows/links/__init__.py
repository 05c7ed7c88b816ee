# SPDX-License-Identifier: Apache-2.0
"""Links to the console for the executions of workflows."""
