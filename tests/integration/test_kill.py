"""The kill switch of real processes: by the command line, by a signal and by an event, also while a strategy loops."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

TRADES = """
def on_start(self):
    self.n = 0
    self.open = set()

def on_quote(self, quote):
    self.n += 1
    self.submit(quote.symbol, OrderSide.BUY, "0.001", price=quote.bid - 500)
    if self.n == 10:
        self.log.warning("ready")

def on_order(self, order):
    if order.status == "ACCEPTED":
        self.open.add(order.order_id)
        if len(self.open) == 5:
            self.log.warning("five accepted")
    elif order.is_final and order.order_id in self.open:
        self.open.discard(order.order_id)
        if not self.open:
            self.log.warning("nothing is open")
    elif order.status == "REJECTED" and order.reason == "KILL_SWITCH":
        self.log.warning("refused me")
"""
LOOPS = """
def on_start(self):
    self.n = 0

def on_quote(self, quote):
    self.n += 1
    self.submit(quote.symbol, OrderSide.BUY, "0.001", price=quote.bid - 500)
    if self.n == 10:
        self.log.warning("loops")
        while True:
            pass
"""


def log_of(shell) -> tuple[Path, str]:
    path = shell.folder / "gate.log"
    return path, f'log = {{ path = "{path}", resume = true }}'


def start(shell, body, *, account="", ready="ready", arguments=("--json",)):
    # A loop that was held up gives a second's quotes at once.
    profile = shell.profile(shell.strategy(body), account=account, risk="max_orders_per_second = 10000")
    running = shell.start("run", profile, *arguments)
    running.wait_for(ready)
    return running


def wait_until_nothing_is_open(shell) -> None:
    """Cancels take their way to the venue and back."""
    until = time.monotonic() + 30
    while any(
        account["open_orders"]
        for node in json.loads(shell.run("status", "--json").out)["nodes"]
        for account in node["accounts"]
    ):
        assert time.monotonic() < until


def states(ended) -> set[str]:
    return {state for state, count in ended.summary["orders"].items() if count}


def test_the_command_line_stops_it_at_once_and_resumes_it_only_when_told(shell):
    running = start(shell, TRADES)
    killed = shell.run("kill-switch", "--reason", "a test", "--json")
    assert killed.code == 0, killed.err
    [node] = json.loads(killed.out)["nodes"]
    assert node["signalled"]
    assert node["done"]
    [account] = node["accounts"]
    assert "a test" in account["killed"]
    assert account["open_orders"] == 0
    running.wait_for("refused me")

    seen = shell.run("status")
    assert "KILLED (libra kill-switch by" in seen.out
    asked = shell.run("resume")
    assert asked.code == 2
    assert "--yes" in asked.err
    assert "KILLED" in shell.run("status").out
    resumed = shell.run("resume", "--yes", "--account", "paper", "--reason", "tested")
    assert resumed.code == 0, resumed.err
    assert "trading" in resumed.out
    running.signal(signal.SIGINT)
    ended = running.end()
    assert ended.code == 0, ended.err
    assert "is resumed: libra resume by" in ended.err


def test_one_account_can_be_stopped_alone(shell):
    running = start(shell, TRADES)
    assert "accounts are paper" in shell.run("kill-switch", "--account", "nobody").out
    killed = shell.run("kill-switch", "--account", "paper", "--json")
    [node] = json.loads(killed.out)["nodes"]
    assert killed.code == 0
    assert not node["signalled"]
    running.signal(signal.SIGINT)
    ended = running.end()
    assert ended.code == 3
    assert "KILL_SWITCH" in ended.summary["stopped"]["paper"]


SECOND = """
[[strategies]]
name = "yours"
class = "mine.py:Mine"
account = "second"
symbols = ["BTC/USDT:USDT"]

