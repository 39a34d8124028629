"""When an order was asked for, left and was answered, and its strategy heard of it: nanoseconds, by order id."""

from __future__ import annotations

import json
import time
from typing import Any

import aiohttp

from libra.gateways.ccxt.guard import Hooks
from libra.model import Order, OrderSide, Quote
from libra.strategies import Strategy

__all__ = ["OVER", "Marks", "Storm", "marks", "watch"]

OVER = frozenset({"FILLED", "CANCELLED", "EXPIRED", "REJECTED"})


class Marks:
    """Times by order id, and what became of it."""

    def __init__(self) -> None:
        self.asked: dict[str, int] = {}
        self.left: dict[str, int] = {}
        self.answered: dict[str, int] = {}
        self.told: dict[str, int] = {}
        self.over: dict[str, str] = {}
        self.rate = 0
        self.wanted = 0


marks = Marks()
"""Of this process: the strategy is made by the node, and has no other way to its bench."""


class Storm(Strategy):
    """Asks for orders at a rate, each to be executed at once, until it has had as many as are wanted."""

    quote: Quote | None = None
    begin_ns = 0
    is_open = False
    probed_ns = 0

    def on_start(self) -> None:
        """Begin."""
        self.set_timer("ask", 0.002, interval_s=0.002)

    def on_quote(self, quote: Quote) -> None:
        """The market as it is."""
        self.quote = quote

    def on_timer(self, name: str) -> None:
        """Ask for what is due."""
        now_ns = time.perf_counter_ns()
        if self.quote is None or not marks.rate:
            return
        if not self.is_open:
            self.probe(self.quote, now_ns)
            return
        self.begin_ns = self.begin_ns or now_ns
        sent = len(marks.asked)
        due = min(marks.wanted, int((now_ns - self.begin_ns) * marks.rate / 1e9) + 1) - sent
        symbol = self.symbols[0]
        away = 200 * self.instruments[symbol].tick_size
        for number in range(sent, sent + due):
            side = OrderSide.SELL if number % 2 else OrderSide.BUY
            price = self.quote.bid - away if number % 2 else self.quote.ask + away
            asked_ns = time.perf_counter_ns()
            order_id = self.submit(symbol, side, "0.002", price=price, time_in_force="IOC")  # type: ignore[arg-type]
            if order_id is not None:
                marks.asked[order_id] = asked_ns
        if len(marks.over) >= marks.wanted:
            self.cancel_timer(name)

    def probe(self, quote: Quote, now_ns: int) -> None:
        """Ask for an order now and then until the account is reconciled with its venue."""
        if now_ns - self.probed_ns >= 50_000_000:
            self.probed_ns = now_ns
            symbol = self.symbols[0]
            price = quote.ask + 200 * self.instruments[symbol].tick_size
            self.submit(symbol, OrderSide.BUY, "0.002", price=price, time_in_force="IOC")  # type: ignore[arg-type]

    def on_order(self, order: Order) -> None:
        """What became of one."""
        if order.order_id not in marks.asked:
            self.is_open |= order.reason != "RECONCILING"
            return
        if order.status not in ("NEW", "SUBMITTED"):
            marks.told.setdefault(order.order_id, time.perf_counter_ns())
        if order.status in OVER:
            marks.over[order.order_id] = str(order.status)


def watch() -> None:
    """From now on bytes that leave by a WebSocket, and messages that came by one, are noted."""
    send_str = aiohttp.ClientWebSocketResponse.send_str
    heard = Hooks.heard

    async def sends(self: aiohttp.ClientWebSocketResponse, data: str, compress: int | None = None) -> None:
        await send_str(self, data, compress)
        if '"newClientOrderId"' in data:
            order_id = json.loads(data)["params"]["newClientOrderId"]
            marks.left.setdefault(order_id, time.perf_counter_ns())

    def hears(self: Hooks, client: Any, message: Any) -> None:  # noqa: ANN401 - CCXT's own
        # Before anything of ours, and behind CCXT's own reading of the message.
        now_ns = time.perf_counter_ns()
        event = message.get("o") or message.get("result") if isinstance(message, dict) else None
        if isinstance(event, dict):
            order_id = event.get("c") or event.get("clientOrderId")
            if isinstance(order_id, str):
                marks.answered.setdefault(order_id, now_ns)
        heard(self, client, message)

    aiohttp.ClientWebSocketResponse.send_str = sends  # type: ignore[method-assign]
    Hooks.heard = hears  # type: ignore[method-assign]
