"""An exchange with thin books, an account at it that does what a file says, and how both are held side by side."""

import json
import signal
import time

from tests.integration.account_rows import account_rows, agrees_since, until
from tests.integration.ccxt_gateway import truth
from tests.integration.ccxt_gateway.venue import KEYS, PATHS

# Thin books: one order of another account goes through all of them.
VENUE = """
seed = 3
funding_interval_s = {funding_s}
funding_rate = "0.0001"
# Looks are twice a second here, and somebody trades in small steps: the venue's own limits do not allow that.
[limits]
spot_weight = 60000
linear_weight = 24000
spot_orders_10s = 10000
linear_orders_10s = 10000
linear_orders_minute = 60000
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

    body = TOLD
    """The strategy of each account."""
    window_ms = 10_000
    more = ""
    """Of each gateway's table."""
    histories_lag_s = 0

    def __init__(self, venue, trading, run_folder):
        self.venue, self.trading, self.run_folder = venue, trading, run_folder
        run_folder.mkdir(mode=0o700, exist_ok=True)
        self.env = {**KEYS, "LIBRA_RUN_DIR": str(run_folder)}
        self.life = None

    @property
    def folder(self):
        return self.trading.shell.folder

    def arguments(self, *accounts):
        """What follows `libra`; the profile is written."""
        arguments = self.trading.arguments(
            self.venue, self.body, accounts=accounts or MARKETS, window_ms=self.window_ms
        )
        profile = self.folder / "trading.toml"
        text = profile.read_text(encoding="utf-8")
        more = f"{self.more}reconcile_every_s = 0.5, histories_lag_s = {self.histories_lag_s}"
        profile.write_text(text.replace('kind = "ccxt", venue', f'kind = "ccxt", {more}, venue'))
        return arguments

    def start(self, *accounts):
        arguments = self.arguments(*accounts)
        for symbol in SYMBOLS.values():
            (self.folder / f"{symbol}.told").unlink(missing_ok=True)
        self.life = self.trading.shell.start(*arguments, env=self.env)

    def tell(self, market, *lines):
        with (self.folder / f"{SYMBOLS[market]}.told").open("a", encoding="utf-8") as told:
            told.write("".join(f"{line}\n" for line in lines))

    def kill(self):
        self.life.signal(signal.SIGKILL)
        assert self.life.end().code == -signal.SIGKILL

    def stop(self, code=0):
        self.life.signal(signal.SIGINT)
        ended = self.life.end(60)
        assert ended.code == code, ended.err
        self.look_at_errors(ended.err)
        return ended.summary

    def look_at_errors(self, said):
        assert "Traceback" not in said, said

    def row(self, market):
        return next((row for row in account_rows(self.run_folder) if row["name"] == market), None)

    def until(self, market, condition, *, within_s=60.0):
        return until(lambda: self.row(market), condition, lambda: self.life.said, within_s=within_s)

    def until_agreed(self, *markets):
        """Wait for a look, begun from here on, that finds nothing."""
        agrees = agrees_since(time.time_ns())
        return [self.until(market, agrees) for market in markets or MARKETS]

    def until_venue(self, market, count):
        """Wait until so much was executed there."""
        end = time.monotonic() + 60
        while len(self.venue.traded(market)) < count:
            assert time.monotonic() < end, self.life.said[-4_000:]
            time.sleep(0.02)

    def sweep(self, market, price, side="SELL", quantity="3.000"):
        """Another account trades through the book, up or down to a price."""
        base, _, symbol = PATHS[market]
        taken = self.venue.ask(
            "POST", f"{base}/order", who="other", symbol=symbol, side=side, type="LIMIT", timeInForce="IOC",
            quantity=quantity, price=price, newOrderRespType="RESULT",
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
            assert truth.ours(self.journal(market)) == expected
            rounded += times
        return rounded

    def journal(self, market):
        return self.folder / f".libra/ccxt_sim-{market}.journal.db"

    def incidents(self, market):
        shown = self.trading.shell.run(
            "journal", "show", "incidents", "--file", f".libra/ccxt_sim-{market}.journal.db", "--json"
        )
        return [json.loads(line) for line in shown.out.splitlines()]
