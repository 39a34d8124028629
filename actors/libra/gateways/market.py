"""The actor that takes market data from a gateway written in Python."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from libra.core.actor import Actor
from libra.core.events import Event, EventType
from libra.errors import GatewayError
from libra.gateways.protocol import Tick
from libra.model import BookDelta, Quote, Trade

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from libra.gateways.protocol import Gateway

__all__ = ["MarketActor"]

_EVENT_TYPES = {Tick: EventType.TICK, Quote: EventType.QUOTE, Trade: EventType.TRADE, BookDelta: EventType.ORDER_BOOK}


class MarketActor(Actor):
    """Connects, subscribes, and publishes what the gateway streams: accounts see it first, then everyone.

    Args:
        gateway: The gateway.
        symbols: What to subscribe to, in CCXT notation.
        instruments: Those that the profile lists, by ``SYMBOL@VENUE``.
        options: Handed to the gateway's ``connect``.
    """

    def __init__(
        self, gateway: Gateway, symbols: Sequence[str], instruments: Iterable[str], options: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self._gateway = gateway
        self._symbols = tuple(symbols)
        self._options = options
        self._names = {name.partition("@")[0]: name for name in instruments}
        self.malformed = 0
        """Ticks that no instrument's decimals can express."""
        self._reader: asyncio.Task[None] | None = None

    def on_message(self, message: object) -> None:
        """The stream of ticks is no more: without it nobody sees a market, so the actor fails and is started anew."""
        reader = self._reader
        # It may be of the instance before.
        if reader is None or message is not reader:
            return
        cause = None if reader.cancelled() else reader.exception()
        raise GatewayError(f"{self._gateway.name}: the stream of ticks {'failed' if cause else 'ended'}") from cause

    async def on_start(self) -> None:
        """Connect and subscribe."""
        await self._gateway.connect(self._options)
        await self._gateway.subscribe(self._symbols)
        self.emit(EventType.GATEWAY_CONNECTED, {"gateway": self._gateway.name})
        self._reader = asyncio.create_task(self._read(), name=f"libra-ticks-{self.name}")
        self._reader.add_done_callback(self.ref.tell)

    async def on_stop(self) -> None:
        """Disconnect."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
        await self._gateway.disconnect()
        self.emit(EventType.GATEWAY_DISCONNECTED, {"gateway": self._gateway.name})

    async def _read(self) -> None:
        core = self._context.core
        async for tick in self._gateway.stream_ticks():
            event_type = _EVENT_TYPES.get(type(tick))
            if event_type is None:
                raise GatewayError(f"{self._gateway.name} streams {type(tick).__name__}, which is no market data")
            name = self._names.get(tick.symbol, f"{tick.symbol}@{self._gateway.name}")
            try:
                core.publish_market(Event.create(event_type, self.name, tick), name)
            except (ValueError, OverflowError) as error:
                self.malformed += 1
                self.log.warning("left out: %s", error)
