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
