"""A venue that is a process of its own: it outlives ours, and writes down every request before it acts on it.

Run as ``python venue.py SOCKET LEDGER SEED``; it ends when its standard input does. Plain Python, nothing of Libra.

It speaks JSON, a line a message. Requests carry ``n`` and are answered with it; who said hello gets reports. Those
come late, doubled and out of order, and those of a connection that is gone are lost: only a query tells then.
"""

import asyncio
import json
import os
import random
import sys
import time
from dataclasses import dataclass, field
from decimal import Decimal

BID, ASK, FEE = Decimal("100.0"), Decimal("100.1"), Decimal("0.0005")
FINAL = ("FILLED", "CANCELLED")


@dataclass
class VenueOrder:
    """An order as the venue knows it."""

    order_id: str
    venue_id: str
    side: str
    size: Decimal
    price: Decimal | None
    status: str = "ACCEPTED"
    fills: list[dict] = field(default_factory=list)

    @property
    def filled(self) -> Decimal:
        return sum((Decimal(fill["size"]) for fill in self.fills), Decimal(0))


class Venue:
    """Orders, and everyone who listens to what becomes of them."""

    def __init__(self, ledger: str, seed: int) -> None:
        self.orders: dict[str, VenueOrder] = {}
        self.listeners: set[asyncio.StreamWriter] = set()
        self.open: set[asyncio.StreamWriter] = set()
        self.closed = asyncio.Event()
        self.random = random.Random(seed)
        self.trades = 0
        self.sequence = 0
        self.ledger = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write_down(self, session: int, request: dict) -> None:
        self.sequence += 1
        row = {"seq": self.sequence, "session": session, "op": request["op"], "order_id": request.get("order_id", "")}
        os.write(self.ledger, json.dumps(row).encode() + b"\n")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = 0
        self.open.add(writer)
        try:
            while line := await reader.readline():
                request = json.loads(line)
                if request["op"] == "settle":
                    await self.settle(writer)
                    say(writer, {"n": request["n"], "answer": True})
                    continue
                if request["op"] == "hello":
                    session = request["session"]
                    self.listeners.add(writer)
                self.write_down(session, request)
                answer = getattr(self, "do_" + request["op"])(request)
                say(writer, {"n": request["n"], "answer": answer})
        except (ConnectionError, json.JSONDecodeError):
            pass  # it was killed; half a request is none
        finally:
            self.listeners.discard(writer)
            self.open.discard(writer)
            self.closed.set()
            writer.close()

    async def settle(self, asks: asyncio.StreamWriter) -> None:
        """All that came before over other connections is dealt with: they have ended."""
        while self.open - {asks}:
            self.closed.clear()
            await self.closed.wait()

    # Requests --------------------------------------------------------------------------------------------------------

    def do_hello(self, request: dict) -> str:
        return "welcome"

    def do_order(self, request: dict) -> str:
        order_id = request["order_id"]
        if order_id in self.orders:
            self.report({"order_id": order_id, "status": "REJECTED", "reason": "DUPLICATE"})
            return self.orders[order_id].venue_id
        price = None if request["price"] is None else Decimal(request["price"])
        order = VenueOrder(order_id, f"v{len(self.orders)}", request["side"], Decimal(request["size"]), price)
        self.orders[order_id] = order
        self.report(self.state_of(order))
        if price is None:
            self.execute(order, whole=self.random.random() < 0.4)
            if order.status != "FILLED":
                self.execute(order, whole=True)
        return order.venue_id

    def do_cancel(self, request: dict) -> bool:
        order = self.orders.get(request["order_id"])
        if order is None or order.status in FINAL:
            return False
        order.status = "CANCELLED"
        self.report(self.state_of(order))
        return True

    def do_touch(self, request: dict) -> bool:
        """A resting order is executed, half of it or all: the market came to it because the test says so."""
        order = self.orders.get(request["order_id"])
        if order is None or order.status in FINAL:
            return False
        self.execute(order, whole=request["whole"], told=not request["lost"])
        return True

    def do_query(self, request: dict) -> list[dict]:
        order = self.orders.get(request["order_id"])
        if order is None:
            return [stamped({"order_id": request["order_id"], "status": "NOT_FOUND"})]
        reports = [stamped({"order_id": order.order_id, "status": "ACCEPTED", "venue_order_id": order.venue_id})]
        if order.status == "CANCELLED":
            reports.append(self.state_of(order))
        return reports + order.fills

    def do_dump(self, request: dict) -> list[dict]:
        return [
            {
                "order_id": order.order_id,
                "venue_order_id": order.venue_id,
                "side": order.side,
                "status": order.status if order.status in FINAL or not order.fills else "PARTIALLY_FILLED",
                "size": str(order.size),
                "filled": str(order.filled),
                "fills": order.fills,
            }
            for order in self.orders.values()
        ]

    # What becomes of orders ------------------------------------------------------------------------------------------

    def execute(self, order: VenueOrder, *, whole: bool, told: bool = True) -> None:
        left = order.size - order.filled
        half = (left / 2).quantize(Decimal("0.001"))
        size = left if whole or not half else half
        price = order.price or (ASK if order.side == "BUY" else BID)
        self.trades += 1
        fill = {
            "order_id": order.order_id,
            "status": "FILLED",
            "venue_order_id": order.venue_id,
            "trade_id": self.trades,
            "price": str(price),
            "size": str(size),
            "fee": format(price * size * FEE, "f"),
        }
        order.fills.append(stamped(fill))
        if order.filled == order.size:
            order.status = "FILLED"
        if told:
            self.report(fill)

    def state_of(self, order: VenueOrder) -> dict:
        return stamped({"order_id": order.order_id, "status": order.status, "venue_order_id": order.venue_id})

    def report(self, report: dict) -> None:
        """Tells it once or twice, each time at once or later."""
        stamped(report)
        loop = asyncio.get_running_loop()
        for _ in range(2 if self.random.random() < 0.2 else 1):
            if self.random.random() < 0.3:
                loop.call_later(self.random.uniform(0.001, 0.015), self.tell, report)
            else:
                self.tell(report)

    def tell(self, report: dict) -> None:
        for writer in self.listeners:
            say(writer, {"report": report})


def stamped(report: dict) -> dict:
    report["ts_venue_ns"] = time.time_ns()
    return report


def say(writer: asyncio.StreamWriter, message: dict) -> None:
    if not writer.is_closing():
        writer.write(json.dumps(message).encode() + b"\n")


async def main(kind: type[Venue], socket: str, ledger: str, seed: str) -> None:
    venue = kind(ledger, int(seed))
    server = await asyncio.start_unix_server(venue.serve, socket)
    print("ready", flush=True)  # noqa: T201 - whoever started it waits for that
    parent_gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, parent_gone.set)
    await parent_gone.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(main(Venue, *sys.argv[1:]))
