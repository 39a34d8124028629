"""The venue's stream of what happens to our orders: begun before anything is asked, lost as a whole or not at all."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from libra.errors import GatewayError, LibraError
from libra.gateways.budget import Urgency
from libra.gateways.ccxt.errors import refusal_of
from libra.gateways.ccxt.guard import error_of_nobody, is_open, names_no_request, urgent
from libra.gateways.ccxt.numbers import order_id_of
from libra.gateways.ccxt.reports import foreign_execution, from_frame, from_order, from_trade

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from libra.gateways.ccxt.venue import Venue
    from libra.gateways.protocol import ForeignExecution, VenueFlow
    from libra.model import Order, OrderReport

__all__ = ["UserStream"]

_log = logging.getLogger(__name__)

_ORDERS, _TRADES = "orders", "fills"
_ENDS = ("listenKeyExpired", "eventStreamTerminated", "serverShutdown")
"""Frames by which Binance says that no more will come."""

_KEEP_KEY_S, _KEEP_KEY_AGAIN_S = 1_200.0, 60.0
"""How often a listen key, which is good for an hour, is kept alive; how soon again where that failed."""
_NO_SUCH_KEY = "-1125"

_MOST_FINAL = 10_000
"""So many orders that are over are remembered by the venue's ids: whatever is late of them is no stranger's."""

_MOST_EARLY = 10_000
"""So many orders whose executions came before anything else of them; most are somebody else's."""


