# SPDX-License-Identifier: Apache-2.0
"""Put the contract together: importing this makes `CONTRACT` hold every question, in the order of the page."""

from __future__ import annotations

from tests.contract import asks_cancel, asks_failures, asks_lists, asks_quota, asks_requests, reliances
from tests.contract.questions import CONTRACT, Finding, Question, ask_all, differences
from tests.contract.server import RefusedError, Server

__all__ = ["CONTRACT", "PARTS", "Finding", "Question", "RefusedError", "Server", "ask_all", "differences"]

#: Where the questions stand.
PARTS = (reliances, asks_cancel, asks_lists, asks_requests, asks_failures, asks_quota)
