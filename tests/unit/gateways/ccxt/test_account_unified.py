"""What CCXT's common names tell of an account, by a class as CCXT has them: open orders, and positions of contracts."""

import decimal
from decimal import Decimal
from types import SimpleNamespace

import pytest

from libra.errors import GatewayError
from libra.gateways.ccxt.account_unified import UnifiedAccount
from libra.gateways.ccxt.errors import library
from libra.gateways.protocol import VenueOrder, VenuePosition, VenueState

OURS = "0123456789abcdef" * 2
BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"


class Exchange:
    """Answers as CCXT's classes do, numbers as text."""

    def __init__(self, *, needs_symbol=None, **has):
        self.has = {"fetchOpenOrders": True, "fetchPositions": True, **has}
        self.orders, self.held, self.asked = [], [], []
        self.needs_symbol = needs_symbol
        self.error = None

    async def fetch_open_orders(self, symbol=None):
        self.asked.append(("orders", symbol))
        if self.error is not None:
            raise self.error
        if symbol is None and self.needs_symbol is not None:
            raise self.needs_symbol
        return [order for order in self.orders if symbol in (None, order["symbol"])]

    async def fetch_positions(self, symbols=None):
        self.asked.append(("positions", symbols))
        return self.held

    def market(self, symbol):
        return {"contractSize": "0.01" if symbol == BTC else None}


def account(exchange, *symbols, market="swap"):
    venue = SimpleNamespace(
        exchange=exchange,
        options=SimpleNamespace(venue="okx", market=market),
        venue_now_ns=lambda: 77,
        error=lambda error: GatewayError(f"told: {error}"),
    )
    return UnifiedAccount(venue, None, symbols or (BTC,), None)


def order(**changed):
    numbers = {"price": "60000.1", "amount": "3", "filled": "1", "remaining": "2", "timestamp": 5}
    return {"id": "7", "clientOrderId": OURS, "symbol": BTC, "side": "buy", "status": "open", **numbers, **changed}


async def test_open_orders_are_ours_by_our_id_and_foreign_by_theirs():
    exchange = Exchange()
    foreign = order(id="8", clientOrderId=None, side="sell", price=None)
    exchange.orders = [order(), foreign, order(id="9", clientOrderId="by hand"), order(id="7")]
    ours, second, third = await account(exchange).open_orders()
    numbers = (Decimal("60000.1"), Decimal(3), Decimal(1), 5_000_000)
    assert ours == VenueOrder(f"L{OURS}", "7", BTC, "BUY", "LIMIT", *numbers)
    assert (second.client_order_id, second.side, second.type, second.price) == (None, "SELL", "MARKET", None)
    assert third.client_order_id == "by hand"


@pytest.mark.parametrize(
    ("told", "numbers"),
    [
        ({}, ("3", "1")),
        ({"filled": None}, ("3", "1")),
        ({"filled": None, "remaining": None}, ("0", "0")),
        ({"amount": None}, ("0", "0")),
    ],
)
async def test_what_is_not_told_of_an_order_is_nothing_that_differs(told, numbers):
    exchange = Exchange()
    exchange.orders = [order(**told)]
    (found,) = await account(exchange).open_orders()
    assert (found.size, found.filled) == tuple(map(Decimal, numbers))


async def test_what_is_over_or_in_other_symbols_is_left_out():
    exchange = Exchange(needs_symbol=library().ArgumentsRequired("a symbol"))
    exchange.orders = [order(status="closed"), order(id="8", symbol=ETH), order(id="9", status=None)]
    assert [one.venue_order_id for one in await account(exchange).open_orders()] == ["9"]
    assert exchange.asked == [("orders", BTC)]


@pytest.mark.parametrize(
    "needs_symbol",
    # Binance's class: "stricter rate limits".
    [library().ArgumentsRequired("a symbol"), library().ExchangeError("WARNING: without specifying a symbol"), None],
)
async def test_orders_of_many_symbols_are_asked_for_at_once_where_the_venue_takes_that(needs_symbol):
    symbols = [f"S{number}/USDT:USDT" for number in range(11)]
    exchange = Exchange(needs_symbol=needs_symbol)
    exchange.orders = [order(symbol=symbols[3]), order(id="8", symbol=ETH)]
    looked = account(exchange, *symbols)
    for _ in range(2):
        assert [one.symbol for one in await looked.open_orders()] == [symbols[3]]
    # That it does not is found out once.
    each = [("orders", symbol) for symbol in symbols]
    assert exchange.asked == ([("orders", None), *each, *each] if needs_symbol else [("orders", None)] * 2)


async def test_positions_are_in_base_units_and_signed_whatever_precision_a_thread_has():
    exchange = Exchange()
    exchange.held = [
        {"symbol": BTC, "side": "short", "contracts": "1234567", "contractSize": None, "entryPrice": "60000.25"},
        {"symbol": BTC, "side": "long", "contracts": "3", "contractSize": "0.1", "entryPrice": None},
        {"symbol": ETH, "side": "long", "contracts": "3", "contractSize": "1", "entryPrice": None},
    ]
    with decimal.localcontext(prec=3):
        state = await account(exchange).account_state()
    positions = [VenuePosition(BTC, Decimal("-12345.67"), Decimal("60000.25")), VenuePosition(BTC, Decimal("0.3"))]
    assert state == VenueState(positions, None, 77)
    assert exchange.asked == [("positions", [BTC])]
    # Not every venue tells those of several symbols at once.
    state = await account(exchange, BTC, ETH).account_state()
    assert ([one.symbol for one in state.positions], exchange.asked[-1]) == ([BTC, BTC, ETH], ("positions", None))
    exchange.held[0]["contracts"] = None
    assert (await account(exchange).account_state()).positions[0].size == 0


@pytest.mark.parametrize(("market", "has"), [("spot", {}), ("swap", {"fetchPositions": None})])
async def test_where_there_are_no_positions_none_are_told(market, has):
    exchange = Exchange(**has)
    assert await account(exchange, market=market).account_state() == VenueState(None, None, 77)
    assert exchange.asked == []


async def test_a_connection_that_fails_says_nothing_of_what_the_venue_takes():
    exchange = Exchange(needs_symbol=library().RequestTimeout("no answer"))
    looked = account(exchange, *(f"S{number}/USDT:USDT" for number in range(11)))
    for _ in range(2):
        with pytest.raises(GatewayError, match="told: no answer"):
            await looked.open_orders()
    assert exchange.asked == [("orders", None)] * 2


async def test_nothing_else_is_told_and_an_error_is_ours():
    exchange = Exchange()
    looked = account(exchange)
    looked.doubt()
    looked.check_budget()
    assert (await looked.executions_since(0), await looked.flows_since(0)) == ([], [])
    exchange.error = library().ExchangeError("of its own")
    with pytest.raises(GatewayError, match="told: of its own"):
        await looked.open_orders()
    exchange.error, exchange.orders = None, None
    exchange.fetch_open_orders = exchange.fetch_positions
    exchange.held = {}
    with pytest.raises(GatewayError, match="gave no list"):
        await looked.open_orders()
