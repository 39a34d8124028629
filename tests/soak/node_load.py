"""The load of a node: a synthetic market, an account that trades, and actors that are never content."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests import profiles
from tests.soak import actors
from tests.soak.probe import Sample, begin, take

from libra.assembly import build
from libra.assembly.trading_node import TradingNode
from libra.config.load import load
from libra.core.actor import Actor

SYMBOLS = ("BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT")
RATES_HZ = {"quotes_hz": 100.0, "trades_hz": 50.0, "books_hz": 20.0}
"""Of each of three symbols: 510 market events a second, and about 400 that they cause."""
SAMPLES = 40

_HEAD = """
include = []

[node]
name = "soak"
clock = "{clock}"
speed = {speed}
seed = 7
duration_s = {duration_s}
control = false
max_events_per_s = 0
slow_handler_ms = 0

[node.supervision]
max_restarts = 1000000
period_s = 60.0
backoff_s = 0.01
max_backoff_s = 0.1

[market]
kind = "synthetic"

[risk]
max_position_notional = "500000"
max_order_notional = "20000"
max_orders_per_second = 1000
max_messages_per_second = 2000
"""

_STRATEGY = """
[[strategies]]
name = "{name}"
class = "tests.soak.actors:{kind}"
account = "paper"
symbols = [{symbols}]
"""


def profile(*, clock: str, duration_s: float, times: float, log: str = "") -> str:
    """A profile with ``times`` the usual rates."""
    speed = '"max"' if clock == "simulated" else "1.0"
    rates: dict[str, Any] = {name: hz * times for name, hz in RATES_HZ.items()}
    market = {"start_price": "600.0", "volatility_bps": 1.0, "level_size": "500", **rates}
    text = _HEAD.format(clock=clock, speed=speed, duration_s=duration_s)
    text += profiles.account(balance="10000000", order_value="500", more=log)
    text += "".join(profiles.symbol(name, **market) + profiles.instrument(name) for name in SYMBOLS)
    symbols = ", ".join(f'"{symbol}"' for symbol in SYMBOLS)
    for name, kind in (("trader", "Trader"), ("failing", "Failing"), ("switching", "Switching")):
        text += _STRATEGY.format(name=name, kind=kind, symbols=symbols)
    return text


class Sampler(Actor):
    """Samples the process so often on the node's clock."""

    def __init__(self, node: TradingNode, every_s: float, duration_s: float, tell: Callable[[Sample], None]) -> None:
        super().__init__()
        self._node, self._every_s, self._duration_s, self._tell = node, every_s, duration_s, tell

    def on_start(self) -> None:
        begin()
        self._start_ns = self.clock.now_ns()
        self.set_timer("sample", self._every_s, interval_s=self._every_s)

    def on_timer(self, name: str) -> None:
        at = (self.clock.now_ns() - self._start_ns) / 1e9 / self._duration_s
        accounts = self._node.accounts.values()
        orders = sum(sum(account.order_states().values()) for account in accounts)
        fills = sum(account.fill_count for account in accounts)
        events = sum(self._node.core.counts()["events"].values())
        self._tell(take(at, events, orders, fills))


def run(tell: Callable[[Sample], None], *, clock: str, duration_s: float, times: float) -> dict[str, Any]:
    """Run a node for so long; gives its summary."""
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="libra-soak-") as folder:
        log = f'log = {{ path = "{folder}/gate.log" }}'
        path = Path(folder) / "soak.toml"
        path.write_text(profile(clock=clock, duration_s=duration_s, times=times, log=log), encoding="utf-8")
        node = build(load(path))
        node.add_actor("talker", actors.Talker)
        node.add_actor("mute", actors.Mute)
        node.add_actor("sampler", lambda: Sampler(node, duration_s / SAMPLES, duration_s, tell))
        return node.run().summary
