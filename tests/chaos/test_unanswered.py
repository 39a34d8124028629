"""What is asked of an account whose node is gone has an end: it comes back, or is refused."""

import asyncio
from collections.abc import Callable
from typing import Any

from tests.chaos.driven import Place

from libra.core.actor import Actor
from libra.core.events import Event, EventType
from libra.core.node import Node, NodeOptions
from libra.model import Order, OrderSide
from libra_core import Bridge

STALE_MS = 1_500


class Asks(Actor):
    """Asks for orders, and notes each end that it is told of."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[tuple[str, str]] = []
        self.cancels: list[Any] = []

    def on_start(self) -> None:
        self.subscribe(EventType.ORDER_CANCEL_REJECTED, self.on_refused_cancel)

    def ask(self) -> str | None:
        context = self._context
        return context.core.emit_order_request(
            context.slot, "main", "BTC/USDT", OrderSide.BUY, "1", None, "IOC", 0, None
        )

    def cancel(self, order: str) -> bool:
        return self._context.core.emit_cancel_request(self._context.slot, "main", order)

    def on_order(self, order: Order) -> None:
        self.ends.append((order.order_id, order.reason))

    def on_refused_cancel(self, event: Event) -> None:
        self.cancels.append((event.payload.code, event.payload.detail))


class Hears(Actor):
    """Stands for an account: takes the requests."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Any] = []

    def on_start(self) -> None:
        self.subscribe(EventType.ORDER_REQUEST, self.on_request)

    def on_request(self, event: Event) -> None:
        self.requests.append(event.payload)


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - what threads do sets no event here
            await asyncio.sleep(0.01)


async def asks_of_a_node_that_comes_late(url: str) -> None:
    asks, hears = Asks(), Hears()
    options = {"environment": "unanswered", "nodes": ["asks", "has"], "accounts": ["has"], "url": url}
    here, there = (Node(NodeOptions(name=name, signals=False, drain_timeout_s=2.0)) for name in ("asks", "has"))
    here.add_actor("asker", lambda: asks)
    there.add_actor("account", lambda: hears)
    for node in (here, there):
        node.endless = True
    bridge = Bridge(here.core, options | {"node": "asks", "stale_after_ms": STALE_MS})
    other = Bridge(there.core, options | {"node": "has"})
    bridge.start()
    runs = [asyncio.create_task(here.run_async())]
    try:
        await until(lambda: bridge.stats()["link"]["connected"] and here.ref("asker"))
        accepted = [asks.ask() for _ in range(20)]
        assert all(accepted)
        assert asks.cancel(accepted[0] or "")
        await until(lambda: len(asks.ends) >= 20 and asks.cancels)
        assert asks.ends == [(order, "UNCONFIRMED") for order in accepted]
        assert [(code, detail.partition(":")[0]) for code, detail in asks.cancels] == [(accepted[0], "UNCONFIRMED")]
        assert (asks.ask(), asks.cancel(accepted[1] or "")) == (None, False), "nobody is there who could answer"
        stats = bridge.stats()
        assert stats["link"]["outboxes"]["ORDERS"]["unconfirmed"] == 21
        assert sum(news.count for news in bridge.news() if news.kind == "unanswered") == 21

        other.start()
        runs.append(asyncio.create_task(there.run_async()))
        late: list[str] = []
        async with asyncio.timeout(60):
            while not late:
                late += [order for order in [asks.ask()] if order is not None]
                await asyncio.sleep(0.01)
        await until(lambda: hears.requests)
        await until(lambda: bridge.stats()["outbox"] == 0)
        await asyncio.sleep(2 * STALE_MS / 1000)
        assert len(hears.requests) == 1, "what came back was not carried out behind it"
        assert len(asks.ends) == 20, "what was taken is the account's to end"
    finally:
        here.stop()
        there.stop()
        await asyncio.gather(*runs)
        bridge.stop(0.1)
        other.stop(0.1)


def test_requests_come_back_when_the_accounts_node_is_given_up_and_are_refused_until_it_is_there() -> None:
    with Place([]) as place:
        asyncio.run(asks_of_a_node_that_comes_late(place.server.url))