[[account_groups]]
name = "second"
balances = { USDT = "100000" }
gateway = { kind = "paper" }
sizing = { kind = "fixed_notional", value = "5000" }
"""


def test_stopping_one_of_two_accounts_leaves_the_other_alone(shell):
    profile = shell.profile(shell.strategy(TRADES), strategy_more=SECOND)
    running = shell.start("run", profile, "--json")
    running.wait_for("ready")
    assert shell.run("kill-switch", "--account", "paper").code == 0
    running.wait_for("refused me")
    [node] = json.loads(shell.run("status", "--json").out)["nodes"]
    assert {account["name"]: account["killed"] is not None for account in node["accounts"]} == {
        "paper": True,
        "second": False,
    }
    # A signal means all of them.
    running.signal(signal.SIGUSR1)
    running.wait_for("libra.actor.second.risk: kill switch: set by a signal")
    running.signal(signal.SIGINT)
    ended = running.end()
    assert set(ended.summary["stopped"]) == {"paper", "second"}


def test_a_signal_latches_cancels_what_is_open_and_refuses_what_comes(shell):
    running = start(shell, TRADES)
    running.signal(signal.SIGUSR1)
    running.wait_for("kill switch: set by a signal to the process")
    running.wait_for("refused me")
    running.wait_for("nothing is open")
    running.signal(signal.SIGINT)
    ended = running.end()
    assert ended.code == 3, ended.err
    assert states(ended) == {"CANCELLED", "REJECTED"}
    assert "did not return" not in ended.err


def test_a_stop_right_behind_the_kill_switch_waits_for_the_venues_answers(shell):
    slow = ("--set", "account_groups.paper.gateway.latency_ms=80", "--set", "node.drain_timeout_s=20")
    running = start(shell, TRADES, ready="five accepted", arguments=("--json", *slow))
    running.signal(signal.SIGUSR1)
    running.signal(signal.SIGINT)
    ended = running.end()
    assert ended.code == 3, ended.err
    assert states(ended) <= {"CANCELLED", "REJECTED"}, f"something is left open, as far as is known: {ended.err}"
    assert ended.summary["orders"]["CANCELLED"] > 0
    assert "without an answer" not in ended.err


@pytest.mark.usefixtures("usual_signals")
def test_other_signals_that_users_know_do_nothing_new(shell):
    running = start(shell, TRADES)
    assert Path(f"/proc/{running.process.pid}/status").exists()
    caught = next(
        int(line.split()[1], 16)
        for line in Path(f"/proc/{running.process.pid}/status").read_text().splitlines()
        if line.startswith("SigCgt")
    )
    taken = {number for number in range(1, 32) if caught >> (number - 1) & 1}
    assert {signal.SIGUSR1, signal.SIGHUP} <= taken, "the kill switch, and a terminal that is closed"
    assert signal.SIGUSR2 not in taken
    running.signal(signal.SIGINT)
    assert running.end().code == 0


def test_the_signal_works_while_a_strategy_holds_the_interpreter(shell):
    log, account = log_of(shell)
    running = start(shell, LOOPS, account=account, ready="loops")
    marker = Path(f"{log}.killed")
    assert not marker.exists()
    killed = shell.run("kill-switch", "--json")
    assert killed.code == 1, "it cannot be confirmed"
    [node] = json.loads(killed.out)["nodes"]
    assert node["signalled"]
    assert "could not be cancelled yet" in node["error"]
    running.wait_for("no new order leaves any more; mine did not return from its handler")
    assert marker.exists()
    running.process.send_signal(signal.SIGKILL)
    running.end()

    # The next process starts latched, says what to do, and cancels what was left open.
    profile = shell.profile(shell.strategy(TRADES), account=account)
    again = shell.start("run", profile, "--json")
    again.wait_for("the kill switch is set, no new order leaves")
    again.wait_for("--resume paper")
    again.wait_for("refused me")
    wait_until_nothing_is_open(shell)
    assert not marker.exists(), "it stands in the log"
    again.signal(signal.SIGINT)
    ended = again.end()
    assert ended.code == 3
    assert states(ended) <= {"CANCELLED", "REJECTED"}

    # And once resumed it is over, for every process to come.
    third = shell.start("run", profile, "--json", "--resume", "paper")
    third.wait_for("ready")
    assert "trading" in shell.run("status").out
    third.signal(signal.SIGINT)
    ended = third.end()
    assert ended.code == 0, ended.err
    assert "account paper is resumed; it was stopped: " in ended.err


def test_the_signal_works_though_nobody_reads_any_more_what_the_node_says(shell):
    log, account = log_of(shell)
    holds = """
def on_start(self):
    self.n = 0

def on_quote(self, quote):
    self.n += 1
    if self.n == 10:
        import ctypes, pathlib, time
        pathlib.Path("holds").touch()
        while True:
            ctypes.PyDLL(None).sleep(60)  # with the interpreter held, until a signal comes
