"""Checks of instruments: what the integer arithmetic of the core relies on."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from libra.config.base import MONEY_DECIMALS, decimals_of
from libra.config.draft import Draft
from libra.config.instruments import InstrumentSettings
from libra.config.market import SyntheticMarketSettings

_LARGEST_UNITS = 2**63
"""Prices and sizes are kept as 64-bit whole numbers of their smallest unit."""


def check_instruments(draft: Draft) -> None:
    """Tests every valid instrument; what is found goes to the draft's problems."""
    for index, instrument in draft.instruments:
        for key, message in (*_steps(instrument), *_limits(instrument), *_contract(instrument)):
            draft.report(message, "instruments", index, key)
    if isinstance(draft.market, SyntheticMarketSettings):
        by_id = {entry.id: entry for _, entry in draft.instruments}
        for index, symbol in enumerate(draft.market.symbols):
            known = by_id.get(f"{symbol.symbol}@synthetic")
            if known is not None and symbol.start_price % known.tick_size:
                message = f"is no multiple of the instrument's tick_size {known.tick_size}"
                draft.report(message, "market", "symbols", index, "start_price")


def _steps(instrument: InstrumentSettings) -> Iterator[tuple[str, str]]:
    """Each price and size is a whole number of units, and fits."""
    sized = {key: getattr(instrument, key) for key in ("lot_size", "min_size", "max_size")}
    for key, value, name in (
        ("tick_size", instrument.tick_size, "price_decimals"),
        *((key, value, "size_decimals") for key, value in sized.items() if value is not None),
    ):
        decimals = getattr(instrument, name)
        if decimals_of(value) > decimals:
            yield key, f"{value:f} has more than {decimals} decimals; raise {name} or round it"
        elif value.scaleb(decimals) >= _LARGEST_UNITS:
            yield key, f"{value:f} with {decimals} decimals is too large for 64 bits; lower it"


def _limits(instrument: InstrumentSettings) -> Iterator[tuple[str, str]]:
    lot = instrument.lot_size
    for key, value in (("min_size", instrument.min_size), ("max_size", instrument.max_size)):
        if value is not None and value % lot != 0:
            yield key, f"{value:f} is no multiple of lot_size {lot:f}"
    if instrument.max_size < instrument.smallest_size:
        yield "max_size", f"{instrument.max_size:f} is below the smallest order of {instrument.smallest_size:f}"


def _contract(instrument: InstrumentSettings) -> Iterator[tuple[str, str]]:
    after_colon = ":" in instrument.symbol
    contract = instrument.contract_size
    decimals = instrument.price_decimals + instrument.size_decimals + decimals_of(contract)
    if instrument.tradable and decimals > MONEY_DECIMALS:
        yield (
            "price_decimals",
            f"price, size and contract size have {decimals} decimals together; a value is exact up to {MONEY_DECIMALS}",
        )
    if instrument.kind == "spot" and (after_colon or contract != Decimal(1)):
        yield "kind", 'a spot symbol has no ":" and contract_size 1; correct the symbol or the kind'
    if instrument.kind != "spot" and not after_colon:
        yield "kind", f'a contract\'s symbol names what settles it: "{instrument.symbol}:{instrument.quote}"'
    settles = {"linear": instrument.quote, "inverse": instrument.base}.get(instrument.kind, instrument.quote)
    if instrument.settle_currency != settles:
        key = "settle" if instrument.settle is not None else "kind"
        yield key, f"a {instrument.kind} instrument settles in {settles}, not {instrument.settle_currency}"
