"""How figures look to people. Machines get them untouched by `--json`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation


def money(value: object) -> str:
    """An amount with separators and at most 8 decimals; of several currencies, each with its name."""
    if isinstance(value, Mapping):
        return "  ".join(f"{money(amount)} {currency}" for currency, amount in value.items()) or "-"
    if value is None or value == "":
        return "-"
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return str(value)
    if not number.is_finite():
        return str(value)
    return _short(number)


def _short(number: Decimal) -> str:
    """Two decimals for what is large, more for what is small: only the display is rounded."""
    decimals = 2 if abs(number) >= Decimal("0.01") or number == 0 else 8
    text = f"{number:,.{decimals}f}"
    return text if decimals == 2 else text.rstrip("0").rstrip(".")


def plain(value: object) -> str:
    """A price or size as the engine gave it."""
    if value is None or value == "":
        return "-"
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def count(value: object) -> str:
    """A number of things with separators; of a list, how many there are."""
    if isinstance(value, (list, tuple)):
        value = len(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if isinstance(value, float) else plain(value)


def clock(time_ns: object) -> str:
    """A time of the node's clock, UTC."""
    if not isinstance(time_ns, int):
        return "-"
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).strftime("%H:%M:%S")


def rate(value: object) -> str:
    """Events a second."""
    try:
        return f"{float(str(value)):,.0f}/s"
    except ValueError:
        return "-"


def colour(value: object) -> str:
    """Green for a gain, red for a loss, nothing for neither."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return ""
    return "green" if number > 0 else "red" if number < 0 else ""
