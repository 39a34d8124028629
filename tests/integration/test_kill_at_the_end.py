"""The kill switch by a signal to a run that ends, together with a signal that ends the process."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.integration.conftest import LOG

ENDS = [signal.SIGTERM, signal.SIGHUP]

TAKES = """
import os, signal, sys, threading, time
from libra_core import name_latches, take_kill_switch
number = int(sys.argv[1])
both = {signal.SIGUSR1, number}
for ends in both:
    # Whoever runs this may ignore it, which is inherited.
    signal.signal(ends, signal.SIG_DFL)
names = [f"{place}.log" for place in range(int(sys.argv[2]))]
name_latches([(name, name) for name in names])
take_kill_switch(ends=[number])
signal.pthread_sigmask(signal.SIG_BLOCK, both)
"""
AT_ONCE = """
for sent in both:
    os.kill(os.getpid(), sent)
signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
threading.Event().wait(20)
print("lives")
"""
ELSEWHERE = """
def waits(sent):
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [sent])
    threading.Event().wait(20)
    print("lives")
for sent in both:
    threading.Thread(target=waits, args=(sent,)).start()
os.kill(os.getpid(), signal.SIGUSR1)
while not os.path.exists(names[0] + ".killed"):
    time.sleep(0)
os.write(1, b"ends" if not os.path.exists(names[-1] + ".killed") else b"too late")
os.kill(os.getpid(), number)
"""


@pytest.mark.usefixtures("uncounted")
@pytest.mark.parametrize("number", [*ENDS, signal.SIGINT])
@pytest.mark.parametrize(
    ("then", "accounts", "said"), [(AT_ONCE, 8, ""), (ELSEWHERE, 1_000, "ends")], ids=["at once", "elsewhere"]
)
def test_what_ends_the_process_waits_for_the_markers(tmp_path: Path, number: int, then: str, accounts: int, said: str):
    command = [sys.executable, "-c", TAKES + then, str(int(number)), str(accounts)]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (-number, said), told.stderr
    assert len(list(tmp_path.glob("*.log.killed"))) == accounts


LEAVES_A_THREAD = """
def on_start(self):
    import threading, time
    threading.Thread(target=time.sleep, args=(60,)).start()
"""


@pytest.mark.usefixtures("usual_signals", "uncounted")
@pytest.mark.parametrize("number", [*ENDS, signal.SIGINT])
def test_behind_its_summary_a_run_leaves_the_switch_to_the_next_one(shell, number):
    name = shell.profile(shell.strategy(LEAVES_A_THREAD), account=LOG, node="duration_s = 0.5")
    running = shell.start("run", name, "--json")
    until = time.monotonic() + 30
    while not running.out and time.monotonic() < until:
        time.sleep(0.02)
    assert running.out, running.said
    running.signal(signal.SIGSTOP)
    running.signal(signal.SIGUSR1)
    running.signal(number)
    running.signal(signal.SIGCONT)
    ended = running.end()
    assert (ended.code, (shell.folder / "gate.log.killed").exists()) == (-number, True), ended.err
    assert "Traceback" not in ended.err
    again = shell.run("run", name, "--json")
    assert (again.code, "KILL_SWITCH" in str(again.summary["stopped"])) == (3, True), again.err


AS_FIRST = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]


@pytest.mark.usefixtures("usual_signals", "uncounted")
def test_the_first_process_of_a_container_ends_by_it_too(shell):
    if subprocess.run([*AS_FIRST, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody make a namespace of processes")
    name = shell.profile(shell.strategy("def on_start(self):\n    pass"), account=LOG, node="duration_s = 5")
    path = shell.folder / "mine.py"
    # It starts, and there is no node yet.
    path.write_text("import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(3)\n" + path.read_text())
    libra = str(Path(sys.executable).parent / "libra")
    told = subprocess.run(
        [*AS_FIRST, libra, "run", name], cwd=shell.folder, capture_output=True, text=True, check=False
    )
    assert (told.returncode, told.stdout) == (128 + signal.SIGTERM, ""), told.stderr
