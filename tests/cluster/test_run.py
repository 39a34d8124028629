"""A topology by one command: started, stopped in order, told of as one run, and never outlived by a part of it."""

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest
from tests.cluster.conftest import TWO_NODES, Topologies, children_of, is_alive, nodes, wait_for_nodes, wait_until

import libra_core
from libra.config import load
from libra.errors import BridgeError
from libra_cluster.supervision.supervisor import Supervisor

ONE_NODE = """
[nodes.all]
roles = ["market", "accounts", "strategies"]
"""


def assert_all_gone(pids: object) -> None:
    wait_until(lambda: not any(map(is_alive, pids)), f"{pids} end")
    assert nodes() == {}


def test_it_is_one_run(topologies: Topologies):
    ended = topologies.run("run", topologies.topology(), "--duration", "1", "--json")
    assert ended.code == 0, ended.err
    summary = ended.summary
    assert [row["name"] for row in summary["nodes"]] == ["trading", "strategies"]
    trading, strategies = summary["nodes"]
    assert trading["events"]["QUOTE"] > 0
    assert "QUOTE" not in strategies["events"]
    assert strategies["events"]["STRATEGY_STARTED"] == 1
    for name in summary["events"]:
        assert summary["events"][name] == sum(row["events"].get(name, 0) for row in summary["nodes"]), name
    assert summary["ended"] == "ended"
    assert summary["digest"] is None
    assert summary["equity"] == {"USDT": "100000"} or summary["equity"]["USDT"].startswith("100000")
    single = topologies.run("run", topologies.profile(), "--duration", "1", "--json").summary
    assert set(summary) == {*single, "nodes"}


def test_people_are_told_of_each_node(topologies: Topologies):
    ended = topologies.run("run", topologies.topology(), "--duration", "0.5")
    assert ended.code == 0, ended.err
    rows = [line.split() for line in ended.out.splitlines()]
    for name in ("trading", "strategies"):
        [row] = [row for row in rows if row[:1] == [name]]
        assert row[-1] == "done"


def test_one_node_of_all_roles_trades_and_needs_no_bridge(topologies: Topologies, tmp_path: Path):
    strategy = topologies.strategy("""
def on_start(self):
    self.set_timer("buy", 0.1, interval_s=0.1)

def on_timer(self, name):
    self.submit(self.symbols[0], OrderSide.BUY, "0.001")
""")
    profile = topologies.topology(ONE_NODE, strategy=strategy)
    ended = topologies.run("run", profile, "--duration", "2", "--json", "--out", "out")
    assert ended.code == 0, ended.err
    assert ended.summary["fills"] > 0
    assert ended.summary["nodes"][0]["fills"] == ended.summary["fills"]
    from pyarrow import parquet

    fills = parquet.read_table(tmp_path / "out" / "fills.parquet")
    assert fills.num_rows == ended.summary["fills"]
    assert str(fills.schema.field("price").type) == "decimal128(38, 12)"


@pytest.mark.usefixtures("usual_signals")
@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM, signal.SIGHUP])
def test_a_signal_drains_all_of_it(topologies: Topologies, number: int):
    running = topologies.start("run", topologies.topology(), "--json")
    pids = wait_for_nodes(running, "trading", "strategies")
    running.signal(number)
    ended = running.end()
    assert ended.code == 0, ended.err
    assert (ended.summary["ended"], ended.summary["asked_by"]) == ("stop", number.name)
    assert [row["exit_code"] for row in ended.summary["nodes"]] == [0, 0]
    assert_all_gone(pids.values())


def test_where_a_closed_terminal_is_ignored_all_of_it_goes_on(topologies: Topologies):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        running = topologies.start("run", topologies.topology(), "--json")
    finally:
        signal.signal(signal.SIGHUP, before)
    pids = wait_for_nodes(running, "trading", "strategies")
    for pid in (running.process.pid, *pids.values()):
        os.kill(pid, signal.SIGHUP)
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert (ended.code, ended.summary["asked_by"]) == (0, "SIGTERM"), ended.err
    assert {row["asked_by"] for row in ended.summary["nodes"]} == {"SIGTERM"}


