"""A run of several nodes whose output nobody reads is stopped like any other; and a node may write what it likes."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.conftest import UNJOINED, Topologies, nodes, wait_until
from tests.terminals import on_a_terminal

from libra import early_kill

STREAMS = {"stdout": 1, "stderr": 2}

WRITES = """
def on_start(self):
    import sys
    for stream in (sys.stdout, sys.stderr):
        for number in range(self.params["lines"]):
            stream.write(f"{number:099d}\\n")
        stream.flush()
    open("written", "w").close()
"""
LINES = 90_000
"""On each stream more than waits for a reader: the next line would have to wait, or is left out."""


@contextlib.contextmanager
def stuck() -> Iterator[tuple[int, int]]:
    """A pipe that has no room: its ends."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"." * 4096)
    os.set_blocking(writer, True)
    yield reader, writer
    os.close(reader)


def started(topologies: Topologies, profile: str, *more: str, out: object, err: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(UNJOINED), "run", profile, *more]
    return subprocess.Popen(command, cwd=topologies.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err)


def writing(topologies: Topologies, lines: int) -> str:
    return topologies.topology(
        strategy=topologies.strategy(WRITES),
        strategy_more=f"params = {{ lines = {lines} }}",
        account='log = { path = "paper.log" }',
    )


def account(topologies: Topologies) -> dict[str, object]:
    """The account, or nothing while it is not open."""
    [node] = json.loads(topologies.run("status", "--node", "trading", "--json").out)["nodes"]
    return dict(*node.get("accounts", ()))


def catches(pid: int, number: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return bool(int(re.search(r"SigCgt:\s+(\w+)", status)[1], 16) >> (number - 1) & 1)


def latch_and_end(topologies: Topologies, process: subprocess.Popen[bytes]) -> None:
    """By signals to a run whose strategy has written more than its reader took."""
    # A node does not wait for our reader either.
    wait_until((topologies.folder / "written").exists, "the strategy has written all of it")
    wait_until(lambda: set(nodes()) == {"trading", "strategies"}, "both nodes run")
    process.send_signal(signal.SIGUSR1)
    wait_until(lambda: account(topologies).get("killed"), "the account is latched", timeout_s=10)
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: not nodes(), "the nodes end")


@pytest.mark.usefixtures("uncounted")
@pytest.mark.parametrize("unread", ["stdout", "stderr", "both"])
def test_signals_reach_the_nodes_of_a_run_that_nobody_reads(topologies: Topologies, tmp_path: Path, unread: str):
    profile = writing(topologies, LINES)
    with stuck() as (reader, writer), (tmp_path / "other").open("wb") as other:
        ends = [writer if unread in (name, "both") else other for name in STREAMS]
        process = started(topologies, profile, out=ends[0], err=ends[1])
        try:
            os.close(writer)
            latch_and_end(topologies, process)
            if unread != "stderr":
                # It waits for whoever reads the summary, and may be ended meanwhile: the switch is not kept till then.
                wait_until(lambda: not catches(process.pid, signal.SIGCHLD), "its handlers are given back")
                process.send_signal(signal.SIGUSR1)
                wait_until((tmp_path / "paper.log.killed").exists, "the next start comes up latched", timeout_s=10)
            if unread == "stderr":
                # Whoever reads the summary has it, and the run ends.
                assert process.wait(30) == 3
            with open(reader, "rb", closefd=False) as file:
                told = file.read().lstrip(b".").decode()
            assert process.wait(30) == 3
        finally:
            process.kill()
            process.wait()
    said = told + (tmp_path / "other").read_text()
    assert re.search(r"ended stopped: KILL_SWITCH", said), "the summary"
    if unread == "stderr":
        return
    gaps = [int(lines) for lines in re.findall(r"nobody read this: (\d+) lines are left out here", told)]
    written = re.findall(r"^(?:strategies: )?\d{99}$", told, flags=re.MULTILINE)
    assert gaps
    # Other lines of the run may be among those that are left out.
    assert 0 <= len(written) + sum(gaps) - (LINES if unread == "stdout" else 2 * LINES) < 200
    assert told.index("nobody read this") < told.index("ended stopped: KILL_SWITCH")


def test_a_terminal_that_stands_still_holds_up_no_signal(topologies: Topologies):
    # It renders them one by one. A terminal keeps some kilobytes of them.
    profile = writing(topologies, 3_000)
    reader, terminal = pty.openpty()
    process = started(topologies, profile, out=terminal, err=terminal)
    os.close(terminal)
    told = bytearray()
    try:
        latch_and_end(topologies, process)
        # EIO: nobody has it open for writing any more.
        with contextlib.suppress(OSError):
            while piece := os.read(reader, 1 << 16):
                told += piece
        assert process.wait(30) == 3
    finally:
        process.kill()
        process.wait()
        os.close(reader)
    assert told.count(b"0" * 60) == 6_000
    assert b"ended stopped: KILL_SWITCH" in told


GOODBYE = """
def on_stop(self):
    print("goodbye")
    open("goodbye", "w").close()
"""


