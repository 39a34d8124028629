"""Hostile strategies in real runs: each harms itself, and a second strategy in the same run trades on.

In simulated time "unharmed" is exact: the second strategy's fills are those of a run without the first. Live it is the
orders that it makes after the hostile act.
"""

import json
import re
import signal
import subprocess
import time
from dataclasses import replace

import pytest
from tests.integration.conftest import LIBRA
from tests.integration.hostile import RATES, SECOND, VICTIM, run_beside

from libra.assembly import trading_node
from libra.assembly.options import node_options
from libra.config import load

HOOKS = ("on_quote", "on_trade", "on_book", "on_order", "on_fill", "on_position", "on_balance", "on_signal", "on_timer")


def raising(error):
    hooks = "\n".join(f"def {hook}(self, *_):\n    raise {error}('in {hook}')\n" for hook in HOOKS)
    return hooks + f"def on_stop(self):\n    raise {error}('in on_stop')\n"


ASYNC_FOREVER = """
async def on_quote(self, quote):
    await asyncio.Event().wait()
"""

STORM = """
def on_start(self):
    self.subscribe(EventType.BAR)
    self.subscribe(EventType.CANCEL_REQUEST)

def on_quote(self, quote):
    while self.emit(EventType.BAR):
        pass

def on_event(self, event):
    self.emit(EventType.BAR)
    self.emit(EventType.SIGNAL, {})
    self.emit(EventType.CANCEL_REQUEST, {})
    self.signal("BTC/USDT:USDT", SignalType.HOLD)
"""

STORM_OF_FACTS = """
def on_start(self):
    self.facts = self.others = 0
    self.is_over = False
    self.subscribe(EventType.CANCEL_REQUEST, self.again)
    self.subscribe(EventType.ORDER_FILLED, self.see)
    for _ in range(2):
        self.emit(EventType.CANCEL_REQUEST, {})

def see(self, event):
    self.others += 1

def again(self, event):
    until = time.perf_counter() + 0.001
    while time.perf_counter() < until:
        pass
    self.facts += 1
    if self.others < 3 or self.facts < 500:
        self.emit(event.event_type, {})
    elif not self.is_over:
        self.is_over = True
        self.log.warning("the storm is over")
"""

UNSUBSCRIBES = """
def on_quote(self, quote):
    core, slot = self._context.core, self._context.slot
    own = self.subscribe(EventType.BAR)
    for guess in (own, own, own[:-1] + "0", "", "0" * 36, "paper.risk", "victim"):
        self.unsubscribe(guess)
    for timer in ("anything", ""):
        self.cancel_timer(timer)
    core.unsubscribe_all(slot)
"""

CHANGES = """
def on_start(self):
    self.refused = 0

def attempt(self, change):
    try:
        change()
    except (AttributeError, TypeError, ValueError):
        self.refused += 1

def spoil(self, thing):
    for name in ("symbol", "bid", "price", "size", "status", "payload", "filled"):
        self.attempt(lambda: setattr(thing, name, None))
        self.attempt(lambda: setattr(type(thing), name, property(lambda _: 1 / 0)))

def on_quote(self, quote):
    self.spoil(quote)
    self.spoil(self.current_event)
    for payload in ({}, None, 7, "text", quote):
        for event_type in (EventType.ORDER_FILLED, EventType.ORDER_NEW, EventType.ORDER_APPROVED):
            before = self.refused
            self.attempt(lambda: self.emit(event_type, payload))
            if self.refused == before:
                raise AssertionError(f"a forged {event_type} was taken")


def on_order(self, order):
    self.spoil(order)

def on_fill(self, fill):
    self.spoil(fill)
"""

ORDERS = """
def on_start(self):
    self.quotes = 0

def on_quote(self, quote):
    self.quotes += 1
    for _ in range(3):
        self.submit(quote.symbol, OrderSide.BUY if self.quotes % 2 else OrderSide.SELL, "0.001")
"""

CANCELS = """
def on_start(self):
    self.quotes = 0

def on_quote(self, quote):
    self.quotes += 1
    if self.quotes % 35 == 1:
        self.submit(quote.symbol, OrderSide.BUY, "0.001", price="59500.0")

def on_order(self, order):
    if order.status.name == "ACCEPTED":
        for _ in range(60):
            self.cancel(order.order_id)
"""

