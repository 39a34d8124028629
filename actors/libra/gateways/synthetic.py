"""A seeded, made-up market as a gateway: for notebooks, examples and tests. A node uses the same market natively."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from libra.gateways.stream import StreamGateway
from libra_core import MarketStream

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from libra.model import Instrument

__all__ = ["SyntheticGateway"]

_DEFAULTS: dict[str, Any] = {
    "volatility_bps": 2.0,
    "spread_ticks": 1,
    "quote_rate_hz": 50.0,
    "trade_rate_hz": 10.0,
    "book_rate_hz": 10.0,
    "book_levels": 10,
    "level_size": "1",
}


class SyntheticGateway(StreamGateway):
    """Quotes, trades and books that agree with each other, the same for the same seed.

    Args:
        instruments: What is traded, each with the price that it starts from.
        seed: Decides everything.
        speed: 1 for real time, 0 for as fast as possible.
        start_ns: The time of the first events; None for now.

    `connect` takes what may be set about every symbol: ``volatility_bps``, ``spread_ticks``, ``quote_rate_hz``,
    ``trade_rate_hz``, ``book_rate_hz``, ``book_levels``, ``level_size``.
    """

    def __init__(
        self,
        instruments: Mapping[Instrument, Decimal | str],
        *,
        seed: int = 1,
        speed: float = 1.0,
        start_ns: int | None = None,
    ) -> None:
        super().__init__("synthetic", speed)
        self._instruments = dict(instruments)
        self._seed = seed
        self._start_ns = start_ns

    def _open(self, config: dict[str, Any]) -> MarketStream:
        unknown = set(config) - set(_DEFAULTS)
        if unknown:
            raise KeyError(f"no such settings: {', '.join(sorted(unknown))}")
        symbols = [
            {**_DEFAULTS, **config, "instrument": instrument, "start_price": price}
            for instrument, price in self._instruments.items()
        ]
        start_ns = time.time_ns() if self._start_ns is None else self._start_ns
        return MarketStream.synthetic(self._seed, start_ns, symbols)
