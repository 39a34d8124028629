"""The command line as a user runs it: real processes of `libra`, profiles and strategies in a folder of the test."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests import profiles

LIBRA = Path(sys.executable).parent / "libra"

HEAD = """
include = []

[node]
name = "test"
clock = "{clock}"
seed = 1
{node}
"""

SYMBOL = "BTC/USDT:USDT"

MARKET = """
[market]
kind = "synthetic"
"""

RISK = """
[risk]
max_position_notional = "50000"
max_order_notional = "20000"
{risk}
"""


def synthetic(quotes_hz: float, trades_hz: float, books_hz: float) -> str:
    """The market of one symbol, at these rates."""
    rates = {"quotes_hz": quotes_hz, "trades_hz": trades_hz, "books_hz": books_hz}
    return MARKET + profiles.symbol(SYMBOL, start_price="60000.0", volatility_bps=3.0, level_size="0.5", **rates)


LOG = 'log = { path = "gate.log", resume = true }'
"""Of an account: the next life goes on with it."""

STRATEGY_ENTRY = """
[[strategies]]
name = "mine"
class = "{strategy}"
account = "paper"
symbols = ["BTC/USDT:USDT"]
{strategy_more}
"""

STRATEGY = """\
import asyncio
import time
from libra.core.events import EventType
from libra.model import OrderSide, SignalType
from libra.strategies import Strategy


class Mine(Strategy):
"""


@dataclass
class Ended:
    """A process that has ended."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        assert self.out, f"it ended with {self.code} and told of no run: {self.err}"
        return json.loads(self.out)


class Running:
    """A process of `libra run`; what it says on stderr can be waited for."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._said: list[str] = []
        self._news = threading.Condition()
        self._out: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(process.stderr, self._said), daemon=True),
            threading.Thread(target=self._read, args=(process.stdout, self._out), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any, lines: list[str]) -> None:
        with stream:
            for line in stream:
                with self._news:
                    lines.append(line)
                    self._news.notify_all()

    @property
    def said(self) -> str:
        return "".join(self._said)

    @property
    def out(self) -> str:
        return "".join(self._out)

    def wait_for(self, text: str, timeout_s: float = 30.0) -> None:
        with self._news:
            assert self._news.wait_for(lambda: text in self.said, timeout_s), self.said

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, timeout_s: float = 30.0) -> Ended:
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        for reader in self._readers:
            reader.join(5)
        return Ended(code, "".join(self._out), self.said)


class Shell:
    """Runs `libra` in a folder of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[Running] = []

    def strategy(self, body: str, name: str = "mine.py") -> str:
        """A strategy file with class `Mine`; gives its class path."""
        indented = "".join(f"    {line}\n" if line else "\n" for line in body.strip("\n").splitlines())
        (self.folder / name).write_text(STRATEGY + indented, encoding="utf-8")
        return f"{name}:Mine"

    def profile(
        self,
        strategy: str = "libra.strategies.examples.sma_crossover:SmaCrossover",
        *,
        clock: str = "live",
        node: str = "",
        market: str = "",
        risk: str = "",
        account: str = "",
        strategy_more: str = "",
        quotes_hz: float = 50,
        name: str = "test.toml",
    ) -> str:
        text = HEAD.format(clock=clock, node=node) + (market or synthetic(quotes_hz, 20, 10))
        text += profiles.instrument(SYMBOL) + RISK.format(risk=risk)
        text += profiles.account(balance="100000", order_value="5000", more=account)
        text += STRATEGY_ENTRY.format(strategy=strategy, strategy_more=strategy_more)
        (self.folder / name).write_text(text, encoding="utf-8")
        return f"./{name}"

    def start(self, *arguments: object, env: Mapping[str, str] | None = None) -> Running:
        process = subprocess.Popen(
            [str(LIBRA), *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, "COLUMNS": "160", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running = Running(process)
        self._running.append(running)
        return running

    def run(self, *arguments: object, env: Mapping[str, str] | None = None, timeout_s: float = 60.0) -> Ended:
        """Run to the end; whatever happens, no traceback may reach a user."""
        ended = self.start(*arguments, env=env).end(timeout_s)
        assert "Traceback" not in ended.err, ended.err
        assert "unforeseen fault" not in ended.err, ended.err
        return ended

    def close(self) -> None:
        for running in self._running:
            if running.process.poll() is None:
                running.process.kill()
            running.end()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    made = Shell(tmp_path)
    yield made
    made.close()