SAYS_NOTHING = """
class Odd(Exception):
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__

def on_quote(self, quote):
    raise self.Odd
"""

EXITS_IN_A_TASK = """
async def leave(self):
    raise SystemExit(0)

def on_quote(self, quote):
    self.task = asyncio.create_task(self.leave())
"""

SPOILS_THE_LOOP = """
def on_quote(self, quote):
    for task in asyncio.all_tasks():
        task.cancel()
    asyncio.get_running_loop().call_soon(exit, 0)
    asyncio.get_running_loop().stop()
"""

HOSTILE = {
    "raises what says nothing": SAYS_NOTHING,
    "raises SystemExit in a task": EXITS_IN_A_TASK,
    "spoils the loop": SPOILS_THE_LOOP,
    "raises": raising("ValueError"),
    "raises in on_start": "def on_start(self):\n    raise ValueError('no')",
    "raises SystemExit": raising("SystemExit"),
    "raises KeyboardInterrupt": raising("KeyboardInterrupt"),
    "raises BaseException": raising("BaseException"),
    "raises CancelledError": raising("asyncio.CancelledError"),
    "unsubscribes everything": UNSUBSCRIBES,
    "changes what it is given": CHANGES,
    "publishes in a storm": STORM,
}


@pytest.fixture
def run(shell):
    return run_beside(shell)


MUCH_ALIKE = (
    "raises what says nothing",
    "raises in on_start",
    "raises SystemExit",
    "raises BaseException",
    "raises CancelledError",
)


@pytest.fixture(scope="module")
def remembered():
    """The victim's fills without anyone beside it: they are the same in each run."""
    return {}


@pytest.mark.parametrize(
    "how", [pytest.param(how, marks=pytest.mark.slow) if how in MUCH_ALIKE else how for how in HOSTILE]
)
def test_the_others_fills_are_those_of_a_run_without_it(run, remembered, how):
    limit = "max_events_per_s = 2000\n[node.supervision]\nmax_restarts = 2\nbackoff_s = 0.2\n"
    simulated = ("--speed", "max", "--duration", "6")
    if not remembered:
        remembered["alone"] = run("pass", *simulated, node=limit)[1]
    ended, fills = run(HOSTILE[how], *simulated, node=limit)
    assert fills == remembered["alone"]
    assert len(fills) > 15
    assert "victim" not in ended.summary["failed"]
    assert ended.summary["ended"] == "ended"
    gives_up = how.startswith("raises")
    assert ended.summary["failed"] == (["mine"] if gives_up else [])
    if gives_up:
        assert ended.summary["errors"] >= 3
        assert "actor mine is started again" in ended.err
    if how == "publishes in a storm":
        assert ended.summary["dead_letters"]["STORM"] > 1_000
    if how == "changes what it is given":
        assert ended.summary["errors"] == 0, ended.err


def test_one_that_cancels_an_order_in_a_storm_takes_nothing_of_the_others_rates(run):
    simulated = ("--speed", "max", "--duration", "6")
    alone = run("pass", *simulated, risk=RATES)[1]
    ended, fills = run(CANCELS, *simulated, risk=RATES)
    assert [fill[0] for fill in fills] == [fill[0] for fill in alone], "each at its time"
    assert len(fills) > 15
    assert "MESSAGE_RATE" not in ended.summary["rejections"]


def test_one_that_orders_in_a_storm_leaves_the_other_its_part(run):
    ended, fills = run(ORDERS, "--speed", "max", "--duration", "20", risk=RATES)
    # Of 20 a second five are the other's own, which is as many as it asks for; of 300 a minute 75. Alone it would have
    # had about 100 fills.
    assert len(fills) >= 74
    assert ended.summary["rejections"]["ORDER_RATE"] > 500


