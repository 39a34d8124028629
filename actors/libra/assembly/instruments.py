"""Settings as native instruments."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from libra.model import ContractKind, Instrument
from libra.strategies.scope import Scope

if TYPE_CHECKING:
    from libra.config import Settings
    from libra.config.instruments import InstrumentSettings
    from libra.config.strategies import StrategySettings

__all__ = ["native_instruments", "scope_of"]


def native_instruments(settings: Settings) -> dict[str, Instrument]:
    """All listed instruments, by ``SYMBOL@VENUE``, in the order of the profile."""
    return {entry.id: _native(entry) for entry in settings.instruments}


def _native(entry: InstrumentSettings) -> Instrument:
    return Instrument(
        entry.symbol,
        entry.venue,
        base=entry.base,
        quote=entry.quote,
        price_decimals=entry.price_decimals,
        size_decimals=entry.size_decimals,
        tick_size=entry.tick_size,
        lot_size=entry.lot_size,
        kind=ContractKind[entry.kind.upper()],
        settle=entry.settle_currency,
        venue_symbol=entry.native_symbol,
        min_size=entry.smallest_size,
        max_size=entry.max_size,
        min_notional=entry.min_notional,
        contract_size=entry.contract_size,
        maker_fee=entry.maker_fee,
        taker_fee=entry.taker_fee,
        fee_decimals=entry.fee_decimals,
        tradable=entry.tradable,
    )


def scope_of(strategy: StrategySettings, instruments: dict[str, Instrument], ttl_s: float = 0.0) -> Scope:
    """What a strategy trades: every listed instrument that one of its symbols names.

    Args:
        strategy: Its entry of the profile.
        instruments: What is listed.
        ttl_s: How long what it asks for holds, where it does not say; 0 for ever.
    """
    known: dict[str, Instrument] = {}
    names: list[str] = []
    for symbol in strategy.symbols:
        for instrument in instruments.values():
            if symbol in (instrument.id, instrument.symbol):
                known[symbol] = known[instrument.symbol] = known[instrument.id] = instrument
                names.append(instrument.id)
    # One scope serves every instance of the strategy.
    shown = MappingProxyType(known)
    return Scope(account=strategy.account, instruments=shown, names=tuple(dict.fromkeys(names)), ttl_s=ttl_s)
