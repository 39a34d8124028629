"""A node whose accounts are held against the simulated exchange: what happened behind its back, spot and linear."""

import json
import secrets
import signal
import time
from decimal import Decimal

import pytest
from tests.integration.ccxt_gateway import truth
from tests.integration.ccxt_gateway.venue import KEYS, PATHS, exchange

from libra.control.client import NodeClient
from libra.control.folder import find_nodes
from libra.errors import ControlError

# Thin books: one order of another account goes through all of them.
VENUE = """
seed = 3
funding_interval_s = {funding_s}
funding_rate = "0.0001"
# Looks are twice a second here, which the venue's own limits do not allow.
[limits]
spot_weight = 60000
linear_weight = 24000
[[markets]]
symbol = "BTC/USDT"
start_price = 60000
tick_size = 0.01
lot_size = 0.00001
[markets.flow]
level_notional = 300
book_levels = 100
[[markets]]
symbol = "BTC/USDT:USDT"
start_price = 60000
tick_size = 0.1
lot_size = 0.001
min_notional = 100
[markets.flow]
level_notional = 300
book_levels = 100
[[accounts]]
name = "sim"
api_key = "sim-key"
secret = "sim-secret"
spot = {{ USDT = 100000, BTC = 10 }}
linear = {{ USDT = 100000 }}
[[accounts]]
name = "other"
api_key = "other-key"
secret = "other-secret"
spot = {{ USDT = 1000000, BTC = 100 }}
linear = {{ USDT = 1000000 }}
"""

# Does what a file says, line by line: side, size, and how far below the bid to rest; without that it trades at once.
TOLD = """
last, done = None, 0

def on_start(self):
    self.set_timer("look", 0.05, interval_s=0.05)

def lines(self):
    from pathlib import Path
    path = Path(self.symbols[0].replace("/", "-").replace(":", "-") + ".told")
    return path.read_text().splitlines() if path.exists() else []

def on_quote(self, quote):
    self.last = quote

def on_timer(self, name):
    lines = self.lines()
    if self.last is None or self.done == len(lines):
        return
    side, size, *away = lines[self.done].split()
    tick, quote = self.instruments[self.symbols[0]].tick_size, self.last
    side = OrderSide(side)
    if away:
        price, times = quote.bid * (1000 - int(away[0])) // 1000 // tick * tick, "GTC"
    else:
        price, times = (quote.ask + 500 * tick if side is OrderSide.BUY else quote.bid - 500 * tick), "IOC"
    self.submit(self.symbols[0], side, size, price=price, time_in_force=times)
    self.done += 1

def on_order(self, order):
    if order.status == "REJECTED" and order.reason in ("RECONCILING", "NO_MARKET", "STALE_MARKET"):
        self.done -= 1
    print("order", order.status, order.reason, order.order_id, flush=True)
"""

MARKETS = ("spot", "linear")
SYMBOLS = {"spot": "BTC-USDT", "linear": "BTC-USDT-USDT"}
SIZE = {"spot": "0.00400", "linear": "0.004"}


