"""`libra run ccxt-sim`: an exchange is started beside the run, and ends with it however that ends."""

import os
import signal
import time
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from libra.control.client import NodeClient
from libra.control.folder import find_nodes


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until_gone(pids):
    end = time.monotonic() + 30
    try:
        while any(lives(pid) for pid in pids):
            assert time.monotonic() < end, pids
            time.sleep(0.05)
    finally:
        # Where it does not end by itself, the test leaves nothing behind either.
        for pid in filter(lives, pids):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def env(monkeypatch):
    # Keys of somebody's, and none of ours.
    for name in ("LIBRA_SIM_KEY", "LIBRA_SIM_SECRET"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("env")
def test_both_accounts_trade_agree_with_the_venue_and_leave_nothing_behind(shell, tmp_path_factory):
    run_folder = tmp_path_factory.mktemp("r")
    run_folder.chmod(0o700)
    running = shell.start("run", "ccxt-sim", "--json", "--out", "out", env={"LIBRA_RUN_DIR": str(run_folder)})
    running.wait_for("was opened with what the venue has", 90)
    exchange = children(running.process.pid)
    assert len(exchange) == 1
    (node,) = find_nodes(run_folder)
    end, traded = time.monotonic() + 90, set()
    while traded != {"spot", "linear"}:
        assert time.monotonic() < end, running.said
        rows = NodeClient(node, run_folder).ask("status")["accounts"]
        traded |= {row["name"] for row in rows if row["positions"]}
        time.sleep(0.05)
    running.signal(signal.SIGINT)
    ended = running.end(60)
    assert ended.code == 0, ended.err
    assert "Traceback" not in ended.err, ended.err
    until_gone(exchange)
    summary = ended.summary
    fills = parquet.read_table(shell.folder / "out" / "fills.parquet")
    assert set(fills.column("account").to_pylist()) == {"spot", "linear"}
    assert sorted(summary["looks"]) == ["linear", "spot"]
    assert all(look["settled"] and not look["differences"] for look in summary["looks"].values())
    assert (summary["failed"], summary["stopped"], summary["journals"]) == ([], {}, {})
    assert [path.name for path in shell.folder.iterdir()] == ["out"], "its logs are gone with it"


@pytest.mark.usefixtures("env")
def test_the_exchange_ends_with_a_run_that_is_killed(shell):
    running = shell.start("run", "ccxt-sim", "--json")
    running.wait_for("was opened with what the venue has", 90)
    exchange = children(running.process.pid)
    assert len(exchange) == 1
    assert lives(exchange[0])
    os.kill(running.process.pid, signal.SIGKILL)
    running.end()
    until_gone(exchange)


def test_other_ways_to_start_it_say_what_is_missing(shell):
    carried = (Path(__file__).resolve().parents[3] / "config" / "ccxt_sim.toml").read_text(encoding="utf-8")
    limits = (Path(__file__).resolve().parents[3] / "config" / "risk_limits.toml").read_text(encoding="utf-8")
    (shell.folder / "risk_limits.toml").write_text(limits, encoding="utf-8")
    nodes = '[bridge]\n[nodes.one]\nroles = ["market", "accounts"]\n[nodes.two]\nroles = ["strategies"]\n'
    (shell.folder / "nodes.toml").write_text(carried + nodes, encoding="utf-8")
    refused = shell.run("run", "./nodes.toml", "--json")
    assert refused.code == 2, refused.err
    assert "is for profiles of one process" in refused.err