"""
    reader, writer = os.pipe()
    # Long enough for the guard to have said something to nobody.
    profile = shell.profile(shell.strategy(holds), account=account, node="slow_handler_ms = 20\nhandler_timeout_s = 0")
    with subprocess.Popen(
        [str(Path(sys.executable).parent / "libra"), "run", profile, "--json"],
        cwd=shell.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=writer,
    ) as process:  # fmt: skip
        try:
            os.close(writer)
            until = time.monotonic() + 30
            while not (shell.folder / "holds").exists():
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.01)
            os.close(reader)
            time.sleep(3)
            process.send_signal(signal.SIGUSR1)
            while not Path(f"{log}.killed").exists():
                assert time.monotonic() < until
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 1, "the guard ends what cannot be taken back"
        finally:
            process.kill()


def test_a_latch_survives_the_death_of_its_process(shell):
    _, account = log_of(shell)
    running = start(shell, TRADES, account=account)
    assert shell.run("kill-switch", "--reason", "the night").code == 0
    running.process.send_signal(signal.SIGKILL)
    running.end()
    ended = shell.run("run", "./test.toml", "--json", "--duration", "0.5")
    assert ended.code == 3
    assert "the night" in ended.err
    assert "the night" in ended.summary["stopped"]["paper"]


def test_a_name_that_is_no_account_is_not_resumed(shell):
    ended = shell.run("run", shell.profile(), "--resume", "nobody")
    assert ended.code == 2
    assert "no account nobody" in ended.err


def test_an_event_that_anyone_publishes_stops_every_account(shell):
    running = start(shell, TRADES + "\ndef on_trade(self, trade):\n    self.emit(EventType.CIRCUIT_BREAKER, {})\n")
    running.wait_for("refused me")
    running.signal(signal.SIGINT)
    ended = running.end()
    assert ended.code == 3
    assert "set by mine" in ended.err


def test_a_strategy_in_a_storm_can_still_pull_the_switch(shell):
    body = """
def on_start(self):
    self.n = 0

def on_quote(self, quote):
    self.n += 1
    if self.n == 20:
        self.submit(quote.symbol, OrderSide.BUY, "0.001", price=quote.bid - 500)
    elif self.n == 40:
        while self.emit(EventType.BAR):
            pass
        self.emit(EventType.CIRCUIT_BREAKER, "stop everything")
