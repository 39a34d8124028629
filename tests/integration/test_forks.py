"""Strategies that fork, or wait on threads, beside one that trades on: a child has nothing of the node's."""

import os
import signal
import time
from pathlib import Path

import pytest
from tests.integration.conftest import LOG
from tests.integration.hostile import SECOND, VICTIM

POOL = """
def on_start(self):
    self.set_timer("compute", 0.5)

def on_timer(self, name):
    import multiprocessing
    with multiprocessing.Pool(2) as pool:
        self.log.warning("computed %s", pool.map(abs, range(-3, 0)))
"""

SIGNALS = """
def on_start(self):
    import os, signal
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
        child = os.fork()
        if child == 0:
            try:
                os.kill(os.getpid(), number)
                time.sleep(20)
            except KeyboardInterrupt:
                os._exit(2)
            os._exit(1)
        self.log.warning("%s: %d", number.name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

COMES_BACK = """
def on_start(self):
    self.done = False

{hook}
    import os
    if self.done:
        return
    self.done = True
    child = os.fork()
    if child == 0:
        {child}
    else:
        self.log.warning("the child ended with %d", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

WAITS_ON_THREADS = """
def on_start(self):
    self.waits = 0

def on_quote(self, quote):
    if self.waits < 40:
        self.waits += 1
        asyncio.get_running_loop().create_task(asyncio.to_thread(time.sleep, 3600))
"""


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def profile(shell):
    """A profile whose first strategy is the hostile one, and whose second trades."""
    (shell.folder / "victim.py").write_text(VICTIM, encoding="utf-8")

    def profile(body, **terms):
        return shell.profile(shell.strategy(body), strategy_more=SECOND, **terms)

    return profile


def test_a_pool_computes_and_ends_and_the_node_trades_on(shell, profile):
    """Its end is a SIGTERM to each worker, which the parent took for one of its own."""
    ended = shell.run("run", profile(POOL), "--json", "--duration", "4")
    assert (ended.code, ended.summary["ended"], ended.summary["asked_by"]) == (0, "ended", None), ended.err
    assert "computed [3, 2, 1]" in ended.err
    assert ended.summary["fills"] >= 5


@pytest.mark.usefixtures("usual_signals")
def test_signals_to_a_child_are_the_childs(shell, profile):
    ended = shell.run("run", profile(SIGNALS), "--json", "--duration", "2")
    assert (ended.code, ended.summary["ended"], ended.summary["stopped"]) == (0, "ended", {}), ended.err
    # Python's own handler of SIGINT, and the system's effect of the others, as before the node.
    ends = [f"{number.name}: -{number:d}" for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)]
    for told in ("SIGINT: 2", *ends):
        assert told in ended.err
    assert ended.summary["fills"] >= 3


@pytest.mark.parametrize(
    "hook", ["def on_quote(self, quote):", "async def on_quote(self, quote):", "def on_stop(self):"]
)
@pytest.mark.parametrize(
    ("child", "code", "said"),
    [
        ("return", 1, "a process that a strategy has forked came back to the node, which is not its own: it is ended"),
        ("import sys; sys.exit(5)", 5, ""),
        ("raise ValueError('in the child')", 1, "ValueError: in the child"),
    ],
    ids=["returns", "exits", "raises"],
)
def test_a_child_that_comes_back_to_the_node_is_ended_there(shell, profile, hook, child, code, said):
    ended = shell.start("run", profile(COMES_BACK.format(hook=hook, child=child)), "--json", "--duration", "2").end()
    assert (ended.code, ended.summary["failed"], ended.summary["errors"]) == (0, [], 0), ended.err
    assert f"the child ended with {code}" in ended.err
    assert said in ended.err
    assert ended.err.count("actor mine failed") == 0
    assert ended.summary["fills"] >= 3


KEEPS_A_CHILD = """
def on_start(self):
    import os
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    self.log.warning("child %d sleeps", child)
"""


def test_a_child_that_outlives_its_killed_node_keeps_neither_its_account_nor_its_name(shell, profile):
    path = profile(KEEPS_A_CHILD, account=LOG)
    running = shell.start("run", path, "--json")
    running.wait_for("victim has three fills")
    child = int(running.said.split("child ")[1].split()[0])
    try:
        other = shell.run("run", path, "--duration", "1")
        assert other.code == 1
        assert f"another process owns this log: pid {running.process.pid}" in other.err
        running.process.kill()
        running.process.wait()
        assert is_alive(child)
        status = shell.run("status")
        assert "no node was found on this host" in status.out + status.err
        assert "did not answer" not in status.out + status.err
        again = shell.start("run", path, "--json", "--duration", "1").end()
        assert again.code == 0, again.err
        assert is_alive(child)
        assert "another process owns" not in again.err
        os.kill(int(again.err.split("child ")[1].split()[0]), signal.SIGKILL)
    finally:
        os.kill(child, signal.SIGKILL)


def test_what_is_executed_inherits_nothing_but_its_streams(shell, profile):
    body = (
        "def on_start(self):\n    self.set_timer('look', 0.3)\n\ndef on_timer(self, name):\n    import subprocess\n"
        "    look = ['sh', '-c', 'readlink /proc/$$/fd/[3-9] /proc/$$/fd/[1-9]?; echo looked']\n"
        "    found = subprocess.run(look, close_fds=False, capture_output=True, text=True, check=True).stdout\n"
        "    self.log.warning('inherited: %s.', ' '.join(found.split()))"
    )
    ended = shell.run("run", profile(body, account=LOG), "--json", "--duration", "2")
    assert ended.code == 0, ended.err
    assert "inherited: looked." in ended.err


def test_workers_of_an_executor_end_with_their_node(shell, profile):
    body = (
        "def on_start(self):\n    import concurrent.futures, os\n"
        "    import ctypes\n    pool = concurrent.futures.ProcessPoolExecutor(2)\n"
        # Nobody drops it: that tells an executor to end, too.
        "    ctypes.pythonapi.Py_IncRef(ctypes.py_object(pool))\n"
        "    self.log.warning('worker %d works', pool.submit(os.getpid).result())"
    )
    ended = shell.run("run", profile(body), "--json", "--duration", "2")
    assert (ended.code, ended.summary["ended"]) == (0, "ended"), ended.err
    assert "does not wait for threads" not in ended.err
    worker = int(ended.err.split("worker ")[1].split()[0])
    until = time.monotonic() + 20
    while is_alive(worker) and time.monotonic() < until:
        time.sleep(0.02)
    assert not is_alive(worker)


def test_one_that_waits_on_threads_for_ever_holds_up_neither_the_stop_nor_the_other(shell, profile):
    ended = shell.run("run", profile(WAITS_ON_THREADS), "--json", "--duration", "3")
    assert (ended.code, ended.summary["ended"], ended.summary["failed"]) == (0, "ended", []), ended.err
    assert "the process does not wait for threads that somebody's code has left: " in ended.err
    assert "the drain ran out of time" not in ended.err
    assert ended.summary["fills"] >= 3
