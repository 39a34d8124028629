"""The process is killed at each step of an order's way over CCXT, and held against the venue behind its next life."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.integration.ccxt_gateway import truth
from tests.integration.ccxt_gateway.obeying import Obeying
from tests.integration.ccxt_gateway.venue import KEYS
from tests.integration.ccxt_gateway.world import MARKETS, SIZE, SYMBOLS
from tests.integration.crash.compare import SIGKILL

ROOT = Path(__file__).resolve().parents[3]

BEFORE_INTENT = [("on_request.before", 3), ("on_request.after", 3)]
UNSENT = [("on_approved.before", 3), ("on_approved.after", 3), ("may_send.after", 3), ("order.unsent", 3)]
UNANSWERED = [("order.sent", 1), ("order.sent", 2)]
UNACKNOWLEDGED = [("order.answered", 3), ("on_report.before", 3), ("on_report.after", 3), ("partly_filled", 1)]
CANCELS = [("on_cancel.before", 1), ("on_cancel.after", 1), ("cancel.unsent", 1), ("cancel.sent", 1)]
RECOVERY = [("recovery.on_report.before", 1), ("set_reconciled.before", 1), ("set_reconciled.after", 2)]
STEPS = [*BEFORE_INTENT, *UNSENT, *UNANSWERED, *UNACKNOWLEDGED, *CANCELS, ("cancel.answered", 1), *RECOVERY]
OFTEN = [("on_request.before", 3), ("order.unsent", 3), ("order.sent", 1), ("order.answered", 3), ("cancel.sent", 1)]

METHODS = {"order.sent": "POST", "cancel.sent": "DELETE"}


class Lives(Obeying):
    """A world whose lives are forks, ended by themselves."""

    def begin(self):
        self.arguments()
        self.profile = self.folder / "trading.toml"
        command = [sys.executable, "-m", "tests.integration.ccxt_gateway.lives"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
        self.parent = subprocess.Popen(command, env={**os.environ, **KEYS}, **pipes)
        assert self.parent.stdout.readline() == "ready\n"

    def end(self):
        self.parent.stdin.close()
        self.parent.stdout.close()
        assert self.parent.wait(30) == 0

    def live(self, lines_of, point="", nth=1):
        """One life: until all is done, or to the n-th passage of a point. Gives the exit code."""
        for market in MARKETS:
            text = "".join(f"{line}\n" for line in lines_of[market])
            (self.folder / f"{SYMBOLS[market]}.told").write_text(text, encoding="utf-8")
        life = {
            "profile": str(self.profile),
            "point": point,
            "nth": nth,
            "url": self.venue.url,
            "lines": len(lines_of["spot"]),
            "log": str(self.folder / "life.log"),
            "folder": str(self.folder),
            "run_folder": str(self.run_folder),
        }
        self.parent.stdin.write(json.dumps(life) + "\n")
        self.parent.stdin.flush()
        return int(self.parent.stdout.readline())

    def meanwhile(self):
        """While nobody of ours is there, what rests nearest is filled, and the next is cancelled by hand.

        So is what rests farthest: a life leaves one or two, and the account's limit is 20 of an instrument.
        """
        for market in MARKETS:
            resting = sorted(self.venue.resting(market), key=lambda row: -float(row["price"]))
            if resting:
                self.sweep(market, resting[0]["price"])
            for row in resting[1:2] + resting[8:]:
                self.venue.cancel(market, row["clientOrderId"])

    def lines(self):
        log = self.folder / "life.log"
        return log.read_text() if log.exists() else ""


def orders(size):
    """The first takes several of the book's levels."""
    return ["BUY 0.012", f"BUY {size} 1", f"BUY {size} 6", "CANCEL 2", f"SELL {size}", f"BUY {size} 9"]


def through(world, steps):
    lines_of = {market: orders(SIZE[market]) for market in MARKETS}
    world.begin()
    try:
        assert world.live(lines_of) == 0, world.lines()
        for point, nth in steps:
            if point in METHODS:
                # The exchange carries it out, and nothing is told of it before the process is dead.
                slow = {"kind": "slow", "path": "order", "method": METHODS[point], "account": "sim", "seconds": 30}
                world.venue.control("faults", slow)
                world.venue.control("faults", {"kind": "drop_events", "account": "sim"})
            assert world.live(lines_of, point, nth) == SIGKILL, f"{point}\n{world.lines()}"
            world.venue.clear()
            world.meanwhile()
            asked = {market: set(world.venue.asked(market)) for market in MARKETS}
            before, began = len(world.lines()), time.monotonic()
            assert world.live(lines_of) == 0, f"{point}\n{world.lines()}"
            said = (line.split() for line in world.lines()[before:].splitlines() if line.startswith("traded "))
            traded = [float(at) for _, _, number, at in said if number != "None"]
            print(f"killed at {point}: trading again {min(traded) - began:.1f} s after the start")  # noqa: T201
            for market in MARKETS:
                found = truth.differences(world.venue, market, world.journal(market))
                assert not found, f"{point}, {market}: {found}\n{world.lines()}"
                assert asked[market] <= set(world.venue.asked(market))
                assert world.incidents(market) == []
    finally:
        world.end()


@pytest.mark.slow
def test_a_kill_at_the_steps_of_an_order(thin, world_of):
    through(world_of(thin, Lives), OFTEN)


@pytest.mark.slow
def test_a_kill_at_every_step(thin, world_of):
    through(world_of(thin, Lives), STEPS)
