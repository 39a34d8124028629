"""What an error proves of an order."""

import ccxt
import pytest

from libra.gateways.ccxt import Credentials
from libra.gateways.ccxt.errors import refusal_of

NOBODY = Credentials()


@pytest.mark.parametrize("code", [-1000, -1001, -1006, -1007, -1008, -1016])
def test_a_code_that_says_unknown_proves_nothing_whatever_class_it_has(code):
    error = ccxt.InvalidOrder(f'binance {{"code":{code},"msg":"Execution status unknown."}}')
    assert refusal_of(error, NOBODY, is_binance=True) is None


@pytest.mark.parametrize(
    "error",
    [
        ccxt.RequestTimeout("slow"),
        ccxt.ExchangeNotAvailable("down"),
        ccxt.OnMaintenance("later"),
        ccxt.NetworkError("cut"),
        ccxt.ExchangeError("something"),
        ccxt.BadResponse("a page"),
        ValueError("ours"),
    ],
)
def test_what_is_not_a_refusal_proves_nothing(error):
    assert refusal_of(error, NOBODY, is_binance=True) is None
    assert refusal_of(error, NOBODY, is_binance=False) is None


def test_a_rate_limit_of_binance_is_a_refusal_and_elsewhere_proves_nothing():
    error = ccxt.DDoSProtection("binance 429 Too Many Requests")
    assert refusal_of(error, NOBODY, is_binance=True).code == "DDoSProtection"
    assert refusal_of(error, NOBODY, is_binance=False) is None


@pytest.mark.parametrize(
    "error",
    [ccxt.DuplicateOrderId("again"), ccxt.InvalidOrder('x {"code":-4116,"msg":"ClientOrderId is duplicated."}')],
)
def test_an_order_that_is_there_already_is_a_duplicate(error):
    assert refusal_of(error, NOBODY, is_binance=True).code == "DUPLICATE"


def test_the_venues_code_and_words_are_kept():
    error = ccxt.InsufficientFunds("binance no money")
    error.answer = {"code": -2010, "msg": "no money"}
    refusal = refusal_of(error, NOBODY, is_binance=True)
    assert (refusal.code, refusal.detail) == ("-2010", "no money")
