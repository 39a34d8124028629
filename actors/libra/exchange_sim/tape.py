"""What has happened in a market, for those who ask later: trades, trades by taker, candles, the last 24 hours."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from libra.exchange_sim.floor import Told
    from libra.exchange_sim.markets import Market

__all__ = ["INTERVALS_MS", "AggTrade", "Candle", "PublicTrade", "Tape"]

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

INTERVALS_MS = {
    "1s": 1_000,
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "6h": 6 * HOUR_MS,
    "8h": 8 * HOUR_MS,
    "12h": 12 * HOUR_MS,
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
}


class PublicTrade(NamedTuple):
    """A trade as everyone sees it."""

    id: int
    ts_ms: int
    price: int
    quantity: int
    price_text: str
    quantity_text: str
    maker_buys: bool


@dataclass(slots=True)
class AggTrade:
    """What one order took at one price."""

    id: int
    ts_ms: int
    price: int
    quantity: int
    first: int
    last: int
    maker_buys: bool
    taker: int


@dataclass(slots=True)
class Candle:
    """Prices of an interval in units of the market; amounts of the quote currency in money."""

    opens_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    quote: int = 0
    taker_volume: int = 0
    taker_quote: int = 0
    count: int = 0
    first: int = 0
    last: int = 0

    def take(self, trade: PublicTrade, quote: int) -> None:
        """Takes a trade in."""
        self.high = max(self.high, trade.price)
        self.low = min(self.low, trade.price)
        self.close = trade.price
        self.volume += trade.quantity
        self.quote += quote
        if not trade.maker_buys:
            self.taker_volume += trade.quantity
            self.taker_quote += quote
        self.first = self.first or trade.id
        self.last = trade.id
        self.count += 1

    def merge(self, later: Candle) -> None:
        """Takes a later candle in."""
        self.high, self.low = max(self.high, later.high), min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.quote += later.quote
        self.taker_volume += later.taker_volume
        self.taker_quote += later.taker_quote
        self.first = self.first or later.first
        self.last = later.last or self.last
        self.count += later.count

    def copy_at(self, opens_ms: int) -> Candle:
        """The same, of an interval that begins then."""
        return Candle(
            opens_ms,
            self.open,
            self.high,
            self.low,
            self.close,
            self.volume,
            self.quote,
            self.taker_volume,
            self.taker_quote,
            self.count,
            self.first,
            self.last,
        )


@dataclass(slots=True)
class _History:
    trades: deque[PublicTrade] = field(default_factory=lambda: deque(maxlen=1_000))
    grouped: deque[AggTrade] = field(default_factory=lambda: deque(maxlen=1_000))
    pending: AggTrade | None = None
    next_group: int = 1
    minutes: deque[Candle] = field(default_factory=lambda: deque(maxlen=1_500))
    seconds: deque[Candle] = field(default_factory=lambda: deque(maxlen=1_000))


class Tape:
    """The history of all markets.

    Args:
        markets: All of them, by their numbers.
    """

    def __init__(self, markets: list[Market]) -> None:
        self._histories = [_History() for _ in markets]
        self._touched: dict[Market, None] = {}

    def on_trade(self, market: Market, told: Told) -> PublicTrade:
        """Takes a trade in."""
        _, _, ts_ns, trade_id, price_text, size_text, (price, quantity), maker_buys, (taker, _), _, _ = told
        trade = PublicTrade(trade_id, ts_ns // 1_000_000, price, quantity, price_text, size_text, maker_buys)
        history = self._histories[market.number]
        self._touched[market] = None
        history.trades.append(trade)
        quote = market.notional(price, quantity)
        for candles, length in ((history.minutes, MINUTE_MS), (history.seconds, 1_000)):
            opens_ms = trade.ts_ms - trade.ts_ms % length
            if not candles or candles[-1].opens_ms < opens_ms:
                candles.append(Candle(opens_ms, price, price, price, price))
            candles[-1].take(trade, quote)
        group = history.pending
        if group is not None and group.taker == taker and group.price == price:
            group.quantity += quantity
            group.last = trade_id
        else:
            self._finish(history)
            history.pending = AggTrade(
                history.next_group, trade.ts_ms, price, quantity, trade_id, trade_id, maker_buys, taker
            )
            history.next_group += 1
        return trade

    def take_touched(self) -> list[Market]:
        """Where something was traded since the last call."""
        touched = list(self._touched)
        self._touched.clear()
        return touched

    def take_grouped(self, market: Market) -> list[AggTrade]:
        """Closes the group under way; gives those that closed since the last call, at most the last thousand."""
        history = self._histories[market.number]
        self._finish(history)
        fresh = []
        for group in reversed(history.grouped):
            if group.taker < 0:
                break
            fresh.append(group)
        for group in fresh:
            group.taker = -1
        return fresh[::-1]

    def trades(self, market: Market) -> deque[PublicTrade]:
        """The last trades."""
        return self._histories[market.number].trades

    def grouped(self, market: Market) -> deque[AggTrade]:
        """The last trades by taker."""
        return self._histories[market.number].grouped

    def last_price(self, market: Market) -> int:
        """The price of the last trade, 0 before the first."""
        minutes = self._histories[market.number].minutes
        return minutes[-1].close if minutes else 0

    def candles(self, market: Market, interval: str, now_ms: int) -> list[Candle]:
        """All candles of an interval that are known, without gaps, the oldest first; the last one is under way."""
        length = INTERVALS_MS[interval]
        history = self._histories[market.number]
        merged: list[Candle] = []
        for candle in history.seconds if interval == "1s" else history.minutes:
            opens_ms = candle.opens_ms - candle.opens_ms % length
            while merged and merged[-1].opens_ms + length < opens_ms:
                merged.append(_flat(merged[-1], length))
            if merged and merged[-1].opens_ms == opens_ms:
                merged[-1].merge(candle)
            else:
                merged.append(candle.copy_at(opens_ms))
        while merged and merged[-1].opens_ms + length <= now_ms:
            merged.append(_flat(merged[-1], length))
        return merged

    def day(self, market: Market, now_ms: int) -> Candle:
        """The last 24 hours as one candle."""
        opens_ms = now_ms - DAY_MS
        day: Candle | None = None
        for candle in self._histories[market.number].minutes:
            if candle.opens_ms + MINUTE_MS > opens_ms:
                if day is None:
                    day = candle.copy_at(opens_ms)
                else:
                    day.merge(candle)
        return day or Candle(opens_ms, 0, 0, 0, 0)

    def _finish(self, history: _History) -> None:
        if history.pending is not None:
            history.grouped.append(history.pending)
            history.pending = None


def _flat(before: Candle, length: int) -> Candle:
    close = before.close
    return Candle(before.opens_ms + length, close, close, close, close, first=-1, last=-1)
