"""Actors that do not keep up: which of them have too many events waiting, and for how long no fewer.

Facts (what happens to orders, positions, limits) are never dropped, so the mailbox of an actor that takes none out of
it grows. Commands of other nodes (messages, signals) wait for room in it, and hold up their lane for all when its actor
stands still. A burst is no reason to give anyone up: only what has not become less within the patience is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from libra_core import NodeCore

__all__ = ["Backlogs"]


class Backlogs:
    """The mailboxes that are too full, since when, and how many events waited then.

    Args:
        core: The node's native side, which knows them.
        patience_s: How long what waits may be too much and become no less.
    """

    def __init__(self, core: NodeCore, patience_s: float) -> None:
        self._core = core
        self._patience_s = patience_s
        self._since: dict[int, tuple[float, int]] = {}

    def stuck(self, now_s: float) -> list[tuple[int, int]]:
        """Those whose time is over at ``now_s``, each with the number of events that wait for it."""
        full = self._core.overfull()
        if not full and not self._since:
            return []
        since = {slot: self._since.get(slot, (now_s, waiting)) for slot, waiting in full}
        over = [(slot, waiting) for slot, waiting in full if now_s - since[slot][0] >= self._patience_s]
        for slot, waiting in over:
            if waiting >= since[slot][1]:
                del since[slot]
            else:
                # It works through a burst: it has the same time for what is left.
                since[slot] = (now_s, waiting)
        self._since = since
        return [(slot, waiting) for slot, waiting in over if slot not in since]
