"""Journals of real processes: while they trade, when they end, when they are killed, and when the disk is full."""

import contextlib
import json
import random
import resource
import signal
import sqlite3
import time
from collections import Counter
from decimal import Decimal
from itertools import groupby

from libra.storage.journal.verify import verify

TRADES = """
def on_start(self):
    self.n = 0

def on_quote(self, quote):
    self.n += 1
    side = OrderSide.BUY if self.n % 2 else OrderSide.SELL
    self.submit(quote.symbol, side, "0.010")
    if self.n % 10 == 1:
        self.submit(quote.symbol, OrderSide.BUY, "0.001", price=quote.bid - 500)
    if self.n == 20:
        self.log.warning("traded")
    if self.n % 100 == 0:
        self.log.warning("a hundred more")
    if self.n == 400:
        self.log.warning("traded on")
"""


def account_lines(shell) -> str:
    log = shell.folder / "gate.log"
    return f'log = {{ path = "{log}", resume = true }}'


def journal_of(shell) -> dict:
    [node] = json.loads(shell.run("status", "--json").out)["nodes"]
    [account] = node["accounts"]
    return account["journal"]


def wait_until(condition) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_run_is_shown_verified_and_exported_while_it_trades_and_afterwards(shell):
    profile = shell.profile(shell.strategy(TRADES), account=account_lines(shell), risk="max_orders_per_second = 1000")
    running = shell.start("run", profile, "--json")
    running.wait_for("traded")
    wait_until(lambda: journal_of(shell)["records"] > 20)
    assert journal_of(shell)["state"] == "current"
    assert "journal" in shell.run("status").out
    shown = shell.run("journal", "show", "fills", "--json")
    assert shown.code == 0, shown.err
    assert json.loads(shown.out.splitlines()[0])["strategy"] == "mine"
    verified = shell.run("journal", "verify")
    assert verified.code == 0, verified.out + verified.err
    rebuilt = shell.run("journal", "rebuild")
    assert rebuilt.code == 0, rebuilt.err
    assert shell.run("kill-switch", "--reason", "a test").code == 0
    assert shell.run("resume", "--yes", "--reason", "tested").code == 0
    assert shell.run("limits", "set", "max_open_orders=50").code == 0
    running.signal(signal.SIGINT)
    ended = running.end()
    assert ended.code == 0, ended.err

    path = shell.folder / "gate.journal.db"
    summary = ended.summary["journals"]["paper"]
    assert (summary["path"], summary["behind_bytes"], summary["error"]) == (str(path), 0, None)
    verified = shell.run("journal", "verify", "--profile", profile)
    assert verified.code == 0, verified.out + verified.err
    with contextlib.closing(sqlite3.connect(path)) as db:
        statuses = Counter(status for (status,) in db.execute("SELECT status FROM orders"))
        [refused] = db.execute("SELECT count(*) FROM rejections").fetchone()
        fills = db.execute("SELECT fee, realised FROM fills").fetchall()
        commands = [kind for (kind,) in db.execute("SELECT kind FROM commands ORDER BY record")]
    statuses["REJECTED"] += refused
    assert dict(+statuses) == {name: count for name, count in ended.summary["orders"].items() if count}
    assert len(fills) == ended.summary["fills"]
    pnl = ended.summary["pnl"]["USDT"]
    assert sum(Decimal(fee) for fee, _ in fills) == Decimal(pnl["fees"])
    assert sum(Decimal(realised) for _, realised in fills) == Decimal(pnl["realised"])
    # The switch is pulled by a signal and by a message: the second of them may find the account stopped.
    kinds = [kind for kind, _ in groupby(kind for kind in commands if kind != "note")]
    assert kinds == ["kill", "resume", "limits"]
    exported = shell.run("journal", "export", "fills", "--to", "fills.parquet", "--profile", profile)
    assert exported.code == 0, exported.err
    assert f"{len(fills)} rows" in exported.out
    assert not list(shell.folder.glob("*-wal")), "what SQLite keeps beside it is gone with its writer"


