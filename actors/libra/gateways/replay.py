"""Recorded frames as a gateway: for notebooks, examples and tests. A node replays the same files natively."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from libra.gateways.stream import StreamGateway
from libra_core import MarketStream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from libra.model import Instrument

__all__ = ["ReplayGateway"]


class ReplayGateway(StreamGateway):
    """Files of recorded Binance frames, gzip or plain, ``<receive time ns> <json>`` a line, merged by time.

    Args:
        files: The recordings.
        instruments: Those that are listed; others are inferred from their symbols, with eight decimals.
        speed: 1 for real time, 0 for as fast as possible.
    """

    def __init__(
        self, files: Sequence[str | Path], *, instruments: Sequence[Instrument] = (), speed: float = 0.0
    ) -> None:
        super().__init__("replay", speed)
        self._files = [Path(file) for file in files]
        self._instruments = list(instruments)

    def _open(self, config: dict[str, Any]) -> MarketStream:
        if config:
            raise KeyError(f"no such settings: {', '.join(sorted(config))}")
        return MarketStream.replay(self._files, self._instruments)
