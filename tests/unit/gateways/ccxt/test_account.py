"""A whole account, read from a simulated exchange without sockets: complete, exact, by as little as it takes."""

import asyncio
import decimal
import time
from collections import Counter
from decimal import Decimal

import pytest
from tests.unit.exchange_sim.conftest import START_MS, Stage, market

from libra.errors import GatewayError
from libra.exchange_sim.control import Control
from libra.gateways.ccxt import account, account_linear, account_spot
from libra.gateways.ccxt.account_linear import LinearAccount
from libra.gateways.ccxt.account_spot import SpotAccount
from libra.gateways.ccxt.errors import library
from libra.gateways.ccxt.options import CcxtOptions
from libra.gateways.ccxt.rules import VenueRules

MS = 1_000_000
DAY_S = 86_400
OURS = [f"L{number:032x}" for number in range(100)]
PATHS = {
    "privateGetOpenOrders": "spot/openOrders",
    "privateGetMyTrades": "spot/myTrades",
    "privateGetOrder": "spot/order",
    "privateGetAllOrders": "spot/allOrders",
    "privateGetAccount": "spot/account",
    "sapiGetCapitalDepositHisrec": "spot/sapi/capital/deposit/hisrec",
    "sapiGetCapitalWithdrawHistory": "spot/sapi/capital/withdraw/history",
    "sapiGetAssetTransfer": "spot/sapi/asset/transfer",
    "sapiGetAssetAssetDividend": "spot/sapi/asset/assetDividend",
    "fapiPrivateGetOpenOrders": "linear/openOrders",
    "fapiPrivateGetOpenAlgoOrders": "linear/openAlgoOrders",
    "fapiPrivateGetUserTrades": "linear/userTrades",
    "fapiPrivateGetOrder": "linear/order",
    "fapiPrivateGetAllOrders": "linear/allOrders",
    "fapiPrivateGetIncome": "linear/income",
    "fapiPrivateV3GetAccount": "linear/account",
    "fapiPrivateV3GetPositionRisk": "linear/positionRisk",
}


class Asked:
    """Where CCXT's object stands: asks the exchange, and counts by what."""

    def __init__(self, stage, where):
        self.stage, self.suffix = stage, "" if where == "spot" else ":USDT"
        self.counts = Counter()
        self.urls = {"api": {"sapi": "here"}}

    def __getattr__(self, method):
        async def ask(params):
            self.counts[method] += 1
            return self.stage.ask("alice", "GET", PATHS[method], **params)

        return ask

    def market(self, symbol):
        return {"id": symbol.partition(":")[0].replace("/", "")}

    def safe_symbol(self, market_id, *_):
        return f"{market_id[:3]}/USDT{self.suffix}"


class Looked:
    """An account of alice's, and who looks at it."""

    def __init__(self, where):
        markets = (market("BTC/USDT"), market("ETH/USDT"), market("BTC/USDT:USDT"), market("ETH/USDT:USDT"))
        self.stage, self.where = Stage(markets=markets), where
        self.exchange = Asked(self.stage, where)
        self.at_venue, self.orders, self.money_moved = {}, {}, 0
        self.options = CcxtOptions("binance")
        kind = SpotAccount if where == "spot" else LinearAccount
        suffix = self.exchange.suffix
        self.account = kind(self, self, [f"BTC/USDT{suffix}"], self.orders.get)
        self.stage.order("bob", "SELL", "9", "60000", where=where)

    def venue_now_ns(self):
        return self.stage.clock.now_ns()

    def error(self, error):
        return error

    def order_id_at(self, symbol, venue_order_id):
        return self.at_venue.get((symbol, venue_order_id))

    def buys(self, quantity="0.01", client_id=None, **more):
        named = {} if client_id is None else {"newClientOrderId": client_id}
        return self.stage.order("alice", "BUY", quantity, where=self.where, **named, **more)

    def give(self, kind, asset, amount):
        body = f'{{"account":"alice","asset":"{asset}","amount":"{amount}","kind":"{kind}"}}'
        Control(self.stage.venue).answer("POST", "money", {}, body.encode())

    def traded(self):
        trades = Control(self.stage.venue).answer("GET", "trades", {"account": "alice"}, b"")["trades"]
        return [row["trade_id"] for row in trades]


@pytest.fixture(params=["spot", "linear"])
def looked(request):
    return Looked(request.param)


@pytest.fixture
def spot():
    return Looked("spot")


@pytest.fixture
def linear():
    return Looked("linear")


