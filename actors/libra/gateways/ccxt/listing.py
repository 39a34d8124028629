"""Whether an instrument of the profile is the venue's: its steps and limits, every difference told at once."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from libra.errors import ConfigError, GatewayError
from libra.gateways.ccxt.numbers import decimal_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from libra.model import Instrument

__all__ = ["check_listing", "differences_of", "terms_of"]

_TICK_SIZE = 4
"""CCXT's precision mode in which a precision is the step itself, and not a number of decimals."""


def differences_of(exchange: Any, instruments: Iterable[Instrument]) -> dict[str, list[str]]:  # noqa: ANN401 - CCXT's
    """How instruments differ from the venue's markets, by symbol; one that is listed as it is here is left out.

    A profile may be stricter than the venue, never looser: a tick may be a multiple of the venue's.
    """
    found: dict[str, list[str]] = {}
    for instrument in instruments:
        market = exchange.markets.get(instrument.symbol)
        if market is None:
            found[instrument.symbol] = ["the venue does not list it"]
            continue
        problems = ["the venue does not trade it at the moment"] if market.get("active") is False else []
        problems += _differences(instrument, terms_of(exchange, instrument.symbol))
        if problems:
            found[instrument.symbol] = problems
    return found


def check_listing(exchange: Any, instruments: Sequence[Instrument]) -> None:  # noqa: ANN401 - CCXT's
    """Compare instruments with the venue's markets: see `differences_of`.

    Raises:
        ConfigError: With every difference.
    """
    found = differences_of(exchange, instruments)
    problems = [f"{one.id}: {problem}" for one in instruments for problem in found.get(one.symbol, [])]
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


def _decimals(step: Decimal) -> int:
    exponent = step.normalize().as_tuple().exponent
    return max(0, -int(exponent))


def _differences(instrument: Instrument, terms: dict[str, Decimal]) -> Iterator[str]:
    for name in ("tick_size", "lot_size"):
        ours, theirs = getattr(instrument, name), terms.get(name)
        if theirs is not None and ours % theirs:
            yield f"{name} is {ours:f}, no multiple of the venue's {theirs:f}"
    for name, step in (("price_decimals", "tick_size"), ("size_decimals", "lot_size")):
        ours, theirs = getattr(instrument, name), terms.get(step)
        if theirs is not None and ours < (decimals := _decimals(theirs)):
            yield f"{name} is {ours}, too few for the venue's {step} {theirs:f}, which needs {decimals}"
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
