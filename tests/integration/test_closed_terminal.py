"""The terminal of a run is closed, as at the end of an SSH session: the run ends in order, and `nohup` keeps it.

Who reads its output beside it (`| tee log`) ends by the same signal, and may be gone before the run has begun to end.
"""

import contextlib
import os
import signal
import subprocess

import pytest
from tests.integration.conftest import LIBRA, LOG
from tests.terminals import on_a_terminal

BODY = """
def on_start(self):
    self.asked = None

def on_quote(self, quote):
    if self.asked is None:
        self.asked = self.submit(quote.symbol, OrderSide.BUY, "0.010", price=str(int(quote.bid) - 40) + ".0")

def on_order(self, order):
    self.log.warning("the order is %s", order.status)
    with open("orders", "a") as file:
        file.write(f"{order.status}\\n")

def on_stop(self):
    import sys
    for number in range(200):
        print("goodbye", number, flush=True)
        print("goodbye", number, file=sys.stderr)
        print("goodbye", number, file=sys.__stderr__, flush=True)
    self.cancel(self.asked)
"""


@pytest.fixture
def profile(shell):
    return shell.profile(shell.strategy(BODY), account=LOG)


def orders(shell):
    path = shell.folder / "orders"
    return path.read_text().split() if path.exists() else []


@pytest.mark.usefixtures("usual_signals")
def test_a_run_whose_terminal_is_closed_ends_in_order(shell, profile):
    process, terminal = on_a_terminal([str(LIBRA), "run", profile, "--out", "out"], shell.folder)
    try:
        shown = b""
        while b"the order is ACCEPTED" not in shown:
            shown += os.read(terminal, 1 << 16)
        os.close(terminal)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert orders(shell)[-1] == "CANCELLED"
    assert (shell.folder / "out" / "orders.parquet").exists()


@pytest.mark.usefixtures("usual_signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["by lines", "at once"])
@pytest.mark.parametrize("arguments", [["--out", "out"], ["--json"]], ids=["people", "machines"])
def test_so_does_one_whose_output_nobody_reads_any_more(shell, profile, number, unbuffered, arguments):
    process = subprocess.Popen(
        [str(LIBRA), "run", profile, *arguments],
        cwd=shell.folder,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        shown = b""
        while b"the order is ACCEPTED" not in shown:
            shown += process.stderr.readline()
        process.stdout.close()
        process.stderr.close()
        process.send_signal(number)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert orders(shell)[-1] == "CANCELLED"


@pytest.mark.usefixtures("usual_signals")
def test_a_second_one_ends_it_at_once(shell):
    loops = 'def on_start(self):\n    self.log.warning("loops")\n    while True:\n        pass\n'
    running = shell.start("run", shell.profile(shell.strategy(loops)), "--json")
    running.wait_for("loops")
    running.signal(signal.SIGHUP)
    while running.process.poll() is None:
        # What comes within half a second is the same one.
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.process.wait(0.1)
        running.signal(signal.SIGHUP)
    ended = running.end()
    assert ended.code == 1
    assert "stopped at once by a second signal" in ended.err


def test_where_it_is_ignored_the_run_goes_on(shell, profile):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        running = shell.start("run", profile, "--json")
    finally:
        signal.signal(signal.SIGHUP, before)
    running.wait_for("the order is ACCEPTED")
    running.signal(signal.SIGHUP)
    # The guard has seen all that came before this.
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert (ended.code, ended.summary["asked_by"]) == (0, "SIGTERM"), ended.err
    assert "for itself" not in ended.err


@pytest.mark.usefixtures("usual_signals")
def test_a_simulated_exchange_ends_too():
    process = subprocess.Popen([str(LIBRA), "exchange-sim", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        assert (*process.communicate(timeout=20), process.returncode) == (b"", b"", 0)
    finally:
        process.kill()
        process.wait()