@pytest.mark.parametrize("page", [1, 2, 3, 7, 1_000])
async def test_executions_are_read_to_their_end(looked, monkeypatch, page):
    monkeypatch.setattr(account, "_PAGE", page)
    for day in (0, 0.5, 0.5, 6.9, 8, 30):
        # Several of one millisecond, and some a millisecond later.
        looked.stage.wait(day * DAY_S)
        for _ in range(3):
            looked.buys()
        looked.stage.wait(0.001)
        looked.buys()
    found = await looked.account.executions_since(START_MS * MS)
    assert [one.trade_id for one in found] == looked.traded()
    assert len(found) == 24
    later = await looked.account.executions_since((START_MS + 1) * MS)
    assert [one.trade_id for one in later] == looked.traded()[3:]


async def test_executions_say_what_the_venue_says(looked):
    looked.buys("0.01", OURS[0])
    looked.stage.order("alice", "SELL", "0.02", "70000", where=looked.where)
    looked.stage.order("bob", "BUY", "0.02", "70000", where=looked.where)
    looked.stage.order("bob", "BUY", "0.01", "70000", where=looked.where, timeInForce="IOC")
    first, second = await looked.account.executions_since((START_MS - 1) * MS)
    assert (first.client_order_id, first.side, first.price, first.size) == (
        OURS[0],
        "BUY",
        Decimal(60_000),
        Decimal("0.01"),
    )
    spot = looked.where == "spot"
    assert (first.fee, first.fee_currency) == ((Decimal("0.00001"), "BTC") if spot else (Decimal("0.3"), "USDT"))
    assert (first.liquidity, first.symbol) == ("TAKER", "BTC/USDT" if spot else "BTC/USDT:USDT")
    assert first.ts_venue_ns == START_MS * MS
    assert second.side == "SELL"
    assert second.client_order_id.startswith("sim"), "the venue gave it a name of its own"


@pytest.mark.parametrize("orders", [3, 9])
async def test_whose_orders_were_is_asked_once(looked, orders):
    for number in range(orders):
        looked.buys(client_id=OURS[number])
    # One that was told of needs no question.
    told = looked.buys(client_id=OURS[50])
    looked.at_venue[f"BTC/USDT{looked.exchange.suffix}", str(told["orderId"])] = OURS[50]
    looked.orders[OURS[50]] = type("Order", (), {"symbol": f"BTC/USDT{looked.exchange.suffix}"})
    for _ in range(2):
        found = await looked.account.executions_since((START_MS - 1) * MS)
        assert [one.client_order_id for one in found] == [*OURS[:orders], OURS[50]]
    one, all_of_them = looked.account.order_method, looked.account.all_orders_method
    counts = looked.exchange.counts
    assert (counts[one], counts[all_of_them]) == ((orders, 0) if orders == 3 else (0, 1))


async def test_an_order_of_another_market_with_the_same_number_is_not_ours(looked):
    bought = looked.buys()
    looked.at_venue[f"ETH/USDT{looked.exchange.suffix}", str(bought["orderId"])] = OURS[0]
    looked.orders[OURS[0]] = object()
    (found,) = await looked.account.executions_since((START_MS - 1) * MS)
    assert found.client_order_id != OURS[0]


async def test_open_orders_are_ours_and_foreign_ones_of_any_market(looked):
    looked.buys(client_id=OURS[1], price="50000")
    looked.buys("1", price="50000", symbol="ETHUSDT")
    ours, foreign = sorted(await looked.account.open_orders(), key=lambda order: order.symbol)
    assert (ours.client_order_id, ours.type, ours.price, ours.size) == (
        OURS[1],
        "LIMIT",
        Decimal(50_000),
        Decimal("0.01"),
    )
    assert (foreign.symbol[:3], foreign.client_order_id[:3]) == ("ETH", "sim")
    # All symbols weigh more: once in a while. In between those that anything told of.
    before = looked.exchange.counts[looked.account.orders_method]
    assert len(await looked.account.open_orders()) == 2
    assert looked.exchange.counts[looked.account.orders_method] == before + 2


async def test_totals_are_what_is_free_and_what_is_locked(spot):
    spot.buys(price="50000")
    state = await spot.account.account_state()
    assert dict(state.balances) == {"USDT": Decimal(1_000_000), "BTC": Decimal(100)}
    assert (state.unit, state.ts_venue_ns) == (Decimal("0.00000001"), START_MS * MS)


