"""Orders that were amended at the venue by hand: of Binance's spot orders the venue's id alone stays the same."""

import asyncio
from decimal import Decimal
from types import SimpleNamespace

import pytest

from libra.gateways.ccxt.orders import Orders
from libra.gateways.protocol import ForeignExecution
from libra.model import Order

ID = "L" + "0123456789abcdef" * 2
FILL = {"l": "0.10000000", "L": "100.01000000", "n": "0", "N": "USDT"}
SENT = Order("BTC/USDT@binance", "BUY", "0.50000", price="100.00", order_id=ID)
NUMBERS = {"size": Decimal("0.5"), "filled": Decimal(0)}
KNOWN = SimpleNamespace(order_id=ID, symbol="BTC/USDT", venue_order_id="1000", is_final=False, **NUMBERS)


async def told(gateway, count):
    stream = gateway.stream_reports()
    async with asyncio.timeout(5):
        return [await anext(stream) for _ in range(count)]


@pytest.fixture
async def amended(connect, venue):
    """A gateway whose order has lost its client id at the venue."""

    async def connect_and_amend(**more):
        gateway = await connect(known=lambda order_id: KNOWN, **more)
        await gateway.order(SENT)
        venue.orders["random"] = {**venue.orders.pop(ID), "clientOrderId": "random"}
        return gateway

    return connect_and_amend


@pytest.mark.parametrize("by_socket", [True, False])
async def test_it_is_asked_about_and_cancelled_by_the_venues_id(amended, venue, by_socket):
    venue.on_cancel = lambda params: (
        venue.cancel({"origClientOrderId": "random"}) if str(params.get("orderId")) == "1000" else venue.cancel(params)
    )
    gateway = await amended(use_websocket_orders=by_socket)
    (state,) = await gateway.query_order(ID)
    assert (state.order_id, state.status, state.venue_order_id) == (ID, "ACCEPTED", "1000")
    assert await gateway.cancel(ID) is True
    (state,) = await gateway.query_order(ID)
    assert (state.order_id, state.status) == (ID, "CANCELLED")


async def test_what_the_stream_tells_of_it_is_ours(amended, venue):
    gateway = await amended()
    report = venue.report
    await venue.user_event(**report("random", "NEW", "REPLACED"))
    await venue.user_event(**report("random", "PARTIALLY_FILLED", "TRADE", t=7, **FILL))
    await venue.user_event(**report("another", "FILLED", "TRADE", t=8, s="ETHUSDT", **FILL))
    await venue.user_event(**report("web-cancel", "CANCELED", "CANCELED", C="random"))
    *accepted, executed, foreign, ended = await told(gateway, 5)
    assert [report.status for report in accepted] == ["ACCEPTED"] * 2
    assert (executed.order_id, executed.trade_id) == (ID, 7)
    assert foreign == ForeignExecution("ETHUSDT", "another"), "ids are the venue's within a market alone"
    assert (ended.order_id, ended.status) == (ID, "CANCELLED")


async def test_behind_a_restart_a_query_says_whose_it_is(amended, venue, connect):
    await amended()
    later = await connect(known=lambda order_id: KNOWN)
    await later.query_order(ID)
    await venue.user_event(**venue.report("random", "PARTIALLY_FILLED", "TRADE", t=7, **FILL))
    (executed,) = await told(later, 1)
    assert executed.order_id == ID


class Elsewhere:
    """A venue of CCXT's that lists orders and looks none up."""

    has = {"fetchOpenOrders": True}  # noqa: RUF012 - as CCXT's

    def __init__(self, **order):
        self.order = {"id": "77", "clientOrderId": "random", "filled": "0", "status": "open", **order}
        self.cancelled = []

    async def fetch_open_orders(self, symbol):
        return [self.order]

    async def fetch_my_trades(self, symbol, since, limit, params):
        cost = {"price": "100", "amount": self.order["filled"], "timestamp": 1}
        return [{"id": "1", "order": "77", **cost}]

    async def cancel_order(self, venue_id, symbol, params):
        self.cancelled.append((venue_id, params))
        return {}


def orders_of(exchange, **known):
    turnstile = SimpleNamespace(used=lambda turn: None)

    async def take(*args, **named):
        return None

    turnstile.take = take
    place = SimpleNamespace(
        exchange=exchange,
        rules=SimpleNamespace(is_binance=False),
        options=SimpleNamespace(
            venue="other", market="spot", credentials=None, use_websocket_orders=False, account="a"
        ),
        hooks=SimpleNamespace(turnstile=turnstile, account="a", rules=SimpleNamespace(order_cost=lambda *a, **n: None)),
        venue_now_ns=lambda: 1,
        error=lambda error: error,
    )
    order = SimpleNamespace(**{"order_id": ID, "symbol": "BTC/USDT", "filled": Decimal(0), "is_final": False, **known})
    return Orders(place, lambda report, symbol: None, lambda order_id: order)


async def test_elsewhere_too():
    exchange = Elsewhere()
    orders = orders_of(exchange, venue_order_id="77", size=Decimal(1))
    (state,) = await orders.query(ID)
    assert (state.order_id, state.status) == (ID, "ACCEPTED")
    assert await orders.cancel(ID) is True
    assert exchange.cancelled == [("77", {})]
    # An id that is not known yet is nobody's.
    (state,) = await orders_of(Elsewhere(id=""), venue_order_id="", size=Decimal(1)).query(ID)
    assert state.status == "NOT_FOUND"
    await orders_of(exchange, venue_order_id="", size=Decimal(1)).cancel(ID)
    assert exchange.cancelled[1:] == [(ID, {"clientOrderId": ID})]


async def test_what_was_over_here_and_works_no_more_there_is_told_as_gone():
    """As an order that was made larger, and executed as a whole behind its end here: what is cancelled is to end."""
    made = {"venue_order_id": "77", "size": Decimal(1)}
    larger = Elsewhere(status="closed", filled="3")
    state, _ = await orders_of(larger, **made, is_final=True, filled=Decimal(1)).query(ID)
    assert state.status == "CANCELLED"
    state, _ = await orders_of(larger, **made).query(ID)
    assert state.status == "ACCEPTED", "an open one ends by its executions"
