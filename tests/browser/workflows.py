# SPDX-License-Identifier: Apache-2.0
"""Define the workflows that the DAGs in `dags/` run, as JSON for the emulator's control API."""

from __future__ import annotations

from typing import Any

WORKFLOWS: dict[str, dict[str, Any]] = {
    "charge-order": {
        "steps": [
            {"name": "reserve-stock", "seconds": 4},
            {"name": "charge-card", "seconds": 4},
            {"name": "send-receipt", "seconds": 4},
        ],
        "result": {"receipt": "R-2042", "paid": True},
    },
    "charge-declined": {
        "steps": [{"name": "reserve-stock", "seconds": 3}, {"name": "charge-card", "seconds": 3}],
        "error": {"code": 402, "message": "Payment Required: the card was declined", "tags": ["HttpError"]},
    },
    "ship-order": {
        # Its end is the test's: the retry has to come first, which can take long on a busy machine.
        "steps": [{"name": "pack", "seconds": 2}, {"name": "hand-over", "seconds": 3600}],
    },
    "charge-on-approval": {"steps": ["reserve-stock", {"name": "wait-for-approval", "seconds": 3600}]},
}
