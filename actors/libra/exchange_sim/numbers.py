"""Amounts: integers in units of a power of ten, and the text that the venue writes them as. Nothing here is a float."""

from __future__ import annotations

import re

__all__ = ["MONEY", "RATE", "money_text", "parse_units", "share", "text_of", "trimmed"]

MONEY = 8
"""Decimals of every balance, fee and quote amount, as at the venue."""

RATE = 8
"""Decimals of a fee or funding rate."""

_NUMBER = re.compile(r"-?(\d+)(?:\.(\d*))?")


def text_of(units: int, decimals: int) -> str:
    """Units of 10^-decimals as text with all its decimals."""
    if decimals == 0:
        return str(units)
    sign, size = ("-", -units) if units < 0 else ("", units)
    scale = 10**decimals
    return f"{sign}{size // scale}.{size % scale:0{decimals}d}"


def trimmed(units: int, decimals: int) -> str:
    """As `text_of`, without zeros behind the last digit."""
    text = text_of(units, decimals)
    return text.rstrip("0").rstrip(".") if "." in text else text


def money_text(units: int) -> str:
    """An amount of money as the venue writes it."""
    return text_of(units, MONEY)


def parse_units(text: str, decimals: int) -> int | None:
    """Plain decimal text in units of 10^-decimals.

    Args:
        text: The number, without exponent.
        decimals: How many decimals it may have; zeros behind them do not count.

    Returns:
        The units; None where it is more precise.

    Raises:
        ValueError: When it is no number.
    """
    found = _NUMBER.fullmatch(text)
    if found is None or len(text) > 40:
        raise ValueError(text)
    fraction = (found[2] or "").rstrip("0")
    if len(fraction) > decimals:
        return None
    units = int(found[1] + fraction.ljust(decimals, "0"))
    return -units if text.startswith("-") else units


def share(amount: int, rate: int) -> int:
    """`amount` times a rate, rounded to the nearest unit, ties away from zero: how fees are charged."""
    product = amount * rate
    size: int = (abs(product) * 2 + 10**RATE) // (2 * 10**RATE)
    return -size if product < 0 else size
