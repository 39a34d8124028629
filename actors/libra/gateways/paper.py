"""A paper venue as a gateway: orders fill against the market data of another gateway.

For notebooks, examples and tests; a node's paper accounts use the same venue natively, behind the order gate.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from libra.errors import GatewayError
from libra.gateways.protocol import Tick
from libra_core import PaperCore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from decimal import Decimal

    from libra.gateways.protocol import Gateway
    from libra.model import BookDelta, Instrument, Order, OrderReport, Quote, Trade

__all__ = ["PaperGateway"]


class PaperGateway:
    """Trades on paper against whatever ``market`` streams; implements `libra.gateways.ReportingGateway`.

    Market orders cross the spread and walk the book where one is known, limit orders fill when they are traded through
    (or touched). The venue's clock is the time of the market data; it acts while `stream_ticks` is read.

    Args:
        market: Where market data comes from.
        instruments: What may be traded.
        balances: What the account starts with, by currency.
        latency_ms: Way of an order to the venue, and of its answer back, each.
        slippage_ticks: Ticks by which a taker's price is made worse.
        fill_on_touch: A resting limit order fills when the market trades at its price, not only beyond it.
        seed: Decides what is random about the venue.
    """

    def __init__(
        self,
        market: Gateway,
        instruments: Sequence[Instrument],
        balances: Mapping[str, Decimal | str],
        *,
        latency_ms: float = 0.0,
        slippage_ticks: int = 0,
        fill_on_touch: bool = False,
        seed: int = 1,
    ) -> None:
        self._market = market
        self._core = PaperCore(
            list(instruments),
            list(balances.items()),
            latency_ns=round(latency_ms * 1e6),
            slippage_ticks=slippage_ticks,
            fill_on_touch=fill_on_touch,
            seed=seed,
        )
        self._now_ns = 0
        self._reports: asyncio.Queue[OrderReport | None] = asyncio.Queue()

    @property
    def name(self) -> str:
        """The venue's name: the market's, since it lists the market's instruments."""
        return self._market.name

    @property
    def is_connected(self) -> bool:
        """True while the market is connected."""
        return self._market.is_connected

    async def connect(self, config: Mapping[str, Any] | None = None) -> None:
        """Connect the market."""
        await self._market.connect(config or {})

    async def disconnect(self) -> None:
        """Disconnect the market; `stream_reports` ends."""
        await self._market.disconnect()
        self._reports.put_nowait(None)

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """Subscribe to market data."""
        await self._market.subscribe(symbols)

    async def stream_ticks(self) -> AsyncIterator[Tick | Quote | Trade | BookDelta]:
        """The market's data; the venue has seen each item before it is given out (a bare `Tick` tells it nothing)."""
        async for item in self._market.stream_ticks():
            if not isinstance(item, Tick):
                self._now_ns = max(self._now_ns, item.ts_ns or time.time_ns())
                self._core.on_market(item, self._now_ns)
                self._tell()
            yield item

    async def order(self, order: Order) -> str | None:
        """Send an order; what becomes of it comes as reports.

        Raises:
            GatewayError: For an instrument that is not listed, or decimals that it has not.
        """
        try:
            self._core.submit(order, self._now_ns)
        except (ValueError, OverflowError) as error:
            raise GatewayError(f"{self.name}: {error}") from error
        self._tell()
        return None

    async def cancel(self, order_id: str) -> bool:
        """Ask to cancel an order; False for one that was never sent."""
        known = self._core.cancel(order_id, self._now_ns)
        self._tell()
        return known

    async def stream_reports(self) -> AsyncIterator[OrderReport]:
        """What happens to orders, as it comes, until `disconnect`."""
        while (report := await self._reports.get()) is not None:
            yield report

    async def query_order(self, order_id: str) -> Sequence[OrderReport]:
        """Everything that the venue knows of an order."""
        return self._core.query(order_id)

    async def positions(self) -> Sequence[tuple[str, Decimal]]:
        """Open positions, as (instrument, size)."""
        return self._core.positions()

    async def balance(self) -> Mapping[str, Decimal]:
        """What is there of each currency."""
        return dict(self._core.balances())

    def _tell(self) -> None:
        for report in self._core.advance(self._now_ns):
            self._reports.put_nowait(report)