@pytest.mark.parametrize(("body", "refused"), [(ORDERS, True), (CANCELS, False)], ids=["orders", "cancels"])
def test_a_live_storm_of_orders_or_cancels_leaves_the_other_its_part(run, body, refused):
    ended, fills = run(body, "--duration", "5", clock="live", risk=RATES)
    assert ended.code == 0, ended.err
    assert ("ORDER_RATE" in ended.summary["rejections"]) == refused
    assert "MESSAGE_RATE" not in ended.summary["rejections"]
    # One was all that it had where the storm had the rates to itself.
    assert len(fills) >= 8


STORM_OF_REQUESTS = """
def on_quote(self, quote):
    for _ in range(200):
        self.submit(quote.symbol, OrderSide.BUY, "0.001")
"""


@pytest.mark.parametrize("sync", [pytest.param("none", marks=pytest.mark.slow), "every_record"])
def test_a_live_storm_of_requests_that_are_refused_leaves_the_other_its_part_and_the_log_small(run, shell, sync):
    path = shell.folder / "gate.log"
    account = f'log = {{ path = "{path}", resume = true, sync = "{sync}" }}'
    ended, fills = run(STORM_OF_REQUESTS, "--duration", "5", clock="live", risk=RATES, account=account)
    assert ended.code == 0, ended.err
    rejected = ended.summary["rejections"]["ORDER_RATE"]
    assert rejected > 2_000
    # All are in the log: one with a record of its own has some 300 bytes, one that shares it 16.
    assert ended.summary["orders"]["REJECTED"] >= rejected
    assert path.stat().st_size < 300_000 + 20 * rejected
    assert len(fills) >= 8


def test_one_that_never_returns_is_ended_and_given_up_and_the_other_trades_on(run):
    body = "def on_quote(self, quote):\n    self.log.warning('loops')\n    while True:\n        pass"
    node = "handler_timeout_s = 0.2\nslow_handler_ms = 50\n[node.supervision]\nmax_restarts = 1\nbackoff_s = 0.05\n"
    ended, fills = run(body, "--duration", "4", clock="live", node=node)
    assert ended.summary["failed"] == ["mine"], ended.err
    # Each of its lives was ended so. It may have been named for more: a machine that is busy makes any hook slow.
    assert ended.summary["errors"] == 2
    assert ended.err.count("HandlerTimedOut") >= 2
    assert ended.summary["blocked"]["mine"] >= 2
    assert "actor mine has blocked the loop for" in ended.err
    assert "mine.py:" in ended.err
    # What it held up is over before its second life ends; the other's third fill comes after that.
    assert ended.err.index("given up: actor mine") < ended.err.index("victim has three fills")
    assert len(fills) >= 3


def test_one_that_awaits_for_ever_while_facts_wait_for_it_is_given_up_and_the_other_trades_on(
    shell, monkeypatch, caplog
):
    """With small lanes that is soon: as many as hold 40, and a patience of 0.2 s."""
    small = {"lane_capacity": 40, "keep_up_s": 0.2, "duration_s": 60.0}
    monkeypatch.setattr(trading_node, "node_options", lambda settings: replace(node_options(settings), **small))
    (shell.folder / "victim.py").write_text(VICTIM, encoding="utf-8")
    # It hears of everybody's orders, where a strategy by itself hears of its own.
    hears = "".join(f"    self.subscribe(EventType.ORDER_{what})\n" for what in ("NEW", "SUBMITTED", "FILLED"))
    body = f"{ASYNC_FOREVER}\ndef on_start(self):\n{hears}"
    profile = shell.profile(shell.strategy(body), strategy_more=SECOND, quotes_hz=200, node="control = false")
    node = trading_node.build(load(shell.folder / profile))
    seen, refused = [], set()

    def look(_status):
        fills = [fill.strategy for fill in node.accounts["paper"].fills()]
        if node.failed:
            seen.append(len(fills))
            if len(fills) >= seen[0] + 20:
                # What is asked for from now on may meet an account that stops.
                refused.update(node.accounts["paper"].tally()["rejections"])
                node.stop()

    result = node.run(look, 0.05)
    assert result.summary["failed"] == ["mine"]
    assert seen[-1] >= seen[0] + 20, "the other trades on"
    assert {fill["strategy"] for fill in result.fills} == {"victim"}
    assert not {"STOPPING", "PRESSURE"} & refused
    assert "actor mine failed: it does not keep up, awaiting in its handler of QUOTE" in caplog.text
    assert result.summary["dead_letters"]["LEFT"] >= 32
    [gone] = node.accounts["paper"].vanished()
    assert gone[:2] == ("mine", "cancel")