@pytest.mark.usefixtures("usual_signals")
def test_a_pool_in_a_member_computes_and_ends_and_the_run_goes_on(topologies: Topologies):
    """A member has handlers of signals from before its node runs: no worker may have these either."""
    strategy = topologies.strategy("""
def on_start(self):
    self.set_timer("compute", 0.5)

def on_timer(self, name):
    import multiprocessing
    with multiprocessing.Pool(2) as pool:
        self.log.warning("computed %s", pool.map(abs, range(-3, 0)))
    import os, signal
    for number in (signal.SIGTERM, signal.SIGHUP):
        worker = multiprocessing.Process(target=time.sleep, args=(60,))
        worker.start()
        os.kill(worker.pid, number)
        worker.join(3)
        self.log.warning("a worker ended with %s", worker.exitcode)
        worker.kill()
""")
    running = topologies.start("run", topologies.topology(strategy=strategy), "--duration", "4", "--json")
    pids = wait_for_nodes(running, "trading", "strategies")
    running.wait_for("computed [3, 2, 1]")
    for number in (signal.SIGTERM, signal.SIGHUP):
        running.wait_for(f"a worker ended with -{number:d}")
    ended = running.end()
    assert (ended.code, ended.summary["ended"], ended.summary["asked_by"]) == (0, "ended", None), ended.err
    assert [(row["exit_code"], row["died"], row["asked_by"]) for row in ended.summary["nodes"]] == [
        (0, None, "SIGTERM")
    ] * 2
    assert_all_gone(pids.values())