class World:
    """An exchange, and the lives that our side has with it."""

    def __init__(self, venue, trading, run_folder):
        self.venue, self.trading, self.run_folder = venue, trading, run_folder
        run_folder.mkdir(mode=0o700, exist_ok=True)
        self.env = {**KEYS, "LIBRA_RUN_DIR": str(run_folder)}
        self.life = None

    def start(self, *accounts):
        arguments = self.trading.arguments(self.venue, TOLD, accounts=accounts or MARKETS)
        profile = self.trading.shell.folder / "trading.toml"
        text = profile.read_text(encoding="utf-8")
        profile.write_text(text.replace('kind = "ccxt", venue', 'kind = "ccxt", reconcile_every_s = 0.5, venue'))
        for symbol in SYMBOLS.values():
            (self.trading.shell.folder / f"{symbol}.told").unlink(missing_ok=True)
        self.life = self.trading.shell.start(*arguments, env=self.env)

    def tell(self, market, *lines):
        with (self.trading.shell.folder / f"{SYMBOLS[market]}.told").open("a", encoding="utf-8") as told:
            told.write("".join(f"{line}\n" for line in lines))

    def kill(self):
        self.life.signal(signal.SIGKILL)
        assert self.life.end().code == -signal.SIGKILL

    def stop(self):
        self.life.signal(signal.SIGINT)
        ended = self.life.end(60)
        assert ended.code == 0, ended.err
        assert "Traceback" not in ended.err, ended.err
        return ended.summary

    def row(self, market):
        nodes = find_nodes(self.run_folder)
        if not nodes:
            return None
        try:
            accounts = NodeClient(nodes[-1], self.run_folder).ask("status")["accounts"]
        except ControlError:
            return None
        return next((row for row in accounts if row["name"] == market), None)

    def until(self, market, condition, *, within_s=60.0):
        end = time.monotonic() + within_s
        while True:
            row = self.row(market)
            if row is not None and condition(row):
                return row
            assert time.monotonic() < end, f"{row}\n{self.life.said[-4_000:]}"
            time.sleep(0.02)

    def until_agreed(self, *markets):
        """Wait for a look, begun from here on, that finds nothing."""
        now_ns = time.time_ns()

        def agrees(row):
            look = row["look"]
            later = look is not None and look["at_ns"] - look["duration_ns"] > now_ns
            return later and look["settled"] and not look["differences"] and row["stopped"] is None

        return [self.until(market, agrees) for market in markets or MARKETS]

    def until_venue(self, market, count):
        """Wait until so much was executed there."""
        end = time.monotonic() + 60
        while len(self.venue.traded(market)) < count:
            assert time.monotonic() < end, self.life.said[-4_000:]
            time.sleep(0.02)

    def sweep(self, market, price):
        """Another account sells through the book, down to a price."""
        base, _, symbol = PATHS[market]
        taken = self.venue.ask(
            "POST", f"{base}/order", who="other", symbol=symbol, side="SELL", type="LIMIT", timeInForce="IOC",
            quantity="3.000", price=price, newOrderRespType="RESULT",
        )  # fmt: skip
        assert isinstance(taken, dict), taken

    def by_hand(self, market, side, quantity, client_id, price=None):
        """Somebody trades on our account, by its own keys."""
        base, _, symbol = PATHS[market]
        order = {"type": "MARKET"} if price is None else {"type": "LIMIT", "timeInForce": "GTC", "price": price}
        placed = self.venue.ask(
            "POST", f"{base}/order", symbol=symbol, side=side, quantity=quantity, newClientOrderId=client_id, **order
        )
        assert isinstance(placed, dict), placed
        return placed

    def check(self, *markets):
        """Behind the end of a life: both sides have the same, to the last unit. Gives how often the venue rounded."""
        rounded = 0
        for market in markets or MARKETS:
            expected, times = truth.wallets(self.venue, market)
            assert truth.shown(self.venue, market) == expected
            journal = self.trading.shell.folder / f".libra/ccxt_sim-{market}.journal.db"
            assert truth.ours(journal) == expected
            rounded += times
        return rounded

    def incidents(self, market):
        shown = self.trading.shell.run(
            "journal", "show", "incidents", "--file", f".libra/ccxt_sim-{market}.journal.db", "--json"
        )
        return [json.loads(line) for line in shown.out.splitlines()]


@pytest.fixture
def world_of(trading, tmp_path, tmp_path_factory):
    """Makes a world; it ends with the test."""
    run_folder = tmp_path_factory.mktemp("r")

    def make(venue):
        return World(venue, trading, run_folder)

    return make


@pytest.fixture
def thin(tmp_path):
    config = tmp_path / "venue.toml"
    config.write_text(VENUE.format(funding_s=28_800), encoding="utf-8")
    with exchange("--config", config) as started:
        yield started


@pytest.mark.parametrize("market", MARKETS)
def test_fills_while_we_were_down_are_booked_once(thin, world_of, market):
    world = world_of(thin)
    world.start(market)
    world.tell(market, f"BUY {SIZE[market]}", f"BUY {SIZE[market]} 1", f"BUY {SIZE[market]} 9")
    world.until_venue(market, 1)
    world.until(market, lambda row: row["open_orders"] == 2)
    world.until_agreed(market)
    world.kill()
    near, far = sorted((row for row in thin.orders(market)), key=lambda row: -Decimal(row["price"]))
    before = len(thin.traded(market))
    world.sweep(market, near["price"])
    assert len(thin.traded(market)) > before, "the venue executed it while we were down"
    for _ in range(2):
        world.start(market)
        world.until_agreed(market)
        world.until(market, lambda row: row["open_orders"] == 1)
        summary = world.stop()
        assert world.trading.fills(market) == thin.fills(market)
        assert summary["looks"][market]["differences"] == []
        assert thin.open_orders(market) == [far["clientOrderId"]]
        world.check(market)
    assert world.incidents(market) == []


@pytest.mark.parametrize("market", MARKETS)
def test_foreign_orders_are_left_and_lost_ones_of_ours_adopted(thin, world_of, market):
    world = world_of(thin)
    world.start(market)
    world.until_agreed(market)
    quantity, bid = SIZE[market], "50000.0"
    world.by_hand(market, "BUY", quantity, "by-hand", bid)
    world.until(market, lambda row: row["look"]["foreign"] == 1)
    # One under our prefix that works, and one that is over before any look.
    works, over = (f"L{secrets.token_hex(16)}" for _ in range(2))
    world.by_hand(market, "BUY", quantity, works, bid)
    world.by_hand(market, "BUY", quantity, over)
    world.until(market, lambda row: row["open_orders"] == 1)
    world.until_venue(market, 1)
    world.until_agreed(market)
    summary = world.stop()
    assert sorted(thin.open_orders(market)) == sorted(["by-hand", works])
    assert world.life.said.count("is not ours, and left alone") == 1
    assert summary["fills"] == len(thin.traded(market)) > 0
    statuses = {row["client_order_id"]: row["status"] for row in world.trading.rows("orders", market)}
    assert (statuses[works], statuses[over]) == ("ACCEPTED", "FILLED")
    assert world.trading.fills(market) == thin.fills(market)
    world.check(market)
    assert world.incidents(market) == []


