"""The kill switch by a signal to a process that is not a node yet: it is kept, and stops the accounts that come."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cluster.conftest import TWO_NODES
from tests.integration.conftest import LOG, Ended, Shell

from libra import early_kill

BUYS = """
def on_quote(self, quote):
    if not hasattr(self, "asked"):
        self.asked = 0
    self.asked += 1
    if self.asked < 20:
        self.submit(quote.symbol, OrderSide.BUY, "0.001", price=quote.ask)
"""
PULLS = "import os, signal\nos.kill({whom}, signal.SIGUSR1)\nos.kill({whom}, signal.SIGUSR1)\n"


def profile(shell: Shell, *, pulls: str = "", ends: str = "", more: str = "") -> str:
    """A profile whose strategy's file pulls the switch when it is loaded, which is long before a node takes signals."""
    name = shell.profile(shell.strategy(BUYS), account=LOG, node="duration_s = 1.5", strategy_more=more)
    path = shell.folder / "mine.py"
    path.write_text((PULLS.format(whom=pulls) if pulls else "") + ends + path.read_text())
    return name


def killed(ended) -> bool:
    return "KILL_SWITCH" in str(ended.summary["stopped"].get("paper"))


@pytest.mark.parametrize(("pulls", "more"), [("os.getpid()", ""), ("os.getppid()", TWO_NODES)])
def test_a_run_that_is_signalled_while_it_starts_comes_up_latched_and_stays_so(shell, pulls, more):
    ended = shell.run("run", profile(shell, pulls=pulls, more=more), "--json")
    assert (ended.code, killed(ended), ended.summary["fills"]) == (3, True, 0), ended.err
    again = shell.run("run", profile(shell, more=more), "--json")
    assert (again.code, killed(again), again.summary["fills"]) == (3, True, 0), again.err
    resumed = shell.run("run", profile(shell, more=more), "--json", "--resume", "paper")
    assert (resumed.code, resumed.summary["fills"] > 0) == (0, True), resumed.err


@pytest.mark.parametrize(("pulls", "more"), [("os.getpid()", ""), ("os.getppid()", TWO_NODES)])
def test_where_such_a_run_ends_before_its_accounts_are_opened_the_next_one_comes_up_latched(shell, pulls, more):
    ended = shell.run("run", profile(shell, pulls=pulls, ends="raise ImportError('no')\n", more=more), "--json")
    assert ended.code in (1, 2), ended.err
    assert "kill switch: no node answers it: account paper comes up latched" in ended.err
    assert (shell.folder / "gate.log.killed").exists()
    again = shell.run("run", profile(shell, more=more), "--json")
    assert (again.code, killed(again), again.summary["fills"]) == (3, True, 0), again.err
    assert not (shell.folder / "gate.log.killed").exists(), "it stands in the log"


def test_so_it_does_where_the_log_cannot_be_opened(shell):
    (shell.folder / "gate.log").mkdir()
    ended = shell.run("run", profile(shell, pulls="os.getpid()"), "--json")
    assert ended.code in (1, 2), ended.err
    assert "account paper comes up latched" in ended.err
    (shell.folder / "gate.log").rmdir()
    again = shell.run("run", profile(shell), "--json")
    assert (again.code, killed(again)) == (3, True), again.err


def test_a_run_that_nobody_signals_leaves_no_marker(shell):
    ended = shell.run("run", profile(shell, ends="raise ImportError('no')\n"), "--json")
    assert "kill switch" not in ended.err
    assert not list(shell.folder.glob("*.killed"))


FIRST = """
import os, signal, sys
# Whoever runs this may ignore it, which is inherited.
signal.signal(signal.SIGUSR1, signal.SIG_DFL)
from libra.cli import main
before = main._run_verb
main._run_verb = lambda arguments: (os.kill(os.getpid(), signal.SIGUSR1), before(arguments))[1]
code = main.main(sys.argv[1:])
os.kill(os.getpid(), signal.SIGUSR1)
print("lives", code, flush=True)
"""


