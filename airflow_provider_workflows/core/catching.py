# SPDX-License-Identifier: Apache-2.0
"""
Catch errors whose texts or attributes may hold a secret.

``raise … from None`` hides them from a printed traceback only: they stay the ``__context__`` of the new error, for
whatever stores or sends whole chains. An error that is raised after this block has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


class caught:  # noqa: N801 - used like contextlib.suppress
    """
    Suppress errors, and remember the one that came.

    :ivar error: what was caught; ``None`` where nothing was.
    """

    def __init__(self, *kinds: type[BaseException]) -> None:
        self._kinds = kinds
        self.error: BaseException | None = None

    def __enter__(self) -> caught:  # noqa: PYI034 - Python 3.10 has no Self
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if not isinstance(error, self._kinds):
            return False
        self.error = error
        return True
