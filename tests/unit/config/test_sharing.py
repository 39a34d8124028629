"""Limits that are too low to be shared: told, not refused."""

from pathlib import Path

import pytest

from libra.config import load
from libra.config.sharing import limits_without_parts

SECOND = """
[[strategies]]
name = "second"
class = "libra.strategies.examples.sma_crossover:SmaCrossover"
account = "paper"
symbols = ["BTC/USDT:USDT"]
params = { fast = 10, slow = 30 }
"""


@pytest.fixture
def told(write):
    """What is said of a profile with these limits and two strategies."""

    def told(limits="", more=SECOND):
        path = write(swap={'max_order_notional = "20000"\n': f'max_order_notional = "20000"\n{limits}\n'})
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(more)
        settings = load(path, environ={})
        return limits_without_parts(settings, settings.account_groups)

    return told


@pytest.mark.parametrize(
    "limit",
    [
        "max_open_orders",
        "max_orders_per_instrument",
        "max_orders_per_second",
        "max_orders_per_minute",
        "max_messages_per_second",
    ],
)
def test_a_limit_below_the_number_of_those_who_share_it_is_named(told, limit):
    [sentence] = told(f"{limit} = 1")
    assert f"account paper: {limit} = 1 is below its 2 strategies, so none of them has a part of its own" in sentence
    assert "set 2 at least" in sentence
    assert told(f"{limit} = 2") == []


def test_so_is_that_of_one_instrument(told):
    [sentence] = told('[risk.per_symbol."BTC/USDT:USDT"]\nmax_orders_per_instrument = 1')
    assert 'per_symbol."BTC/USDT:USDT".max_orders_per_instrument = 1' in sentence


def test_who_is_alone_has_all_of_it(told):
    assert told("max_open_orders = 1", more="") == []
