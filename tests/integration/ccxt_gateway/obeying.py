"""Accounts that do what they are told, again and again until it is done: through whatever the venue does to them."""

import re
import time

from tests.integration.ccxt_gateway import truth
from tests.integration.ccxt_gateway.world import MARKETS, World

# Each line of a file is done once: a trade at once, an order that rests so many per mille away, or a cancel of what an
# earlier line has left. What was refused is tried again, as an order of its own.
OBEYS = """
last, read = None, 0

def on_start(self):
    self.todo, self.line_of, self.order_of, self.undone, self.ends, self.over = [], {}, {}, set(), {}, set()
    self.set_timer("look", 0.02, interval_s=0.02)

def on_quote(self, quote):
    self.last = quote

def on_timer(self, name):
    from pathlib import Path
    path = Path(self.symbols[0].replace("/", "-").replace(":", "-") + ".told")
    lines = path.read_text().splitlines() if path.exists() else []
    now = time.monotonic()
    self.todo += [(now, number, lines[number]) for number in range(self.read, len(lines))]
    self.undone.update(range(self.read, len(lines)))
    self.read = len(lines)
    if self.last is not None:
        due, self.todo = ([row for row in self.todo if (row[0] <= now) is is_due] for is_due in (True, False))
        for _, number, line in due:
            self.do(number, line)

def do(self, number, line):
    what, *words = line.split()
    if what == "CANCEL" and int(words[0]) in self.undone:
        self.todo.append((0.0, number, line))
        return
    if what == "CANCEL" and self.order_of[int(words[0])] in self.over:
        self.undone.discard(number)
        return
    if what == "CANCEL":
        self.ends[self.order_of[int(words[0])]] = number
        self.cancel(self.order_of[int(words[0])])
        return
    tick, quote, side = self.instruments[self.symbols[0]].tick_size, self.last, OrderSide(what)
    size, away, sign = words[0], int(words[1]) if len(words) > 1 else 0, 1 if side is OrderSide.BUY else -1
    near, far = (quote.bid, quote.ask) if side is OrderSide.BUY else (quote.ask, quote.bid)
    price, times = far + sign * 500 * tick, "IOC"
    if away:
        price, times = near * (1000 - sign * away) // 1000 // tick * tick, "GTC"
    self.order_of[number] = self.submit(self.symbols[0], side, size, price=price, time_in_force=times)
    self.line_of[self.order_of[number]] = (number, line)

def on_order(self, order):
    number, line = self.line_of.get(order.order_id, (None, ""))
    print("order", order.status, order.reason, order.order_id, number, f"{time.monotonic():.3f}", flush=True)
    nothing = order.status == "EXPIRED" and not order.filled
    if number is not None and (order.status == "REJECTED" or nothing):
        self.todo.append((time.monotonic() + 0.1, number, line))
    elif order.is_final or (order.status == "ACCEPTED" and len(line.split()) > 2):
        self.undone.discard(number)
    if order.is_final:
        self.over.add(order.order_id)
        self.undone.discard(self.ends.get(order.order_id))
    if not self.undone:
        print("idle", self.account, self.read, flush=True)

def on_fill(self, fill):
    number, _ = self.line_of.get(fill.order_id, (None, ""))
    print("traded", self.account, number, time.monotonic(), flush=True)
"""


RAISED = re.compile(r"[\w.]+(Error|Exception|Exit|Interrupt)\b")


class Obeying(World):
    """A world whose accounts are told things by number, and whose books are compared whole."""

    body = OBEYS
    window_ms = 4_000
    """An order that the venue never took is known as such behind it."""
    errors = re.compile(r"actor (spot|linear)\.gateway raised while (handling MESSAGE|starting|running)")
    """Errors that a log may have: a stream of reports that is lost ends its actor, which is started again."""

    def __init__(self, *parts):
        super().__init__(*parts)
        self.told = dict.fromkeys(MARKETS, 0)

    def start(self, *accounts):
        self.told = dict.fromkeys(MARKETS, 0)
        super().start(*accounts)

    def tell(self, market, line):
        """Gives the number of what was told."""
        number, self.told[market] = self.told[market], self.told[market] + 1
        super().tell(market, line)
        return number

    def traded_at(self, market, numbers):
        """When the first of what was told is known to have traded; None before."""
        lines = (line.split() for line in self.life.said.splitlines() if line.startswith(f"traded {market} "))
        return next((float(words[3]) for words in lines if words[2] in map(str, numbers)), None)

    def until_trading(self, line_of, *, within_s=60.0):
        """Tells each market to trade, twice a second, until it is known that it did. Gives when."""
        began = time.monotonic()
        told, found = {market: [] for market in line_of}, {}
        while len(found) < len(line_of):
            waited_s = time.monotonic() - began
            assert waited_s < within_s, f"{found}\n{self.life.said[-6_000:]}"
            for market in line_of.keys() - found.keys():
                if len(told[market]) <= 2 * waited_s:
                    told[market].append(self.tell(market, line_of[market]))
                if (at := self.traded_at(market, told[market])) is not None:
                    found[market] = at
            time.sleep(0.01)
        return found

    def until_open(self, market, count):
        """Wait until so many orders are open, there and here."""
        end = time.monotonic() + 60
        while len(self.venue.resting(market)) != count or (self.row(market) or {}).get("open_orders") != count:
            assert time.monotonic() < end, f"{self.venue.resting(market)}\n{self.life.said[-6_000:]}"
            time.sleep(0.02)

    def until_idle(self, market):
        """Wait until all that was told is done."""
        self.life.wait_for(f"idle {market} {self.told[market]}\n", 60)

    def until_asked(self, market, before):
        """Wait until the venue has been asked for more orders than before."""
        end = time.monotonic() + 60
        while len(self.venue.asked(market)) <= before:
            assert time.monotonic() < end, self.life.said[-6_000:]
            time.sleep(0.005)

    def until_same(self, *markets, within_s=60.0):
        """Wait until both sides have the same, and we know it: a look that finds nothing, and no account stopped."""
        for market in markets or MARKETS:
            self.until_idle(market)
            end = time.monotonic() + within_s
            while found := truth.differences(self.venue, market, self.journal(market)):
                assert time.monotonic() < end, f"{market}: {found}\n{self.life.said[-6_000:]}"
                time.sleep(0.1)
        self.until_agreed(*markets)
        for market in markets or MARKETS:
            found = truth.differences(self.venue, market, self.journal(market))
            assert not found, f"{market}: {found}\n{self.life.said[-6_000:]}"

    def look_at_errors(self, said):
        found = [line for line in said.splitlines() if " ERROR " in line]
        assert not [line for line in found if not self.errors.search(line)], said
        raised = {line for line in said.splitlines() if RAISED.match(line)}
        assert not [line for line in raised if not line.startswith("libra.errors.GatewayError: ")], said
