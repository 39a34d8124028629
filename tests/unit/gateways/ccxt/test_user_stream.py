"""What the stream of reports remembers: enough for whatever may still come, and no more with every order."""

import asyncio
from types import SimpleNamespace

import pytest
from tests.unit.gateways.ccxt.conftest import until

from libra.errors import GatewayError
from libra.gateways.ccxt import CcxtOptions, user_stream
from libra.gateways.ccxt.errors import library
from libra.gateways.ccxt.user_stream import UserStream
from libra.gateways.protocol import ForeignExecution
from libra.model import OrderReport


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    monkeypatch.setattr(user_stream, "_MOST_FINAL", 100)
    monkeypatch.setattr(user_stream, "_MOST_EARLY", 100)


class Trades:
    """A venue of CCXT's whose trades name no order but the venue's."""

    def __init__(self, *batches):
        self.batches = [*batches]
        self.told_all = asyncio.Event()

    async def watch_my_trades(self):
        if not self.batches:
            self.told_all.set()
            await asyncio.Event().wait()
        return self.batches.pop(0)


def stream_of(exchange=None, known=None):
    exchange = exchange or SimpleNamespace(safe_symbol=lambda market_id, *_: market_id)
    venue = SimpleNamespace(exchange=exchange, options=SimpleNamespace(venue="other", market="swap"))
    return UserStream(venue, known)


def trade(number, venue_id, symbol="A/USDT"):
    return {
        "id": str(number),
        "symbol": symbol,
        "order": venue_id,
        "price": "100",
        "amount": "1",
        "timestamp": 1,
        "takerOrMaker": "maker",
    }


def known_as(*, is_final):
    """All that is asked of an account's order."""
    return SimpleNamespace(is_final=is_final)


def accepted(number):
    return OrderReport(f"L{number:032x}", "ACCEPTED", venue_order_id=f"v{number}")


async def test_orders_that_are_over_for_long_are_forgotten_and_open_ones_never():
    orders = {}
    stream = stream_of(known=orders.get)
    for number in range(5_000):
        # Every hundredth stays open, and one is not known to the account yet.
        if number != 7:
            orders[f"L{number:032x}"] = known_as(is_final=number % 100 != 0)
        stream.tell(accepted(number), "A/USDT")
    assert [stream.order_id_at("A/USDT", f"v{number}") for number in range(0, 5_000, 100)] == [
        f"L{number:032x}" for number in range(0, 5_000, 100)
    ]
    assert stream.order_id_at("A/USDT", "v7") == f"L{7:032x}"
    assert stream.order_id_at("A/USDT", "v8") is None
    recent = [stream.order_id_at("A/USDT", f"v{number}") for number in range(4_900, 5_000)]
    assert recent.count(None) == 0, "these are recent"
    assert len(stream._ours) < 400


async def test_many_open_orders_are_not_gone_through_with_each_new_one():
    asked = 0

    def known(order_id):
        nonlocal asked
        asked += 1
        return known_as(is_final=False)

    stream = stream_of(known=known)
    for number in range(10_000):
        stream.tell(accepted(number), "A/USDT")
    assert len(stream._ours) == 10_000
    assert asked < 40_000


async def test_an_execution_before_its_order_is_told_however_many_foreign_ones_came():
    foreign = [trade(number, f"somebody's {number}") for number in range(1_000)]
    exchange = Trades([*foreign, trade(1_000, "v1")])
    stream = stream_of(exchange)
    following = asyncio.create_task(stream._follow_trades())
    async with asyncio.timeout(5):
        await exchange.told_all.wait()
    stream.tell(accepted(1), "A/USDT")
    stream._tell_early(accepted(1), "A/USDT")
    told = stream.reports()
    async with asyncio.timeout(5):
        assert [(await anext(told)).status for _ in range(2)] == ["ACCEPTED", "FILLED"]
    assert len(stream._early) <= 100
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


