"""An account whose strategies are on another node: what it believes, what stops it, and what is acknowledged."""

import pytest

from libra.core.events import Event, EventType
from libra_core import ContractKind, Instrument, Quote, Trade

INSTRUMENT = Instrument(
    "BTC/USDT:USDT",
    "tests",
    base="BTC",
    quote="USDT",
    price_decimals=2,
    size_decimals=3,
    tick_size="0.01",
    lot_size="0.001",
    kind=ContractKind.LINEAR,
)
LIMITS = {
    "max_position": "10",
    "max_order_size": "10",
    "max_position_notional": "1000000",
    "max_order_notional": "1000000",
    "max_open_orders": 100,
    "price_collar_pct": 5,
    "max_daily_loss": "1000",
    "max_drawdown_pct": 10,
    "max_orders_per_second": 100,
    "max_quote_age_ms": 60_000,
}


def opened(core, name, strategy="strategy", **more):
    """An account of one instrument and one strategy, with the limits above."""
    return core.open_account(
        name,
        [INSTRUMENT],
        [strategy],
        balances=[("USDT", "1000000")],
        sizing=("fixed_size", "1"),
        sizing_overrides=[],
        allow_short=True,
        limits=list(LIMITS.items()),
        **more,
    )


@pytest.fixture
def split(pair):
    """Node `a` has a strategy (slot 0), node `b` the market and the account."""
    two = pair()
    two.account = opened(two.b.core, "main")
    two.account.set_reconciled()
    two.a.core.list_instruments([INSTRUMENT])
    two.b.core.list_instruments([INSTRUMENT])
    two.a.actor("strategy")
    two.b.actor("risk", EventType.ORDER_REQUEST, handler=two.account.on_request, decisive=True)
    two.execution, _ = two.b.actor(
        "execution", EventType.ORDER_APPROVED, handler=two.account.on_approved, decisive=True
    )
    _, two.rejected = two.b.actor("rejected", EventType.ORDER_REJECTED)
    _, two.made = two.b.actor("made", EventType.ORDER_NEW)
    return two.join()


def market(node, price="60000.00"):
    """A quote and a trade at about this price, of the market of a node."""
    for event_type, payload in (
        (EventType.QUOTE, Quote(INSTRUMENT.id, price, f"{price[:-2]}10", "1", "1")),
        (EventType.TRADE, Trade(INSTRUMENT.id, price, "100000")),
    ):
        assert node.core.publish_market(Event.create(event_type, "market", payload), INSTRUMENT.id)


def ask(two, price="60000.00"):
    return two.a.core.emit_order_request(0, "main", INSTRUMENT.id, "BUY", "0.001", price, "GTC", 0, None)


def trade_on(two):
    market(two.b)
    two.settle()
    return ask(two)


def test_an_account_believes_the_market_of_its_own_node_alone(split):
    """Out there anyone may say anything: a fair value is no price, and an old quote said again is no fresh one."""
    _, heard = split.b.actor("listens", EventType.QUOTE)
    split.settle()
    market(split.a)
    split.settle()
    assert len(heard) == 1
    ask(split)
    split.settle()
    market(split.b)
    market(split.a, "90000.00")
    assert split.a.core.emit(0, EventType.QUOTE, Quote(INSTRUMENT.id, "90000.00", "90000.10", "1", "1"), INSTRUMENT.id)
    split.settle()
    ask(split, "90000.00")
    made = ask(split)
    split.settle()
    assert [event.payload.reason for event in split.rejected] == ["NO_MARKET", "PRICE_COLLAR"]
    assert [event.payload.order_id for event in split.made] == [made]


def test_where_an_account_was_opened_its_facts_are_its_desks_alone(split):
    with pytest.raises(ValueError, match="ORDER_FILLED is a fact of an account"):
        split.b.core.emit(split.execution, EventType.ORDER_FILLED, {})
    assert split.a.core.emit(0, EventType.BAR, {})


def test_an_order_is_acknowledged_when_its_intent_stands_in_the_log(split):
    split.b.core.set_paused(split.execution, True)
    order_id = trade_on(split)
    split.settle()
    assert split.b.failures == []
    assert [event.payload.reason for event in split.rejected] == []
    assert split.a.bridge.stats()["outbox"] == 1, "risk has handled it, and no log knows of it"
    split.b.core.set_paused(split.execution, False)
    split.settle()
    assert [event.payload.order_id for event in split.made] == [order_id]
    assert split.a.bridge.stats()["outbox"] == 0


def test_a_kill_switch_latches_before_an_approval_that_waits_can_leave(split):
    split.b.core.set_paused(split.execution, True)
    trade_on(split)
    split.settle()
    assert split.a.core.emit(0, EventType.CIRCUIT_BREAKER, {"why": "test"})
    split.settle()
    assert split.account.is_killed
    split.b.core.set_paused(split.execution, False)
    split.settle()
    assert [event.payload.reason for event in split.rejected] == ["KILL_SWITCH"]
    assert split.a.bridge.stats()["outbox"] == 0


def test_prices_arrive_in_the_decimals_that_are_listed_or_not_at_all(pair):
    two = pair()
    _, seen = two.b.actor("watch", EventType.QUOTE)
    two.b.core.list_instruments([INSTRUMENT])
    two.join()
    for bid in ("60000.1", "60000.001"):
        quote = Quote(INSTRUMENT.id, bid, "60001", "1", "1")
        assert two.a.core.publish_market(Event.create(EventType.QUOTE, "market", quote), INSTRUMENT.id)
    two.settle()
    assert [str(event.payload.bid) for event in seen] == ["60000.10"]
    assert two.b.bridge.stats()["misfits"] == 1
