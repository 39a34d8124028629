"""The gateway actor with a gateway whose account can be looked at: when it looks, what waits for it, who is told."""

import asyncio
import time
from decimal import Decimal
from types import SimpleNamespace

import pytest

from libra.assembly.operator import Operator
from libra.control.peer import Peer
from libra.errors import ControlError
from libra.gateways.protocol import (
    ForeignExecution,
    ReconcilingGateway,
    VenueExecution,
    VenueFlow,
    VenueOrder,
    VenuePosition,
)
from libra.model import OrderReport, OrderSide, OrderType

SYMBOL = "BTC/USDT:USDT"
FAST = ", reconcile_every_s = 0.02, histories_lag_s = 0"
LOST = "L" + "0a" * 16
PEER = Peer(1_000, 4_242)


def listed(order_id, venue_order_id="v1", size="0.020"):
    numbers = (Decimal("99.0"), Decimal(size), Decimal(0))
    return VenueOrder(order_id, venue_order_id, SYMBOL, OrderSide.BUY, OrderType.LIMIT, *numbers, time.time_ns())


def execution(order_id, trade_id, size="0.020", venue_order_id="v1"):
    numbers = (Decimal("100.1"), Decimal(size), Decimal("0.001"))
    return VenueExecution(
        order_id, venue_order_id, trade_id, SYMBOL, OrderSide.BUY, *numbers, "USDT", "TAKER", time.time_ns()
    )


def accepted(order_id):
    return OrderReport(order_id, "ACCEPTED", venue_order_id="v1")


def operator(node):
    return Operator(node.node, time.time_ns(), "p", "0")


@pytest.fixture
def shown(running):
    return lambda **how: running(**{"gateway": "ShownGateway", "more": FAST, **how})


def test_the_protocol_can_be_asked_at_run_time(fake, script):
    methods = ("open_orders", "executions_since", "flows_since", "account_state")
    shown = type("Shown", (fake,), dict.fromkeys(methods, fake.positions))
    assert isinstance(shown(), ReconcilingGateway)
    assert not isinstance(fake(), ReconcilingGateway)


async def test_no_order_leaves_before_the_first_look_that_decides(shown, script):
    gate = asyncio.Event()

    async def wait(state):
        await gate.wait()
        return state

    script.on_state = wait
    async with shown(ready=False) as node:
        await node.until(lambda: script.looks == 1 and node.strategy is not None and node.account.markets())
        early = node.submit()
        await node.until(lambda: node.status(early) == "REJECTED")
        assert node.account.order(early).reason == "RECONCILING"
        gate.set()
        await node.ready()
        assert script.looks >= 2, "an account without a past waits for two that agree"
        late = node.submit()
        await node.until(lambda: script.ordered == [late])
        assert node.account.last_look()["settled"]


async def test_the_account_is_opened_with_what_the_venue_has(shown, script, caplog):
    script.balances = {"USDT": Decimal("70.5"), "BNB": Decimal("0.001")}
    script.positions = [VenuePosition(SYMBOL, Decimal("-0.030"), Decimal(10) / 3)]
    async with shown() as node:
        balances = {row["currency"]: row["total"] for row in node.account.balances()}
        assert (balances["USDT"], balances["BNB"]) == (Decimal("70.5"), Decimal("0.001"))
        (position,) = node.account.positions()
        assert (position["size"], position["cost"]) == (Decimal("-0.030"), Decimal("-0.1"))
        assert str(position["entry_price"]) == "3.3", "of the venue's word, as it is shown"
        since = script.since[-1]
        assert since > time.time_ns() - 600_000_000_000
    assert "opened with what the venue has" in caplog.text


async def test_a_venue_that_shows_nothing_is_asked_again_and_orders_wait(shown, script, caplog):
    async def fail(state):
        raise ConnectionError("no picture")

    script.on_state = fail
    async with shown(ready=False) as node:
        await node.until(lambda: script.looks >= 1 and "no look at the account" in caplog.text)
        assert node.account.is_reconciling
        script.on_state = lambda state: state
        await node.until(lambda: not node.account.is_reconciling)


