"""Each fault of a venue while orders are open and one is in flight: behind each of them both sides have the same.

What the venue has is recomputed by exact fractions from its raw log (`truth`), and the time from the fault to
the next trade that we know of is printed.
"""

import time
from dataclasses import dataclass

import pytest
from tests.integration.ccxt_gateway.obeying import Obeying
from tests.integration.ccxt_gateway.world import MARKETS, SIZE


@dataclass(frozen=True)
class Fault:
    """What is broken, and whether that is before the order in flight has left: else its answer is held back first."""

    name: str
    faults: tuple
    first: bool = False


def of_both(**fault):
    """Once for each market."""
    return tuple({**fault, "side": market} for market in MARKETS)


MINE = {"account": "sim"}
NEW = {"path": "order", "method": "POST", **MINE}

FAULTS = [
    Fault("disconnect", ({"kind": "disconnect"},)),
    Fault("stall", ({"kind": "stall", "seconds": 1.5},)),
    Fault("half_open (user streams)", ({"kind": "half_open", "stream": "user"},)),
    Fault("half_open (order sockets)", ({"kind": "half_open", "stream": "api"},)),
    Fault("half_open (all)", ({"kind": "half_open"},)),
    Fault("drop_events", of_both(kind="drop_events", count=4, **MINE), first=True),
    Fault("duplicate_events", of_both(kind="duplicate_events", count=8, **MINE), first=True),
    Fault("delay_events", of_both(kind="delay_events", count=8, seconds=1.5, **MINE), first=True),
    Fault("reorder_events", of_both(kind="reorder_events", count=8, **MINE), first=True),
    Fault("depth_gap", ({"kind": "depth_gap", "count": 3},)),
    Fault("error 503 (the order)", of_both(kind="error", count=1, **NEW), first=True),
    Fault("error 500 (everything)", ({"kind": "error", "status": 500, "for_s": 1.0, **MINE},), first=True),
    Fault("error 429 (a storm)", ({"kind": "error", "status": 429, "seconds": 1, "for_s": 3.0, **MINE},), first=True),
    Fault("slow", of_both(kind="slow", seconds=1.5, count=2, **NEW), first=True),
    Fault("lost_answer (the order)", of_both(kind="lost_answer", count=1, **NEW), first=True),
    Fault("lost_answer (unknown)", of_both(kind="lost_answer", count=1, status=503, **NEW), first=True),
    Fault("lost_answer (the cancel)", of_both(kind="lost_answer", count=1, **{**NEW, "method": "DELETE"})),
    Fault("maintenance", ({"kind": "maintenance", "for_s": 1.5, **MINE},)),
    Fault("clock_skew behind", ({"kind": "clock_skew", "seconds": -1.5},)),
    Fault("clock_skew ahead", ({"kind": "clock_skew", "seconds": 4.0},)),
    Fault("ban", ({"kind": "ban", "seconds": 2.0},)),
    Fault(
        "expire_listen_key",
        ({"kind": "error", "path": "listenKey", "for_s": 1.0}, {"kind": "expire_listen_key", "account": "sim"}),
    ),
]
# Answers that come by sockets, and by requests.
HELD = (
    {"kind": "stall", "stream": "api", "seconds": 0.5},
    {"kind": "stall", "stream": "user", "seconds": 0.5},
    *of_both(kind="slow", seconds=0.5, count=1, **NEW),
)
BY_REST = ("disconnect", "error 503", "error 500", "error 429", "slow", "lost_answer", "maintenance", "clock", "ban")
OFTEN = ("disconnect", "drop_events", "reorder_events", "error 503 (the order)", "lost_answer (the order)", "ban")


class Broken(Obeying):
    """Lives through faults, one after the other."""

    def __init__(self, *parts):
        super().__init__(*parts)
        self.left = dict.fromkeys(MARKETS)
        self.took = {}

    def through(self, number, fault):
        """One fault. What rested before it is swept, cancelled or left while it lasts."""
        venue, (side, other) = self.venue, (("BUY", "SELL"), ("SELL", "BUY"))[number % 2]
        rests = {
            market: [self.tell(market, f"{side} {SIZE[market]} {away}") for away in (1, 6, 9)] for market in MARKETS
        }
        for market in MARKETS:
            if self.left[market] is not None:
                self.tell(market, f"CANCEL {self.left[market]}")
            self.until_open(market, 3)
        nearest = max if side == "BUY" else min
        prices = {market: nearest((row["price"] for row in venue.resting(market)), key=float) for market in MARKETS}
        asked = {market: len(venue.asked(market)) for market in MARKETS}
        for held in HELD * (not fault.first):
            venue.control("faults", held)
        began = time.monotonic()
        for broken in fault.faults * fault.first:
            venue.control("faults", broken)
        for market in MARKETS:
            self.tell(market, f"{side} {SIZE[market]}")
        for market in MARKETS:
            self.until_asked(market, asked[market])
        if not fault.first:
            began = time.monotonic()
        for broken in fault.faults * (not fault.first):
            venue.control("faults", broken)
        for market in MARKETS:
            _, cancelled, self.left[market] = rests[market]
            self.tell(market, f"CANCEL {cancelled}")
            self.sweep(market, prices[market], other)
        traded = self.until_trading({market: f"{other} {SIZE[market]}" for market in MARKETS})
        took = {market: traded[market] - began for market in MARKETS}
        for market in MARKETS:
            self.until_idle(market)
            self.until_open(market, 1)
        venue.clear()
        self.until_same()
        self.took[fault.name] = took
        times = ", ".join(f"{market} {seconds:.1f} s" for market, seconds in took.items())
        whole = time.monotonic() - began
        print(f"{fault.name}: trading again after {times}; all accounted for after {whole:.1f} s")  # noqa: T201


class Requesting(Broken):
    """The same without sockets for orders."""

    more = "websocket_orders = false, "


def run_through(world, faults):
    world.start()
    world.until_agreed()
    # What reduces a position leaves as `reduceOnly`, and ends with it: here there is enough of it for all.
    world.until_trading({"linear": "BUY 0.100"})
    for number, fault in enumerate(faults):
        world.through(number, fault)
    summary = world.stop()
    world.check()
    for market in MARKETS:
        assert summary["looks"][market]["differences"] == []
        assert world.incidents(market) == []
        assert world.trading.fills(market) == world.venue.fills(market)


@pytest.mark.slow
def test_both_say_the_same_behind_faults_that_are_frequent(thin, world_of):
    run_through(world_of(thin, Broken), [fault for fault in FAULTS if fault.name in OFTEN])


@pytest.mark.slow
def test_both_say_the_same_behind_every_fault(thin, world_of):
    run_through(world_of(thin, Broken), FAULTS)


@pytest.mark.slow
def test_so_they_do_where_orders_go_by_rest(thin, world_of):
    run_through(world_of(thin, Requesting), [fault for fault in FAULTS if fault.name.startswith(BY_REST)])
