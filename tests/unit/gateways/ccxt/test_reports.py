"""What CCXT's trades of other venues become: each fee is booked, whatever currencies it is in."""

from decimal import Decimal

import ccxt
import pytest

from libra.gateways.ccxt.reports import from_trade
from libra.gateways.protocol import VenueFlow

OURS = f"L{1:032x}"

# As Gate's documentation has it.
ROW = {
    "id": "1232893232",
    "create_time": "1645464610",
    "create_time_ms": "1645464610777.399200",
    "currency_pair": "DOGE_USDT",
    "side": "sell",
    "role": "taker",
    "amount": "10.97",
    "price": "0.137384",
    "order_id": "125924049993",
    "fee": "0.00301420496",
    "fee_currency": "USDT",
    "point_fee": "0",
    "gt_fee": "0",
}


def told(**more):
    """What one of Gate's rows becomes, read by CCXT."""
    exchange = ccxt.gate()
    exchange.number = str
    market = {"id": "DOGE_USDT", "symbol": "DOGE/USDT", "spot": True, "contract": False, "settle": None}
    return from_trade(OURS, exchange.parse_trade({**ROW, **more}, market))


def test_an_execution_has_its_fee():
    (report,) = told()
    assert (report.order_id, report.trade_id, report.price) == (OURS, 1232893232, Decimal("0.137384"))
    assert (report.fee, report.fee_currency) == (Decimal("0.00301420496"), "USDT")


def test_a_fee_that_is_paid_in_another_currency_is_the_fee():
    (report,) = told(fee="0", gt_fee="2.2")
    assert (report.fee, report.fee_currency) == (Decimal("2.2"), "GT")


def test_what_an_execution_costs_in_further_currencies_is_told_beside_it():
    *beside, report = told(point_fee="1.1", gt_fee="2.2")
    assert (report.fee, report.fee_currency) == (Decimal("0.00301420496"), "USDT"), "of its market"
    at_ns = 1645464610777 * 10**6
    assert beside == [
        VenueFlow(f"FEE {OURS} 1232893232 GATEPOINT", "fee", "GATEPOINT", Decimal("-1.1"), "DOGE/USDT", at_ns),
        VenueFlow(f"FEE {OURS} 1232893232 GT", "fee", "GT", Decimal("-2.2"), "DOGE/USDT", at_ns),
    ]


def trade(*fees):
    """A unified trade, its fees in any order."""
    terms = {"price": "2", "amount": "1", "symbol": "A/USDT:USDT", "timestamp": 1}
    return {"id": "7", "order": "1", **terms, "fees": [*fees]}


@pytest.mark.parametrize("turn", [1, -1])
def test_the_same_fees_are_told_the_same_way_in_any_order(turn):
    costs = {"ZZZ": "0.1", "BBB": "-0.2", "USDT": "0.3"}
    fees = [{"cost": cost, "currency": currency} for currency, cost in costs.items()]
    *beside, report = from_trade(OURS, trade(*fees[::turn]))
    assert (report.fee, report.fee_currency) == (Decimal("0.3"), "USDT")
    assert [(flow.kind, flow.amount, flow.currency) for flow in beside] == [
        ("rebate", Decimal("0.2"), "BBB"),
        ("fee", Decimal("-0.1"), "ZZZ"),
    ]


def test_fees_of_one_currency_are_one_and_none_is_none():
    (report,) = from_trade(OURS, trade({"cost": "0.1", "currency": "USDT"}, {"cost": "0.2", "currency": "USDT"}))
    assert report.fee == Decimal("0.3")
    (report,) = from_trade(OURS, trade({"cost": "0", "currency": "USDT"}))
    assert (report.fee, report.fee_currency) == (0, "USDT")
    (report,) = from_trade(OURS, trade())
    assert report.fee is None