@pytest.mark.parametrize("precision", [1, 4])
async def test_what_is_summed_of_an_account_is_exact_at_any_precision(spot, precision):
    spot.give("deposit", "USDT", "0.00000001")
    spot.buys(price="50000")
    spot.stage.ask("alice", "POST", "spot/sapi/asset/transfer", type="MAIN_UMFUTURE", asset="USDT", amount="7.12345678")
    apply = {"coin": "BTC", "amount": "2.12345678", "address": "x"}
    spot.stage.ask("alice", "POST", "spot/sapi/capital/withdraw/apply", **apply)
    with decimal.localcontext() as low:
        low.prec = precision
        state = await spot.account.account_state()
        flows = await spot.account.flows_since(START_MS * MS)
    amounts = {(flow.kind, flow.currency, str(flow.amount.normalize())) for flow in flows}
    assert amounts == {
        ("transfer", "USDT", "1E-8"),
        ("transfer", "USDT", "-7.12345678"),
        ("transfer", "BTC", "-2.12345678"),
    }
    free_and_locked = Decimal(1_000_000) + Decimal("0.00000001") - Decimal("7.12345678")
    assert dict(state.balances) == {"USDT": free_and_locked, "BTC": 100 - Decimal("2.12345678")}


async def test_a_wallet_has_no_unrealised_profit_and_a_position_its_price(linear):
    linear.buys()
    linear.stage.order("bob", "BUY", "1", "59000", where="linear")
    linear.stage.venue.funding.mark_all()
    assert Decimal(linear.stage.position("alice")["unRealizedProfit"]) == -5
    state = await linear.account.account_state()
    assert dict(state.balances) == {"USDT": Decimal(1_000_000) - Decimal("0.3")}
    (position,) = state.positions
    assert (position.symbol, position.size, position.entry_price) == ("BTC/USDT:USDT", Decimal("0.01"), Decimal(60_000))


@pytest.mark.parametrize("page", [1, 2, 1_000])
async def test_what_moved_on_spot_is_told_with_its_sign(spot, monkeypatch, page):
    for name in ("_PAGE", "_TRANSFER_PAGE", "_DIVIDEND_PAGE"):
        monkeypatch.setattr(account_spot, name, min(page, getattr(account_spot, name)))
    for number in range(1, 4):
        spot.give("deposit", "USDT", f"{number}.00000001")
        spot.give("dividend", "ETH", f"0.0000000{number}")
        transfer = {"asset": "USDT", "amount": number}
        spot.stage.ask("alice", "POST", "spot/sapi/asset/transfer", type="MAIN_UMFUTURE", **transfer)
        spot.stage.ask("alice", "POST", "spot/sapi/asset/transfer", type="UMFUTURE_MAIN", **transfer)
        spot.stage.ask("alice", "POST", "spot/sapi/capital/withdraw/apply", coin="BTC", amount=number, address="x")
        spot.stage.wait(1)
    flows = {flow.key: flow for flow in await spot.account.flows_since(START_MS * MS)}
    assert len(flows) == 15
    sums = Counter()
    for flow in flows.values():
        sums[flow.kind, flow.currency] += flow.amount
    assert sums == {
        ("transfer", "USDT"): Decimal("6.00000003"),
        ("other", "ETH"): Decimal("0.00000006"),
        ("transfer", "BTC"): Decimal(-6),
    }
    balances = dict((await spot.account.account_state()).balances)
    assert balances["USDT"] == Decimal(1_000_000) + sums["transfer", "USDT"]
    assert balances["BTC"] == Decimal(100) + sums["transfer", "BTC"]


async def test_histories_are_asked_when_money_moved_or_now_and_then(spot, monkeypatch, caplog):

    async def asks():
        before = spot.exchange.counts["sapiGetCapitalWithdrawHistory"]
        await spot.account.flows_since(START_MS * MS)
        return spot.exchange.counts["sapiGetCapitalWithdrawHistory"] - before

    assert [await asks() for _ in range(3)] == [1, 0, 0]
    spot.money_moved += 1
    assert [await asks() for _ in range(5)] == [1, 1, 1, 0, 0]
    loop, now = asyncio.get_running_loop(), time.monotonic()
    monkeypatch.setattr(loop, "time", lambda: now + 3_600, raising=False)
    assert await asks() == 1
    # The test network has none, which is said once.
    spot.exchange.urls["api"].pop("sapi")
    spot.money_moved += 1
    assert (await asks(), await spot.account.flows_since(0)) == (0, [])
    assert caplog.text.count("a deposit is a difference") == 1


async def test_a_withdrawal_that_came_back_is_none(spot, monkeypatch):
    spot.stage.ask("alice", "POST", "spot/sapi/capital/withdraw/apply", coin="BTC", amount="2", address="x")
    ask = spot.account.ask

    async def failed(method, params):
        rows = await ask(method, params)
        more = {"status": 5, "transactionFee": "0.5"}
        return [{**row, **more} for row in rows] if method == "sapiGetCapitalWithdrawHistory" else rows

    monkeypatch.setattr(spot.account, "ask", failed)
    gone, back = await spot.account.flows_since(START_MS * MS)
    assert (gone.amount, back.amount, gone.kind, back.kind) == (Decimal("-2.5"), Decimal("2.5"), "transfer", "transfer")
    assert gone.key != back.key


