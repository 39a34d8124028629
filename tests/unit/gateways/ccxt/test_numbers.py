"""Sums of a venue's amounts: exact, whatever precision somebody has set."""

import decimal
from decimal import Decimal

import pytest

from libra.gateways.ccxt.numbers import decimal_of, sum_of
from libra.gateways.ccxt.orders import _executed_size
from libra.gateways.ccxt.reports import _fees

AMOUNTS = ("123456789.12345678", "0.00000001", "-3", "900000000000000000000000000001")
TOTAL = Decimal("900000000000000000000123456787.12345679")


@pytest.mark.parametrize("precision", [1, 4, 28])
def test_sums_are_exact_at_any_precision(precision):
    with decimal.localcontext() as low:
        low.prec = precision
        assert str(sum_of(decimal_of(amount) for amount in AMOUNTS)) == str(TOTAL)
        assert str(_executed_size([{"amount": amount} for amount in AMOUNTS])) == str(TOTAL)
        assert sum_of(()) == 0
        fees = [{"cost": "1.00000001", "currency": "BNB"}, {"cost": "0.12345678", "currency": "BNB"}]
        assert {currency: str(fee) for currency, fee in _fees({"fees": fees}).items()} == {"BNB": "1.12345679"}
