"""Parts of profiles that several tests need, as TOML: a synthetic symbol, its listing, a paper account."""

from __future__ import annotations


def symbol(
    name: str,
    *,
    start_price: str,
    volatility_bps: float,
    quotes_hz: float,
    trades_hz: float,
    books_hz: float,
    level_size: str,
) -> str:
    """A symbol of the synthetic market."""
    return f"""
[[market.symbols]]
symbol = "{name}"
start_price = "{start_price}"
volatility_bps_per_sqrt_s = {volatility_bps}
spread_ticks = 1
quote_rate_hz = {quotes_hz}
trade_rate_hz = {trades_hz}
book_rate_hz = {books_hz}
level_size = "{level_size}"
"""


def instrument(name: str) -> str:
    """How a symbol of the synthetic market is listed."""
    return _listing(name, "synthetic", maker_fee="0.0002") + 'min_notional = "5"\n'


BESIDE = """
[[strategies]]
name = "other"
class = "other.py:Mine"
account = "paper"
symbols = ["BTC/USDT:USDT"]
"""
"""Another strategy on the same account, which `other.py` has."""


def perpetual(venue: str) -> str:
    """How a venue of the tests lists the one contract that is traded there."""
    return _listing("BTC/USDT:USDT", venue, maker_fee="0.0005")


def _listing(name: str, venue: str, *, maker_fee: str) -> str:
    return f"""
[[instruments]]
symbol = "{name}"
venue = "{venue}"
kind = "linear"
price_decimals = 1
size_decimals = 3
tick_size = "0.1"
lot_size = "0.001"
max_size = "1000"
maker_fee = "{maker_fee}"
taker_fee = "0.0005"
"""


def account(*, balance: str, order_value: str, more: str = "") -> str:
    """A paper account named `paper`, with so many USDT, and orders of a fixed value."""
    return f"""
[[account_groups]]
name = "paper"
balances = {{ USDT = "{balance}" }}
allow_short = true
gateway = {{ kind = "paper", latency_ms = 5, slippage_ticks = 0, limit_fill = "through" }}
sizing = {{ kind = "fixed_notional", value = "{order_value}" }}
{more}
"""
