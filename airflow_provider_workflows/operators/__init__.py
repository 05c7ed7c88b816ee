# SPDX-License-Identifier: Apache-2.0
"""Operators for the executions of workflows."""
