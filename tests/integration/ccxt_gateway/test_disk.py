"""A full disk and a locked journal, under accounts at a venue: nothing of what happens there is lost."""

import contextlib
import re
import resource
import sqlite3
import time

import pytest
from tests.integration.ccxt_gateway import truth
from tests.integration.ccxt_gateway.obeying import Obeying
from tests.integration.ccxt_gateway.world import MARKETS, SIZE


class Full(Obeying):
    """A world whose disk can be full: the limit on file sizes of its process stands in for one."""

    errors = re.compile(r"an answer that could not be booked|could not be booked, the order is queried")

    def limit(self, most):
        _, hard = resource.prlimit(self.life.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.life.process.pid, resource.RLIMIT_FSIZE, (most, hard))

    def fill_disk(self):
        self.limit(min(self.log(market).stat().st_size for market in MARKETS))

    def log(self, market):
        return self.folder / f".libra/ccxt_sim-{market}.log"

    def until_booked(self):
        """Wait until what happened at the venue is known here."""
        for market in MARKETS:
            end = time.monotonic() + 60
            while found := truth.differences(self.venue, market, self.journal(market)):
                assert time.monotonic() < end, f"{market}: {found}\n{self.life.said[-6_000:]}"
                time.sleep(0.1)


@pytest.mark.parametrize(
    "killed", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["free again", "killed meanwhile"]
)
def test_a_full_disk_stops_new_orders_aloud_and_loses_nothing(thin, world_of, killed):
    world = world_of(thin, Full)
    world.start()
    world.until_agreed()
    for market in MARKETS:
        for away in (1, 6):
            world.tell(market, f"BUY {SIZE[market]} {away}")
        world.until_idle(market)
    world.until_same()
    world.fill_disk()
    lengths = {market: world.log(market).stat().st_size for market in MARKETS}
    asked = {market: thin.asked(market) for market in MARKETS}
    for market in MARKETS:
        near = max(thin.resting(market), key=lambda row: float(row["price"]))
        # Filled at the venue, which nobody can write down here; the other one goes, which takes risk away.
        world.sweep(market, near["price"])
        world.tell(market, f"BUY {SIZE[market]}")
        world.tell(market, "CANCEL 1")
        end = time.monotonic() + 60
        while thin.resting(market):
            assert time.monotonic() < end, world.life.said[-6_000:]
            time.sleep(0.05)
        row = world.until(market, lambda row: row["stopped"] is not None and row["stopped"][0] == "LOG_FAILED")
        assert row["open_orders"] == 2, "what the venue says cannot be booked yet"
    world.life.wait_for("order REJECTED LOG_FAILED")
    world.life.wait_for("an answer that could not be booked")
    for market in MARKETS:
        assert thin.asked(market) == asked[market], "no order leaves that is not written down"
        assert world.log(market).stat().st_size == lengths[market]
    if killed:
        world.kill()
        world.start()
    else:
        world.limit(resource.RLIM_INFINITY)
        began = time.monotonic()
        world.until_booked()
        print(f"booked {time.monotonic() - began:.1f} s after the disk was free")  # noqa: T201
        assert {world.row(market)["stopped"][0] for market in MARKETS} == {"LOG_FAILED"}, "until an operator says so"
        resumed = world.trading.shell.run("resume", "--yes", "--reason", "the disk is free", env=world.env)
        assert resumed.code == 0, resumed.out + resumed.err
    world.until_trading({market: f"SELL {SIZE[market]}" for market in MARKETS})
    world.until_same()
    world.stop()
    world.check()


class Locked(Obeying):
    """A world whose journals somebody else has locked."""

    errors = re.compile(r"its journal falls behind, trading goes on")


@pytest.mark.slow
def test_a_journal_that_is_locked_holds_nothing_up_and_misses_nothing(thin, world_of):
    world = world_of(thin, Locked)
    world.start()
    world.until_agreed()
    for market in MARKETS:
        world.tell(market, f"BUY {SIZE[market]} 1")
        world.until_idle(market)
    world.until_same()
    with contextlib.ExitStack() as stack:
        for market in MARKETS:
            other = stack.enter_context(
                contextlib.closing(sqlite3.connect(world.journal(market), isolation_level=None))
            )
            other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        for market in MARKETS:
            (near,) = thin.resting(market)
            world.sweep(market, near["price"])
        took = {}
        while time.monotonic() < began + 4:
            at = time.monotonic()
            traded = world.until_trading({market: f"SELL {SIZE[market]}" for market in MARKETS})
            took[at] = max(traded.values()) - at
            time.sleep(0.1)
        for market in MARKETS:
            row = world.until(market, lambda row: row["journal"]["state"] == "behind")
            assert row["stopped"] is None
    longest = max(took.values())
    print(f"{len(took)} times traded on both accounts under the lock, after {longest:.2f} s at most")  # noqa: T201
    assert len(took) > 2
    world.until_same()
    for market in MARKETS:
        world.until(market, lambda row: row["journal"]["state"] == "current")
        verified = world.trading.shell.run("journal", "verify", "--file", world.journal(market), env=world.env)
        assert verified.code == 0, verified.out + verified.err
    world.stop()
    world.check()
