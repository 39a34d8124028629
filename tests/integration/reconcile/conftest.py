"""A venue process beside real processes of `libra run`, asked and told by its own verbs."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest
from tests import profiles
from tests.integration.account_rows import account_rows, agrees_since, until

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]

PROFILE = """\
[node]
name = "looks"

[market]
kind = "gateway"
class = "{here}/shown_gateway.py:StillMarket"
symbols = ["BTC/USDT:USDT"]

{listing}
[[account_groups]]
name = "acct"
allow_short = true
validity_window_ms = 400
gateway = {{ kind = "python", class = "{here}/shown_gateway.py:ShownGateway", options = {{ socket = "{socket}" }}, \
query_every_ms = 20, unanswered_after_ms = 2000, reconcile_every_s = 0.1, histories_lag_s = 0 }}
log = {{ path = "{log}", resume = true }}
sizing = {{ kind = "fixed_size", value = "0.020" }}
risk = {{ max_position_notional = "100000", max_order_notional = "10000", max_orders_per_second = 100000 }}

[[strategies]]
name = "asker"
class = "{here}/strategy.py:Asker"
account = "acct"
symbols = ["BTC/USDT:USDT"]
params = {{ wanted = "{wanted}" }}
"""


class World:
    """A venue, a log, and the lives that our side has with them."""

    def __init__(self, shell, folder):
        self.shell, self.folder = shell, folder
        self.run_folder = folder / "run"
        self.run_folder.mkdir(mode=0o700)
        self.socket, self.ledger_path, self.log = folder / "v.sock", folder / "ledger", folder / "gate.log"
        self.wanted = folder / "wanted"
        self.env = {"LIBRA_RUN_DIR": str(self.run_folder), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "tests.integration.reconcile.venue"]
        command += [str(self.socket), str(self.ledger_path), "1"]
        self._venue = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, **self.env}
        )
        assert self._venue.stdout.readline() == "ready\n"
        names = {"here": HERE, "socket": self.socket, "log": self.log, "wanted": self.wanted}
        (folder / "p.toml").write_text(PROFILE.format(listing=profiles.perpetual("crash"), **names), encoding="utf-8")
        self.life = None

    # Our side --------------------------------------------------------------------------------------------------------

    def start(self, *, dies_at=""):
        """A life; it may end at the n-th passage of a place."""
        self.life = self.shell.start("run", "./p.toml", "--json", env={**self.env, "RECONCILE_DIES_AT": dies_at})

    def kill(self):
        self.life.signal(signal.SIGKILL)
        self.died()

    def died(self):
        ended = self.life.end()
        assert ended.code == -signal.SIGKILL, ended.err
        self._ask({"op": "settle"})

    def stop(self):
        """A drain; gives what the run tells at its end."""
        self.life.signal(signal.SIGTERM)
        ended = self.life.end()
        assert "Traceback" not in ended.err, ended.err
        return ended.summary

    def want(self, count, how="rest"):
        """Have the strategy of this life send so many orders."""
        part = self.wanted.with_suffix(".part")
        part.write_text(f"{count} {how}", encoding="utf-8")
        part.replace(self.wanted)

    def row(self):
        """The account as `libra status` has it; None before there is one."""
        return next(iter(account_rows(self.run_folder)), None)

    def until(self, condition, *, within_s=30.0):
        """Wait until a condition of the account's row holds; gives the row."""
        return until(self.row, condition, lambda: self.life.said, within_s=within_s)

    def until_agreed(self):
        """Wait for a look, begun from here on, that finds nothing; gives the row."""
        return self.until(agrees_since(time.time_ns()))

    def verb(self, *arguments):
        return self.shell.run(*arguments, env=self.env)

    # The venue -------------------------------------------------------------------------------------------------------

    def venue(self, op, **request):
        return self._ask({"op": op, **request})

    def orders(self):
        return {order["order_id"]: order for order in self.venue("dump")}

    def ledger(self, op):
        return [row for row in map(json.loads, self.ledger_path.read_text().splitlines()) if row["op"] == op]

    def until_orders(self, count):
        """Wait until the venue has so many orders of ours; gives their ids."""
        end = time.monotonic() + 30
        while len(self.orders()) < count:
            assert time.monotonic() < end, (self.row(), self.life.said[-4_000:])
            time.sleep(0.02)
        return list(self.orders())

    def _ask(self, request):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(str(self.socket))
            connection.sendall(json.dumps({"n": 0, **request}).encode() + b"\n")
            return json.loads(connection.makefile().readline())["answer"]

    # What has to hold ------------------------------------------------------------------------------------------------

    def check(self, summary):
        """Our books at the end of a life are the venue's, by its own sums."""
        truth = self.venue("truth")
        size = sum(Decimal(row["size"]) for row in summary["positions"])
        assert size == Decimal(truth["size"]), (summary["positions"], truth)
        assert Decimal(summary["equity"]["USDT"]) == Decimal(truth["equity"]), (summary["equity"], truth)
        sent = [row["order_id"] for row in self.ledger("order")]
        assert len(sent) == len(set(sent)), "sent twice"
        self.check_journal()

    def check_journal(self):
        """The journal's executions and flows lead from the account's opening to its balances."""
        fills, flows = self.journal("fills"), self.journal("flows")
        sums = {row["currency"]: Decimal(row["opening"]) for row in self.journal("balances")}
        for row in fills:
            sums["USDT"] += Decimal(row["realised"])
            sums[row["fee_currency"]] -= Decimal(row["fee"])
        # A transfer is capital, and so in the opening.
        for row in (row for row in flows if row["kind"] != "transfer"):
            sums[row["currency"]] += Decimal(row["amount"])
        assert sums == {row["currency"]: Decimal(row["total"]) for row in self.journal("balances")}, (fills, flows)

    def journal(self, table):
        """Rows of the journal, as a program gets them."""
        shown = self.verb("journal", "show", table, "--file", str(self.log.with_suffix(".journal.db")), "--json")
        assert shown.code == 0, shown.err
        return [json.loads(line) for line in shown.out.splitlines()]

    def close(self):
        self._venue.stdin.close()
        self._venue.stdout.close()
        assert self._venue.wait(timeout=30) == 0


@pytest.fixture
def world(shell, tmp_path):
    made = World(shell, tmp_path)
    yield made
    if made.life is not None and made.life.process.poll() is None:
        made.life.process.kill()
        made.life.end()
    made.close()
