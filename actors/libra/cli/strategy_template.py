"""What `libra new-strategy` writes: `@NAME@` and `@CLASS@` are filled in."""

STRATEGY = '''"""@CLASS@: goes long after a rise and short after a fall.

A starting point: every hook that it uses is explained, and the rule in `on_quote` waits for your idea. A strategy says
what it thinks by signals; how much is traded is decided by the account group's `sizing`, and whether, by its `risk`.
"""

from libra.model import Quote, SignalType
from libra.strategies import Strategy


class @CLASS@(Strategy):
    """Compares each mid price with one some time ago.

    Parameters of the profile (`[strategies.params]`) are in `self.params`.
    """

    def on_start(self) -> None:
        """Called before the first event: once for each instance, so after a restart again, on a fresh one.

        State lives in the strategy: there is one for all its symbols.
        """
        self.lookback_ms = int(self.params.get("lookback_ms", 1000))
        self.threshold = float(self.params.get("threshold_bps", 1.0)) / 10_000
        self.reference = {}  # symbol -> (time, mid price)
        self.opinion = {}  # symbol -> the last signal, so that each is sent once

    def on_quote(self, quote: Quote) -> None:
        """Called for each change of the best bid and offer. There are also on_trade, on_book, on_order and on_fill."""
        mid = quote.mid  # a float, for indicators; quote.bid and quote.ask are exact decimals
        now_ns = self.clock.now_ns()  # never time.time(): in a backtest, time follows the data
        then_ns, before = self.reference.setdefault(quote.symbol, (now_ns, mid))
        if now_ns - then_ns < self.lookback_ms * 1_000_000:
            return
        self.reference[quote.symbol] = (now_ns, mid)

        change = mid / before - 1
        if abs(change) < self.threshold:
            return
        opinion = SignalType.LONG if change > 0 else SignalType.SHORT
        if self.opinion.get(quote.symbol) != opinion:
            self.opinion[quote.symbol] = opinion
            self.signal(quote.symbol, opinion, reason=f"moved by {change * 10_000:.1f} bps")
'''

PROFILE = """# Runs strategies/@NAME@.py on a synthetic market, with paper money:
#
#     libra run config/@NAME@.toml
#
# libra config show config/@NAME@.toml prints everything that may be set.

[node]
name = "@NAME@"
clock = "live"
seed = 1

[market]
kind = "synthetic"

[[market.symbols]]
symbol = "BTC/USDT:USDT"
start_price = "60000.0"
volatility_bps_per_sqrt_s = 3.0
quote_rate_hz = 50
trade_rate_hz = 20

[[instruments]]
symbol = "BTC/USDT:USDT"
venue = "synthetic"
kind = "linear"
price_decimals = 1
size_decimals = 3
tick_size = "0.1"
lot_size = "0.001"
max_size = "1000"
maker_fee = "0.0002"
taker_fee = "0.0005"

[risk]
max_position_notional = "50000" # largest position value of one instrument
max_order_notional = "20000"    # largest value of one order
max_daily_loss = "5000"         # loss since midnight UTC at which trading stops

[[account_groups]]
name = "paper"
balances = { USDT = "100000" }
allow_short = true
gateway = { kind = "paper", latency_ms = 5 }
sizing = { kind = "fixed_notional", value = "5000" } # 5000 USDT an order

[[strategies]]
name = "@NAME@"
class = "../strategies/@NAME@.py:@CLASS@" # relative to this file
account = "paper"
symbols = ["BTC/USDT:USDT"]

[strategies.params]
lookback_ms = 1000 # compare with the price so long ago
threshold_bps = 1  # act on moves of at least so many basis points
"""
