# SPDX-License-Identifier: Apache-2.0
"""
Wait for many executions on one event loop with few requests.

Promises that each wait hears of its execution's end, or of an error of its own, within Google's quota, and that none
of them blocks the loop. May import ``api``, ``core`` and ``exceptions``. Open ``poller`` first, whose docstring is the
contract; ``plan`` decides what to read, ``watch`` knows one execution, ``source`` keeps the client, ``budget``
counts requests.
"""
