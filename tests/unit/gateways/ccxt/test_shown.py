"""Which gateways show the whole account, and who asks them for it."""

import logging

import ccxt.pro
import pytest

from libra.gateways.actor import can_show
from libra.gateways.ccxt import CcxtOptions, make_turnstile
from libra.gateways.ccxt.account_unified import UnifiedAccount
from libra.gateways.ccxt.actors import _Bound
from libra.gateways.ccxt.guard import Hooks
from libra.gateways.ccxt.rules import VenueRules
from libra.gateways.ccxt.shown import ShownCcxtGateway, account_gateway
from libra.gateways.ccxt.user_stream import UserStream
from libra.gateways.ccxt.venue import Venue


def made(venue, market):
    return account_gateway(CcxtOptions(venue, market=market, account="mine"), make_turnstile(venue), [])


@pytest.mark.parametrize(("venue", "market"), [("binance", "spot"), ("binance", "swap"), ("binanceusdm", "swap")])
def test_binances_accounts_are_shown_through_the_actors_wrapper_too(venue, market, caplog):
    gateway = made(venue, market)
    assert isinstance(gateway, ShownCcxtGateway)
    assert can_show(gateway)
    assert can_show(_Bound(gateway))
    assert caplog.records == []


@pytest.mark.parametrize(
    ("venue", "market", "looked"),
    [
        ("okx", "swap", "open orders and positions"),
        ("okx", "spot", "open orders"),
        ("binanceus", "spot", "open orders"),
        ("binancecoinm", "swap", "open orders and positions"),
    ],
)
def test_others_show_what_they_have_and_what_is_missing_is_said_once(venue, market, looked, caplog):
    with caplog.at_level(logging.WARNING):
        gateway = made(venue, market)
    assert can_show(gateway)
    assert can_show(_Bound(gateway))
    assert isinstance(gateway._account, UnifiedAccount)
    (said,) = caplog.messages
    assert said.startswith(f"{venue} ({market}): of mine {looked} are held against the venue, and no balances: its")


@pytest.mark.parametrize("lacking", ["fetchMyTrades", "fetchOpenOrders"])
def test_what_a_venues_class_lacks_is_named(monkeypatch, caplog, lacking):
    class Lacking(ccxt.pro.binance):
        def describe(self):
            described = super().describe()
            return {**described, "has": {**described["has"], lacking: False}}

    turnstile = make_turnstile("binance")
    monkeypatch.setattr(ccxt.pro, "binance", Lacking)
    gateway = account_gateway(CcxtOptions("binance", account="mine"), turnstile, [])
    assert can_show(gateway) is (lacking == "fetchMyTrades"), (
        "without a list of open orders there is nothing to look at"
    )
    assert f"it lacks {lacking}" in caplog.text


def test_a_sign_that_money_moved_is_counted():
    venue = Venue(CcxtOptions("binance"), make_turnstile("binance"))
    venue.hooks = Hooks(venue.hooks.turnstile, VenueRules("binance"), "")
    user = UserStream(venue)
    for message in ({"e": "balanceUpdate"}, {"event": {"e": "balanceUpdate"}}, {"e": "executionReport"}, {}):
        user._look_at(object(), message)
    assert user.money_moved == 2
