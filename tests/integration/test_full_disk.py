"""A disk that is full while a node trades: the limit on file sizes of its process stands in for one."""

import json
import resource
import signal
import subprocess
from pathlib import Path

from tests.integration.conftest import LIBRA

RESTS = """
def on_start(self):
    self.n = self.open = 0

def on_quote(self, quote):
    self.n += 1
    if self.n <= 3:
        self.submit(quote.symbol, OrderSide.BUY, "0.001", price=quote.bid - 500)
    elif self.n % 20 == 0:
        self.submit(quote.symbol, OrderSide.BUY, "0.002", price=quote.bid - 500)

def on_order(self, order):
    if order.status == "ACCEPTED":
        self.open += 1
        if self.open == 3:
            self.log.warning("three rest")
    elif order.status == "CANCELLED":
        self.open -= 1
        if self.open == 0:
            self.log.warning("nothing rests")
    elif order.status == "REJECTED":
        self.log.warning("refused by %s", order.reason)
"""


def fill_disk(running, bytes_: int) -> None:
    _, hard = resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (bytes_, hard))


def account_of(shell):
    [node] = json.loads(shell.run("status", "--json").out)["nodes"]
    [account] = node["accounts"]
    return account


def test_a_summary_that_cannot_be_written_is_a_failure(shell):
    command = [str(LIBRA), "run", shell.profile(), "--json", "--duration", "0.2"]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(command, cwd=shell.folder, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == "libra: the summary could not be written: No space left on device"


def test_the_kill_switch_cancels_though_the_disk_is_full(shell):
    log = shell.folder / "gate.log"
    path = shell.profile(shell.strategy(RESTS), account=f'log = {{ path = "{log}", resume = true }}')
    running = shell.start("run", path, "--json")
    running.wait_for("three rest")
    fill_disk(running, log.stat().st_size)
    # By request alone: a signal would leave its own marker.
    killed = shell.run("kill-switch", "--account", "paper", "--reason", "a test")
    assert killed.code == 1
    assert "NOT CONFIRMED" in killed.out
    assert "what is open is cancelled, but the log has not taken it" in killed.out
    marker = shell.folder / "gate.log.killed"
    assert marker.exists(), "for the next process"
    account = account_of(shell)
    assert "a test" in account["killed"]
    # The venue has cancelled them, which cannot be booked yet.
    assert account["open_orders"] == account["cancelling"] == 3

    fill_disk(running, resource.RLIM_INFINITY)
    running.wait_for("nothing rests")
    account = account_of(shell)
    assert (account["open_orders"], account["stopped"][0]) == (0, "KILL_SWITCH")
    assert not marker.exists(), "the log has it"
    resumed = shell.run("resume", "--yes")
    assert resumed.code == 0, resumed.out
    running.signal(signal.SIGINT)
    ended = running.end()
    assert ended.code == 0, ended.err
    assert ended.summary["errors"] > 0, "each write that failed was counted"
    assert ended.summary["orders"]["CANCELLED"] >= 3


def test_the_next_process_is_latched_though_the_log_never_had_it(shell):
    log = shell.folder / "gate.log"
    path = shell.profile(shell.strategy(RESTS), account=f'log = {{ path = "{log}", resume = true }}')
    running = shell.start("run", path, "--json")
    running.wait_for("three rest")
    fill_disk(running, log.stat().st_size)
    # From now on: an order more may have been written before.
    length = log.stat().st_size
    assert shell.run("kill-switch", "--account", "paper").code == 1
    running.process.kill()
    running.end()
    assert log.stat().st_size == length, "not a byte of it"
    again = shell.start("run", path, "--json")
    again.wait_for("refused by KILL_SWITCH")
    account = account_of(shell)
    assert "earlier process" in account["killed"]
    assert account["open_orders"] == 0, "what its log knew as open is cancelled"
    again.signal(signal.SIGINT)
    assert again.end().code == 3


def test_a_disk_that_is_full_to_the_end_ends_the_run_with_3(shell):
    log = shell.folder / "gate.log"
    account = f'log = {{ path = "{log}", resume = true }}'
    path = shell.profile(shell.strategy(RESTS), account=account)
    running = shell.start("run", path, "--json")
    running.wait_for("three rest")
    fill_disk(running, log.stat().st_size)
    running.wait_for("refused by LOG_FAILED")
    running.signal(signal.SIGINT)
    ended = running.end()
    assert ended.code == 3, ended.err
    assert ended.summary["stopped"]["paper"].startswith("LOG_FAILED: its log did not take what it has to")
    fixed = shell.run("run", shell.profile(account=account, node="duration_s = 0.5"))
    assert fixed.code == 0, "its orders are known from before"
