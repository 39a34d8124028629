"""The venue of the crash tests, whose whole account can be looked at, and at which others trade, too.

Run as ``python -m tests.integration.reconcile.venue SOCKET LEDGER SEED``. Its wallet and position are sums of its own.
"""

import asyncio
import sys
import time
from decimal import Decimal

from tests.integration.crash.venue import ASK, BID, Venue, VenueOrder, main, stamped

SYMBOL = "BTC/USDT:USDT"


class ShownVenue(Venue):
    """Knows its orders in the order in which it took them, ours and foreign, and every execution of either."""

    def __init__(self, ledger: str, seed: int) -> None:
        super().__init__(ledger, seed)
        self.executions: list[dict] = []
        self.flows: list[dict] = []
        self.wallet, self.size, self.cost = Decimal(5_000), Decimal(0), Decimal(0)
        self.foreign: dict[str, VenueOrder] = {}

    def do_hello(self, request: dict) -> str:
        return "welcome"

    def execute(self, order: VenueOrder, *, whole: bool, told: bool = True) -> None:
        before = len(order.fills)
        super().execute(order, whole=whole, told=told)
        for fill in order.fills[before:]:
            self.book(order, fill)

    def book(self, order: VenueOrder, fill: dict) -> None:
        price, size, fee = (Decimal(fill[name]) for name in ("price", "size", "fee"))
        signed = size if order.side == "BUY" else -size
        self.wallet -= fee
        closing = min(size, abs(self.size)) if self.size * signed < 0 else Decimal(0)
        if closing:
            share = self.cost * closing / abs(self.size)
            self.wallet += price * closing * (1 if self.size > 0 else -1) - share
            self.cost -= share
            self.size += closing * (1 if signed > 0 else -1)
        opened = (size - closing) * (1 if signed > 0 else -1)
        self.cost += price * opened
        self.size += opened
        ours = order.order_id if order.order_id in self.orders else None
        execution = {"client_order_id": ours, "venue_order_id": order.venue_id, "side": order.side, **fill}
        self.executions.append({**execution, "ts_venue_ns": time.time_ns()})

    # Behind our back -------------------------------------------------------------------------------------------------

    def do_by_hand(self, request: dict) -> bool:
        """Somebody else trades on the account."""
        self.trades += 1
        venue_id = f"hand-{self.trades}"
        order = VenueOrder(venue_id, venue_id, request["side"], Decimal(request["size"]), Decimal(request["price"]))
        numbers = {"price": request["price"], "size": request["size"], "fee": request["fee"]}
        self.book(order, stamped({"trade_id": self.trades, **numbers}))
        return True

    def do_foreign_order(self, request: dict) -> str:
        venue_id = f"foreign-{len(self.foreign)}"
        self.foreign[venue_id] = VenueOrder(venue_id, venue_id, "SELL", Decimal("0.5"), Decimal("150.0"))
        return venue_id

    def do_flow(self, request: dict) -> str:
        self.wallet += Decimal(request["amount"])
        flow = {"key": f"flow-{len(self.flows)}", "kind": request["kind"], "amount": request["amount"]}
        self.flows.append(stamped(flow))
        return flow["key"]

    # Looks -----------------------------------------------------------------------------------------------------------

    def do_open_orders(self, request: dict) -> list[dict]:
        known = [*self.orders.values(), *self.foreign.values()]
        return [
            {
                "client_order_id": order.order_id if order.order_id in self.orders else None,
                "venue_order_id": order.venue_id,
                "side": order.side,
                "price": None if order.price is None else str(order.price),
                "size": str(order.size),
                "filled": str(order.filled),
            }
            for order in known
            if order.status == "ACCEPTED"
        ]

    def do_executions(self, request: dict) -> list[dict]:
        # Its own ids only, as many venues do; and some twice.
        rows = [row for row in self.executions if row["ts_venue_ns"] >= request["since_ns"]]
        return [*({**row, "client_order_id": None} for row in rows[:1]), *rows]

    def do_flows(self, request: dict) -> list[dict]:
        return [flow for flow in self.flows if flow["ts_venue_ns"] >= request["since_ns"]] * 2

    def do_state(self, request: dict) -> dict:
        entry = str(self.cost / self.size) if self.size else None
        return stamped({"size": str(self.size), "entry": entry, "wallet": str(self.wallet)})

    def do_truth(self, request: dict) -> dict:
        # A long is worth what the bid pays, a short costs the ask.
        equity = self.wallet + (BID if self.size > 0 else ASK) * self.size - self.cost
        return {"size": str(self.size), "wallet": str(self.wallet), "equity": str(equity)}


if __name__ == "__main__":
    asyncio.run(main(ShownVenue, *sys.argv[1:]))
