# SPDX-License-Identifier: Apache-2.0
"""
Wait for many executions on one event loop with few requests.

Promises that each wait hears of its execution's end, or of an error of its own, within Google's quota, and that none
of them blocks the loop. May import ``api``, ``core`` and ``exceptions``. Open ``poller`` first, whose docstring is the
contract. It joins who waits (``waiter``) to an execution (``watch``, all of them in ``watches``) and has them looked
at by ``lists`` and ``gets``; ``plan`` decides which, ``rests`` for how long after failures, ``alarm`` wakes it early,
``source`` keeps the client, ``budget`` counts requests.
"""
