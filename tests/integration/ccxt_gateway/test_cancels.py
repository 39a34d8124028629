"""A cancel that meets a fill: whichever comes first, and whatever is told of them, both are booked as they were."""

import contextlib
import sqlite3
import time

import pytest
from tests.integration.ccxt_gateway.obeying import Obeying
from tests.integration.ccxt_gateway.world import MARKETS

SIZE = "0.050"
HELD = tuple({"kind": "stall", "stream": stream, "seconds": 60} for stream in ("api", "user"))
UNTOLD = ({"kind": "drop_events", "account": "sim"},)
LOST = (*UNTOLD, *({"kind": "lost_answer", "method": "DELETE", "side": market, "count": 1} for market in MARKETS))


class Meeting(Obeying):
    """Orders that are filled and cancelled at once."""

    def meet(self, faults, *, whole):
        """What rests is filled, all of it or a part, and cancelled before we know. Gives the orders' ids."""
        numbers = {market: self.tell(market, f"BUY {SIZE} 1") for market in MARKETS}
        for market in MARKETS:
            self.until_idle(market)
        ids = {market: self.venue.resting(market)[0]["clientOrderId"] for market in MARKETS}
        for fault in faults:
            self.venue.control("faults", fault)
        # Nor does a look find it.
        unseen = self.venue.control("faults", {"kind": "error", "path": "*Trades", "account": "sim"})
        for market in MARKETS:
            self.fill(market, whole=whole)
            assert self.traded_at(market, [numbers[market]]) is None, "it must not be known yet"
            self.tell(market, f"CANCEL {numbers[market]}")
        for market in MARKETS:
            self.until_cancel_stands(market, ids[market])
        if faults is HELD:
            self.venue.clear()
        self.venue.control(f"faults/{unseen['id']}", method="DELETE")
        for market in MARKETS:
            self.until_idle(market)
        self.venue.clear()
        self.until_same()
        return ids

    def until_cancel_stands(self, market, order_id):
        """Wait until the cancel is written down."""
        query = "SELECT count(*) FROM order_events WHERE kind = 'cancel_intent' AND client_order_id = ?"
        end = time.monotonic() + 60
        with contextlib.closing(sqlite3.connect(f"file:{self.journal(market)}?mode=ro", uri=True)) as journal:
            while journal.execute(query, (order_id,)).fetchone() == (0,):
                assert time.monotonic() < end, self.life.said[-6_000:]
                time.sleep(0.02)

    def fill(self, market, *, whole):
        """Sells into what rests, in steps that are smaller than it is."""
        (order,) = self.venue.resting(market)
        while float(order["executedQty"]) == 0:
            self.sweep(market, order["price"], quantity="3.000" if whole else "0.040")
            (order,) = [
                row
                for row in self.venue.control("orders?account=sim")
                if (row["clientOrderId"], row["side_of_venue"]) == (order["clientOrderId"], market)
            ]
        assert whole == (order["status"] == "FILLED")

    def states(self, ids):
        rows = self.venue.control("orders?account=sim")
        found = {row["clientOrderId"]: (row["status"], float(row["executedQty"])) for row in rows}
        return [found[order_id] for order_id in ids.values()]


@pytest.mark.parametrize(
    "faults",
    [HELD, UNTOLD, pytest.param(LOST, marks=pytest.mark.slow)],
    ids=["held back", "untold", "untold and unanswered"],
)
def test_a_cancel_meets_a_fill(thin, world_of, faults):
    world = world_of(thin, Meeting)
    world.start()
    world.until_agreed()
    assert world.states(world.meet(faults, whole=True)) == [("FILLED", 0.05)] * 2
    assert all(state == "CANCELED" and 0 < size < 0.05 for state, size in world.states(world.meet(faults, whole=False)))
    world.stop()
    world.check()
