"""Market data of a venue: quotes, trades and order books by WebSocket, each stream watched for silence."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from libra.errors import GatewayError
from libra.gateways.budget import Urgency
from libra.gateways.ccxt.books import BookSync
from libra.gateways.ccxt.errors import explain, library
from libra.gateways.ccxt.guard import urgent
from libra.gateways.ccxt.numbers import decimal_of, trade_number
from libra.model import BookDelta, Quote, Trade

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from libra.gateways.ccxt.venue import Venue

__all__ = ["MarketStreams"]

_MS = 1_000_000
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 10.0
_DEPTH = 1_000
_SYMBOLS_A_STREAM = 200

Item = Quote | Trade | BookDelta


class MarketStreams:
    """The streams of some symbols.

    A connection that is lost, or silent for longer than the options allow, is made anew; books begin again with a
    snapshot. What is degraded meanwhile is in `degraded`.

    Args:
        venue: The connection; of another venue than Binance, numbers of books are read from CCXT's floats.
        books: Stream order books too.
        tell: Takes what is worth a line in the log.
    """

    def __init__(self, venue: Venue, *, books: bool, tell: Callable[[str], None]) -> None:
        self._venue = venue
        self._wants_books = books
        self._tell = tell
        self._items: asyncio.Queue[Item | None] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._symbols: dict[tuple[bool, str], str] = {}
        self._books: dict[str, BookSync] = {}
        self._wanted: dict[str, asyncio.Event] = {}
        self._heard_ns: dict[str, int] = {}
        self.degraded: dict[str, str] = {}
        """Streams that give no data, with the reason."""
        self.malformed = 0
        """Frames that made no sense."""
        self.resyncs = 0
        """How often a book was begun anew behind a gap."""

    def begin(self, symbols: Sequence[str]) -> None:
        """Subscribe, and keep being subscribed."""
        venue = self._venue
        exchange = venue.exchange
        for symbol in symbols:
            market = exchange.market(symbol)
            self._symbols[(bool(market["spot"]), str(market["id"]))] = symbol
            self._books[symbol] = BookSync(self._name(symbol))
            self._wanted[symbol] = asyncio.Event()
        if venue.rules.is_binance:
            venue.hooks.on_frame = {
                "handle_bids_asks": self._take_quote,
                "handle_trade": self._take_trade,
                "handle_order_book": self._take_book,
            }
        spot = [symbol for symbol in symbols if ":" not in symbol]
        for kind, group in (("spot", spot), ("swap", [symbol for symbol in symbols if symbol not in spot])):
            for first in range(0, len(group), _SYMBOLS_A_STREAM):
                part = group[first : first + _SYMBOLS_A_STREAM]
                self._follow(f"{kind}-quotes-{first}", "watchBidsAsks", part, self._quotes)
                self._follow(f"{kind}-trades-{first}", "watchTradesForSymbols", part, self._trades)
                if self._wants_books:
                    self._follow(f"{kind}-books-{first}", "watchOrderBookForSymbols", part, self._books_of)
        if self._wants_books and venue.rules.is_binance:
            self._tasks += [asyncio.create_task(self._keep_in_step(symbol)) for symbol in symbols]
        self._tasks.append(asyncio.create_task(self._watch_silence(), name="libra-ccxt-silence"))

    async def items(self) -> AsyncIterator[Item]:
        """Market data as it comes, until `end`."""
        while (item := await self._items.get()) is not None:
            yield item

    async def end(self) -> None:
        """Stop; `items` ends."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._items.put_nowait(None)

    # Connections -----------------------------------------------------------------------------------------------------

    def _follow(
        self, name: str, feature: str, symbols: Sequence[str], read: Callable[[str, Sequence[str]], Any]
    ) -> None:
        if not self._venue.exchange.has.get(feature):
            self._tell(f"{self._venue.options.venue} has no {feature}: no {name.split('-')[1]} come")
            return
        with urgent(Urgency.SNAPSHOT, stream=name):
            self._tasks.append(asyncio.create_task(self._keep(name, symbols, read), name=f"libra-ccxt-{name}"))

    async def _keep(self, name: str, symbols: Sequence[str], read: Callable[[str, Sequence[str]], Any]) -> None:
        wait_s = _FIRST_WAIT_S
        while True:
            began_s = time.monotonic()
            self._heard_ns[name] = time.monotonic_ns()
            try:
                await read(name, symbols)
            except Exception as error:
                why = explain(error, self._venue.options.credentials)
            if "books" in name:
                for symbol in symbols:
                    self._books[symbol].reset()
            self._degrade(name, why)
            if time.monotonic() - began_s > _LONGEST_WAIT_S:
                wait_s = _FIRST_WAIT_S
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    def _degrade(self, name: str, why: str) -> None:
        if name not in self.degraded:
            self._tell(f"{self._venue.options.venue}: {name} give no data, they are asked for again: {why}")
        self.degraded[name] = why

    def _hear(self, name: str) -> None:
        self._heard_ns[name] = time.monotonic_ns()
        if self.degraded.pop(name, None) is not None:
            self._tell(f"{self._venue.options.venue}: {name} are back")

    async def _watch_silence(self) -> None:
        """What says nothing for too long may be half open: its connection is given up, and made anew."""
        patience_ns = self._venue.options.stale_after_ms * _MS
        while True:
            await asyncio.sleep(patience_ns / 4e9)
            now_ns = time.monotonic_ns()
            for name, heard_ns in list(self._heard_ns.items()):
                client = self._venue.hooks.clients.get(name)
                if client is None or "trades" in name:
                    # Nobody has to trade.
                    continue
                heard_ns = max(heard_ns, getattr(client, "heard_ns", 0))
                if now_ns - heard_ns > patience_ns:
                    self._heard_ns[name] = now_ns
                    why = f"silent for {self._venue.options.stale_after_ms} ms"
                    self._degrade(name, why)
                    client.on_error(_silent(why))

    # What comes, as Binance sends it ---------------------------------------------------------------------------------

    def _take_quote(self, is_spot: bool, frame: Mapping[str, Any]) -> None:  # noqa: FBT001 - as frames are taken
        if (symbol := self._symbol(is_spot, frame)) is not None:
            self._make(_quote_of, self._name(symbol), frame)
            self._hear_kind(symbol, "quotes")

    def _take_trade(self, is_spot: bool, frame: Mapping[str, Any]) -> None:  # noqa: FBT001 - as frames are taken
        if (symbol := self._symbol(is_spot, frame)) is not None and frame.get("X", "MARKET") == "MARKET":
            self._make(_trade_of, self._name(symbol), frame)

    def _take_book(self, is_spot: bool, frame: Mapping[str, Any]) -> None:  # noqa: FBT001 - as frames are taken
        symbol = self._symbol(is_spot, frame)
        if symbol is None:
            return
        book = self._books[symbol]
        gaps = book.gaps
        self._make(book.on_change, frame)
        if book.gaps > gaps:
            self.resyncs += 1
        if book.needs_snapshot:
            self._wanted[symbol].set()
        self._hear_kind(symbol, "books")

    async def _keep_in_step(self, symbol: str) -> None:
        """Fetch a snapshot whenever the book needs one."""
        exchange = self._venue.exchange
        market = exchange.market(symbol)
        fetch = exchange.public_get_depth if market["spot"] else exchange.fapipublic_get_depth
        wait_s = _FIRST_WAIT_S
        while True:
            await self._wanted[symbol].wait()
            book = self._books[symbol]
            try:
                with urgent(Urgency.SNAPSHOT):
                    snapshot = await fetch({"symbol": market["id"], "limit": _DEPTH})
                self._make(book.on_snapshot, snapshot)
            except Exception as error:
                self._tell(
                    f"{self._venue.options.venue}: no snapshot of {symbol}:"
                    f" {explain(error, self._venue.options.credentials)}"
                )
            if book.needs_snapshot:
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
            else:
                self._wanted[symbol].clear()
                wait_s = _FIRST_WAIT_S

    # What comes, as CCXT has it --------------------------------------------------------------------------------------

    async def _quotes(self, name: str, symbols: Sequence[str]) -> None:
        exchange = self._venue.exchange
        while True:
            # Of Binance nothing comes back by it, frames are taken before; it ends with the connection.
            tickers = await exchange.watch_bids_asks(list(symbols))
            for ticker in tickers.values():
                self._make(self._quote, ticker)
            self._hear(name)

    def _quote(self, ticker: Mapping[str, Any]) -> Quote:
        return Quote(
            self._name(ticker["symbol"]),
            decimal_of(ticker["bid"]),
            decimal_of(ticker["ask"]),
            decimal_of(ticker.get("bidVolume") or "0"),
            decimal_of(ticker.get("askVolume") or "0"),
            ts_venue_ns=int(ticker.get("timestamp") or 0) * _MS,
        )

    async def _trades(self, name: str, symbols: Sequence[str]) -> None:
        exchange = self._venue.exchange
        while True:
            for trade in await exchange.watch_trades_for_symbols(list(symbols)):
                self._make(self._trade, trade)
            self._hear(name)

    def _trade(self, trade: Mapping[str, Any]) -> Trade:
        return Trade(
            self._name(trade["symbol"]),
            decimal_of(trade["price"]),
            decimal_of(trade["amount"]),
            aggressor={"buy": "buyer", "sell": "seller"}.get(str(trade.get("side"))),
            trade_id=trade_number(trade.get("id") or 0) >> 1,
            ts_venue_ns=int(trade.get("timestamp") or 0) * _MS,
        )

    async def _books_of(self, name: str, symbols: Sequence[str]) -> None:
        exchange = self._venue.exchange
        while True:
            book = await exchange.watch_order_book_for_symbols(list(symbols))
            self._make(self._whole_book, book)
            self._hear(name)

    def _whole_book(self, book: Mapping[str, Any]) -> BookDelta:
        return BookDelta(
            self._name(book["symbol"]),
            [(decimal_of(level[0]), decimal_of(level[1])) for level in book["bids"]],
            [(decimal_of(level[0]), decimal_of(level[1])) for level in book["asks"]],
            snapshot=True,
            last_id=int(book.get("nonce") or 0),
            ts_venue_ns=int(book.get("timestamp") or 0) * _MS,
        )

    # ------------------------------------------------------------------------------------------------------------------

    def _name(self, symbol: str) -> str:
        return f"{symbol}@{self._venue.options.venue}"

    def _symbol(self, is_spot: bool, frame: Mapping[str, Any]) -> str | None:  # noqa: FBT001 - as frames are taken
        return self._symbols.get((is_spot, str(frame.get("s"))))

    def _hear_kind(self, symbol: str, kind: str) -> None:
        if self.degraded:
            market = "swap" if ":" in symbol else "spot"
            for name in [name for name in self.degraded if name.startswith(f"{market}-{kind}")]:
                self._hear(name)

    def _make(self, make: Callable[..., Item | Iterable[Item]], *what: object) -> None:
        try:
            made = make(*what)
        except (GatewayError, KeyError, ValueError, TypeError, OverflowError, IndexError) as error:
            self.malformed += 1
            if self.malformed == 1:
                self._tell(f"{self._venue.options.venue}: a frame that makes no sense is left out: {error!r}"[:300])
            return
        for item in [made] if isinstance(made, (Quote, Trade, BookDelta)) else made:
            self._items.put_nowait(item)


def _silent(why: str) -> Exception:
    error: Exception = library().NetworkError(why)
    return error


def _quote_of(name: str, frame: Mapping[str, Any]) -> Quote:
    return Quote(
        name,
        frame["b"],
        frame["a"],
        frame["B"],
        frame["A"],
        ts_venue_ns=int(frame.get("T") or frame.get("E") or 0) * _MS,
        venue_seq=int(frame.get("u") or 0),
    )


def _trade_of(name: str, frame: Mapping[str, Any]) -> Trade:
    return Trade(
        name,
        frame["p"],
        frame["q"],
        aggressor="seller" if frame.get("m") else "buyer",
        trade_id=int(frame.get("t", frame.get("a", 0))),
        ts_venue_ns=int(frame.get("T") or 0) * _MS,
    )