def test_it_is_kept_from_the_first_line_on_and_where_no_profile_can_be_read_nothing_is_latched(tmp_path: Path):
    told = subprocess.run(
        [sys.executable, "-c", FIRST, "run", "nothing.toml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert told.stdout == "lives 2\n", told
    assert told.stderr.count("no node answers it: nothing is latched") == 2, "at the end, and behind it"
    # Another verb is not about to trade.
    told = subprocess.run([sys.executable, "-c", FIRST, "config"], cwd=tmp_path, capture_output=True, check=False)
    assert told.returncode == -signal.SIGUSR1


ENDS = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT]


def code_by(number: int) -> int:
    """Ctrl-C is told of, what else ends a run that starts ends it as any process."""
    return 1 if number == signal.SIGINT else -number


@pytest.mark.usefixtures("usual_signals", "uncounted")
@pytest.mark.parametrize("number", ENDS)
def test_what_ends_a_run_that_starts_leaves_the_switch_to_the_next_one(shell, number):
    ends = f"os.kill(os.getpid(), {int(number)})\nimport time\ntime.sleep(60)\n"
    ended = shell.run("run", profile(shell, pulls="os.getpid()", ends=ends), "--json")
    assert ended.code == code_by(number), ended.err
    assert ended.err.count("kill switch: no node answers it: account paper comes up latched") == 1, ended.err
    again = shell.run("run", profile(shell), "--json")
    assert (again.code, killed(again), again.summary["fills"]) == (3, True, 0), again.err


@pytest.mark.usefixtures("usual_signals", "uncounted")
@pytest.mark.parametrize("number", ENDS)
def test_without_a_switch_it_leaves_no_marker(shell, number):
    ends = f"import os, time\nos.kill(os.getpid(), {int(number)})\ntime.sleep(60)\n"
    ended = shell.run("run", profile(shell, ends=ends), "--json")
    assert (ended.code, "kill switch" in ended.err) == (code_by(number), False), ended.err
    assert not list(shell.folder.glob("*.killed"))


EARLY = """
import os, signal, sys, time
number, apart_s = int(sys.argv[1]), [float(word) for word in sys.argv[2].split(",")]
from libra.cli import main
before = main._dispatch
def pull_and_end(arguments):
    os.kill(os.getpid(), signal.SIGUSR1)
    for pause_s in apart_s:
        time.sleep(pause_s)
        os.kill(os.getpid(), number)
    return before(arguments)
main._dispatch = pull_and_end
sys.exit(main.main(sys.argv[3:]))
"""


@pytest.mark.usefixtures("usual_signals", "uncounted")
@pytest.mark.parametrize("number", ENDS)
@pytest.mark.parametrize("more", ["", TWO_NODES], ids=["one node", "two nodes"])
@pytest.mark.parametrize("apart_s", ["0", "0,0.05"], ids=["once", "delivered twice"])
def test_an_end_behind_the_switch_waits_until_the_accounts_are_known(shell, number, more, apart_s):
    command = [sys.executable, "-c", EARLY, str(int(number)), apart_s, "run", profile(shell, more=more), "--json"]
    told = subprocess.run(command, cwd=shell.folder, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (code_by(number), ""), told.stderr
    assert (shell.folder / "gate.log.killed").exists()


@pytest.mark.usefixtures("usual_signals", "uncounted")
@pytest.mark.parametrize("number", ENDS)
@pytest.mark.parametrize("more", ["", TWO_NODES], ids=["one node", "two nodes"])
def test_a_second_end_waits_for_nothing(shell, number, more):
    command = [sys.executable, "-c", EARLY, str(int(number)), "0,0.6", "run", profile(shell, more=more), "--json"]
    told = subprocess.run(command, cwd=shell.folder, capture_output=True, text=True, check=False)
    assert (told.returncode, "nothing is latched" in told.stderr) == (code_by(number), True), told.stderr
    assert not (shell.folder / "gate.log.killed").exists()


FORKS = """
import itertools, os, resource, signal
for _ in range(40):  # which finds each in another instant of its beginning
    child = os.fork()
    if child == 0:
        # No handler of an interpreter has a turn in this.
        resource.setrlimit(resource.RLIMIT_CPU, (2, 2))
        max(itertools.repeat(0))
    os.kill(child, signal.SIGUSR1)
    os.kill(child, signal.SIGTERM)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == -signal.SIGTERM, code
"""


@pytest.mark.usefixtures("usual_signals")
def test_a_child_of_a_run_that_starts_ends_as_any_process_and_stops_nothing(shell):
    ended = shell.run("run", profile(shell, ends=FORKS), "--json")
    assert (ended.code, killed(ended)) == (0, False), ended.err
    assert not list(shell.folder.glob("*.killed"))


AT_ONCE = """
import signal, sys
from libra.cli import main
from libra_cluster.supervision import supervisor

class Child(supervisor.Child):
    def __init__(self, member, *more, **terms):
        super().__init__(member, *more, **terms)
        if member.part.accounts:
            self.signal(signal.SIGUSR1)

supervisor.Child = Child
sys.exit(main.main(sys.argv[1:]))
"""


def test_a_member_keeps_it_before_its_interpreter_has_begun(shell):
    command = [sys.executable, "-c", AT_ONCE, "run", profile(shell, more=TWO_NODES), "--json"]
    told = subprocess.run(command, cwd=shell.folder, capture_output=True, text=True, check=False)
    assert killed(Ended(told.returncode, told.stdout, told.stderr)), told.stderr
    assert told.returncode == 3


ALONE = """
import os, resource, signal, sys
from libra_core import name_latches, take_kill_switch
name_latches([("a", None), ("b", "file/b.log"), ("c", "new/er/c.log"), ("d", "d.log")])
take_kill_switch()
if sys.argv[1:]:
    os.mkdir("new"), os.mkdir("new/er")
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
os.kill(os.getpid(), signal.SIGUSR1)
"""


@pytest.mark.usefixtures("uncounted")
@pytest.mark.parametrize("without_descriptors", [[], ["none"]])
def test_what_is_latched_and_what_is_not_is_said(tmp_path: Path, without_descriptors: list[str]):
    (tmp_path / "file").touch()
    command = [sys.executable, "-c", ALONE, *without_descriptors]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    head = "libra: kill switch: no node answers it: account"
    assert told.stderr.splitlines() == [
        f"{head} a has no log, so nothing is latched",
        f"{head} b is NOT LATCHED: file/b.log.killed cannot be written (errno 020)",
        f"{head} c comes up latched (new/er/c.log.killed)",
        f"{head} d comes up latched (d.log.killed)",
    ]
    for marker in ("new/er/c.log.killed", "d.log.killed"):
        assert (tmp_path / marker).stat().st_mode & 0o777 == 0o600


def test_who_embeds_a_node_keeps_its_own_mask():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        assert not early_kill.release()
        assert signal.SIGUSR1 in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_a_process_that_is_started_keeps_what_is_passed_on_and_ours_does_not():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    waits = [sys.executable, "-c", "import signal; print(signal.SIGUSR1 in signal.sigpending() or input())"]
    with early_kill.passed_on():
        process = subprocess.Popen(waits, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    os.kill(process.pid, signal.SIGUSR1)
    assert process.communicate()[0] == "True\n"
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
