# SPDX-License-Identifier: Apache-2.0
"""
Decide what to read: pages of a list, or single executions. Pure functions; the poller acts on them.

A *price* is the seconds for which a request uses up its share of the budget (with Google's quotas a list costs as
much as five gets), so that prices can be added up and compared. To it comes the wait until the budget lets such a
request through at all: when many want gets, lists become the better choice, and the other way round.

A *place* is the number of the page (0 is the newest) on which an execution is expected, at the earliest:

* 0 for one that nothing is known about, because most have been created a moment ago;
* the page on which the last list showed it; newer executions push it further back, never to the front;
* the page after the last one read, where a list did not show it;
* ``NOT_LISTED`` where a list that was read to its end did not show it.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

NOT_LISTED = sys.maxsize


@dataclass(frozen=True)
class Prices:
    """
    Say what requests cost at this moment, all in seconds.

    :param get: the price of a get.
    :param page: the price of a page of a list; infinite when lists are of no use now.
    :param get_wait: until the budget lets a get through.
    :param page_wait: until the budget lets a list through.
    """

    get: float
    page: float
    get_wait: float = 0.0
    page_wait: float = 0.0


def pages_worth_reading(places: Iterable[int], prices: Prices, *, read: int = 0) -> int:
    """
    Return how many pages, from the newest on, make the cheapest reading together with gets for the rest.

    :param places: of the executions that are still to be looked at.
    :param read: the pages that have been read already, which cost nothing any more.
    :return: the number of pages in all; ``read`` where no further page pays.
    """
    expected = Counter(max(place, read) for place in places)
    missing = sum(expected.values())
    if not missing:
        return read
    best, least = read, _price(0, missing, prices)
    for place in sorted(expected):
        missing -= expected[place]
        if place == NOT_LISTED:
            break
        price = _price(place + 1 - read, missing, prices)
        if price < least:
            best, least = place + 1, price
    return best


def _price(pages: int, gets: int, prices: Prices) -> float:
    price = 0.0
    if pages:
        price += prices.page_wait + pages * prices.page
    if gets:
        price += prices.get_wait + gets * prices.get
    return price


def next_page_pays(places: Iterable[int], prices: Prices, *, read: int, fruitless: int) -> bool:
    """
    Tell whether to read one more page.

    A place is only the earliest that is possible, so the search may find nothing. It ends when the pages in a row
    that showed nothing have cost as much as getting all that is missing would: no search costs more than twice
    what the best choice would have.

    :param read: the pages read in this round.
    :param fruitless: how many of the last ones showed nothing that was looked for.
    """
    places = list(places)
    if fruitless and fruitless * prices.page >= len(places) * prices.get:
        return False
    return pages_worth_reading(places, prices, read=read) > read


#: The share of its interval by which a look may come early to share requests with others.
EARLY = 0.2
#: The jitter of a look, as a share of its interval by which it comes early, and never late, so that pollers do not
#: march in step.
JITTER = 0.1


def is_nearly_due(due: float, interval: float, now: float) -> bool:
    """Tell whether a look may be taken now, because others are taken anyway."""
    return due <= now + EARLY * interval


def next_due(now: float, interval: float, jitter: float) -> float:
    """Return when to look again; ``jitter`` is drawn between 0 and 1."""
    return now + interval * (1 - JITTER * jitter)


def search_again(now: float, interval: float, failures: int) -> float:
    """
    Return when to forget an execution's place, because a list may show it by then.

    A list may lag behind, and nobody knows where queued executions stand in it. After 2 intervals, then 4, 8 and so
    on up to 64: the searches of a whole day then cost less than two percent of the gets they could save.
    """
    return now + interval * 2.0 ** min(max(failures, 1), 6)