@pytest.mark.parametrize("page", [1, 2, 1_000])
async def test_income_is_told_without_what_executions_brought(linear, monkeypatch, page):
    monkeypatch.setattr(account_linear, "_PAGE", page)
    linear.buys()
    linear.stage.order("bob", "BUY", "1", "59990", where="linear")
    linear.stage.order("alice", "SELL", "0.01", "50000", where="linear", timeInForce="IOC")
    for amount in ("5", "6"):
        linear.stage.ask("alice", "POST", "spot/sapi/asset/transfer", type="MAIN_UMFUTURE", asset="USDT", amount=amount)
    linear.stage.ask("alice", "POST", "spot/sapi/asset/transfer", type="UMFUTURE_MAIN", asset="USDT", amount="1")
    linear.buys()
    linear.stage.venue.funding.mark_all()
    linear.stage.wait(8 * DAY_S)
    flows = await linear.account.flows_since(START_MS * MS)
    transfers = [flow.amount for flow in flows if flow.kind == "transfer"]
    assert transfers == [Decimal(5), Decimal(6), Decimal(-1)]
    payments = [one for one in linear.stage.venue.funding.payments if one.account.name == "alice"]
    funding = [(flow.amount * 10**8, flow.symbol) for flow in flows if flow.kind == "funding"]
    assert funding == [(-one.amount, "BTC/USDT:USDT") for one in payments]
    assert len(flows) == 3 + len(payments)
    assert len({flow.key for flow in flows}) == len(flows)


def test_kinds_of_income():
    known = {
        "FUNDING_FEE": "funding",
        "AUTO_EXCHANGE": "transfer",
        "API_REBATE": "rebate",
        "POSITION_LIMIT_INCREASE_FEE": "fee",
        "INSURANCE_CLEAR": "other",
        "SOMETHING_NEW": "other",
    }
    assert {kind: account_linear._kind(kind) for kind in known} == known


def test_a_withdrawal_history_weighs_for_the_account():
    rules = VenueRules("binance")
    (limit,) = [limit for limit in rules.limits() if limit.unit == "wallet.uid"]
    cost = rules.cost("sapi", 2, path="capital/withdraw/history")
    assert (limit.most // cost["wallet.uid"], limit.per_account) == (10, True)
    assert "wallet.uid" not in rules.cost("sapi", 2, path="capital/deposit/hisrec")


@pytest.fixture
def untold(looked):
    """The venue tells of no order by its id, as it does of those that are older than 90 days."""

    async def no_order(params):
        raise library().OrderNotFound('binance {"code":-2013,"msg":"Order does not exist."}')

    setattr(looked.exchange, looked.account.order_method, no_order)
    looked.error = lambda error: GatewayError(str(error))
    return looked


async def test_an_execution_whose_order_is_no_longer_told_is_somebody_elses(untold, caplog):
    untold.buys("0.01", "by-hand")
    untold.stage.wait(61)
    (found,) = await untold.account.executions_since(START_MS * MS)
    assert (found.client_order_id, found.size) == (None, Decimal("0.01"))
    assert len(await untold.account.executions_since(START_MS * MS)) == 1
    assert caplog.text.count("taken for somebody else's") == 1


async def test_an_execution_whose_order_is_not_told_yet_is_asked_about_again(untold):
    untold.buys("0.01", OURS[1])
    with pytest.raises(GatewayError, match="-2013"):
        await untold.account.executions_since(START_MS * MS)
    untold.stage.wait(59)
    with pytest.raises(GatewayError, match="-2013"):
        await untold.account.executions_since(START_MS * MS)
    del vars(untold.exchange)[untold.account.order_method]
    (found,) = await untold.account.executions_since(START_MS * MS)
    assert found.client_order_id == OURS[1]


async def test_an_order_that_somebody_named_by_a_uuid_is_not_ours(looked):
    looked.stage.order("alice", "BUY", "0.01", "50000", where=looked.where, newClientOrderId=OURS[1][1:])
    looked.buys("0.01", OURS[2][1:])
    (order,) = await looked.account.open_orders()
    (execution,) = await looked.account.executions_since(START_MS * MS)
    assert (order.client_order_id, execution.client_order_id) == (OURS[1][1:], OURS[2][1:])
