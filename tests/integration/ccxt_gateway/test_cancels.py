"""A cancel that meets a fill: whichever comes first, and whatever is told of them, both are booked as they were."""

import pytest
from tests.integration.ccxt_gateway.obeying import Obeying
from tests.integration.ccxt_gateway.world import MARKETS

SIZE = "0.050"
HELD = tuple({"kind": "stall", "stream": stream, "seconds": 0.8} for stream in ("api", "user"))
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
        for market in MARKETS:
            self.fill(market, whole=whole)
            assert self.traded_at(market, [numbers[market]]) is None, "it must not be known yet"
            self.tell(market, f"CANCEL {numbers[market]}")
        for market in MARKETS:
            self.until_idle(market)
        self.venue.clear()
        self.until_same()
        return ids

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


@pytest.mark.parametrize("faults", [HELD, UNTOLD, LOST], ids=["held back", "untold", "untold and unanswered"])
def test_a_cancel_meets_a_fill(thin, world_of, faults):
    world = world_of(thin, Meeting)
    world.start()
    world.until_agreed()
    assert world.states(world.meet(faults, whole=True)) == [("FILLED", 0.05)] * 2
    assert all(state == "CANCELED" and 0 < size < 0.05 for state, size in world.states(world.meet(faults, whole=False)))
    world.stop()
    world.check()