def test_a_node_that_is_killed_at_any_moment_leaves_a_journal_that_goes_on(shell):
    profile = shell.profile(
        shell.strategy(TRADES), account=account_lines(shell), risk="max_orders_per_second = 1000", quotes_hz=500
    )
    log, path = shell.folder / "gate.log", shell.folder / "gate.journal.db"
    chance = random.Random(11)
    for _ in range(3):
        running = shell.start("run", profile, "--json")
        running.wait_for("traded")
        time.sleep(chance.uniform(0.0, 0.5))
        running.process.kill()
        running.end()
        with contextlib.closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA quick_check").fetchone() == ("ok",)
            # A life that was too short for its first transaction has left none.
            has_schema = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if has_schema:
            assert verify(path, log).differences == ()
    running = shell.start("run", profile, "--json")
    running.wait_for("traded")
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert ended.code == 0, ended.err
    verdict = verify(path, log)
    assert (verdict.differences, verdict.behind_bytes) == ((), 0)
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert [epoch for (epoch,) in db.execute("SELECT epoch FROM epochs ORDER BY epoch")] == [1, 2, 3, 4]
    assert "set aside" not in ended.err


HEARS = """
def on_start(self):
    self.n = 0
    self.subscribe(EventType.JOURNAL_STATE, self.on_journal)

def on_journal(self, event):
    self.log.warning("heard %s of %s", event.payload["state"], event.payload["account"])
""" + TRADES[TRADES.index("def on_quote") :]


def test_a_full_disk_stops_the_journal_and_not_the_trading(shell):
    # The journal is by far the larger file: a limit between the two is a disk that is full for it alone.
    log, path = shell.folder / "gate.log", shell.folder / "gate.journal.db"
    profile = shell.profile(
        shell.strategy(HEARS), account=account_lines(shell), risk="max_orders_per_second = 1000", quotes_hz=500
    )
    running = shell.start("run", profile, "--json")
    running.wait_for("traded")
    wait_until(lambda: path.exists() and journal_of(shell)["records"] > 20)
    _, hard = resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE)
    wal = path.with_name(path.name + "-wal")
    limit = max(wal.stat().st_size, path.stat().st_size) + 1
    assert limit > 2 * log.stat().st_size, "or the log would be stopped as well"
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (limit, hard))
    running.wait_for("its journal falls behind, trading goes on")
    running.wait_for("heard behind of paper")
    stands = journal_of(shell)
    assert stands["state"] == "behind"
    assert stands["behind_bytes"] > 0
    assert "BEHIND by" in shell.run("status").out
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
    running.wait_for("heard current of paper")
    running.signal(signal.SIGINT)
    ended = running.end()
    assert ended.code == 0, ended.err
    # A request may be on its way while the node stops.
    assert ended.summary["rejections"].keys() <= {"OPEN_ORDERS_LIMIT", "STOPPING"}, "no order was refused for it"
    assert ended.err.count("falls behind") == 1
    verdict = verify(path, log)
    assert (verdict.differences, verdict.behind_bytes) == ((), 0)


def test_a_lock_is_waited_out_beside_the_trading_and_does_not_hold_up_the_end(shell):
    log, path = shell.folder / "gate.log", shell.folder / "gate.journal.db"
    profile = shell.profile(shell.strategy(HEARS), account=account_lines(shell), risk="max_orders_per_second = 1000")
    running = shell.start("run", profile, "--json")
    running.wait_for("traded")
    wait_until(lambda: path.exists() and journal_of(shell)["records"] > 20)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        running.wait_for("heard behind of paper")
        length = log.stat().st_size
        wait_until(lambda: log.stat().st_size > length)
        running.signal(signal.SIGINT)
        ended = running.end()
    assert ended.code == 0, ended.err
    assert ended.summary["journals"]["paper"]["behind_bytes"] > 0
    assert "bytes behind the log" in ended.err
    again = shell.start("run", profile, "--json")
    again.wait_for("traded")
    again.signal(signal.SIGINT)
    assert again.end().code == 0
    assert verify(path, log).behind_bytes == 0
    assert path.stat().st_mode & 0o077 == 0, "for its user alone, as the log"


def test_a_paper_run_without_a_log_keeps_no_journal(shell):
    ended = shell.run("run", shell.profile(clock="simulated", node='speed = "max"\nduration_s = 2'), "--json")
    assert ended.code == 0, ended.err
    assert ended.summary["journals"] == {}
    assert not list(shell.folder.glob("*.db"))
