"""A signal that comes to nothing: the strategy that gave it is told, and no other."""

from tests.profiles import BESIDE

GIVES = """
def on_start(self):
    self.gave = False

def on_quote(self, quote):
    if not self.gave:
        self.gave = True
        self.signal(quote.symbol, SignalType.LONG, ttl_s=1e-9)

def on_refused(self, notice):
    self.log.warning("%s is told: %s %s %s: %s", self.name, notice.account, notice.strategy, notice.code, notice.detail)
"""

HEARS = """
def on_refused(self, notice):
    self.log.warning("%s is told: %s", self.name, notice.detail)
"""


def test_who_gave_it_is_told_and_no_other(shell):
    shell.strategy(HEARS, "other.py")
    ended = shell.run(
        "run", shell.profile(shell.strategy(GIVES), clock="live", strategy_more=BESIDE), "--duration", "1"
    )
    assert ended.code == 0, ended.err
    told = [line.partition(" is told: ")[2] for line in ended.err.splitlines() if " is told: " in line]
    assert len(told) == 1, ended.err
    assert told[0].startswith("paper mine EXPIRED: a signal for BTC/USDT:USDT"), told
    assert "limit " in told[0]


MANY = """
def on_start(self):
    self.quotes = self.told = 0

def on_quote(self, quote):
    self.quotes += 1
    if self.quotes <= 50:
        self.submit(quote.symbol, OrderSide.BUY, "1000000")
        self.signal(quote.symbol, SignalType.LONG, ttl_s=1e-9)

def on_refused(self, notice):
    self.told += 1

def on_stop(self):
    self.log.warning("was told of %d", self.told)
"""

COUNTS = """
def on_start(self):
    self.handed = 0

def on_order(self, order):
    self.log.warning("hears of an order of another strategy")

def on_refused(self, notice):
    self.log.warning("hears of a refusal of another strategy")

def _order_changed(self, event):
    self.handed += 1
    return super(type(self), self)._order_changed(event)

def _refused(self, event):
    self.handed += 1
    return super(type(self), self)._refused(event)

def on_stop(self):
    self.log.warning("%s was handed %d", self.name, self.handed)
"""


def test_what_is_refused_to_one_is_not_even_handed_to_the_other(shell):
    shell.strategy(COUNTS, "other.py")
    ended = shell.run(
        "run", shell.profile(shell.strategy(MANY), clock="live", strategy_more=BESIDE), "--duration", "3", "--json"
    )
    assert ended.code == 0, ended.err
    assert sum(ended.summary["rejections"].values()) == 50
    assert "was told of 50" in ended.err
    assert "hears of" not in ended.err
    assert "was handed 0" in ended.err


ASKS = """
def on_start(self):
    self.told = {}
    self.set_timer("go", 0.2)

def on_timer(self, name):
    kept = sum(self.cancel(f"L{number:032x}") for number in range(8_000))
    self.log.warning("asked for %d", kept)

def on_refused(self, notice):
    told = notice.strategy, notice.detail.partition(":")[0]
    self.told[told] = self.told.get(told, 0) + 1

def on_stop(self):
    self.log.warning("was told %s", self.told)
"""


def test_a_cancel_that_finds_no_room_is_told_to_who_asked_and_handed_to_no_other(shell):
    shell.strategy(COUNTS, "other.py")
    ended = shell.run(
        "run", shell.profile(shell.strategy(ASKS), clock="live", strategy_more=BESIDE), "--duration", "3", "--json"
    )
    assert ended.code == 0, ended.err
    # Of 10,000 a quarter is the other one's.
    assert "asked for 8000" in ended.err
    assert "was told {('mine', 'UNKNOWN_ORDER'): 500}" in ended.err, ended.err
    assert ended.summary["rejections"] == {"UNKNOWN_ORDER": 500}
    assert "was handed 0" in ended.err
