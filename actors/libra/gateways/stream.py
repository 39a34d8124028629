"""What the synthetic and the replay gateway share: a native stream of market data, played at a pace."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from libra.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from decimal import Decimal

    from libra.model import BookDelta, Order, Quote, Trade
    from libra_core import MarketStream

__all__ = ["StreamGateway"]

_GIVE_WAY_EVERY = 256


class StreamGateway(ABC):
    """Market data only: wrap it in `libra.gateways.PaperGateway` to trade.

    Args:
        name: The venue's name.
        speed: Seconds of the market a second; 0 for as fast as possible.
    """

    def __init__(self, name: str, speed: float) -> None:
        self._name = name
        self._speed = speed
        self._symbols: frozenset[str] = frozenset()
        self._stream: MarketStream | None = None

    @property
    def name(self) -> str:
        """The venue's name."""
        return self._name

    @property
    def is_connected(self) -> bool:
        """True between `connect` and `disconnect`."""
        return self._stream is not None

    async def connect(self, config: Mapping[str, Any] | None = None) -> None:
        """Open the market data.

        Raises:
            GatewayError: When it cannot be read.
        """
        try:
            self._stream = self._open(dict(config or {}))
        except (ValueError, OverflowError, KeyError) as error:
            raise GatewayError(f"{self._name}: {error}") from error

    async def disconnect(self) -> None:
        """Close it; a `stream_ticks` under way ends."""
        self._stream = None

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """Stream these symbols only; without a call, all of them."""
        self._symbols = self._symbols | frozenset(symbols)

    async def stream_ticks(self) -> AsyncIterator[Quote | Trade | BookDelta]:
        """Quotes, trades and book updates in the order of their times, at the gateway's speed."""
        stream = self._connected()
        loop = asyncio.get_running_loop()
        first_ns, started = stream.peek_ts_ns(), loop.time()
        count = 0
        while self._stream is stream and (due_ns := stream.peek_ts_ns()) is not None:
            if self._speed > 0 and first_ns is not None:
                wait_s = (due_ns - first_ns) / 1e9 / self._speed - (loop.time() - started)
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
            item = stream.next()
            if item is None:
                return
            if not self._symbols or item.symbol in self._symbols:
                yield item
            count += 1
            if count % _GIVE_WAY_EVERY == 0:
                await asyncio.sleep(0)

    async def order(self, order: Order) -> str | None:  # noqa: ARG002 - nobody takes it
        """Refused: there is nobody to trade with."""
        raise GatewayError(f"{self._name} gives market data only; wrap it in PaperGateway to trade")

    async def cancel(self, order_id: str) -> bool:  # noqa: ARG002 - there are no orders
        """False: there are no orders."""
        return False

    async def positions(self) -> Sequence[tuple[str, Decimal]]:
        """None, ever."""
        return ()

    async def balance(self) -> Mapping[str, Decimal]:
        """Nothing, ever."""
        return {}

    def counters(self) -> dict[str, int]:
        """What was read so far, and what was wrong with it."""
        return self._connected().counters()

    def problems(self) -> list[tuple[str, str, bool]]:
        """Problems since the last call: (place, message, whether input behind it is lost)."""
        return self._connected().problems()

    def _connected(self) -> MarketStream:
        if self._stream is None:
            raise GatewayError(f"{self._name} is not connected")
        return self._stream

    @abstractmethod
    def _open(self, config: dict[str, Any]) -> MarketStream:
        """The stream; ValueError or KeyError for what cannot be."""
