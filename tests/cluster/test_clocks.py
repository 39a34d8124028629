"""Nodes whose hosts' clocks differ: what was decided too long ago is not done, and a refusal for a clock is seen."""

import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster import test_joined
from tests.cluster.conftest import TWO_NODES, wait_for_nodes, wait_until
from tests.cluster.test_joined import DECIDES, Joined
from tests.set_clock import SetClock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a clock is moved by LD_PRELOAD")


@pytest.fixture
def joined(tmp_path: Path) -> Iterator[Joined]:
    made = Joined(tmp_path)
    yield made
    made.close()


def started(joined: Joined, monkeypatch: pytest.MonkeyPatch, skew_ms: int):
    variables = ", ".join(
        f'{name} = "{value}"' for name, value in SetClock.made(joined.folder, skew_ms / 1_000).items()
    )
    env = f"env = {{ {variables} }}\n"
    monkeypatch.setattr(test_joined, "TWO_NODES", TWO_NODES + env)
    # What holds for ever is not judged by a clock.
    more = "\n[bridge]\nrequest_deadline_ms = 2000\n"
    running = joined.start("run", joined.topology(more, strategy=joined.strategy(DECIDES)), "--json")
    wait_for_nodes(running, "trading", "strategies")

    def met() -> bool:
        told = [json.loads(joined.run("status", "--node", name, "--json").out)["nodes"] for name in NODES]
        return all(nodes and nodes[0]["bridge"]["peers"][0]["up"] for nodes in told)

    wait_until(met, "they have met")
    return running


NODES = ("trading", "strategies")


def decides(joined: Joined, stop_s: float) -> str:
    server = int((Path(os.environ["LIBRA_RUN_DIR"]) / "bridge-libra" / "server.pid").read_text(encoding="utf-8"))
    if stop_s:
        os.kill(server, signal.SIGSTOP)
    try:
        (joined.folder / "decide").touch()
        wait_until((joined.folder / "decided").exists, "it decides")
        decided = time.monotonic()
        wait_until(lambda: time.monotonic() - decided > stop_s, "time passes")
    finally:
        os.kill(server, signal.SIGCONT)
    told = joined.folder / "told"
    wait_until(lambda: told.exists() and told.read_text(), "it is told of both")
    return told.read_text()


@pytest.mark.parametrize(
    ("skew_ms", "stop_s", "word"),
    [
        # Not yet over by the clock of its host. Said is what is known: at least so much, as a beacon is on its way.
        (1_900, 3.0, r"(1[5-8]\d\d|1900) ms ahead of ours"),
        (60_000, 0.0, r"is refused \(EXPIRED\)"),
        (-10_000, 0.0, r"is refused \(EXPIRED\)"),
    ],
)
def test_a_deadline_holds_by_the_clock_of_the_accounts_node_or_is_refused_with_a_word(
    joined: Joined, monkeypatch: pytest.MonkeyPatch, skew_ms: int, stop_s: float, word: str
):
    running = started(joined, monkeypatch, skew_ms)
    # Two seconds of beacons: a clock that is behind is told from a beacon that is late.
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 4, "beacons come")
    told = decides(joined, stop_s)
    shown = joined.run("status", "--node", "trading").out
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert told == "REJECTED EXPIRED, FILLED"
    [line] = [line for line in ended.err.splitlines() if "clock of node strategies" in line and "trading:" in line]
    assert re.search(word, line), line
    way = "ahead" if skew_ms > 0 else "behind"
    assert f"its clock is {abs(skew_ms) / 1_000:.1f} s {way}" in shown


def test_a_clock_that_is_a_little_off_is_corrected(joined: Joined, monkeypatch: pytest.MonkeyPatch):
    running = started(joined, monkeypatch, 450)
    assert decides(joined, 0.0) == "FILLED, FILLED"
    running.signal(signal.SIGTERM)
    ended = running.end()
    assert ended.code == 0, ended.err
    assert "clock of node" not in ended.err
