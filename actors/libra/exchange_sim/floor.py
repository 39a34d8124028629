"""The engines of all markets, and who is told what they do. All that happens at the venue passes here, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from libra.exchange_sim.markets import Market, make_market
from libra_core import ExchangeCore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from libra.exchange_sim.clock import Clock
    from libra.exchange_sim.settings import MarketSettings, SimSettings

__all__ = ["ACCEPTED", "AMENDED", "BEST", "ENDED", "REJECTED", "TRADE", "TRIGGERED", "Floor", "OrderListener", "Told"]

TRADE, BEST, ACCEPTED, REJECTED, TRIGGERED, AMENDED, ENDED = range(7)
"""What a `Told` begins with."""

Told = tuple[Any, ...]
"""What happened: its kind, the market's number, the time; then what belongs to it, as `ExchangeCore` has it."""

HISTORY_STEP_NS = 10_000_000_000


class OrderListener(Protocol):
    """The side of the venue that keeps the orders of a market."""

    def on_trade(self, market: Market, told: Told) -> None:
        """Two orders traded."""

    def on_order(self, told: Told) -> None:
        """Something became of a user's order."""


class MarketListener(Protocol):
    """Who is told what everybody may know."""

    def on_trade(self, market: Market, told: Told) -> None:
        """A trade."""

    def on_best(self, market: Market, told: Told) -> None:
        """The best levels changed."""


class Floor:
    """All markets.

    Args:
        settings: What is listed, and who else trades there.
        clock: The venue's.
    """

    def __init__(self, settings: SimSettings, clock: Clock) -> None:
        self.clock = clock
        self.core = ExchangeCore()
        self.markets: list[Market] = []
        self.sides: dict[bool, OrderListener] = {}
        """Who keeps the orders of spot (True) and of contracts."""
        self.watchers: list[MarketListener] = []
        self._now_ns = 0
        self._start_ns = clock.now_ns() - int(settings.history_s * 1e9)
        for market in settings.markets:
            self._open(settings.seed, market)
        self._by_symbol = {(market.is_spot, market.symbol): market for market in self.markets}

    def find(self, symbol: str, *, spot: bool) -> Market | None:
        """A market by the venue's symbol."""
        return self._by_symbol.get((spot, symbol))

    def listed(self, *, spot: bool) -> list[Market]:
        """The markets of one side."""
        return [market for market in self.markets if market.is_spot == spot]

    def catch_up(self) -> None:
        """Lets the past happen, from where the flow begins until now."""
        now_ns = self.clock.now_ns()
        at_ns = self._start_ns
        while at_ns + HISTORY_STEP_NS < now_ns:
            at_ns += HISTORY_STEP_NS
            self.tell(self.core.advance(at_ns))
        self.advance()

    def advance(self) -> None:
        """Lets happen what is due."""
        self._now_ns = self.clock.now_ns()
        self.tell(self.core.advance(self._now_ns))

    def submit(self, market: Market, terms: Mapping[str, object]) -> list[Told]:
        """Gives an order to its engine, at the time of the last `advance`: it meets the book as it could be looked at.

        What happened is the caller's to `tell`.
        """
        return self.core.submit(market.number, terms, self._now_ns)

    def replace(self, market: Market, old: int, terms: Mapping[str, object]) -> list[Told]:
        """Gives an engine an order in another's place. What happened is the caller's to `tell`."""
        return self.core.replace(market.number, old, terms, self.clock.now_ns())

    def cancel(self, market: Market, account: int, order: int) -> None:
        """Cancels an order.

        Raises:
            KeyError: When there is none.
        """
        self.tell(self.core.cancel(market.number, account, order, self.clock.now_ns()))

    def amend(self, market: Market, account: int, order: int, price: int, quantity: int) -> None:
        """Changes a resting order.

        Raises:
            KeyError: When there is none.
            ValueError: When it cannot become like that.
        """
        self.tell(self.core.amend(market.number, account, order, price, quantity, self.clock.now_ns()))

    def set_mark(self, market: Market, price: int) -> None:
        """Feeds a contract's mark price in."""
        self.tell(self.core.set_mark(market.number, price, self.clock.now_ns()))

    def tell(self, batch: Iterable[Told]) -> None:
        """Tells everyone what happened."""
        for told in batch:
            kind, market = told[0], self.markets[told[1]]
            if kind == TRADE:
                self.sides[market.is_spot].on_trade(market, told)
                for watcher in self.watchers:
                    watcher.on_trade(market, told)
            elif kind == BEST:
                for watcher in self.watchers:
                    watcher.on_best(market, told)
            else:
                self.sides[market.is_spot].on_order(told)

    def _open(self, seed: int, settings: MarketSettings) -> None:
        market = make_market(len(self.markets), settings)
        if settings.data:
            # Recorded frames begin now: their past is not known.
            self.core.add_replay(market.instrument, list(settings.data), self.clock.now_ns(), market.texts)
        elif settings.quiet:
            self.core.add_quiet(market.instrument, market.texts)
        else:
            self.core.add_synthetic(_flow_of(market), seed, self._start_ns, market.texts)
        self.markets.append(market)


def _flow_of(market: Market) -> dict[str, object]:
    settings, flow = market.settings, market.settings.flow
    size = flow.level_notional / settings.start_price
    lots = max(int(size / settings.lot_size), 1)
    return {
        "instrument": market.instrument,
        "start_price": settings.start_price,
        "volatility_bps": flow.volatility_bps,
        "spread_ticks": flow.spread_ticks,
        "quote_rate_hz": flow.quote_rate_hz,
        "trade_rate_hz": flow.trade_rate_hz,
        "book_rate_hz": flow.book_rate_hz,
        "book_levels": flow.book_levels,
        "level_size": settings.lot_size * lots,
    }
