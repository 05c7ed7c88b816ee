# SPDX-License-Identifier: Apache-2.0
"""
Decide how often to look at an execution: young ones more often, because they may be short.

Who waits for an execution of 4 s and looks every 10 s hears of its end after 10. So looks follow its age: with one at
each tenth of it more, an end is seen late by a tenth of what the execution took. An execution of any length costs
about 33 looks more than fixed rounds do, until the tenth is as long as the round.
"""

from __future__ import annotations

#: The share of its age after which an execution is looked at again.
SHARE_OF_AGE = 0.1
#: Seconds between two looks at the least, unless ``poll_interval`` is less.
SHORTEST = 1.0
#: The share of a budget that quick looks may use, less what they may have saved up: a minute has a tenth at most.
SHARE_OF_BUDGET = 0.08
#: Seconds of the budget that they may have saved up.
SAVED_UP = 1.0


def next_look(age: float, poll_interval: float) -> float:
    """
    Return the seconds from one look at an execution to the next.

    :param age: seconds since it began; a clock that says that it will begin makes it 0.
    :param poll_interval: the most.
    """
    return min(poll_interval, max(SHORTEST, SHARE_OF_AGE * age))


class Allowance:
    """Hand out the share of a budget that is there for quick looks; time is a parameter."""

    def __init__(self, now: float) -> None:
        self._saved = SAVED_UP
        self._filled = now

    def reserve(self, price: float, now: float, longest: float) -> float | None:
        """
        Pay for a quick look.

        :param price: seconds for which it uses up the whole budget.
        :param longest: seconds after which it would not be quick any more.
        :return: the seconds until it may be taken; ``None`` where that is too late, and nothing was paid.
        """
        self._saved = min(SAVED_UP, self._saved + (now - self._filled) * SHARE_OF_BUDGET)
        self._filled = now
        wait = max(0.0, (price - self._saved) / SHARE_OF_BUDGET)
        if wait >= longest:
            return None
        self._saved -= price
        return wait
