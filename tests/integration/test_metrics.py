"""A real `libra run` as Prometheus and a kubelet see it, and what they see of one that hangs or ends."""

import json
import signal
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.integration.conftest import LOG
from tests.scraping import get, get_json, scrape, wait_for_endpoint

TRADES_A_WHILE = """
def on_start(self):
    self.n = 0

def on_quote(self, quote):
    self.n += 1
    if self.n <= 12:
        # Every third one is larger than an order may be.
        size = "9.000" if self.n % 3 == 0 else "0.010"
        self.submit(quote.symbol, OrderSide.BUY if self.n % 2 else OrderSide.SELL, size)
    elif self.n == 25:
        self.log.warning("ready")
"""
HANGS = """
def on_start(self):
    self.set_timer("look", 0.1, interval_s=0.1)

def on_timer(self, name):
    import pathlib
    while pathlib.Path("hangs").exists():
        try:
            time.sleep(0.02)
        except BaseException:
            pass
"""
ENDS_LATE = """
async def on_stop(self):
    import pathlib
    while pathlib.Path("holds").exists():
        await asyncio.sleep(0.01)
"""

LEAVES_GARBAGE = """
class Cycle:
    def __init__(self):
        self.me = self

    def __del__(self):
        # Long enough that another thread has its turn in the middle of it.
        for _ in range(2_000):
            pass

def on_start(self):
    self.n = 0

def on_quote(self, quote):
    self.n += 1
    for _ in range(50):
        self.Cycle()
    self.submit(quote.symbol, OrderSide.BUY if self.n % 2 else OrderSide.SELL, "0.010")
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def start(shell, body, *arguments, **profile):
    """A run that answers; gives it with its address."""
    port = free_port()
    path = shell.profile(shell.strategy(body), **profile)
    running = shell.start("run", path, "--json", "--set", f"telemetry.metrics=127.0.0.1:{port}", *arguments)
    url = f"http://127.0.0.1:{port}"
    wait_for_endpoint(url)
    return running, url


def wait_for(url, path, status, timeout_s=20.0):
    """The answer once it has this status."""
    until = time.monotonic() + timeout_s
    while True:
        found, answer = get_json(url, path)
        if found == status:
            return answer
        assert time.monotonic() < until, answer
        time.sleep(0.05)


def test_values_agree_with_the_status_and_with_the_summary(shell):
    symbols = 'telemetry.metrics_symbols=["BTC/USDT:USDT"]'
    running, url = start(shell, TRADES_A_WHILE, "--set", symbols)
    running.wait_for("ready")
    assert wait_for(url, "/readyz", 200) == {"ready": True, "missing": []}
    assert get_json(url, "/livez") == (200, {"live": True, "missing": []})
    assert get_json(url, "/startupz") == (200, {"started": True, "missing": []})
    found = scrape(url)
    (row,) = json.loads(shell.run("status", "--json").out)["nodes"]
    assert row["metrics"] == f"{url}/metrics"
    _, told = get_json(url, "/status")
    assert {"latch", "profile"}.isdisjoint(told.keys() | told["accounts"][0].keys())
    assert told["accounts"][0]["name"] == "paper"
    assert found("libra_account_open_orders", account="paper") == row["accounts"][0]["open_orders"]
    positions = {position["instrument"]: float(position["size"]) for position in row["accounts"][0]["positions"]}
    held = found.by("libra_position_size", "symbol")
    assert {name: size for name, size in held.items() if size} == positions
    assert found("libra_account_positions", account="paper") == len(positions)
    assert found("libra_strategy_running", strategy="mine", account="paper") == 1
    later = scrape(url)
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert ended.code == 0, ended.err
    summary = ended.summary
    assert summary["rejections"]
    assert later.by("libra_rejections_total", "code") == summary["rejections"]
    assert later.by("libra_account_orders", "state") == summary["orders"]
    assert later("libra_fills_total", account="paper") == summary["fills"] > 0
    for lane, row in summary["lanes"].items():
        published = later("libra_events_published_total", lane=lane)
        assert found("libra_events_published_total", lane=lane) <= published <= row["published"], lane
    # All else that is said on this lane was said by then.
    signals = summary["lanes"]["SIGNALS"]["published"] - summary["events"]["STRATEGY_STOPPED"]
    assert later("libra_events_published_total", lane="SIGNALS") == signals
    assert later("libra_events_published_total", lane="MARKET_DATA") > 20
    assert later("libra_scrape_errors_total") == 0


def test_a_loop_that_is_held_is_not_alive_and_is_scraped_all_the_same(shell):
    running, url = start(shell, HANGS, node="handler_timeout_s = 1")
    wait_for(url, "/readyz", 200)
    (shell.folder / "hangs").touch()
    answer = wait_for(url, "/livez", 503)
    assert "the loop has not come round for" in answer["missing"][0]
    assert "a handler may hold it for 1 s: actor mine runs" in answer["missing"][0]
    assert get_json(url, "/readyz")[0] == 503
    held = scrape(url)
    assert held("libra_loop_beat_age_seconds") > 1
    assert held("libra_node_ready") == 0
    assert held("libra_account_trading", account="paper") == 1
    assert get_json(url, "/status")[1]["name"] == "test"
    (shell.folder / "hangs").unlink()
    wait_for(url, "/livez", 200)
    assert scrape(url)("libra_actor_blocked_loop_total", actor="mine") >= 1
    running.signal(signal.SIGTERM)
    running.end()


def test_a_node_that_drains_is_not_ready_and_lives(shell):
    running, url = start(shell, ENDS_LATE, node="drain_timeout_s = 20")
    wait_for(url, "/readyz", 200)
    (shell.folder / "holds").touch()
    running.signal(signal.SIGTERM)
    answer = wait_for(url, "/readyz", 503)
    assert answer["missing"][0] == "the node is draining: it was asked to end"
    assert get_json(url, "/livez")[0] == 200
    assert get_json(url, "/startupz")[0] == 200
    assert scrape(url)("libra_node_draining") == 1
    (shell.folder / "holds").unlink()
    ended = running.end()
    assert ended.code == 0, ended.err
    with pytest.raises(OSError, match="refused"):
        get(url, "/livez")


def test_an_account_whose_kill_switch_is_set_is_not_ready(shell):
    running, url = start(shell, TRADES_A_WHILE)
    running.wait_for("ready")
    assert shell.run("kill-switch", "--reason", "enough").code == 0
    status, answer = get_json(url, "/readyz")
    assert status == 503
    assert "account paper: its kill switch is set: libra kill-switch by" in answer["missing"][0]
    found = scrape(url)
    assert found("libra_account_stopped", account="paper", code="KILL_SWITCH") == 1
    assert (found("libra_account_trading", account="paper"), found("libra_node_ready")) == (0, 0)
    assert shell.run("resume", "--yes").code == 0
    assert get_json(url, "/readyz")[0] == 200
    running.signal(signal.SIGTERM)
    assert running.end().code == 0


def test_a_port_that_is_taken_ends_a_run_before_it_trades(shell):
    profile = shell.profile(account=LOG)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = shell.run("run", profile, "--set", f"telemetry.metrics=127.0.0.1:{port}")
    assert ended.code == 2
    assert f"telemetry.metrics: 127.0.0.1:{port} cannot be had" in ended.err
    assert not (shell.folder / "gate.log").exists()


def test_a_node_that_is_asked_all_the_time_trades_on(shell):
    """Finalisers run wherever memory is asked for, in the middle of a look too, and hand the interpreter over there."""
    running, url = start(shell, LEAVES_GARBAGE, quotes_hz=200)
    wait_for(url, "/readyz", 200)
    until, asked = time.monotonic() + 4, Counter()

    def ask(path):
        while time.monotonic() < until:
            asked[path, get(url, path)[0]] += 1

    paths = ["/metrics", "/status", "/readyz", "/metrics"]
    with ThreadPoolExecutor(len(paths)) as pool:
        list(pool.map(ask, paths))
    assert {status for _, status in asked} == {200}, asked
    assert scrape(url)("libra_scrape_errors_total") == 0
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert ended.code == 0, ended.err
    assert ended.summary["fills"] > 50
    assert "borrowed" not in ended.err
    assert "panicked" not in ended.err