class UserStream:
    """Reports of one account.

    Invariant: a report that may have been missed ends the stream with an error. There is no replay, so whoever reads it
    asks about everything that is open before it trusts the next one.

    Args:
        venue: The connection.
        known: An order by our id; without it no order is known to be over, and all are remembered.
    """

    def __init__(self, venue: Venue, known: Callable[[str], Order | None] | None = None) -> None:
        self._venue = venue
        self._known = known
        self._reports: asyncio.Queue[OrderReport | ForeignExecution | VenueFlow | LibraError | None] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._is_lost = False
        # Where trades come without client ids: ours by symbol and the venue's id, unique within a market alone.
        self._ours: dict[tuple[str, str], str] = {}
        self._most_ours = 2 * _MOST_FINAL
        self._early: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        self.money_moved = 0
        """How often the venue told of money that came or went by no trade."""

    def order_id_at(self, symbol: str, venue_order_id: str) -> str | None:
        """Our id of an order that was told of, by its symbol and the venue's id."""
        return self._ours.get((symbol, venue_order_id))

    @property
    def is_alive(self) -> bool:
        """True while nothing was missed."""
        return bool(self._tasks) and not self._is_lost

    def tell(self, report: OrderReport, symbol: str) -> None:
        """Add a report of an order in this symbol, which an answer to a request amounts to."""
        self.remember(report, symbol)
        self._reports.put_nowait(report)

    def remember(self, report: OrderReport, symbol: str) -> None:
        """Know an order in this symbol by the venue's id from here on."""
        if report.venue_order_id:
            self._ours.setdefault((symbol, report.venue_order_id), report.order_id)
            if len(self._ours) > self._most_ours:
                self._forget()

    async def begin(self) -> None:
        """Subscribe; on return everything that happens is told.

        Raises:
            GatewayError: When the venue does not take the subscription.
        """
        venue = self._venue
        venue.hooks.on_message = self._look_at
        loop = asyncio.get_running_loop()
        with urgent(Urgency.QUERY, stream=_ORDERS):
            if venue.rules.is_binance:
                venue.hooks.on_frame = {"handle_order_update": self._take_frame}
                await venue.exchange.authenticate(self._params())
            self._begin(self._follow_orders(), _ORDERS)
        if not venue.rules.is_binance:
            with urgent(Urgency.QUERY, stream=_TRADES):
                self._begin(self._follow_trades(), _TRADES)
        async with asyncio.timeout(venue.options.timeout_ms / 1e3):
            for name in [_ORDERS] if venue.rules.is_binance else [_ORDERS, _TRADES]:
                while (client := venue.hooks.clients.get(name)) is None or not is_open(client):
                    if self._is_lost:
                        raise await self._first_error()
                    # A task that has not begun yet, or a handshake.
                    await asyncio.sleep(0.005)
        self._tasks.append(loop.create_task(self._watch_silence(), name="libra-ccxt-silence"))
        if venue.rules.is_binance and venue.options.market == "swap":
            self._tasks.append(loop.create_task(self._keep_key(), name="libra-ccxt-key"))

    async def reports(self) -> AsyncIterator[OrderReport | ForeignExecution | VenueFlow]:
        """Reports as they come, until `end`, with what executions cost in further currencies ahead of them.

        Raises:
            GatewayError: When one may have been missed.
        """
        while (report := await self._reports.get()) is not None:
            if isinstance(report, LibraError):
                raise report
            yield report

    async def end(self) -> None:
        """Stop; `reports` ends."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._reports.put_nowait(None)

    def _forget(self) -> None:
        """Forget what is over for long. An order that may still have reports is not, however old it is."""
        if self._known is None:
            return
        over = [place for place, order_id in self._ours.items() if self._is_over(order_id)]
        for place in over[:-_MOST_FINAL]:
            del self._ours[place]
        # Rare enough that what it costs an order stays the same, however many are open.
        self._most_ours = max(2 * len(self._ours), 2 * _MOST_FINAL)

    def _is_over(self, order_id: str) -> bool:
        order = self._known(order_id) if self._known is not None else None
        # One that the account does not know yet is about to be adopted.
        return order is not None and order.is_final

    def _begin(self, coroutine: Any, name: str) -> None:  # noqa: ANN401 - a coroutine
        task = asyncio.get_running_loop().create_task(coroutine, name=f"libra-ccxt-{name}")
        task.add_done_callback(self._lose)
        self._tasks.append(task)

    def _lose(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        self._fail(
            self._venue.error(error)
            if isinstance(error, Exception)
            else GatewayError(f"{self._venue.options.venue}: the stream of {task.get_name()} ended")
        )

    def _fail(self, error: LibraError) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._reports.put_nowait(error)

    async def _first_error(self) -> LibraError:
        with suppress(asyncio.QueueEmpty):
            while True:
                found = self._reports.get_nowait()
                if isinstance(found, LibraError):
                    return found
        return GatewayError(f"{self._venue.options.venue}: the stream of reports could not be had")

    def _params(self) -> dict[str, Any]:
        if not self._venue.rules.is_binance:
            return {}
        return {"type": "swap", "subType": "linear"} if self._venue.options.market == "swap" else {"type": "spot"}

    async def _follow_orders(self) -> None:
        exchange = self._venue.exchange
        while True:
            # Of Binance nothing comes back by it, frames are taken before; it ends with the connection.
            for order in await exchange.watch_orders(None, None, None, self._params()):
                report = from_order(order, self._venue.options.venue)
                if report is not None:
                    symbol = str(order.get("symbol") or "")
                    self.tell(report, symbol)
                    self._tell_early(report, symbol)

    async def _follow_trades(self) -> None:
        exchange, venue = self._venue.exchange, self._venue.options.venue
        while True:
            for trade in await exchange.watch_my_trades():
                place = (str(trade.get("symbol") or ""), str(trade.get("order") or ""))
                order_id = order_id_of(trade.get("clientOrderId"), venue) or self._ours.get(place)
                if order_id is not None:
                    self._tell_trade(order_id, trade)
                elif place[1]:
                    # The order may be told of behind its first execution. What nobody has told of for long is foreign.
                    self._early.setdefault(place, []).append(trade)
                    if len(self._early) > _MOST_EARLY:
                        del self._early[next(iter(self._early))]

    def _tell_early(self, report: OrderReport, symbol: str) -> None:
        for trade in self._early.pop((symbol, report.venue_order_id), ()):
            self._tell_trade(report.order_id, trade)

    def _order_id_in(self, market_id: str, venue_order_id: str) -> str | None:
        return self.order_id_at(self._symbol(market_id), venue_order_id)

    def _symbol(self, market_id: str) -> str:
        return str(self._venue.exchange.safe_symbol(market_id, None, None, self._venue.options.market))

    def _tell_trade(self, order_id: str, trade: Mapping[str, Any]) -> None:
        for told in from_trade(order_id, trade):
            self._reports.put_nowait(told)

    def _take_frame(self, is_spot: bool, frame: Mapping[str, Any]) -> None:  # noqa: ARG002, FBT001 - as frames are taken
        try:
            reports = from_frame(frame, self._order_id_in)
        except (GatewayError, KeyError, ValueError, TypeError, OverflowError) as error:
            self._fail(GatewayError(f"{self._venue.options.venue}: a report that cannot be read: {error!r}"))
            return
        if reports:
            told = frame["o"] if isinstance(frame.get("o"), dict) else frame
            symbol = self._symbol(str(told.get("s", "")))
            for report in reports:
                self.tell(report, symbol)
        if (foreign := foreign_execution(frame, self._order_id_in)) is not None:
            self._reports.put_nowait(foreign)

    def _look_at(self, client: Any, message: Mapping[str, Any]) -> None:  # noqa: ANN401 - CCXT's
        event = message.get("event")
        told = event if isinstance(event, dict) else message
        self.money_moved += told.get("e") == "balanceUpdate"
        if self._venue.rules.is_binance and names_no_request(message):
            _log.warning("%s: %s", self._venue.options.account, self._venue.error(error_of_nobody(message)))
        if told.get("e") in _ENDS and client is self._venue.hooks.clients.get(_ORDERS):
            self._fail(GatewayError(f"{self._venue.options.venue}: the stream of reports is over: {told['e']}"))

    async def _keep_key(self) -> None:
        """Keep the listen key alive; the end of the key is the end of the stream."""
        pause_s = _KEEP_KEY_S
        while True:
            await asyncio.sleep(pause_s)
            try:
                with urgent(Urgency.QUERY):
                    await self._venue.exchange.fapiPrivatePutListenKey({})
                pause_s = _KEEP_KEY_S
            except Exception as error:
                pause_s = _KEEP_KEY_AGAIN_S
                venue = self._venue
                refusal = refusal_of(error, venue.options.credentials, is_binance=True)
                if refusal is not None and refusal.code == _NO_SUCH_KEY:
                    self._fail(GatewayError(f"{venue.options.venue}: the stream's listen key has ended"))
                    return
                _log.warning("%s: its listen key was not kept alive: %s", venue.options.venue, venue.error(error))

    async def _watch_silence(self) -> None:
        """A half-open connection gives no error; one that answers no ping is taken for lost."""
        patience_ms = self._venue.options.stale_after_ms
        heard: dict[str, tuple[int, float]] = {}
        while True:
            await asyncio.sleep(patience_ms / 4e3)
            for name in (_ORDERS, _TRADES):
                client = self._venue.hooks.clients.get(name)
                if client is None:
                    continue
                # Told by the wall clock, which may be set: how long it stays the same is what counts.
                last_ms = max(client.last_message_at or 0, client.connectionEstablished or 0)
                now = time.monotonic()
                if name not in heard or heard[name][0] != last_ms:
                    heard[name] = (last_ms, now)
                elif (now - heard[name][1]) * 1e3 > patience_ms:
                    venue = self._venue.options.venue
                    self._fail(GatewayError(f"{venue}: the connection of {name} has been silent for {patience_ms} ms"))
