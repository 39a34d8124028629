"""A spot account of many symbols at a venue whose rate budget is smaller than a look."""

import asyncio
import time
import types

import pytest

from libra.errors import GatewayError
from libra.gateways.budget import Limit, RateBudget, Urgency
from libra.gateways.ccxt.account_spot import SpotAccount
from libra.gateways.reconciler import Reconciler
from libra.gateways.turnstile import Turnstile

S = 1_000_000_000
SYMBOLS = [f"S{number}/USDT" for number in range(40)]


class Exchange:
    """Answers in a while; each request takes its turn."""

    def __init__(self, gate, answer_s=0.02):
        self.urls = {"api": {}}
        self.gate = gate
        self.answer_s = answer_s
        self.asked = []
        self.fails = set()
        self.at_once = self.most_at_once = 0

    def market(self, symbol):
        return {"id": symbol.replace("/", "")}

    def safe_symbol(self, market_id, *_):
        return market_id

    def __getattr__(self, name):
        async def ask(params):
            self.gate.used(await self.gate.take(Urgency.QUERY, {"weight": 20}))
            self.asked.append((name, params.get("symbol")))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            await asyncio.sleep(self.answer_s)
            self.at_once -= 1
            if params.get("symbol") in self.fails:
                raise GatewayError("no answer")
            return {"balances": []} if name == "privateGetAccount" else []

        return ask


class Account:
    """Takes what looks find."""

    wants_look = False

    def __init__(self):
        self.taken, self.failed = 0, 0

    def require_looks(self, *, patience_s):
        assert patience_s == 30

    def begin_look(self):
        return time.time_ns() - 300 * S

    def take_look(self, *_):
        self.taken += 1
        return [], []

    def fail_look(self):
        self.failed += 1

    def last_look(self):
        return None


def account_at(exchange):
    hooks = types.SimpleNamespace(turnstile=exchange.gate)
    options = types.SimpleNamespace(venue="binance", account="many")
    venue = types.SimpleNamespace(
        exchange=exchange, venue_now_ns=time.time_ns, error=lambda error: error, options=options, hooks=hooks
    )
    user = types.SimpleNamespace(order_id_at=lambda *_: None, money_moved=0)
    return SpotAccount(venue, user, SYMBOLS, None)


@pytest.fixture
def gate():
    return Turnstile(RateBudget([Limit("spot.weight_1m", "weight", 400, S)]))


def looks_at(account, log, within_s):
    import logging

    taken = Account()
    looks = Reconciler(account, taken, logging.getLogger("x"), log, every_s=60, within_s=within_s, lag_s=30)
    return taken, looks


async def test_a_look_that_weighs_more_than_the_budget_comes_to_its_end(gate):
    exchange = Exchange(gate)
    taken, looks = looks_at(account_at(exchange), lambda _: None, within_s=0.4)
    began = time.monotonic()
    # 840 of weight, of which a second has 400: two seconds of waiting, that do not count.
    await looks.look()
    assert (taken.taken, taken.failed) == (1, 0)
    assert 1.9 < time.monotonic() - began < 4
    assert 2 <= exchange.most_at_once <= 8


async def test_a_look_that_waits_without_end_is_given_up(gate):
    exchange = Exchange(gate)
    taken, looks = looks_at(account_at(exchange), lambda _: None, within_s=0.1)
    gate.penalise(60)
    began = time.monotonic()
    await looks.look()
    assert (taken.taken, taken.failed) == (0, 1)
    assert 0.9 < time.monotonic() - began < 3


async def test_what_a_failed_look_had_read_is_kept_and_then_read_anew(gate):
    gate = Turnstile(RateBudget([Limit("spot.weight_1m", "weight", 100_000, S)]))
    exchange = Exchange(gate, answer_s=0.001)
    taken, looks = looks_at(account_at(exchange), lambda _: None, within_s=5)
    exchange.fails = {"S39USDT"}
    await looks.look()
    read = {symbol for name, symbol in exchange.asked if name == "privateGetMyTrades"}
    assert taken.failed == 1
    assert len(read) == 40
    exchange.fails, exchange.asked = set(), []
    await looks.look()
    again = [symbol for name, symbol in exchange.asked if name == "privateGetMyTrades"]
    assert taken.taken == 1
    # Those whose answers had not come are few: as many as may be asked for at once.
    assert "S39USDT" in again
    assert len(again) <= 8
    exchange.asked = []
    await looks.look()
    assert len([symbol for name, symbol in exchange.asked if name == "privateGetMyTrades"]) == 40


def test_an_account_that_weighs_more_than_a_minute_is_told_of(gate, caplog):
    account_at(Exchange(gate)).check_budget()
    assert "many: a look at 40 symbols weighs 800, and a minute has 400: it takes 120 s" in caplog.text
    caplog.clear()
    account_at(Exchange(Turnstile(RateBudget([Limit("spot.weight_1m", "weight", 6_000, S)])))).check_budget()
    assert caplog.text == ""
