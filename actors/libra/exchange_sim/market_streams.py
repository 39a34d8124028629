"""The market streams: who reads which, and what is written to them, each frame made once however many read it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from libra.exchange_sim import frames
from libra.exchange_sim.clients import Client, frame
from libra.exchange_sim.tape import INTERVALS_MS

if TYPE_CHECKING:
    from libra.exchange_sim.floor import Floor, Told
    from libra.exchange_sim.funding import Funding
    from libra.exchange_sim.markets import Market
    from libra.exchange_sim.tape import Tape

__all__ = ["DEPTH_STEP_MS", "MarketStreams"]

DEPTH_STEP_MS = 50
"""Changes of books are gathered for at least as long."""

NAME = re.compile(r"[!a-z0-9_]{1,40}(@[A-Za-z0-9_]{1,40}){0,2}")

_SPEEDS = {"100ms": 100, "250ms": 250, "500ms": 500, "1000ms": 1_000, "0ms": DEPTH_STEP_MS}


class _Channel:
    """One stream of one side: its readers, and what is to be written."""

    __slots__ = ("name", "pending", "readers")

    def __init__(self, name: str) -> None:
        self.name = name
        self.readers: set[Client] = set()
        self.pending: list[bytes] = []


class _Changes:
    """Changes of a book that wait for a slower stream."""

    __slots__ = ("asks", "bids", "first", "last", "previous")

    def __init__(self) -> None:
        self.bids: dict[str, str] = {}
        self.asks: dict[str, str] = {}
        self.first = self.last = self.previous = 0


class MarketStreams:
    """All market streams of both sides.

    Args:
        floor: The markets.
        tape: Their history.
        funding: Marks and rates.
    """

    def __init__(self, floor: Floor, tape: Tape, funding: Funding) -> None:
        self._floor = floor
        self._tape = tape
        self._funding = funding
        self._channels: dict[tuple[bool, str], _Channel] = {}
        self._dirty: dict[_Channel, None] = {}
        self._changes: dict[tuple[Market, str], _Changes] = {}
        self._step = 0
        self._ticked_ms = 0
        self._gaps: dict[Market, int] = {}
        self.frames_sent = 0

    # Clients.

    def subscribe(self, client: Client, name: str) -> None:
        """Lets a client read a stream; of what nobody writes, it reads nothing."""
        client.names.add(name)
        key = (client.is_spot, name)
        self._channels.setdefault(key, _Channel(name)).readers.add(client)

    def unsubscribe(self, client: Client, name: str) -> None:
        """Takes a stream away from a client."""
        client.names.discard(name)
        channel = self._channels.get((client.is_spot, name))
        if channel is not None:
            channel.readers.discard(client)
            if not channel.readers:
                del self._channels[client.is_spot, name]

    def leave(self, client: Client) -> None:
        """Forgets a client."""
        for name in list(client.names):
            self.unsubscribe(client, name)

    def skip_depth(self, market: Market, batches: int) -> None:
        """A fault: the next changes of a book are lost on their way."""
        self._gaps[market] = self._gaps.get(market, 0) + batches

    # What happens at once.

    def on_trade(self, market: Market, told: Told) -> None:
        """`trade`; trades by taker wait for the end of the step."""
        one = self._tape.on_trade(market, told)
        channel = self._channels.get((market.is_spot, f"{market.symbol.lower()}@trade"))
        if channel is not None:
            self._write(channel, frames.trade(market, one, one.ts_ms))

    def on_best(self, market: Market, told: Told) -> None:
        """`bookTicker`."""
        for name in (f"{market.symbol.lower()}@bookTicker", "!bookTicker"):
            channel = self._channels.get((market.is_spot, name))
            if channel is not None:
                self._write(channel, frames.best(market, told, told[2] // 1_000_000))

    def flush(self, now_ns: int) -> None:
        """The end of a step: writes everything that waits."""
        for market in self._tape.take_touched():
            groups = self._tape.take_grouped(market)
            channel = self._channels.get((market.is_spot, f"{market.symbol.lower()}@aggTrade"))
            if channel is not None:
                for group in groups:
                    self._write(channel, frames.agg_trade(market, group, group.ts_ms))
        if not self._dirty:
            return
        written: set[Client] = set()
        for channel in self._dirty:
            plain = wrapped = b""
            for client in channel.readers:
                if client.is_combined:
                    wrapped = wrapped or b"".join(frame(_combined(channel.name, one)) for one in channel.pending)
                    client.put(wrapped)
                else:
                    plain = plain or b"".join([frame(one) for one in channel.pending])
                    client.put(plain)
                self.frames_sent += len(channel.pending)
                written.add(client)
            channel.pending.clear()
        self._dirty.clear()
        for client in written:
            client.flush(now_ns)

    # What happens by the clock.

    def tick_depth(self, now_ms: int) -> None:
        """Every `DEPTH_STEP_MS`: what changed in the books."""
        self._step += 1
        for market in self._floor.markets:
            change = self._floor.core.take_depth(market.number)
            low = market.symbol.lower()
            for suffix, every_ms in (("", 1_000 if market.is_spot else 250), *_SUFFIXES):
                channel = self._channels.get((market.is_spot, f"{low}@depth{suffix}"))
                key = (market, suffix)
                if channel is None:
                    self._changes.pop(key, None)
                    continue
                if change is not None:
                    _gather(self._changes.setdefault(key, _Changes()), change)
                if self._step % (every_ms // DEPTH_STEP_MS) == 0:
                    self._write_depth(channel, market, self._changes.pop(key, None), now_ms)
            if change is not None:
                self._write_partial(market, low, now_ms)

    def tick_second(self, now_ms: int) -> None:
        """Every second: candles, tickers, marks."""
        for market in self._floor.markets:
            low = market.symbol.lower()
            for interval, length in INTERVALS_MS.items():
                channel = self._channels.get((market.is_spot, f"{low}@kline_{interval}"))
                if channel is not None:
                    for candle in self._tape.candles(market, interval, now_ms)[-2:]:
                        # The one under way, and one that has closed since the last time.
                        if candle.opens_ms + length > self._ticked_ms:
                            self._write(channel, frames.kline(market, interval, length, candle, now_ms))
        self._ticked_ms = now_ms
        self._tick_tickers(now_ms)
        self._tick_marks(now_ms)

    def _tick_tickers(self, now_ms: int) -> None:
        for spot in (True, False):
            for suffix in ("miniTicker", "ticker"):
                everyone = self._channels.get((spot, f"!{suffix}@arr"))
                rows = []
                for market in self._floor.listed(spot=spot):
                    channel = self._channels.get((spot, f"{market.symbol.lower()}@{suffix}"))
                    if channel is None and everyone is None:
                        continue
                    row = self._ticker(market, suffix, now_ms)
                    rows.append(row)
                    if channel is not None:
                        self._write(channel, row)
                if everyone is not None:
                    self._write(everyone, b"[" + b",".join(rows) + b"]")

    def _tick_marks(self, now_ms: int) -> None:
        for suffix, every_s in (("markPrice@1s", 1), ("markPrice", 3)):
            if (now_ms // 1_000) % every_s:
                continue
            everyone = self._channels.get((False, "!markPrice@arr" + suffix.removeprefix("markPrice")))
            rows = []
            for market in self._floor.listed(spot=False):
                channel = self._channels.get((False, f"{market.symbol.lower()}@{suffix}"))
                if channel is None and everyone is None:
                    continue
                mark, rate, next_ms = self._funding.state(market)
                rows.append(frames.mark_price(market, mark, rate, next_ms, now_ms))
                if channel is not None:
                    self._write(channel, rows[-1])
            if everyone is not None:
                self._write(everyone, b"[" + b",".join(rows) + b"]")

    def _ticker(self, market: Market, suffix: str, now_ms: int) -> bytes:
        day = self._tape.day(market, now_ms)
        if suffix == "miniTicker":
            return frames.mini_ticker(market, day, now_ms)
        _, bids, asks = self._floor.core.depth(market.number, 1)
        trades = self._tape.trades(market)
        return frames.ticker(market, day, (bids, asks), trades[-1] if trades else None, now_ms)

    def _write_depth(self, channel: _Channel, market: Market, changes: _Changes | None, now_ms: int) -> None:
        if changes is None:
            return
        if self._gaps.get(market, 0) > 0:
            self._gaps[market] -= 1
            return
        ids = (changes.first, changes.last, changes.previous)
        self._write(channel, frames.depth(market, ids, list(changes.bids.items()), list(changes.asks.items()), now_ms))

    def _write_partial(self, market: Market, low: str, now_ms: int) -> None:
        for levels in (5, 10, 20):
            for suffix, every_ms in (("", 1_000 if market.is_spot else 250), *_SUFFIXES):
                channel = self._channels.get((market.is_spot, f"{low}@depth{levels}{suffix}"))
                if channel is not None and self._step % (every_ms // DEPTH_STEP_MS) == 0:
                    last_id, bids, asks = self._floor.core.depth(market.number, levels)
                    self._write(channel, frames.partial_depth(market, last_id, bids, asks, now_ms))

    def _write(self, channel: _Channel, payload: bytes) -> None:
        channel.pending.append(payload)
        self._dirty[channel] = None


_SUFFIXES = tuple((f"@{name}", every_ms) for name, every_ms in _SPEEDS.items())


def _combined(name: str, payload: bytes) -> bytes:
    return b'{"stream":"' + name.encode() + b'","data":' + payload + b"}"


def _gather(changes: _Changes, change: tuple[int, int, int, list[tuple[str, str]], list[tuple[str, str]]]) -> None:
    first, last, previous, bids, asks = change
    if not changes.last:
        changes.first, changes.previous = first, previous
    changes.last = last
    changes.bids.update(bids)
    changes.asks.update(asks)
