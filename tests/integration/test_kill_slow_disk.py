"""The kill switch where the disk does not take its marker: nothing and nobody waits for that."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.cluster.conftest import TWO_NODES, wait_until
from tests.integration.conftest import LOG, Shell

# A disk that takes no marker as long as a file of the test's is there; each that it was asked to take is noted.
DISK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int fsync(int fd) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fsync");
    char link[64], path[4096 + 8];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, 4096);
    if (size > 7 && !memcmp(path + size - 7, ".killed", 7)) {
        strcpy(path + size, ".asked");
        close(open(path, O_WRONLY | O_CREAT, 0600));
        while (!access(getenv("HANGS"), F_OK)) usleep(5000);
    }
    return real(fd);
}
"""

TRADES = """
def on_quote(self, quote):
    self.submit(quote.symbol, OrderSide.BUY, "0.001", price=quote.bid - 500)

def on_order(self, order):
    if order.status == "ACCEPTED" and not hasattr(self, "told"):
        self.told = print("one rests", flush=True)
    elif order.status == "REJECTED" and order.reason == "KILL_SWITCH":
        self.log.warning("refused")
"""
LOOPS = """
def on_quote(self, quote):
    while True:
        pass
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a disk is made to hang by LD_PRELOAD")


@pytest.fixture
def hanging(tmp_path: Path) -> Mapping[str, str]:
    """The environment of a process whose disk hangs, until the file of `HANGS` goes."""
    compiler = shutil.which("cc")
    assert compiler is not None
    source, library, hangs = tmp_path / "disk.c", tmp_path / "disk.so", tmp_path / "hangs"
    source.write_text(DISK, encoding="utf-8")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    hangs.touch()
    return {"LD_PRELOAD": str(library), "HANGS": str(hangs)}


def profile(shell: Shell, body: str, more: str = "", node: str = "") -> str:
    return shell.profile(shell.strategy(body), account=LOG, strategy_more=more, node=node)


@pytest.mark.parametrize("by", ["signal", "command"])
def test_the_node_answers_cancels_and_ends(shell: Shell, hanging: Mapping[str, str], by: str):
    running = shell.start("run", profile(shell, TRADES), "--json", env=hanging)
    running.wait_for("one rests")
    if by == "signal":
        running.signal(signal.SIGUSR1)
        running.wait_for("refused")
    told = shell.run("kill-switch", "--pid", running.process.pid)
    assert told.code == 0, told.out + running.said
    status = json.loads(shell.run("status", "--json").out)
    [account] = next(row for row in status["nodes"] if row["pid"] == running.process.pid)["accounts"]
    assert account["open_orders"] == 0, account
    assert not (shell.folder / "gate.log.killed").exists(), "it stands in the log"
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert (ended.code, "KILL_SWITCH" in ended.summary["stopped"]["paper"]) == (3, True), ended.err
    assert "the loop" not in ended.err, "nothing has held it"
    assert "has not taken a marker" not in ended.err, "there is none"


def test_a_run_of_several_passes_the_signal_on(shell: Shell, hanging: Mapping[str, str]):
    running = shell.start("run", profile(shell, TRADES, more=TWO_NODES), "--json", env=hanging)
    running.wait_for("one rests")
    running.signal(signal.SIGUSR1)
    running.wait_for("refused")
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert (ended.code, "KILL_SWITCH" in ended.summary["stopped"]["paper"]) == (3, True), ended.err
    assert not (shell.folder / "gate.log.killed").exists(), "it stands in the log"


def test_a_node_whose_loop_hangs_too_ends_with_a_marker_and_says_what_the_disk_has_not_taken(
    shell: Shell, hanging: Mapping[str, str]
):
    name = profile(shell, LOOPS, node="drain_timeout_s = 0.3\nhandler_timeout_s = 0")
    running = shell.start("run", name, env=hanging)
    running.wait_for("has blocked the loop")
    running.signal(signal.SIGUSR1)
    wait_until((shell.folder / "gate.log.killed.asked").exists, "it is forced at once")
    running.wait_for("no new order leaves any more")
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert (ended.code, "has not taken a marker yet" in ended.err) == (1, True), ended.err
    again = shell.run("run", profile(shell, TRADES), "--json", "--set", "node.duration_s=0.3")
    assert (again.code, "KILL_SWITCH" in again.summary["stopped"]["paper"]) == (3, True), again.err


ALONE = """
import os, signal, sys
from libra_core import name_latches, take_kill_switch
name_latches([("a", "a.log")])
take_kill_switch()
os.kill(os.getpid(), signal.SIGUSR1)
print(os.path.exists("a.log.killed"), flush=True)
sys.stdin.read()
"""


def test_who_leaves_a_marker_where_no_node_is_does_not_wait_and_it_is_forced(
    tmp_path: Path, hanging: Mapping[str, str]
):
    process = subprocess.Popen(
        [sys.executable, "-c", ALONE],
        cwd=tmp_path,
        env=dict(hanging),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n", "the handler has come back, and it is there"
        wait_until((tmp_path / "a.log.killed.asked").exists, "a thread forces it")
        process.communicate("", 20)
        assert process.returncode == 0, "and holds up no end"
