"""What a strategy hears of orders: its own, and nothing of which nobody knows whose it is."""

import asyncio
from types import SimpleNamespace

import pytest

from libra.core import actor
from libra.core.actor import Actor
from libra.model import Order
from libra.strategies import Strategy


@pytest.mark.parametrize(("base", "hears"), [(Actor, 1), (Strategy, 0)])
def test_an_order_without_an_owner_is_no_strategys(base, hears):
    heard = []

    class Listener(base):
        def on_order(self, order):
            heard.append(order)

    listener = Listener()
    listener._context = SimpleNamespace(name="mine")
    listener._order_changed(SimpleNamespace(payload=Order("BTC/USDT@sim", "BUY", "1")))
    assert len(heard) == hears


def test_what_is_no_notice_and_what_is_another_strategys_is_not_told(monkeypatch):
    # Only a desk makes one.
    monkeypatch.setattr(actor, "Notice", SimpleNamespace)
    heard = []

    class Listener(Strategy):
        def on_refused(self, notice):
            heard.append(notice)

    listener = Listener()
    listener._context = SimpleNamespace(name="mine")
    listener._hears_its_own = True
    mine, other = (SimpleNamespace(strategy=strategy) for strategy in ("mine", "yours"))
    for payload in ({"code": "ORDER_RATE"}, other, mine):
        listener._refused(SimpleNamespace(payload=payload))
    assert heard == [mine]


@pytest.mark.parametrize("awaits", [True, False])
def test_a_fill_is_told_behind_its_order_whatever_is_awaited(awaits):
    heard = []

    class Listener(Actor):
        async def on_order(self, order):
            await asyncio.sleep(0)
            heard.append("order")

        if awaits:

            async def on_fill(self, fill):
                await asyncio.sleep(0)
                heard.append(fill)

        else:

            def on_fill(self, fill):
                heard.append(fill)

    asyncio.run(Listener()._order_then_fill(Listener().on_order(None), "fill"))
    assert heard == ["order", "fill"]
