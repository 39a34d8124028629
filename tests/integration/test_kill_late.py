"""The kill switch by a signal at any moment of a run's end: it latches, or leaves a marker and says so."""

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest
from tests.cluster.conftest import TWO_NODES, wait_until
from tests.integration.conftest import LOG, Running, Shell

from libra.control.folder import find_nodes

RESTS = """
def on_start(self):
    print("it trades", flush=True)

def on_quote(self, quote):
    if not hasattr(self, "asked"):
        self.asked = self.submit(quote.symbol, OrderSide.BUY, "0.010", price=str(int(quote.bid) - 40) + ".0")
"""
LEAVES_A_THREAD = """
def on_start(self):
    import threading
    threading.Thread(target=lambda: time.sleep(60)).start()
    print("it trades", flush=True)
"""


# linux/sched.h
PF_EXITING = 0x4


def profile(shell: Shell, body: str = RESTS, more: str = "") -> str:
    return shell.profile(shell.strategy(body), account=LOG, strategy_more=more)


def pull(running: Running) -> bool:
    """Pulls the switch; False where the process has ended, or is taken down: the system drops what it is sent then."""
    if running.process.poll() is not None:
        return False
    os.kill(running.process.pid, signal.SIGUSR1)
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{running.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return not int(fields[6]) & PF_EXITING
    return True


def comes_up_latched(shell: Shell, name: str) -> None:
    """The next start comes up latched, and nobody's marker is left behind that."""
    again = shell.run("run", name, "--json", "--set", "node.duration_s=0.3")
    assert (again.code, "KILL_SWITCH" in again.summary["stopped"].get("paper", "")) == (3, True), again.err
    assert not (shell.folder / "gate.log.killed").exists(), "it stands in the log"


def says(err: str) -> bool:
    """It came to no node, and that was said."""
    return "no node answers it: account paper comes up latched" in err


@pytest.mark.parametrize("behind_ms", [*range(0, 400, 25), pytest.param(None, id="at_random")])
def test_a_switch_at_any_moment_of_an_end_is_the_next_starts(shell: Shell, behind_ms: int | None):
    name = profile(shell)
    running = shell.start("run", name, "--json", "--out", "out")
    running.wait_for("it trades")
    running.signal(signal.SIGINT)
    if behind_ms is None:
        # As often as it goes until the very end.
        while pull(running):
            time.sleep(0.001)
        pulled = True
    else:
        time.sleep(behind_ms / 1_000)
        pulled = pull(running)
    ended = running.end()
    assert ended.code in (0, 3), ended.err
    if not pulled:
        return
    if not ended.summary["stopped"]:
        assert says(ended.err), ended.err
        assert (shell.folder / "gate.log.killed").exists()
    comes_up_latched(shell, name)


def test_a_process_that_waits_for_somebodys_thread_still_takes_it(shell: Shell):
    name = profile(shell, LEAVES_A_THREAD)
    running = shell.start("run", name, "--json")
    running.wait_for("it trades")
    running.signal(signal.SIGINT)
    wait_until(lambda: running.out, "its summary is written")
    assert pull(running)
    ended = running.end()
    assert (ended.code, ended.summary["stopped"], says(ended.err)) == (0, {}, True), ended.err
    comes_up_latched(shell, name)


@pytest.mark.parametrize("whom", ["run", "strategies"])
def test_a_run_of_several_whose_account_has_died_takes_it_for_the_next(shell: Shell, whom: str):
    name = profile(shell, more=TWO_NODES)
    running = shell.start("run", name, "--json")
    running.wait_for("it trades")
    pids = {node.name: node.pid for node in find_nodes(Path(os.environ["LIBRA_RUN_DIR"]))}
    os.kill(pids["trading"], signal.SIGKILL)
    os.kill(pids.get(whom, running.process.pid), signal.SIGUSR1)
    ended = running.end()
    assert ended.code == 1, ended.err
    assert says(ended.err), ended.err
    comes_up_latched(shell, name)
