"""What all sections share: frozen models that refuse unknown keys, and number types that are exact.

TOML's floats are read as `Decimal` from their text, so `0.1` in a profile is one tenth. Money, prices and sizes stay
`Decimal`; only what is a statistic or a duration becomes a float.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

MONEY_DECIMALS = 12
"""Decimals of every amount of money: more would not be exact in the core."""

RATE_DECIMALS = 8
"""Decimals of a fee rate."""

_LARGEST = Decimal(10) ** 18


class Section(BaseModel):
    """A table of a profile: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True)


def _exact(value: object) -> Decimal:
    """Turns TOML's number or a decimal string into a `Decimal`, exactly."""
    if isinstance(value, bool) or not isinstance(value, (int, str, float, Decimal)):
        raise ValueError('has to be a number, or a decimal string such as "0.10"')
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError('has to be a number, or a decimal string such as "0.10"') from None
    if not number.is_finite() or abs(number) >= _LARGEST:
        raise ValueError("has to be a finite number below 10^18")
    return number


def decimals_of(value: Decimal) -> int:
    """How many decimals a number needs, trailing zeros aside."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _money(value: object) -> Decimal:
    return limited(_exact(value), MONEY_DECIMALS)


def _rate(value: object) -> Decimal:
    return limited(_exact(value), RATE_DECIMALS)


def limited(number: Decimal, decimals: int) -> Decimal:
    """A number that has no more decimals than given; otherwise a ValueError."""
    if decimals_of(number) > decimals:
        raise ValueError(f"has more than {decimals} decimals")
    return number


def _real(value: object) -> float:
    return float(_exact(value))


def _whole(value: object) -> object:
    if isinstance(value, (bool, str)):
        raise ValueError("has to be a whole number")
    return value


_NUMBER: dict[str, Any] = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^[+-]?\d+(\.\d+)?$"}]}
_AMOUNT_SCHEMA = WithJsonSchema(_NUMBER)

Amount = Annotated[Decimal, BeforeValidator(_money), _AMOUNT_SCHEMA]
"""Money, a price or a size: exact, at most 12 decimals; a number or a decimal string in TOML."""

PositiveAmount = Annotated[Amount, Field(gt=0)]
"""An `Amount` above zero."""

Percent = Annotated[Amount, Field(gt=0, le=100)]
"""A share in percent: 5 is five percent."""

Rate = Annotated[Decimal, BeforeValidator(_rate), Field(gt=-1, lt=1), _AMOUNT_SCHEMA]
"""A share as a plain factor: 0.0005 is five basis points; negative for a rebate."""

Whole = Annotated[int, BeforeValidator(_whole)]
"""A whole number; neither text nor a truth value."""

Real = Annotated[float, BeforeValidator(_real), WithJsonSchema({"type": "number"})]
"""A statistic, a rate or a duration: a float."""

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=60)]
"""A name that users choose: letters, digits, `_` and `-`, a letter first."""

Symbol = Annotated[str, Field(pattern=r"^[A-Za-z0-9._$-]+/[A-Za-z0-9._$-]+(:[A-Za-z0-9._$-]+)?$")]
"""A symbol in CCXT notation: `BTC/USDT`, `BTC/USDT:USDT`."""

NUMBERS = r"\{([0-9]{1,9})\.\.([0-9]{1,9})\}"
"""A range of numbers in a symbol, as a regular expression; see `libra.config.many`."""

_PART = rf"([A-Za-z0-9._$-]|{NUMBERS})+"
NumberedSymbol = Annotated[Symbol, WithJsonSchema({"type": "string", "pattern": f"^{_PART}/{_PART}(:{_PART})?$"})]
"""A `Symbol`; in a file it may have a range of numbers, `S{0000..0999}/USDT:USDT`, and stand for as many."""

Currency = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Za-z0-9._$-]*$")]
"""A currency code, as venues write it: `USDT`."""

ClassPath = Annotated[str, Field(pattern=r"^[^:]+:[A-Za-z_][A-Za-z0-9_]*$")]
"""Where a class is found: `package.module:Class`, or `path/to/file.py:Class`."""