def test_one_that_floods_itself_with_facts_and_handles_them_slowly_holds_nobody_up(shell):
    (shell.folder / "victim.py").write_text(VICTIM, encoding="utf-8")
    profile = shell.profile(shell.strategy(STORM_OF_FACTS), strategy_more=SECOND)
    running = shell.start("run", profile, "--json", "--duration", "60")
    # That is when the other one has had three fills, in the middle of it.
    running.wait_for("the storm is over")
    running.signal(signal.SIGINT)
    ended = running.end()
    assert ended.code == 0, ended.err
    assert (ended.summary["errors"], ended.summary["failed"]) == (0, [])


def test_an_async_one_that_never_ends_holds_up_only_itself(run):
    ended, fills = run(ASYNC_FOREVER, "--duration", "3", clock="live")
    assert ended.code == 1
    assert (ended.summary["failed"], ended.summary["failures"]) == ([], ["not all was handled within the drain's time"])
    assert re.search(r"not all was handled .* actor mine: its handler of \w+ awaits something", ended.err)
    assert len(fills) >= 3


def test_one_that_cannot_be_ended_is_named_with_its_line_when_the_duration_is_over(run):
    body = (
        "def on_quote(self, quote):\n    self.log.warning('loops')\n    while True:\n        try:\n"
        "            time.sleep(0.01)\n        except BaseException:\n            pass"
    )
    ended, _fills = run(body, "--duration", "0.8", clock="live")
    assert ended.code == 1
    assert "the drain ran out of time; mine did not return from its handler at " in ended.err
    assert "mine.py:" in ended.err.rsplit("did not return", 1)[1]
    assert "the order log is flushed" in ended.err


def test_one_that_leaks_memory_ends_the_node_in_order_at_its_limit_and_the_other_trades_until_then(run):
    """Memory is the process's: the node ends for both. What holds for the other is that its orders are whole."""
    body = (
        "kept = []\n\ndef on_quote(self, quote):\n"
        "    if len(self.kept) or self.clock.now_ns() - self.began_ns > 1_500_000_000:\n"
        "        self.kept.append(bytearray(b'x' * (8 << 20)))\n\n"
        "def on_start(self):\n    self.began_ns = self.clock.now_ns()"
    )
    ended, fills = run(
        body, "--duration", "60", clock="live", node="max_rss_mb = 400\nhandler_timeout_s = 0\ndrain_timeout_s = 20"
    )
    assert ended.code == 1
    assert ended.summary["ended"] == "memory", ended.err
    assert "MB of memory are in use, and 400 MB are allowed" in ended.err
    assert ended.summary["failed"] == [], "an orderly end: everyone was stopped"
    assert len(fills) >= 3
    assert ended.summary["positions"] is not None
    assert set(ended.summary["orders"]) <= {"FILLED", "REJECTED", "CANCELLED"}, "every order has come to its end"


def test_one_whose_error_never_says_what_it_is_fails_as_any_other(run):
    body = (
        "class Endless(Exception):\n    def __str__(self):\n        while True:\n            pass\n\n"
        "def on_quote(self, quote):\n    raise self.Endless"
    )
    node = "handler_timeout_s = 0.2\nslow_handler_ms = 50\n[node.supervision]\nmax_restarts = 1\nbackoff_s = 0.05\n"
    ended, fills = run(body, "--duration", "4", clock="live", node=node)
    assert (ended.summary["failed"], ended.summary["errors"]) == (["mine"], 2), ended.err
    # It held the loop for two times 0.2 of the four seconds.
    assert len(fills) >= 6


CANCELS_EVERY_TASK = """
def on_start(self):
    self.quotes = 0

def on_quote(self, quote):
    self.quotes += 1
    if self.quotes == 10:
        for task in asyncio.all_tasks():
            task.cancel()
"""


