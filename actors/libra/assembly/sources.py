"""The native sources of market data that a profile names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from libra.errors import ConfigError

if TYPE_CHECKING:
    from libra.config import Settings
    from libra.config.market import SyntheticMarketSettings
    from libra.model import Instrument
    from libra_core import NodeCore

__all__ = ["SIMULATION_START_NS", "add_source"]

SIMULATION_START_NS = 1_704_067_200_000_000_000
"""Where a simulated synthetic market begins: 2024-01-01, so that every run of a seed is the same."""


def add_source(core: NodeCore, settings: Settings, instruments: dict[str, Instrument], start_ns: int) -> None:
    """Add the market's source, where that is a native one.

    Raises:
        ConfigError: For data that cannot be read, or numbers that make no sense.
    """
    market = settings.market
    try:
        if market.kind == "synthetic":
            _add_synthetic(core, settings.node.seed, market, instruments, start_ns)
        elif market.kind == "replay":
            core.add_replay(list(market.files), list(instruments.values()))
    except (ValueError, OverflowError) as error:
        raise ConfigError(str(error)) from error


def _add_synthetic(
    core: NodeCore, seed: int, market: SyntheticMarketSettings, instruments: dict[str, Instrument], start_ns: int
) -> None:
    by_symbol = {instrument.symbol: instrument for instrument in instruments.values()}
    symbols = [
        {
            "instrument": by_symbol[symbol.symbol],
            "start_price": symbol.start_price,
            "volatility_bps": symbol.volatility_bps_per_sqrt_s,
            "spread_ticks": symbol.spread_ticks,
            "quote_rate_hz": symbol.quote_rate_hz,
            "trade_rate_hz": symbol.trade_rate_hz,
            "book_rate_hz": symbol.book_rate_hz,
            "book_levels": symbol.book_levels,
            "level_size": symbol.level_size,
        }
        for symbol in market.symbols
    ]
    core.add_synthetic(seed, start_ns, symbols)
