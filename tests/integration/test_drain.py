"""How a real process of `libra run` ends: by Ctrl-C, by SIGTERM, and against a strategy that does not want to."""

import re
import signal
import time

import pytest

READY = 'def on_start(self):\n    self.log.warning("ready")\n\n'
TRADES = """
def on_start(self):
    self.n = 0

def on_quote(self, quote):
    self.n += 1
    self.submit(quote.symbol, OrderSide.BUY if self.n % 2 else OrderSide.SELL, "0.010")
    if self.n == 25:
        self.log.warning("ready")
"""


def start(shell, body, *, account="", clock="live", arguments=()):
    """A run whose strategy has said that it is ready."""
    profile = shell.profile(shell.strategy(body), clock=clock, account=account)
    running = shell.start("run", profile, *arguments)
    running.wait_for("ready")
    return running


@pytest.mark.usefixtures("usual_signals")
@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_drains_prints_the_summary_and_exits_0(shell, which):
    running = start(shell, TRADES, arguments=["--json"])
    began = time.monotonic()
    running.signal(which)
    ended = running.end()
    print(f"{which.name}: {time.monotonic() - began:.3f} s to the end")  # noqa: T201 - measured, not asserted
    assert ended.code == 0, ended.err
    assert (ended.summary["ended"], ended.summary["asked_by"]) == ("stop", which.name)
    assert f"the node stops: {which.name}" in ended.err
    assert ended.summary["events"]["QUOTE"] > 20
    assert ended.summary["digest"] is None


def test_without_json_the_summary_is_for_people(shell):
    running = start(shell, TRADES)
    running.signal(signal.SIGINT)
    ended = running.end()
    assert ended.code == 0
    assert "Traceback" not in ended.err
    assert re.search(r"(?i)events", ended.out)
    assert re.search(r"(?m)^stopped by +SIGINT *$", ended.out)
    assert "USDT" in ended.out


@pytest.mark.parametrize(
    "gap_s", [0.0, 0.02, *(pytest.param(gap, marks=pytest.mark.slow) for gap in (0.002, 0.1, 0.25))]
)
def test_one_ctrl_c_that_is_delivered_twice_counts_once(shell, gap_s):
    running = start(shell, TRADES, arguments=["--json"])
    running.signal(signal.SIGINT)
    time.sleep(gap_s)
    if running.process.poll() is None:
        running.signal(signal.SIGINT)
    ended = running.end()
    assert ended.code == 0, ended.err
    assert ended.summary["ended"] == "stop"
    assert "interrupted" not in ended.err


LOOPS = {
    "in on_quote": READY + "def on_quote(self, quote):\n    self.log.warning('loops')\n    while True:\n        pass",
    "in on_start": "def on_start(self):\n    self.log.warning('ready')\n    self.log.warning('loops')\n"
    "    while True:\n        pass",
    "catching everything": READY + "def on_quote(self, quote):\n    self.log.warning('loops')\n    while True:\n"
    "        try:\n            time.sleep(0.01)\n        except BaseException:\n            pass",
    "in an async handler": READY + "async def on_quote(self, quote):\n    await asyncio.sleep(0)\n"
    "    self.log.warning('loops')\n    while True:\n        pass",
    "asleep": READY + "def on_quote(self, quote):\n    self.log.warning('loops')\n    time.sleep(1000)",
    "in on_stop": READY + "def on_quote(self, quote):\n    self.log.warning('loops')\n\n"
    "def on_stop(self):\n    while True:\n        pass",
    "against cancellation": READY + "async def on_quote(self, quote):\n    self.log.warning('loops')\n    while True:\n"
    "        try:\n            await asyncio.sleep(1)\n        except BaseException:\n            pass",
}


QUICK = ("in on_quote", "in an async handler")


@pytest.mark.parametrize("how", [how if how in QUICK else pytest.param(how, marks=pytest.mark.slow) for how in LOOPS])
def test_a_strategy_that_loops_for_ever_is_named_and_the_log_is_there(shell, how):
    log = shell.folder / "gate.log"
    orders = "\n\ndef on_trade(self, trade):\n    self.submit(trade.symbol, OrderSide.BUY, '0.001')"
    account = f'log = {{ path = "{log}", resume = true }}'
    running = start(shell, LOOPS[how] + orders, account=account)
    running.wait_for("loops")
    began = time.monotonic()
    running.signal(signal.SIGTERM)
    ended = running.end(10)
    print(f"looping {how}: {time.monotonic() - began:.3f} s to the end")  # noqa: T201
    assert ended.code == 1, ended.err
    assert "mine" in ended.err.split("loops")[-1]
    assert "Traceback" not in ended.err
    assert log.stat().st_size > 0
    # The log is whole: the next process carries on with it.
    again = shell.run(
        "run", shell.profile(account=account, name="again.toml"), "--set", "node.duration_s=0.3", "--json"
    )
    assert again.code == 0, again.err
    assert again.summary["errors"] == 0


def test_an_async_handler_that_waits_for_ever_is_cancelled_and_named_and_the_summary_comes(shell):
    running = start(
        shell, READY + "async def on_quote(self, quote):\n    await asyncio.Event().wait()", arguments=["--json"]
    )
    time.sleep(0.3)
    running.signal(signal.SIGINT)
    ended = running.end(10)
    assert ended.code == 1
    assert "actor mine: its handler of QUOTE awaits something" in ended.err
    # It ended by its cancellation, and had its `on_stop` behind it.
    assert (ended.summary["failed"], ended.summary["failures"]) == ([], ["not all was handled within the drain's time"])


def test_an_async_handler_that_sleeps_on_the_clock_does_not_hold_the_end_up(shell):
    running = start(
        shell, READY + "async def on_quote(self, quote):\n    await self.clock.sleep(1000)", arguments=["--json"]
    )
    time.sleep(0.3)
    running.signal(signal.SIGINT)
    ended = running.end(10)
    assert ended.code == 0, ended.err
    assert ended.summary["failed"] == []


def test_a_second_ctrl_c_half_a_second_later_ends_at_once(shell):
    profile = shell.profile(shell.strategy(LOOPS["in on_quote"]), node="drain_timeout_s = 60")
    running = shell.start("run", profile)
    running.wait_for("loops")
    running.signal(signal.SIGINT)
    time.sleep(0.6)
    assert running.process.poll() is None
    began = time.monotonic()
    running.signal(signal.SIGINT)
    ended = running.end(10)
    print(f"second signal: {time.monotonic() - began:.3f} s to the end")  # noqa: T201
    assert ended.code == 1
    assert "second signal" in ended.err
    assert "mine" in ended.err


def test_a_simulated_run_is_drained_by_a_signal_too(shell):
    running = start(shell, TRADES, clock="simulated", arguments=["--speed", "1", "--json"])
    running.signal(signal.SIGINT)
    ended = running.end()
    assert ended.code == 0, ended.err
    assert ended.summary["ended"] == "stop"
    assert 0 < ended.summary["events"]["QUOTE"] < 500
