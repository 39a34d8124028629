"""Numbers and ids of venues as ours, exactly: decimals by their text, ids as 64-bit numbers."""

from __future__ import annotations

import hashlib
import re
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from functools import reduce
from typing import TYPE_CHECKING

from libra.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["decimal_of", "order_id_of", "product_of", "sum_of", "trade_number", "venue_order_id"]

_NOTHING = Decimal(0)
_EXACT = Context(prec=100, rounding=ROUND_HALF_EVEN)
_LARGEST_ID = 2**64
_OURS, _OURS_SHORT = re.compile(r"L[0-9a-f]{32}"), re.compile(r"[0-9a-f]{32}")
_SHORT_IDS = frozenset({"okx", "okxus", "myokx"})
"""Venues that take 32 characters for an order's id: the `L` in front of ours, which has 33, is left out there."""


def decimal_of(value: object) -> Decimal:
    """A number that a venue, or CCXT, gave.

    Text is read as it stands. A float is read by its shortest text, which is what the venue wrote wherever that has no
    more than 15 digits.

    Raises:
        GatewayError: For what is no number.
    """
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise GatewayError(f"the venue gave {type(value).__name__} for a number")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise GatewayError("the venue gave a text that is no number") from None
    if not number.is_finite():
        raise GatewayError("the venue gave a number that is not finite")
    return number


def sum_of(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum, whatever precision the caller's decimals have."""
    return reduce(_EXACT.add, amounts, _NOTHING)


def product_of(one: Decimal, other: Decimal) -> Decimal:
    """The exact product, as `sum_of`."""
    return _EXACT.multiply(one, other)


def trade_number(trade_id: object) -> int:
    """A venue's trade id as a number: itself where it is one of 64 bits, else 63 bits of its SHA-256.

    The digest is the same in every process, so an execution that is told again is known again.
    """
    text = str(trade_id)
    if text.isascii() and text.isdigit() and (number := int(text)) < _LARGEST_ID:
        return number
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def venue_order_id(order_id: str, venue: str) -> str:
    """Our id of an order as the venue takes it."""
    return order_id[1:] if venue in _SHORT_IDS else order_id


def order_id_of(client_id: object, venue: str) -> str | None:
    """Our id of an order that a venue names by its client id; None for one that is not ours.

    The `L` is demanded wherever it is sent: 32 hexadecimal digits alone are anybody's UUID.
    """
    if not isinstance(client_id, str):
        return None
    if _OURS.fullmatch(client_id):
        return client_id
    return f"L{client_id}" if venue in _SHORT_IDS and _OURS_SHORT.fullmatch(client_id) else None