# What the stream has itself decides, whatever the account knows yet.
@pytest.mark.parametrize("known", [None, {}.get, lambda _: SimpleNamespace(is_final=False, symbol="A/USDT")])
async def test_an_execution_of_another_symbol_is_not_the_orders_that_has_its_number(known):
    def both(number):
        return [trade(number, "v1", "B/USDT"), trade(number + 1, "v1", "A/USDT")]

    exchange = Trades(both(1), both(3))
    stream = stream_of(exchange, known)
    following = asyncio.create_task(stream._follow_trades())
    async with asyncio.timeout(5):
        await until(lambda: len(stream._early) >= 2)
        # Those of before wait for their order, those of behind find it.
        stream.tell(accepted(1), "A/USDT")
        stream._tell_early(accepted(1), "A/USDT")
        await exchange.told_all.wait()
    told = [stream._reports.get_nowait() for _ in range(stream._reports.qsize())]
    assert sorted(report.trade_id for report in told if report.status == "FILLED") == [2, 4]
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_two_orders_of_ours_that_have_one_number_in_two_symbols_are_both_known():
    stream = stream_of(Trades([trade(1, "v", "B/USDT"), trade(2, "v", "A/USDT")]), lambda _: None)
    orders = {"A/USDT": f"L{1:032x}", "B/USDT": f"L{2:032x}"}
    for symbol, order_id in orders.items():
        stream.remember(OrderReport(order_id, "ACCEPTED", venue_order_id="v"), symbol)
    assert {symbol: stream.order_id_at(symbol, "v") for symbol in orders} == orders
    following = asyncio.create_task(stream._follow_trades())
    await until(lambda: stream._reports.qsize() == 2)
    told = [stream._reports.get_nowait() for _ in range(2)]
    assert [(report.order_id, report.trade_id) for report in told] == [(orders["B/USDT"], 1), (orders["A/USDT"], 2)]
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


def frame(client_id, execution="TRADE", **more):
    """The order of an `ORDER_TRADE_UPDATE`, as Binance sends it."""
    numbers = {"l": "0.004", "L": "60000.1", "t": 7, "n": "0.1", "N": "USDT", "m": False}
    order = {"s": "BTCUSDT", "c": client_id, "x": execution, "X": "FILLED", "i": 8, "T": 5, **numbers, **more}
    return {"e": "ORDER_TRADE_UPDATE", "E": 6, "T": 5, "o": order}


OURS = f"L{1:032x}"


@pytest.mark.parametrize(
    ("told", "kinds"),
    [
        (frame(OURS), [OrderReport]),
        (frame("web_abc"), [ForeignExecution]),
        # A UUID as most libraries write it has the digits of our ids, and no letter.
        (frame(OURS[1:]), [ForeignExecution]),
        (frame("autoclose-1700000000000"), [ForeignExecution]),
        (frame("adl_autoclose", execution="CALCULATED"), [ForeignExecution]),
        (frame("web_abc", execution="NEW", X="NEW"), []),
        (frame("web_abc", execution="CANCELED", X="CANCELED"), []),
        # Of spot, the execution of an order of ours whose cancel has an id of its own.
        ({"e": "executionReport", **frame("a-cancel", C=OURS)["o"]}, [OrderReport]),
        ({"e": "executionReport", **frame("by-hand", C="")["o"]}, [ForeignExecution]),
    ],
)
async def test_executions_of_foreign_orders_are_told_and_nothing_else_of_them(told, kinds):
    stream = stream_of()
    stream._take_frame(False, told)
    found = [stream._reports.get_nowait() for _ in range(stream._reports.qsize())]
    assert [type(one) for one in found] == kinds
    for one in found:
        assert not isinstance(one, ForeignExecution) or one.symbol == "BTCUSDT"


@pytest.fixture
def kept(monkeypatch):
    """The stream of a listen key that is kept alive at once, by answers that are given; and how often it was asked."""
    monkeypatch.setattr(user_stream, "_KEEP_KEY_S", 0.0)
    monkeypatch.setattr(user_stream, "_KEEP_KEY_AGAIN_S", 0.0)
    asked = []

    def keep(*answers):
        async def put(params):
            asked.append(params)
            if len(asked) > len(answers):
                await asyncio.Event().wait()
            if isinstance(answer := answers[len(asked) - 1], Exception):
                raise answer

        options = CcxtOptions("binance", market="swap")
        venue = SimpleNamespace(exchange=SimpleNamespace(fapiPrivatePutListenKey=put), options=options, error=str)
        stream = UserStream(venue)
        stream._tasks.append(asyncio.create_task(stream._keep_key()))
        return stream, asked

    return keep


async def test_a_listen_key_is_kept_alive_for_good_though_it_fails_now_and_then(kept, caplog):
    stream, asked = kept(None, library().RequestTimeout("no answer"), library().DDoSProtection("-1003"), None, None)
    await until(lambda: len(asked) == 6)
    assert stream.is_alive
    assert [record.getMessage() for record in caplog.records] == [
        f"binance: its listen key was not kept alive: {why}" for why in ("no answer", "-1003")
    ]
    await stream.end()


async def test_a_listen_key_that_is_gone_ends_the_stream(kept):
    stream, asked = kept(None, library().AuthenticationError('binance {"code":-1125,"msg":"This listenKey does not"}'))
    with pytest.raises(GatewayError, match="listen key has ended"):
        async with asyncio.timeout(5):
            await anext(stream.reports())
    assert len(asked) == 2
    assert not stream.is_alive
    await stream.end()
