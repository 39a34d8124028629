"""The gateway to that venue: each question of a look is a place at which the process may die."""

import os
import time
from decimal import Decimal

from tests.integration.crash.points import POINTS
from tests.integration.crash.venue_gateway import StillMarket, VenueGateway

from libra.gateways.protocol import VenueExecution, VenueFlow, VenueOrder, VenuePosition, VenueState
from libra.model import OrderSide, OrderType

__all__ = ["ShownGateway", "StillMarket"]

SYMBOL = "BTC/USDT:USDT"

if deadly := os.environ.get("RECONCILE_DIES_AT"):
    name, _, nth = deadly.partition(":")
    POINTS.arm(name, int(nth))


class ShownGateway(VenueGateway):
    async def open_orders(self):
        rows = await self._ask(op="open_orders")
        POINTS.reach("look.orders")
        return [
            VenueOrder(
                row["client_order_id"],
                row["venue_order_id"],
                SYMBOL,
                OrderSide(row["side"]),
                OrderType.MARKET if row["price"] is None else OrderType.LIMIT,
                None if row["price"] is None else Decimal(row["price"]),
                Decimal(row["size"]),
                Decimal(row["filled"]),
                time.time_ns(),
            )
            for row in rows
        ]

    async def executions_since(self, ts_ns):
        rows = await self._ask(op="executions", since_ns=ts_ns)
        POINTS.reach("look.executions")
        return [
            VenueExecution(
                row["client_order_id"],
                row["venue_order_id"],
                row["trade_id"],
                SYMBOL,
                OrderSide(row["side"]),
                Decimal(row["price"]),
                Decimal(row["size"]),
                Decimal(row["fee"]),
                "USDT",
                "TAKER",
                row["ts_venue_ns"],
            )
            for row in rows
        ]

    async def flows_since(self, ts_ns):
        rows = await self._ask(op="flows", since_ns=ts_ns)
        POINTS.reach("look.flows")
        return [
            VenueFlow(row["key"], row["kind"], "USDT", Decimal(row["amount"]), None, row["ts_venue_ns"]) for row in rows
        ]

    async def account_state(self):
        row = await self._ask(op="state")
        POINTS.reach("look.state")
        size = Decimal(row["size"])
        entry = None if row["entry"] is None else Decimal(row["entry"])
        positions = (VenuePosition(SYMBOL, size, entry),) if size else ()
        return VenueState(positions, {"USDT": Decimal(row["wallet"])}, row["ts_venue_ns"])
