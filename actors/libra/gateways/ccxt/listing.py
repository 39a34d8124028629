"""Whether an instrument of the profile is the venue's: its steps and limits, every difference told at once."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from libra.errors import ConfigError, GatewayError
from libra.gateways.ccxt.numbers import decimal_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from libra.model import Instrument

__all__ = ["check_listing", "terms_of"]

_TICK_SIZE = 4
"""CCXT's precision mode in which a precision is the step itself, and not a number of decimals."""


def check_listing(exchange: Any, instruments: Iterable[Instrument]) -> None:  # noqa: ANN401 - CCXT's
    """Compare instruments with the venue's markets.

    A profile may be stricter than the venue, never looser: a tick may be a multiple of the venue's.

    Raises:
        ConfigError: With every difference.
    """
    problems: list[str] = []
    for instrument in instruments:
        market = exchange.markets.get(instrument.symbol)
        if market is None:
            problems.append(f"{instrument.id}: the venue does not list it")
            continue
        if market.get("active") is False:
            problems.append(f"{instrument.id}: the venue does not trade it at the moment")
        terms = terms_of(exchange, instrument.symbol)
        problems += [f"{instrument.id}: {problem}" for problem in _differences(instrument, terms)]
    if problems:
        raise ConfigError(f"{exchange.id} lists instruments otherwise than the profile:", tuple(problems))


def terms_of(exchange: Any, symbol: str) -> dict[str, Decimal]:  # noqa: ANN401 - CCXT's
    """A market's terms by their names in a profile; what the venue does not say is left out.

    Raises:
        GatewayError: For numbers that make no sense.
    """
    market = exchange.market(symbol)
    terms: dict[str, Decimal] = {}
    limits = market.get("limits") or {}
    for name, value in (
        ("tick_size", _step(exchange, market["precision"].get("price"))),
        ("lot_size", _step(exchange, market["precision"].get("amount"))),
        ("min_size", (limits.get("amount") or {}).get("min")),
        ("max_size", (limits.get("amount") or {}).get("max")),
        ("min_notional", (limits.get("cost") or {}).get("min")),
        ("contract_size", market.get("contractSize") if market.get("contract") else None),
    ):
        if value is not None and (number := decimal_of(value)) > 0:
            terms[name] = number
    return terms


def _step(exchange: Any, precision: object) -> object:  # noqa: ANN401 - CCXT's
    if precision is None or exchange.precisionMode == _TICK_SIZE:
        return precision
    decimals = decimal_of(precision)
    if decimals != decimals.to_integral_value():
        raise GatewayError(f"{exchange.id}: a precision of {decimals} decimals")
    return Decimal(1).scaleb(-int(decimals))


def _differences(instrument: Instrument, terms: dict[str, Decimal]) -> Iterator[str]:
    for name in ("tick_size", "lot_size"):
        ours, theirs = getattr(instrument, name), terms.get(name)
        if theirs is not None and ours % theirs:
            yield f"{name} is {ours:f}, no multiple of the venue's {theirs:f}"
    for name in ("min_size", "min_notional"):
        ours, theirs = getattr(instrument, name), terms.get(name)
        if theirs is not None and ours < theirs:
            yield f"{name} is {ours:f}, below the venue's {theirs:f}"
    theirs = terms.get("max_size")
    if theirs is not None and instrument.max_size > theirs:
        yield f"max_size is {instrument.max_size:f}, above the venue's {theirs:f}"
    contract = terms.get("contract_size", Decimal(1))
    if instrument.contract_size != contract:
        yield f"contract_size is {instrument.contract_size:f}, the venue's {contract:f}"