@pytest.mark.usefixtures("usual_signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_member_that_ends_by_itself_is_who_asked_for_the_end(topologies: Topologies, number: int):
    running = topologies.start("run", topologies.topology(), "--json")
    pids = wait_for_nodes(running, "trading", "strategies")
    os.kill(pids["strategies"], number)
    ended = running.end()
    assert (ended.code, ended.summary["ended"]) == (0, "stop"), ended.err
    assert ended.summary["asked_by"] == f"the end of node strategies ({signal.Signals(number).name})"


NOTES = """
async def on_stop(self):
    with open(f"{self.params['notes']}.begin", "w") as file:
        file.write(str(time.monotonic_ns()))
    await asyncio.sleep(0.2)
    with open(f"{self.params['notes']}.end", "w") as file:
        file.write(str(time.monotonic_ns()))
"""


def test_strategies_are_drained_before_those_that_they_ask(topologies: Topologies, tmp_path: Path):
    strategy = topologies.strategy(NOTES)
    profile = topologies.topology(
        strategy=strategy,
        strategy_more='params = { notes = "far" }\n\n[[strategies]]\nname = "near"\nclass = "mine.py:Mine"\n'
        'account = "paper"\nsymbols = ["BTC/USDT:USDT"]\nparams = { notes = "near" }',
        nodes='[nodes.trading]\nroles = ["market", "accounts", "strategies"]\nstrategies = ["near"]\n'
        '[nodes.far]\nroles = ["strategies"]\n',
    )
    ended = topologies.run("run", profile, "--duration", "0.5")
    assert ended.code == 0, ended.err
    far_end, near_begin = (int((tmp_path / name).read_text()) for name in ("far.end", "near.begin"))
    assert far_end < near_begin


def test_a_thread_that_does_not_end_keeps_no_member_alive(topologies: Topologies):
    strategy = topologies.strategy("""
def on_start(self):
    import threading
    threading.Thread(target=threading.Event().wait, name="for ever").start()
""")
    running = topologies.start("run", topologies.topology(strategy=strategy), "--duration", "1", "--json")
    pids = wait_for_nodes(running, "trading", "strategies")
    ended = running.end()
    assert ended.code == 0, ended.err
    assert "the process does not wait for threads that somebody's code has left: for ever" in ended.err
    assert "does not end; it is killed" not in ended.err
    assert [(row["exit_code"], row["died"]) for row in ended.summary["nodes"]] == [(0, None), (0, None)]
    assert_all_gone(pids.values())


@pytest.mark.parametrize("victim", ["trading", "strategies"])
def test_a_member_that_is_killed_is_named_and_ends_the_run(topologies: Topologies, victim: str):
    running = topologies.start("run", topologies.topology(), "--json")
    pids = wait_for_nodes(running, "trading", "strategies")
    os.kill(pids[victim], signal.SIGKILL)
    ended = running.end()
    assert ended.code == 1
    assert f"node {victim} (pid {pids[victim]}) died: killed by SIGKILL" in ended.err
    rows = {row["name"]: row for row in ended.summary["nodes"]}
    assert rows[victim]["exit_code"] is None
    [other] = set(rows) - {victim}
    # Who has lost a strategy has failed.
    assert rows[other]["exit_code"] == (1 if other == "trading" else 0)
    assert rows[other]["died"] is None
    assert_all_gone(pids.values())


def test_what_a_killed_node_left_open_is_cancelled_by_its_account(topologies: Topologies):
    running = topologies.start("run", topologies.topology(), "--json")
    pids = wait_for_nodes(running, "trading", "strategies")
    os.kill(pids["strategies"], signal.SIGKILL)
    ended = running.end()
    assert [(row["strategy"], row["on_vanish"]) for row in ended.summary["vanished"]] == [("mine", "cancel")]


HANGS_ON_ITS_WAY_OUT = """
quoted = False

def on_quote(self, quote):
    if not self.quoted:
        self.quoted = True
        self.submit(self.symbols[0], OrderSide.BUY, "0.01", price=quote.bid - 600)

def on_stop(self):
    print("on_stop begins", flush=True)
    while True:
        time.sleep(0.1)
"""


def vanishes(ended: object) -> None:
    summary = ended.summary
    assert ended.code == 1, ended.err
    assert [(row["strategy"], row["on_vanish"]) for row in summary["vanished"]] == [("mine", "cancel")], ended.err
    assert summary["nodes"][0]["exit_code"] is not None
    assert summary["nodes"][1]["exit_code"] is None


@pytest.mark.parametrize("way", ["killed", "out of time"])
def test_a_node_that_dies_on_its_way_out_takes_its_strategies_with_it(topologies: Topologies, way: str):
    profile = topologies.topology(
        strategy=topologies.strategy(HANGS_ON_ITS_WAY_OUT),
        node=f"handler_timeout_s = 0\ndrain_timeout_s = {60 if way == 'killed' else 1}",
    )
    running = topologies.start("run", profile, "--json")
    pids = wait_for_nodes(running, "trading", "strategies")
    running.signal(signal.SIGTERM)
    if way == "killed":
        # What it printed is passed on to where the summary is not.
        running.wait_for("on_stop begins")
        os.kill(pids["strategies"], signal.SIGKILL)
    ended = running.end()
    vanishes(ended)
    assert ended.err.count(f"node strategies (pid {pids['strategies']}) died") == 1
    assert_all_gone(pids.values())


def test_a_node_that_is_given_up_takes_its_strategies_with_it(topologies: Topologies, monkeypatch: pytest.MonkeyPatch):
    # It is stopped, so that nothing of its own ends it: only its supervisor's patience does.
    monkeypatch.setenv("LIBRA_TEST_GRACE_S", "0.5")
    running = topologies.start("run", topologies.topology(), "--json")
    pids = wait_for_nodes(running, "trading", "strategies")
    os.kill(pids["strategies"], signal.SIGSTOP)
    running.signal(signal.SIGTERM)
    ended = running.end()
    vanishes(ended)
    assert "does not end; it is killed" in ended.err
    assert_all_gone(pids.values())


def test_the_last_words_of_a_member_are_told(topologies: Topologies):
    strategy = topologies.strategy("""
def on_start(self):
    self.set_timer("end", 0.2)

def on_timer(self, name):
    import os, sys
    print("the disk is full of eels", file=sys.stderr, flush=True)
    os._exit(7)
""")
    ended = topologies.run("run", topologies.topology(strategy=strategy))
    assert ended.code == 1
    assert re.search(r"node strategies \(pid \d+\) died: ended with exit code 7; its last words: .*eels", ended.err)


def test_members_end_when_their_supervisor_is_killed(topologies: Topologies):
    running = topologies.start("run", topologies.topology())
    pids = wait_for_nodes(running, "trading", "strategies")
    assert set(pids.values()) == set(children_of(running.process.pid))
    running.signal(signal.SIGKILL)
    running.end()
    assert_all_gone(pids.values())


def test_a_mistake_of_one_node_is_found_before_any_trades(topologies: Topologies, tmp_path: Path):
    # A slow import: the other node has long been built by then.
    spoilt = "import time\ntime.sleep(2)\nraise RuntimeError('no such luck')\nclass Mine: ...\n"
    (tmp_path / "spoilt.py").write_text(spoilt, encoding="utf-8")
    topologies.strategy("def on_start(self):\n    open('it-ran', 'w').close()")
    profile = topologies.topology(
        strategy="spoilt.py:Mine",
        strategy_more='\n[[strategies]]\nname = "near"\nclass = "mine.py:Mine"\naccount = "paper"\n'
        'symbols = ["BTC/USDT:USDT"]',
        nodes='[nodes.trading]\nroles = ["market", "accounts", "strategies"]\nstrategies = ["near"]\n'
        '[nodes.far]\nroles = ["strategies"]\n',
    )
    ended = topologies.run("run", profile, "--json")
    assert ended.code == 2
    assert "node far: " in ended.err
    assert "no such luck" in ended.err
    assert "it is killed" not in ended.err, "the other one waits for its word, and hears that none will come"
    assert ended.out == ""
    assert not (tmp_path / "it-ran").exists()
    assert nodes() == {}


def test_what_an_account_cannot_begin_with_is_a_mistake_of_the_profile(topologies: Topologies, tmp_path: Path):
    (tmp_path / "gate.log").write_text("an earlier run", encoding="utf-8")
    ended = topologies.run("run", topologies.topology(account='log = { path = "gate.log" }'), "--json")
    assert ended.code == 2
    assert f"account paper: {topologies.folder}/gate.log holds an earlier run" in ended.err
    assert nodes() == {}


def test_a_second_signal_ends_it_at_once(topologies: Topologies):
    strategy = topologies.strategy("def on_stop(self):\n    while True:\n        time.sleep(0.1)\n")
    profile = topologies.topology(strategy=strategy, node="drain_timeout_s = 60\nhandler_timeout_s = 0")
    running = topologies.start("run", profile)
    pids = wait_for_nodes(running, "trading", "strategies")
    running.signal(signal.SIGINT)
    running.wait_for("actor mine", timeout_s=60)
    # Sooner it would be the same Ctrl-C, delivered twice.
    asked = time.monotonic()
    wait_until(lambda: time.monotonic() - asked > 0.6, "time passes")
    running.signal(signal.SIGINT)
    assert running.end().code == 1
    assert_all_gone(pids.values())


def test_the_kill_switch_by_signal_reaches_every_account(topologies: Topologies):
    running = topologies.start("run", topologies.topology(), "--json")
    wait_for_nodes(running, "trading", "strategies")
    running.signal(signal.SIGUSR1)
    running.wait_for("kill")
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert ended.code == 3, ended.err
    assert "KILL_SWITCH" in ended.summary["stopped"]["paper"]
    # The other node would say it by an event, which may come behind a resume.
    assert "every account that this node is joined with" not in ended.err


def test_operators_reach_every_node(topologies: Topologies):
    running = topologies.start("run", topologies.topology(), "--json")
    wait_for_nodes(running, "trading", "strategies")
    status = json.loads(topologies.run("status", "--json").out)
    found = {row["name"]: row for row in status["nodes"]}
    assert [account["name"] for account in found["trading"]["accounts"]] == ["paper"]
    assert found["trading"]["strategies"] == []
    assert [strategy["name"] for strategy in found["strategies"]["strategies"]] == ["mine"]
    assert topologies.run("kill-switch", "--all").code == 0
    assert topologies.run("resume", "--node", "trading", "--yes").code == 0
    # The end of one node is the end of the run, in order.
    assert topologies.run("stop", "--node", "strategies").code == 0
    ended = running.end()
    assert ended.code == 0, ended.err
    assert_all_gone([row["pid"] for row in ended.summary["nodes"]])


def test_prints_and_environment_of_a_node(topologies: Topologies):
    strategy = topologies.strategy("""
def on_start(self):
    import os
    print("told:", os.environ["EELS"], flush=True)
    print('{"eels": "many"}', flush=True)
""")
    profile = topologies.topology(TWO_NODES + 'env = { EELS = "many" }\n', strategy=strategy)
    ended = topologies.run("run", profile, "--duration", "0.5", "--json")
    assert ended.code == 0, ended.err
    told = "strategies: told: many"
    assert told in ended.err.splitlines()
    # A line for machines stays one.
    assert '{"eels": "many"}' in ended.err.splitlines()
    assert told in topologies.run("run", profile, "--duration", "0.5").out.splitlines()


def test_nodes_without_a_bridge_are_refused(topologies: Topologies, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(libra_core, "Bridge", raising=False)
    settings = load(topologies.folder / topologies.topology(), environ={})
    with pytest.raises(BridgeError, match="no bridge"):
        Supervisor(settings)