"""
    path = shell.profile(shell.strategy(body), node="max_events_per_s = 1000", clock="simulated")
    ended = shell.start("run", path, "--json", "--speed", "max", "--duration", "60").end()
    assert ended.code == 3, ended.err
    assert states(ended) == {"CANCELLED"}
    assert "set by mine" in ended.err


def test_a_signal_to_a_simulated_run_stops_it_too(shell):
    profile = shell.profile(shell.strategy(TRADES), clock="simulated")
    running = shell.start("run", profile, "--speed", "1", "--json")
    running.wait_for("ready")
    running.signal(signal.SIGUSR1)
    running.wait_for("refused me")
    running.wait_for("nothing is open")
    running.signal(signal.SIGINT)
    ended = running.end()
    assert ended.code == 3
    assert states(ended) == {"CANCELLED", "REJECTED"}


def test_stop_drains_a_node_and_one_strategy(shell):
    running = start(shell, TRADES)
    assert "strategies are mine" in shell.run("stop", "--strategy", "nobody").err
    stopped = shell.run("stop", "--strategy", "mine")
    assert stopped.code == 0, stopped.err
    assert "cancel" in stopped.out
    running.wait_for("strategy mine is stopped by")
    assert "strategy mine  stopped" in shell.run("status").out
    wait_until_nothing_is_open(shell)
    assert shell.run("stop", "--strategy", "mine").out == stopped.out, "it is asked for again"
    assert shell.run("stop").code == 0
    ended = running.end()
    assert ended.code == 0, ended.err
    # What it had asked for and had not left yet is refused, if there was any such; so is what is more than it may have
    # open, where that was reached before the stop.
    assert "CANCELLED" in states(ended) <= {"CANCELLED", "REJECTED"}
    assert set(ended.summary["rejections"]) <= {"STRATEGY_STOPPED", "OPEN_ORDERS_LIMIT"}


def test_two_nodes_of_one_name_are_told_apart_by_their_pid(shell):
    profile = shell.profile(shell.strategy(TRADES))
    both = [shell.start("run", profile, "--json") for _ in range(2)]
    for running in both:
        running.wait_for("ready")
    pids = [str(running.process.pid) for running in both]
    for verb in ("resume", "stop", "kill-switch"):
        refused = shell.run(verb, "--node", "test")
        assert refused.code == 2, verb
        assert all(pid in refused.err for pid in pids)
    assert shell.run("stop").code == 2
    assert shell.run("status", "--pid", "1").code == 2
    assert shell.run("kill-switch", "--pid", pids[0]).code == 0
    shown = {node["pid"]: node for node in json.loads(shell.run("status", "--json").out)["nodes"]}
    assert [shown[int(pid)]["accounts"][0]["killed"] is not None for pid in pids] == [True, False]
    # Without a name nobody is: the other one may be somebody else's money.
    refused = shell.run("kill-switch", "--reason", "all mad")
    assert (refused.code, shell.run("status").out.count("KILLED")) == (2, 1)
    assert all(pid in refused.err for pid in pids)
    assert refused.err.rstrip().endswith("libra kill-switch --all --reason 'all mad'")
    assert shell.run("kill-switch", "--all", "--pid", pids[0]).code == 2
    assert shell.run("kill-switch", "--all").code == 0
    assert shell.run("status").out.count("KILLED") == 2
    for running in both:
        running.signal(signal.SIGTERM)
        assert running.end().code == 3


def test_where_no_node_runs_that_is_said(shell):
    status = shell.run("status")
    assert (status.code, status.err) == (0, "")
    assert "no node was found on this host" in status.out
    assert json.loads(shell.run("status", "--json").out) == {"nodes": []}
    killed = shell.run("kill-switch")
    assert killed.code == 1
    assert "no node was found" in killed.out
    assert shell.run("stop").code == 1


@pytest.mark.parametrize("what", ["*.json", "*.sock", "*"])
def test_a_node_whose_files_are_removed_is_found_again(shell, what):
    running = start(shell, TRADES)
    folder = Path(os.environ["LIBRA_RUN_DIR"])
    for path in folder.glob(what):
        path.unlink()
    if what == "*":
        folder.rmdir()
    until = time.monotonic() + 30
    while len(list(folder.glob("*"))) < 2:
        assert time.monotonic() < until
        time.sleep(0.05)
    killed = shell.run("kill-switch", "--json")
    assert json.loads(killed.out)["nodes"][0]["accounts"][0]["killed"] is not None
    running.wait_for("nothing is open")
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert (ended.code, "operators find this node in" in ended.err) == (3, True), ended.err
    assert list(folder.glob("*")) == []


def test_nodes_of_another_environment_are_found_or_named(shell, tmp_path):
    # A service has no folder of its user's session; whoever looks for it has one.
    uid = os.geteuid()
    usual, session = Path(f"/tmp/libra-{uid}"), tmp_path / "session"
    session.mkdir(mode=0o700)
    was_there = usual.exists()
    name = f"kept{os.getpid()}"
    path = shell.folder / shell.profile(shell.strategy(TRADES))
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('name = "test"', f'name = "{name}"', 1), encoding="utf-8")
    running = shell.start("run", f"./{path.name}", "--json", env={"LIBRA_RUN_DIR": "", "XDG_RUNTIME_DIR": ""})
    running.wait_for("ready")
    by_session = {"LIBRA_RUN_DIR": "", "XDG_RUNTIME_DIR": str(session)}
    assert name in shell.run("status", env=by_session).out
    assert shell.run("kill-switch", "--node", name, env=by_session).code == 0
    # Who was told to look elsewhere is told that it is there.
    elsewhere = shell.run("kill-switch", env={"LIBRA_RUN_DIR": str(session)})
    assert elsewhere.code == 1
    assert f"but {name} (pid {running.process.pid}) listens in {usual}: LIBRA_RUN_DIR={usual}" in elsewhere.out
    running.signal(signal.SIGTERM)
    assert running.end().code == 3
    if not was_there:
        with contextlib.suppress(OSError):
            usual.rmdir()


@pytest.fixture
def short_folder():
    """A socket's path is short."""
    with tempfile.TemporaryDirectory(prefix="lr-") as folder:
        yield Path(folder)