async def test_a_missed_execution_and_a_flow_are_booked_once(shown, script, caplog):
    async with shown() as node:
        order_id = node.submit(price="99.0")
        await node.until(lambda: script.ordered == [order_id])
        script.orders = [listed(order_id)]
        script.report(accepted(order_id))
        await node.until(lambda: node.status(order_id) == "ACCEPTED")
        script.on_query = lambda _: [accepted(order_id)]
        script.positions = [VenuePosition(SYMBOL, Decimal("0.020"), Decimal("100.1"))]
        script.flows = [VenueFlow("d1", "transfer", "USDT", Decimal(50), None, time.time_ns() + 1_000_000_000)]
        script.executions = [execution(None, 7), execution(order_id, 7)]
        script.orders = []
        script.balances = {"USDT": Decimal("100049.999")}
        await node.until(lambda: node.status(order_id) == "FILLED")
        await node.until(lambda: node.account.last_look()["settled"] and not node.account.last_look()["missed_flows"])
        script.report(OrderReport(order_id, "FILLED", trade_id=7, price="100.1", size="0.020", fee="0.001"))
        looks = script.looks
        await node.until(lambda: script.looks > looks + 1)
        assert [fill.trade_id for fill in node.account.fills()] == [7]
        (usdt,) = [row for row in node.account.balances() if row["currency"] == "USDT"]
        assert (usdt["total"], usdt["opening"]) == (Decimal("100049.999"), Decimal(100_050))
        assert node.account.last_look()["differences"] == []
    assert node.outcome.errors == 0


async def test_an_order_that_the_log_lost_is_adopted_and_cancelled_by_the_kill_switch(shown, script):
    script.orders = [listed(LOST)]
    script.on_query = lambda order_id: [accepted(order_id)]
    async with shown() as node:
        await node.until(lambda: node.status(LOST) == "ACCEPTED")
        assert node.account.order(LOST).strategy == "adopted"
        assert script.queried == [LOST]
        node.node.cancel_outside(node.account, node.account.kill("test"))
        await node.until(lambda: script.cancelled == [LOST])


async def test_a_report_of_an_unknown_order_has_it_looked_for(shown, script):
    async with shown(more=", reconcile_every_s = 3600, histories_lag_s = 0") as node:
        looks = script.looks
        script.orders = [listed(LOST)]
        script.on_query = lambda order_id: [accepted(order_id)]
        script.report(accepted(LOST))
        await node.until(lambda: node.status(LOST) == "ACCEPTED")
        assert script.looks > looks
        assert node.account.standing()["incident"] is None


async def test_what_is_foreign_is_told_once_by_event_and_log(shown, script, caplog):
    async with shown() as node:
        told = []
        node.strategy.on_risk_event = told.append
        script.orders = [listed(None, "v9"), listed("someone-else", "v10")]
        await node.until(lambda: node.account.last_look()["foreign"] == 2)
        looks = script.looks
        await node.until(lambda: script.looks > looks + 3)
        assert script.cancelled == []
    assert caplog.text.count("order v9 is not ours") == 1
    assert caplog.text.count("order v10 is not ours") == 1


async def test_a_difference_stops_new_orders_until_the_venues_word_is_taken(shown, script, caplog):
    async with shown() as node:
        verbs = operator(node)
        with pytest.raises(ControlError, match="nothing to accept"):
            verbs.resume(PEER, {"accept_venue": True})
        script.positions = [VenuePosition(SYMBOL, Decimal("0.010"), Decimal("100.0"))]
        await node.until(lambda: node.account.standing()["incident"] is not None)
        code, detail = node.account.standing()["incident"]
        assert (code, detail) == (
            "POSITION_DIFFERS",
            "BTC/USDT:USDT: ours 0, the venue's 0.01, difference 0.01",
        )
        refused = node.submit()
        await node.until(lambda: node.status(refused) == "REJECTED")
        assert node.account.order(refused).reason == "INCIDENT"
        verbs.resume(PEER, {"reason": "it will be right"})
        assert node.account.is_reconciling, "a look comes first"
        await node.until(lambda: node.account.standing()["incident"] is not None)
        (row,) = verbs.resume(PEER, {"accept_venue": True, "reason": "by hand"})["accounts"]
        assert row["look"]["differences"] == [], "what was taken cannot be taken again"
        await node.until(lambda: not node.account.is_reconciling)
        assert node.account.standing()["stopped"] is None
        (position,) = node.account.positions()
        assert (position["size"], position["cost"]) == (Decimal("0.010"), Decimal(1))
        sent = node.submit()
        await node.until(lambda: script.ordered == [sent])
    assert "POSITION_DIFFERS" in caplog.text
    assert "the venue's word is taken (libra resume --accept-venue by" in caplog.text
    assert "by hand" in caplog.text


async def test_a_word_that_is_no_yes_or_no_is_refused(shown):
    async with shown() as node:
        with pytest.raises(ControlError, match="true or false"):
            operator(node).resume(PEER, {"accept_venue": "yes"})
        two = SimpleNamespace(core=node.node.core, accounts={"a": node.account, "b": node.account})
        with pytest.raises(ControlError, match="name one account"):
            Operator(two, 0, "p", "0").resume(PEER, {"accept_venue": True})