def test_funding_deposits_and_transfers_are_booked_and_no_difference(world_of, tmp_path):
    config = tmp_path / "venue.toml"
    config.write_text(VENUE.format(funding_s=4), encoding="utf-8")
    with exchange("--config", config) as venue:
        world = world_of(venue)
        world.start()
        world.until_agreed()
        for market in MARKETS:
            world.tell(market, f"BUY {SIZE[market]}")
            world.until_venue(market, 1)
        venue.control("money", {"account": "sim", "asset": "USDT", "amount": "1234.56789012"})
        venue.control("money", {"account": "sim", "asset": "ETH", "amount": "0.00000001", "kind": "dividend"})
        for kind, asset, amount in (
            ("MAIN_UMFUTURE", "USDT", "500.00000001"),
            ("UMFUTURE_MAIN", "USDT", "20"),
            ("MAIN_UMFUTURE", "BTC", "0.5"),
        ):
            assert "tranId" in venue.ask("POST", "/sapi/v1/asset/transfer", type=kind, asset=asset, amount=amount)
        opened_s = time.time_ns() // 10**9
        while time.time_ns() // 10**9 <= opened_s:
            # A withdrawal is told by the second, and one of the second of the opening counts as of before it.
            time.sleep(0.05)
        gone = venue.ask("POST", "/sapi/v1/capital/withdraw/apply", coin="BTC", amount="0.25", address="elsewhere")
        assert "id" in gone
        deadline = time.monotonic() + 60
        while not venue.control("trades?account=sim")["funding"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        world.until_agreed()
        world.stop()
        # The next payment is behind the end of this life, and booked by the next one.
        paid = len(venue.control("trades?account=sim")["funding"])
        while len(venue.control("trades?account=sim")["funding"]) == paid:
            time.sleep(0.05)
        world.start()
        world.until_agreed()
        world.tell("linear", f"SELL {SIZE['linear']}")
        world.until_venue("linear", len(venue.traded("linear")) + 1)
        world.until("linear", lambda row: not row["positions"])
        world.until_agreed()
        summary = world.stop()
        world.check()
        assert all(look["differences"] == [] for look in summary["looks"].values())
        assert [world.incidents(market) for market in MARKETS] == [[], []]


@pytest.mark.parametrize("market", MARKETS)
def test_what_nobody_explains_stops_new_orders_until_the_venues_word_is_taken(thin, world_of, market):
    world = world_of(thin)
    world.start(market)
    world.until_agreed(market)
    world.by_hand(market, "SELL", SIZE[market], "by-hand")
    code = "BALANCE_DIFFERS" if market == "spot" else "POSITION_DIFFERS"
    row = world.until(market, lambda row: row["incident"] is not None and row["look"]["differences"])
    assert row["stopped"][0] == "INCIDENT"
    assert code in [difference[0] for difference in row["look"]["differences"]]
    before = len(thin.traded(market))
    world.tell(market, f"BUY {SIZE[market]}")
    world.life.wait_for("order REJECTED INCIDENT")
    assert len(thin.traded(market)) == before
    arguments = ("resume", "--account", market, "--accept-venue", "--yes", "--reason", "sold by hand")
    accepted = world.trading.shell.run(*arguments, env=world.env)
    assert accepted.code == 0, accepted.out + accepted.err
    world.until_agreed(market)
    world.tell(market, f"BUY {SIZE[market]}")
    world.until_venue(market, before + 1)
    world.until_agreed(market)
    world.stop()
    world.check(market)
    assert len(world.incidents(market)) >= 1


def test_what_the_venue_rounds_is_no_difference(thin, world_of):
    world = world_of(thin)
    world.start("linear")
    world.until_agreed("linear")
    lines = ["BUY 0.007", "BUY 0.003", "BUY 0.013", *["SELL 0.002"] * 7, "BUY 0.006", *["SELL 0.003"] * 4]
    for number, line in enumerate(lines, 1):
        world.tell("linear", line)
        world.until_venue("linear", number)
    world.until_agreed("linear")
    # Not flat: what is left has a basis, and it is the venue's.
    summary = world.stop()
    assert summary["looks"]["linear"]["differences"] == []
    assert world.check("linear") > 0, "the venue has rounded nothing, so that this says nothing"
    world.start("linear")
    world.until_agreed("linear")
    world.tell("linear", "SELL 0.003")
    world.until("linear", lambda row: not row["positions"])
    world.until_agreed("linear")
    world.stop()
    world.check("linear")
    assert world.incidents("linear") == []