def test_a_node_that_could_not_be_reached_at_its_start_is_found_once_it_can_be(shell, monkeypatch, short_folder):
    folder = short_folder
    folder.chmod(0o755)
    monkeypatch.setenv("LIBRA_RUN_DIR", str(folder))
    running = shell.start("run", shell.profile(shell.strategy(TRADES), clock="live"), "--json")
    running.wait_for("operators cannot reach this node but by signals")
    folder.chmod(0o700)
    running.wait_for("operators find this node in")
    assert shell.run("kill-switch").code == 0
    assert shell.run("stop").code == 0
    assert running.end().code == 3
    assert list(folder.glob("*")) == []


def test_an_account_at_a_venue_does_not_start_where_no_operator_reaches_it(shell):
    folder = Path(os.environ["LIBRA_RUN_DIR"])
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    try:
        ended = shell.run("run", shell.profile(shell.strategy(TRADES)), "--duration", "0.2", "--json")
        assert (ended.code, "operators cannot reach this node but by signals" in ended.err) == (0, True)
        path = shell.folder / shell.profile(shell.strategy(TRADES), account='log = { path = "g.log", resume = true }')
        venue = f'kind = "python", class = "{Path(__file__).parent}/crash/venue_gateway.py:VenueGateway"'
        text = re.sub(r'kind = "paper".*? }', f"{venue} }}", path.read_text(encoding="utf-8"))
        path.write_text(text, encoding="utf-8")
        refused = shell.run("run", f"./{path.name}", "--json", env={"PYTHONPATH": str(Path(__file__).parents[2])})
        assert (refused.code, "operators could not reach an account at a venue" in refused.err) == (2, True), (
            refused.err
        )
    finally:
        folder.chmod(0o700)


def test_what_a_dead_process_left_is_removed_on_sight(shell):
    running = start(shell, TRADES)
    folder = Path(os.environ["LIBRA_RUN_DIR"])
    assert len(list(folder.iterdir())) == 2
    running.process.send_signal(signal.SIGKILL)
    running.end()
    assert len(list(folder.iterdir())) == 2
    assert "no node was found" in shell.run("status").out
    assert list(folder.iterdir()) == []


def test_a_node_leaves_nothing_behind_and_listens_only_where_it_should(shell):
    folder = Path(os.environ["LIBRA_RUN_DIR"])
    running = start(shell, TRADES)
    [path] = folder.glob("*.sock")
    assert path.stat().st_mode & 0o077 == 0
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(path))
        raw.sendall(b'{"v": 1, "op": "nonsense"}\nnot json\n{"v": 9}\n[1]\n' + b"x" * 20_000)
        said = b"".join(iter(lambda: raw.recv(65_536), b"")).decode().splitlines()
    codes = [json.loads(line)["error"]["code"] for line in said]
    assert codes == ["UNKNOWN_OP", "BAD_REQUEST", "VERSION", "BAD_REQUEST", "TOO_LONG"]
    running.signal(signal.SIGINT)
    assert running.end().code == 0
    assert list(folder.iterdir()) == []
    profile = shell.profile(shell.strategy(TRADES), node="control = false")
    deaf = shell.start("run", profile, "--json")
    deaf.wait_for("ready")
    assert list(folder.iterdir()) == []
    deaf.signal(signal.SIGINT)
    assert deaf.end().code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_may_not_operate_a_node(shell):
    running = start(shell, TRADES)
    folder = Path(os.environ["LIBRA_RUN_DIR"])
    [path] = folder.glob("*.sock")
    try:
        # Past the modes of the folder and the socket, which would keep them out before.
        path.chmod(0o777)
        folder.chmod(0o755)
        asker = (
            "import contextlib, os, socket, sys\n"
            "raw = socket.socket(socket.AF_UNIX)\n"
            "raw.connect(sys.argv[1])\n"
            "with contextlib.suppress(BrokenPipeError):\n"  # it may have been refused and let go by now
            '    raw.sendall(b\'{"v": 1, "op": "kill"}\\n\')\n'
            "print(raw.recv(65536).decode())\n"
        )
        said = subprocess.run(
            ["/usr/bin/env", "python3", "-c", asker, str(path)],
            user=65534,
            group=65534,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        folder.chmod(0o700)
    assert json.loads(said.stdout)["error"]["code"] == "FORBIDDEN"
    assert "KILLED" not in shell.run("status").out
    running.signal(signal.SIGINT)
    assert running.end().code == 0
