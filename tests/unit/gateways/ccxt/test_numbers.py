"""Sums of a venue's amounts, exact whatever precision somebody has set; and which ids are ours."""

import decimal
from decimal import Decimal

import pytest

from libra.gateways.ccxt.numbers import decimal_of, order_id_of, sum_of, venue_order_id
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


DIGITS = "0123456789abcdef" * 2


@pytest.mark.parametrize("venue", ["binance", "bybit", "okx", "okxus", "myokx"])
def test_what_we_send_is_known_again_and_somebodys_uuid_is_not_ours(venue):
    ours = f"L{DIGITS}"
    assert order_id_of(venue_order_id(ours, venue), venue) == ours
    assert order_id_of(ours, venue) == ours
    # Where the letter is sent, its absence says that somebody else did.
    assert order_id_of(DIGITS, venue) == (ours if "okx" in venue else None)
    for foreign in (None, 7, "", "web_abc", f"x{DIGITS}", f"LL{DIGITS}", f"{ours}0", ours.lower(), f"{ours}\n"):
        assert order_id_of(foreign, venue) is None