def test_a_node_whose_strategy_cancelled_every_task_does_what_its_operator_says(shell):
    (shell.folder / "victim.py").write_text(VICTIM, encoding="utf-8")
    profile = shell.profile(shell.strategy(CANCELS_EVERY_TASK), strategy_more=SECOND)
    running = shell.start("run", profile, "--json", "--out", shell.folder / "out")
    running.wait_for("actor mine cancels tasks that are not its own: they go on")
    for verb in (
        ["status"],
        ["limits", "set", "max_order_notional=19000"],
        ["kill-switch"],
        ["resume", "--yes"],
        ["stop", "--strategy", "mine"],
    ):
        ended = shell.run(*verb)
        assert ended.code == 0, (verb, ended.err)
    [node] = json.loads(shell.run("status", "--json").out)["nodes"]
    assert [account["killed"] for account in node["accounts"]] == [None]
    assert [strategy["state"] for strategy in node["strategies"]] == ["stopped", "running"]
    running.wait_for("victim has three fills")
    running.signal(signal.SIGINT)
    ended = running.end()
    assert (ended.code, ended.summary["failed"]) == (0, []), ended.err
    assert ended.err.count("cancels tasks that are not its own") == 1


def test_a_callback_that_never_returns_is_named_with_its_line(run):
    body = (
        "def hang(self):\n    while True:\n        pass\n\n"
        "def on_quote(self, quote):\n    asyncio.get_running_loop().call_soon(self.hang)"
    )
    ended, _fills = run(body, "--duration", "1", clock="live")
    assert ended.code == 1
    assert "and no actor's handler runs: it is at " in ended.err
    told = ended.err.rsplit("the drain ran out of time", 1)[1]
    assert "no handler runs, the loop stands at " in told
    assert "mine.py:" in told


def test_a_thread_that_does_not_end_keeps_no_process_alive(run):
    body = (
        "def on_start(self):\n    import threading\n"
        "    threading.Thread(target=threading.Event().wait, name='for ever').start()"
    )
    ended, fills = run(body, "--duration", "1", clock="live")
    assert ended.code == 0, ended.err
    assert ended.summary["ended"] == "ended"
    assert "the process does not wait for threads that somebody's code has left: for ever" in ended.err
    assert fills is not None


def test_a_node_whose_signals_somebody_took_still_hears_them(shell):
    body = (
        "def on_start(self):\n    import signal\n"
        "    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):\n"
        "        signal.signal(number, signal.SIG_IGN)"
    )
    running = shell.start("run", shell.profile(shell.strategy(body)), "--json")
    running.wait_for("the node has taken it back")
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert (ended.code, ended.summary["ended"]) == (0, "stop"), ended.err


def test_a_process_whose_stderr_nobody_reads_can_be_ended(shell, tmp_path):
    """What it says is more than a pipe holds: its loop hangs in a write, and the guard must not."""
    body = (
        "def on_quote(self, quote):\n    import pathlib, sys\n    pathlib.Path('writes').touch()\n"
        "    sys.stderr.write('x' * 10_000_000)"
    )
    profile = shell.profile(shell.strategy(body))
    process = subprocess.Popen(
        [str(LIBRA), "run", profile, "--json"], cwd=shell.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        until = time.monotonic() + 30
        while not (shell.folder / "writes").exists() and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 1
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_a_panic_ends_the_run_with_a_message_and_nothing_is_handled_after_it(run):
    body = (
        "def on_quote(self, quote):\n    from libra_core import PanicException\n"
        "    raise PanicException('half done')\n\ndef on_stop(self):\n    print('must not be', flush=True)"
    )
    for hook in (body, body.replace("def on_quote", "async def on_quote")):
        ended, _fills = run(hook, "--duration", "5", clock="live", faults=True)
        assert ended.code == 1
        assert "libra: an unforeseen fault: PanicException: half done" in ended.err
        assert "must not be" not in ended.out + ended.err


def test_what_a_run_says_of_its_letters_and_blocks_is_json(run):
    ended, _fills = run("pass", "--speed", "max", "--duration", "1")
    summary = json.loads(ended.out)
    assert (summary["dead_letters"], summary["blocked"]) == ({}, {})
    assert (summary["snapshot_errors"], summary["native_restarts"]) == (0, 0)
