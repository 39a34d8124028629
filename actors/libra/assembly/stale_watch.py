"""Stops strategies that asked for it when the market that they see falls silent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from libra.core.actor import Actor
from libra.core.events import EventType

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from libra.core.events import Event

__all__ = ["StaleWatch"]

_LOOKS = 4
"""How often within the age that is allowed it is looked at: a strategy is stopped at most a quarter of it late."""


class StaleWatch(Actor):
    """Watches the quotes of one strategy's instruments.

    Counts from the first quote of an instrument on: before that no strategy has seen anything to trade on. What a
    strategy itself says of a market is no quote of it.

    Args:
        strategy: The strategy's name.
        strategies: The names of all of them.
        instruments: What it trades, by ``SYMBOL@VENUE``.
        max_age_ms: How old the last quote of each may be.
        stop: Called with the strategy's name when one is older.
    """

    def __init__(
        self,
        strategy: str,
        strategies: Container[str],
        instruments: Sequence[str],
        max_age_ms: int,
        stop: Callable[[str], None],
    ) -> None:
        super().__init__()
        self._strategy = strategy
        self._strategies = strategies
        self._watched = instruments
        self._max_age_ns = max_age_ms * 1_000_000
        self._stop = stop
        self._last_ns: dict[str, int] = {}

    def on_start(self) -> None:
        """Listen, and look."""
        for instrument in self._watched:
            self.subscribe(EventType.QUOTE, self.note, instruments=[instrument])
        every_s = self._max_age_ns / _LOOKS / 1e9
        self.set_timer("look", every_s, interval_s=every_s)

    def note(self, event: Event) -> None:
        """A quote. One of a clock that is ahead of ours counts from when it came."""
        if event.instrument is not None and event.source not in self._strategies:
            self._last_ns[event.instrument] = min(event.ts_ns, self.clock.now_ns())

    def on_timer(self, name: str) -> None:
        """Stop the strategy when one of its instruments has been silent for too long."""
        now_ns = self.clock.now_ns()
        for instrument, last_ns in self._last_ns.items():
            if now_ns - last_ns > self._max_age_ns:
                self.log.error(
                    "strategy %s is stopped: %s has had no quote for %.1f s",
                    *(self._strategy, instrument, (now_ns - last_ns) / 1e9),
                )
                self.cancel_timer(name)
                self._stop(self._strategy)
                return