async def test_a_look_that_hangs_is_given_up_and_orders_go_on(shown, script):
    async with shown(before=lambda node: None) as node:
        node.gateway_actor._reconciler._within_s = 0.05
        hung = asyncio.Event()

        async def hang(state):
            hung.set()
            await asyncio.sleep(3_600)

        script.on_state = hang
        await node.until(hung.is_set)
        sent = node.submit()
        await node.until(lambda: script.ordered == [sent])
        script.on_state = lambda state: state
        script.report(accepted(sent))
        script.orders = [listed(sent)]
        looks = script.looks
        await node.until(lambda: script.looks > looks)


async def test_a_reconnect_needs_a_look_anew(shown, script):
    async with shown(more=", reconcile_every_s = 3600, histories_lag_s = 0") as node:
        looks = script.looks
        script.connected = False
        await node.until(lambda: node.account.is_reconciling and node.account.waits_for_look)
        script.connected = True
        await node.until(lambda: not node.account.is_reconciling)
        assert script.looks == looks + 1


async def test_a_restart_goes_on_from_its_log(shown, script):
    async with shown() as node:
        order_id = node.submit(price="99.0")
        await node.until(lambda: script.ordered == [order_id])
        script.report(accepted(order_id))
        await node.until(lambda: node.status(order_id) == "ACCEPTED")
    # It was executed while nobody was there, and the venue's answer to the query is late.
    script.on_query = lambda _: [accepted(order_id)]
    script.executions = [execution(order_id, 3)]
    script.positions = [VenuePosition(SYMBOL, Decimal("0.020"), Decimal("100.1"))]
    script.balances = {"USDT": Decimal("99999.999")}
    async with shown() as node:
        assert node.status(order_id) == "FILLED"
        assert not node.account.last_look()["opened"]
        assert node.account.last_look()["differences"] == []
        assert len(node.account.fills()) == 1


FOREIGN = ForeignExecution("BTCUSDT", "autoclose-1")


async def test_behind_a_foreign_execution_no_order_leaves_before_a_look_that_began_behind_it(shown, script, caplog):
    async with shown(more=", reconcile_every_s = 60") as node:
        gate, looks = asyncio.Event(), script.looks

        async def wait(state):
            await gate.wait()
            return state

        script.on_state = wait
        script.report(FOREIGN)
        await node.until(lambda: script.looks == looks + 1)
        refused = node.submit()
        await node.until(lambda: node.status(refused) == "REJECTED")
        assert node.account.order(refused).reason == "RECONCILING"
        # Another one while it looks: what the look shows may be of before it.
        script.report(FOREIGN)
        await node.until(lambda: "somebody else has traded" in caplog.text)
        await asyncio.sleep(0.05)
        gate.set()
        await node.until(lambda: script.looks >= looks + 2)
        await node.ready()
        late = node.submit()
        await node.until(lambda: script.ordered == [late])
    assert caplog.text.count("somebody else has traded") == 1


async def test_a_foreign_execution_is_a_difference_at_once(shown, script):
    async with shown(more=", reconcile_every_s = 60, histories_lag_s = 0") as node:
        script.positions = [VenuePosition(SYMBOL, Decimal("0.050"), Decimal(100))]
        script.report(FOREIGN)
        await node.until(lambda: node.account.last_look()["differences"], within_s=10)
        refused = node.submit()
        await node.until(lambda: node.status(refused) == "REJECTED")
        assert node.account.order(refused).reason == "INCIDENT"


async def test_whoever_trades_by_hand_all_the_time_takes_few_looks(shown, script):
    async with shown(more=", reconcile_every_s = 60") as node:
        looks = script.looks
        until = time.monotonic() + 6
        number = 0
        while time.monotonic() < until:
            number += 1
            script.positions = [VenuePosition(SYMBOL, Decimal(number) / 1000, Decimal(100))]
            script.report(FOREIGN)
            await asyncio.sleep(0.05)
        assert 2 <= script.looks - looks <= 3
        assert node.account.is_reconciling


async def test_an_execution_under_our_prefix_that_nobody_knows_stops_new_orders_too(shown, script):
    async with shown(more=", reconcile_every_s = 60") as node:
        looks = script.looks
        fill = {"price": Decimal(100), "size": Decimal("0.020"), "fee": Decimal(0), "fee_currency": "USDT"}
        script.report(OrderReport(LOST, "FILLED", venue_order_id="v9", trade_id=1, ts_venue_ns=1, **fill))
        await node.until(lambda: script.looks > looks, within_s=10)
        await node.until(lambda: not node.account.is_reconciling)


