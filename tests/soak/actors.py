"""The actors of a soaked node: they trade, fail, change what they listen to, set timers and talk, all the time."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from decimal import Decimal
from typing import Any

from libra.core.actor import Actor
from libra.core.events import EventType
from libra.model import OrderSide, SignalType
from libra.strategies import Strategy


class Trader(Strategy):
    """Market orders back and forth, limit orders that rest and are cancelled, signals that portfolio and risk weigh."""

    def on_start(self) -> None:
        self.quotes = 0
        self.bought = False
        self.resting: deque[str] = deque()
        self.set_timer("tick", 1.0, interval_s=1.0)

    def on_quote(self, quote: Any) -> None:
        self.quotes += 1
        # Set anew with every quote, as a timeout is: none of them ever rings.
        self.set_timer("quiet market", 3_600.0)
        step = self.quotes % 240
        if step == 60:
            self.bought = not self.bought
            self.submit(quote.symbol, OrderSide.BUY if self.bought else OrderSide.SELL, "0.010")
        elif step == 120:
            far = (quote.bid * Decimal("0.98")).quantize(quote.bid)
            order_id = self.submit(quote.symbol, OrderSide.BUY, "0.010", price=far)
            if order_id is not None:
                self.resting.append(order_id)
        elif step == 180 and self.resting:
            self.cancel(self.resting.popleft())
        elif step == 200:
            kind = SignalType.LONG if self.quotes % 480 == 200 else SignalType.CLOSE_LONG
            self.signal(quote.symbol, kind, reason="soak", ttl_s=5.0)
        self.emit(EventType.BAR, {"symbol": quote.symbol, "bid": quote.bid}, instrument=quote.symbol)

    def on_order(self, order: Any) -> None:
        self.actor("talker").tell({"order": order.order_id, "status": order.status})

    async def on_fill(self, fill: Any) -> None:
        await self.clock.sleep(0.001)
        self.emit(EventType.TICK, {"fill": fill.price})


class Failing(Strategy):
    """Fails about once a second, at once or while suspended, and is made anew; timers and subscriptions go with it."""

    def on_start(self) -> None:
        self.is_async = self.random.random() < 0.5
        self.is_due = False
        self.subscribe(EventType.BAR)
        for number in range(5):
            self.set_timer(f"timer {number}", 0.5, interval_s=0.5)
        self.set_timer("fail", self.random.uniform(0.5, 1.5))
        self.watch("talker")

    def on_timer(self, name: str) -> None:
        self.is_due |= name == "fail"

    async def on_trade(self, trade: Any) -> None:
        if self.is_due and self.is_async:
            await self.clock.sleep(0.002)
            raise RuntimeError("failing while suspended")

    def on_quote(self, quote: Any) -> None:
        if self.is_due and not self.is_async:
            self.kept = [dict.fromkeys(range(50), self) for _ in range(50)]
            raise RuntimeError("failing with much in hand")

    def on_event(self, event: Any) -> None:
        self.last = event


class Switching(Strategy):
    """Takes subscriptions and watches back and makes them anew, of every kind."""

    def on_start(self) -> None:
        self.ids: deque[str] = deque()
        self.count = 0
        self.set_timer("switch", 0.1, interval_s=0.1)

    def on_timer(self, name: str) -> None:
        self.count += 1
        seen: list[Any] = []
        instruments = [f"{symbol}@synthetic" for symbol in self.symbols]
        self.ids.append(self.subscribe(EventType.QUOTE, lambda quote: seen.append(quote) or seen.clear()))
        self.ids.append(self.subscribe(EventType.TRADE, seen.extend, batch=True))
        self.ids.append(self.subscribe(EventType.QUOTE, self.take_block, instruments=instruments, batch="block"))
        self.ids.append(self.subscribe(EventType.BAR, self.later))
        while len(self.ids) > 12:
            self.unsubscribe(self.ids.popleft())
        (self.watch if self.count % 2 else self.unwatch)("talker")

    def take_block(self, block: Any) -> None:
        self.rows = len(block)

    async def later(self, event: Any) -> None:
        if event.sequence % 512 == 0:
            await asyncio.sleep(0)


class Talker(Actor):
    """Is told things, asks, is asked, and does not always get an answer in time."""

    def on_start(self) -> None:
        self.told = 0
        self.set_timer("ask", 1.0, interval_s=1.0)

    def on_message(self, message: Any) -> Any:
        self.told += 1
        return {"told": self.told}

    async def on_timer(self, name: str) -> None:
        # Two that answer, and one that lets the time run out.
        for silent in (False, False, True):
            with contextlib.suppress(TimeoutError):
                await self.actor("mute").ask({"be silent": silent}, timeout=0.005 if silent else 30.0)


class Mute(Actor):
    """Answers, unless it is asked not to."""

    async def on_message(self, message: Any) -> Any:
        if message["be silent"]:
            await self.clock.sleep(0.02)
        return message