@pytest.mark.usefixtures("usual_signals")
def test_a_run_whose_terminal_is_closed_ends_in_order(topologies: Topologies, tmp_path: Path):
    profile = topologies.topology(strategy=topologies.strategy(GOODBYE))
    command = [sys.executable, str(UNJOINED), "run", profile, "--out", "out"]
    process, terminal = on_a_terminal(command, topologies.folder)
    try:
        wait_until(lambda: set(nodes()) == {"trading", "strategies"}, "both nodes run")
        os.close(terminal)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert not nodes()
    assert (tmp_path / "goodbye").exists()
    assert (tmp_path / "out" / "orders.parquet").exists()


def test_a_summary_that_finds_a_full_disk_is_a_failure(topologies: Topologies, tmp_path: Path):
    profile = topologies.topology()
    with Path("/dev/full").open("wb") as full, (tmp_path / "err").open("wb") as err:
        assert started(topologies, profile, "--json", "--duration", "0.5", out=full, err=err).wait(30) == 1
    *_, told = (tmp_path / "err").read_text().splitlines()
    assert told == "libra: the summary could not be written: No space left on device"


def test_the_kill_switch_is_passed_on_whatever_holds_up_the_supervisor(topologies: Topologies):
    held_up, holder = os.pipe()
    os.set_inheritable(held_up, True)
    env = {**os.environ, "LIBRA_TEST_HELD_UP": str(held_up)}
    command = [sys.executable, str(UNJOINED), "run", topologies.topology(), "--json"]
    process = subprocess.Popen(
        command, cwd=topologies.folder, env=env, pass_fds=[held_up], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    os.close(held_up)
    try:
        # Those with accounts run first; it is held up before it lets the others run.
        wait_until(lambda: "trading" in nodes() and account(topologies), "the account is open")
        process.send_signal(signal.SIGUSR1)
        wait_until(lambda: account(topologies).get("killed"), "the account is latched", timeout_s=10)
        process.send_signal(signal.SIGTERM)
        os.close(holder)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 3, err
    assert json.loads(out)["stopped"]["paper"].startswith("KILL_SWITCH")


TICKS = """
def on_start(self):
    self.set_timer("tick", 0.05, interval_s=0.05)

def on_timer(self, name):
    with open("ticks", "a") as file:
        file.write(".")
"""


def test_behind_ctrl_z_the_nodes_trade_on_and_are_stopped_by_the_verb(topologies: Topologies, tmp_path: Path):
    running = topologies.start("run", topologies.topology(strategy=topologies.strategy(TICKS)), "--json")
    wait_until((tmp_path / "ticks").exists, "both nodes run")
    # As SIGTSTP does, which a run without a terminal may not be sent.
    running.signal(signal.SIGSTOP)
    wait_until(lambda: stands_still(running.process.pid), "the run is stopped")
    before = (tmp_path / "ticks").stat().st_size
    wait_until(lambda: (tmp_path / "ticks").stat().st_size > before + 3, "the nodes go on")
    # To the stopped process the signal is kept; the verb asks the nodes.
    running.signal(signal.SIGUSR1)
    assert not account(topologies).get("killed")
    ended = topologies.run("kill-switch", "--reason", "looks wrong")
    assert ended.code == 0, ended.err
    assert account(topologies).get("killed")
    running.signal(signal.SIGCONT)
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert ended.code == 3, ended.err


def stands_still(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "T"


def test_a_switch_from_before_the_nodes_are_started_stops_accounts_without_a_log(topologies: Topologies):
    # No marker says it to them: it is in memory that such an account is kept.
    with early_kill.passed_on():
        running = topologies.start("run", topologies.topology(), "--json")
        running.signal(signal.SIGUSR1)
    wait_until(lambda: nodes().get("trading") and account(topologies).get("killed"), "the account is latched")
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert ended.code == 3, ended.err
    assert ended.summary["stopped"]["paper"].startswith("KILL_SWITCH")


BAR = """
def on_start(self):
    import resource, sys
    for done in range(400):
        sys.stderr.write(f"\\r {done}%|####      | " * 4096)
    sys.stderr.write("\\r 100%|##########|\\n")
    sys.stderr.write("x" * (5 << 20))
    sys.stderr.flush()
    open("written", "w").close()
"""


def test_a_progress_bar_and_a_line_without_end_cost_no_memory(topologies: Topologies, tmp_path: Path):
    running = topologies.start("run", topologies.topology(strategy=topologies.strategy(BAR)), "--json")

    def peak_kib() -> int:
        status = Path(f"/proc/{running.process.pid}/status").read_text(encoding="utf-8")
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1])

    wait_until(lambda: len(nodes()) == 2 or running.process.poll() is not None, "the nodes run")
    wait_until((tmp_path / "written").exists, "it has written")
    # 35 MiB of the bar, and five of the line.
    running.wait_for("strategies: " + "x" * 100)
    peak = peak_kib()
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert ended.code == 0, ended.err
    assert "strategies:  100%|##########|\n" in ended.err
    assert "\r" not in ended.err
    assert ended.err.count("%|") < 60, "of each part the last state"
    assert sum(map(len, re.findall("x{1000,}", ended.err))) == 5 << 20
    assert peak < 90 * 1024, f"{peak} KiB"