class Elsewhere:
    """A venue's class as CCXT has it, which lists orders and positions."""

    has = {"fetchOpenOrders": True, "fetchPositions": True}  # noqa: RUF012 - as CCXT's

    def __init__(self, market_kind):
        self.market_kind = market_kind
        self.orders, self.held, self.looks = [], [], 0

    async def fetch_open_orders(self, symbol):
        self.looks += 1
        return self.orders

    async def fetch_positions(self, symbols):
        return [{"symbol": SYMBOL, "side": "long", "contracts": held, "contractSize": "1"} for held in self.held]


@pytest.mark.parametrize("market_kind", ["spot", "swap"])
async def test_open_orders_of_any_venue_are_looked_at_and_positions_where_it_tells_them(
    running, script, caplog, market_kind
):
    exchange = script.exchange = Elsewhere(market_kind)

    def listed(order_id, venue_order_id="v1", size="0.020", filled="0"):
        terms = {"symbol": SYMBOL, "side": "buy", "price": "99.0", "status": "open", "timestamp": 1}
        return {"id": venue_order_id, "clientOrderId": order_id, "amount": size, "filled": filled, **terms}

    async with running(gateway="ElsewhereGateway", more=FAST) as node:
        (balance,) = node.account.balances(blank=False)
        assert balance["total"] == Decimal(100_000), "the profile's: no balance is told"
        order_id = node.submit(price="99.0")
        await node.until(lambda: script.ordered == [order_id])
        script.on_query = lambda _: [accepted(order_id)]
        script.report(accepted(order_id))
        await node.until(lambda: node.status(order_id) == "ACCEPTED")
        exchange.orders = [listed(order_id, size="0.010"), listed("by hand", "v2")]
        await node.until(lambda: f"{order_id}: the venue has it with size 0.01, not 0.02" in caplog.text)
        await node.until(lambda: "order v2 is not ours" in caplog.text)
        # It is not listed, and when it is asked about it is gone.
        script.on_query = lambda _: [OrderReport(order_id, "CANCELLED", venue_order_id="v1", ts_venue_ns=1)]
        exchange.orders = []
        await node.until(lambda: node.status(order_id) == "CANCELLED")
        looks, exchange.held = exchange.looks, ["0.010"]
        if market_kind == "spot":
            await node.until(lambda: exchange.looks > looks + 3)
            assert node.account.standing()["incident"] is None
        else:
            await node.until(lambda: node.account.standing()["incident"] is not None)
            assert node.account.standing()["incident"][0] == "POSITION_DIFFERS"


async def test_an_order_of_any_venue_that_is_larger_there_stops_new_ones(running, script):
    exchange = script.exchange = Elsewhere("spot")
    async with running(gateway="ElsewhereGateway", more=FAST) as node:
        order_id = node.submit(price="99.0")
        await node.until(lambda: script.ordered == [order_id])
        script.report(accepted(order_id))
        terms = {"symbol": SYMBOL, "side": "buy", "price": "99.0", "status": "open", "filled": "0"}
        exchange.orders = [{"id": "v1", "clientOrderId": None, "amount": "0.300", **terms}]
        await node.until(lambda: node.account.standing()["incident"] is not None)
        assert node.account.standing()["incident"][0] == "ORDER_DIFFERS"


async def test_an_order_that_was_changed_by_hand_stays_ours_and_what_changed_is_told(shown, script, caplog):
    async with shown() as node:
        order_id = node.submit(price="99.0")
        await node.until(lambda: script.ordered == [order_id])
        script.on_query = lambda _: [accepted(order_id)]
        script.report(accepted(order_id))
        await node.until(lambda: node.status(order_id) == "ACCEPTED")
        # Its client id is another one, as behind an amendment; what is foreign has decimals that nothing here has.
        foreign = listed("web", "v2", "0.0000000001")
        script.orders = [listed("random", "v1", "0.010"), foreign]
        script.positions, queried = [], len(script.queried)
        await node.until(lambda: f"{order_id}: the venue has it with size 0.01, not 0.02" in caplog.text)
        assert (node.status(order_id), node.account.last_look()["foreign"]) == ("ACCEPTED", 1)
        assert "order v1 is not ours" not in caplog.text
        assert len(script.queried) == queried
        assert node.account.standing()["incident"] is None
        script.orders = [listed("random", "v1", "0.300")]
        await node.until(lambda: node.account.standing()["incident"] is not None)
        assert node.account.standing()["incident"][0] == "ORDER_DIFFERS"
    assert f"ORDER_DIFFERS: {order_id}: the venue has it with size 0.3, not 0.02" in caplog.text
