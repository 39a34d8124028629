"""A venue that CCXT knows, as a gateway: market data, orders, and what becomes of them."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from libra.errors import GatewayError
from libra.gateways.budget import Urgency
from libra.gateways.ccxt.guard import urgent
from libra.gateways.ccxt.listing import check_listing, differences_of
from libra.gateways.ccxt.numbers import decimal_of
from libra.gateways.ccxt.orders import Orders
from libra.gateways.ccxt.streams import MarketStreams
from libra.gateways.ccxt.user_stream import UserStream
from libra.gateways.ccxt.venue import Venue
from libra.model import OrderReport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from libra.gateways.budget import Turn
    from libra.gateways.ccxt.options import CcxtOptions
    from libra.gateways.protocol import ForeignExecution, VenueFlow
    from libra.gateways.turnstile import Turnstile
    from libra.model import BookDelta, Instrument, Order, Quote, Trade

__all__ = ["CcxtGateway"]

_log = logging.getLogger(__name__)

_CLOCK_EVERY_S, _CLOCK_PAUSE_S = 60.0, 2.0


class CcxtGateway:
    """One connection to a venue, with an account's keys or for market data only.

    Implements `libra.gateways.ReportingGateway`; `shown.ShownCcxtGateway` shows the whole account too. Requests of
    all gateways that share a turnstile keep the venue's rate limits together, cancels first.

    Args:
        options: Which venue, where, with which keys.
        turnstile: The rate budget of our address there, as `libra.gateways.ccxt.make_turnstile` makes it.
        instruments: What is traded there. Where the venue lists it otherwise, connecting fails.
        strict: False where that was tried before: what differs now is told, its orders are refused here
            (`LISTING_CHANGED`) until the venue lists it as before, and all else goes on.
        known: An order by our id, also one of an earlier process; without it only orders that were sent by this object
            are found.
        books: Stream order books too.
    """

    def __init__(
        self,
        options: CcxtOptions,
        turnstile: Turnstile,
        instruments: Sequence[Instrument] = (),
        *,
        known: Callable[[str], Order | None] | None = None,
        books: bool = True,
        strict: bool = True,
    ) -> None:
        self._options = options
        self._strict = strict
        is_binance = options.venue.startswith("binance")
        self._venue = Venue(options, turnstile, exact=is_binance or bool(options.credentials) or not books)
        self._instruments = tuple(instruments)
        self._user = UserStream(self._venue, known)
        self._known = known
        self._orders = Orders(self._venue, self._user.tell, known)
        self._streams = MarketStreams(self._venue, books=books, tell=_log.warning)
        self._symbols: tuple[str, ...] = ()
        self._clock: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"CcxtGateway({self._options.venue})"

    @property
    def name(self) -> str:
        """The venue's name."""
        return self._options.venue

    @property
    def is_connected(self) -> bool:
        """True between `connect` and `disconnect`; of an account, while none of its reports may have been missed."""
        return self._venue.is_open and (not self._options.credentials or self._user.is_alive)

    @property
    def degraded(self) -> Mapping[str, str]:
        """Streams that give no data, with the reason."""
        return self._streams.degraded

    @property
    def clock_offset_ns(self) -> int:
        """The venue's clock minus ours, as last measured."""
        return self._venue.clock_offset_ns

    async def connect(self, config: Mapping[str, Any] | None = None, *, reports: bool = True) -> None:
        """Connect. With keys the stream of reports has begun when this returns.

        Args:
            config: Not used: everything is in the options.
            reports: False to ask only, and hear nothing.

        Raises:
            GatewayError: When the venue cannot be reached or refuses the keys.
            ConfigError: When it lists an instrument otherwise, unless that was tried before.
        """
        del config
        await self._venue.open(instrument.symbol for instrument in self._instruments)
        try:
            if self._strict:
                check_listing(self._venue.exchange, self._instruments)
            else:
                self._compare_listing()
            if self._options.credentials and reports:
                await self._user.begin()
                await self._warm_up()
        except BaseException as error:
            await self.disconnect()
            if isinstance(error, Exception):
                raise self._venue.error(error) from None
            raise
        self._clock = asyncio.create_task(self._keep_clock(), name="libra-ccxt-clock")

    async def disconnect(self) -> None:
        """Disconnect; what is open at the venue stays open."""
        clock, self._clock = self._clock, None
        if clock is not None:
            clock.cancel()
            await asyncio.gather(clock, return_exceptions=True)
        await self._streams.end()
        await self._user.end()
        await self._venue.close()

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """Stream market data of these symbols."""
        unknown = [symbol for symbol in symbols if symbol not in self._venue.exchange.markets]
        if unknown and self._strict:
            raise GatewayError(f"{self.name} does not list {', '.join(unknown)}")
        self._symbols = tuple(symbol for symbol in symbols if symbol not in unknown)
        self._streams.begin(self._symbols)

    def stream_ticks(self) -> AsyncIterator[Quote | Trade | BookDelta]:
        """Quotes, trades and changes of books as they come, until `disconnect`."""
        return self._streams.items()

    async def turn(self, *, within_s: float, wanted: Callable[[], bool]) -> Turn:
        """Wait until an order may be sent by the venue's rate limits: see `Orders.turn`."""
        return await self._orders.turn(within_s=within_s, wanted=wanted)

    def drop_unwanted(self) -> None:
        """Orders that are no longer wanted leave the queue: see `RateBudget.drop_unwanted`."""
        self._venue.hooks.turnstile.drop_unwanted()

    def give_back(self, turn: Turn) -> None:
        """An order did not leave: others have its turn. Of one that left nothing is taken back."""
        self._venue.hooks.turnstile.give_back(turn)

    async def order(self, order: Order, turn: Turn | None = None, *, only_reduces: bool = False) -> str | None:
        """Send an order under our id, once. What the venue refuses comes as a report.

        Args:
            order: The order.
            turn: The turn that was waited for by `turn`; without it one is waited for here.
            only_reduces: The venue is told that it may only make a contract's position smaller.

        Returns:
            The venue's id of it, where it took it.

        Raises:
            GatewayError: When it is open what became of it.
        """
        return await self._orders.place(order, turn, only_reduces=only_reduces)

    async def cancel(self, order_id: str) -> bool:
        """Cancel an order by our id; False when the venue refuses."""
        return await self._orders.cancel(order_id)

    def stream_reports(self) -> AsyncIterator[OrderReport | ForeignExecution | VenueFlow]:
        """What happens to our orders; ends with an error when something may have been missed."""
        return self._user.reports()

    async def query_order(self, order_id: str) -> Sequence[OrderReport | VenueFlow]:
        """An order's state and all of its executions, by our id."""
        told = await self._orders.query(order_id)
        for report in told:
            if isinstance(report, OrderReport):
                self._user.remember(report, self._orders.symbol_of(order_id))
        return told

    async def positions(self) -> Sequence[tuple[str, Decimal]]:
        """Open positions as (instrument, size), short ones below zero; of spot none."""
        if self._options.market == "spot":
            return ()
        rows = await self._ask("fetch_positions")
        found = []
        for row in rows:
            size = decimal_of(row.get("contracts") or "0")
            if size:
                signed = size.copy_negate() if row.get("side") == "short" else size
                found.append((f"{row['symbol']}@{self.name}", signed))
        return found

    async def balance(self) -> Mapping[str, Decimal]:
        """What is free of each currency."""
        return await self._balances("free")

    async def total_balance(self) -> Mapping[str, Decimal]:
        """What is there of each currency, bound in orders or not."""
        return await self._balances("total")

    def counters(self) -> dict[str, Any]:
        """The rate budget, and what of the streams is worth a metric."""
        streams = self._streams
        return {
            "budget": self._venue.hooks.turnstile.counters(),
            "clock_offset_ns": self._venue.clock_offset_ns,
            "malformed": streams.malformed,
            "resyncs": streams.resyncs,
            "degraded": dict(streams.degraded),
        }

    async def _balances(self, which: str) -> dict[str, Decimal]:
        found = await self._ask("fetch_balance")
        amounts = {currency: decimal_of(amount) for currency, amount in found[which].items() if amount is not None}
        return {currency: amount for currency, amount in amounts.items() if amount}

    async def _ask(self, method: str) -> Any:  # noqa: ANN401 - whatever CCXT answers
        try:
            with urgent(Urgency.QUERY):
                return await getattr(self._venue.exchange, method)()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            raise self._venue.error(error) from None

    async def _warm_up(self) -> None:
        """Open the socket that orders leave by: one that is not open when an order comes is not waited for."""
        exchange = self._venue.exchange
        sockets = exchange.urls["api"].get("ws") if self._venue.rules.is_binance else None
        if not self._options.use_websocket_orders or not isinstance(sockets, dict):
            return
        url = sockets["ws-api"]["linear" if self._options.market == "swap" else "spot"]
        exchange.open()
        await exchange.client(url).connect(exchange.session)

    async def _look_at_listing(self) -> None:
        try:
            with urgent(Urgency.SNAPSHOT):
                await self._venue.exchange.load_markets(reload=True)
        except Exception as error:
            _log.warning("%s: its markets could not be read again: %s", self.name, self._venue.error(error))
        else:
            self._compare_listing()

    def _compare_listing(self) -> None:
        """What the venue lists otherwise by now is told, and so is its return; orders of it are refused meanwhile."""
        before = self._orders.withheld
        found = differences_of(self._venue.exchange, self._instruments)
        self._orders.withheld = withheld = {symbol: "; ".join(problems) for symbol, problems in found.items()}
        for symbol, why in withheld.items():
            if before.get(symbol) != why:
                _log.error("%s lists %s otherwise than the profile, no order of it leaves: %s", self.name, symbol, why)
        for symbol in before.keys() - withheld.keys():
            _log.warning("%s lists %s as the profile does again: orders leave", self.name, symbol)

    async def _keep_clock(self) -> None:
        """Measure the venue's clock now and then, and when it refuses a request for its time: that has jumped."""
        doubted = self._venue.hooks.clock_doubted
        while True:
            measure = self._venue.measure_clock_anew
            try:
                async with asyncio.timeout(_CLOCK_EVERY_S):
                    await doubted.wait()
            except TimeoutError:
                measure = self._venue.measure_clock
            doubted.clear()
            try:
                with urgent(Urgency.QUERY):
                    await measure()
            except Exception as error:
                _log.warning("%s: its clock could not be measured: %s", self.name, self._venue.error(error))
            if self._orders.withheld:
                await self._look_at_listing()
            # A venue that goes on with that is not asked without end.
            await asyncio.sleep(_CLOCK_PAUSE_S)
