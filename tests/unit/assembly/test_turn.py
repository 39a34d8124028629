"""A node that others ask something of ends in its turn, and its guard waits as long."""

import logging
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from libra.assembly import TradingNode, build
from libra.assembly.turn import Turn
from libra.config import Flags, load

DRAIN_S = 0.5
LONGER_S = 3 * DRAIN_S
"""A guard that does not know that the node waits has ended the process by then."""


@pytest.fixture
def node(tmp_path: Path) -> TradingNode:
    """A node whose time is over at once."""
    from tests.integration.conftest import Shell

    shell = Shell(tmp_path)
    shell.profile(shell.strategy("pass"), clock="live", quotes_hz=100, node=f"drain_timeout_s = {DRAIN_S}")
    return build(load(tmp_path / "test.toml", flags=Flags(duration_s=0.2), environ={}))


def test_it_trades_on_until_its_turn_has_come(node: TradingNode):
    asked: list[float] = []
    came: list[float] = []

    def ask() -> None:
        asked.append(time.monotonic())
        threading.Timer(LONGER_S, come).start()

    def come() -> None:
        came.append(time.monotonic())
        turn.come()

    turn = node.turn = Turn(node.core, ask, drain_timeout_s=DRAIN_S, patience_s=60.0)
    statuses: list[tuple[float, int]] = []
    result = node.run(lambda _: statuses.append((time.monotonic(), node.core.counts()["events"]["QUOTE"])), 0.05)
    assert len(asked) == 1, "once"
    assert (result.exit_code, result.summary["ended"]) == (0, "ended")
    assert result.summary["duration_s"] >= 0.2 + LONGER_S
    meanwhile = [quotes for at, quotes in statuses if asked[0] < at < came[0]]
    assert meanwhile[-1] > meanwhile[0], "the market is taken in"


def test_one_whose_turn_has_come_before_ends_without_asking(node: TradingNode):
    asked: list[None] = []
    node.turn = Turn(node.core, lambda: asked.append(None), drain_timeout_s=DRAIN_S, patience_s=60.0)
    node.turn.come()
    result = node.run()
    assert (result.exit_code, asked) == (0, [])
    assert result.summary["duration_s"] < 30


def test_one_of_which_nobody_asks_anything_says_so_and_ends(node: TradingNode):
    asked: list[None] = []
    node.turn = Turn(node.core, lambda: asked.append(None), drain_timeout_s=DRAIN_S, patience_s=0.0)
    assert (node.run().exit_code, asked) == (0, [None])


def test_a_turn_that_never_comes_is_not_waited_for_for_ever(node: TradingNode, caplog: pytest.LogCaptureFixture):
    node.turn = Turn(node.core, lambda: None, drain_timeout_s=DRAIN_S, patience_s=LONGER_S)
    with caplog.at_level(logging.ERROR):
        result = node.run()
    assert result.exit_code == 0
    assert result.summary["duration_s"] >= LONGER_S
    assert "the node has waited 2 s for those that ask something of it, and ends" in caplog.text


def test_a_market_that_has_ended_ends_nothing_before_the_turn(node: TradingNode, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("libra.core.node.Node.inputs_ended", lambda _: True)
    # The node's own time is not over before.
    node.options = replace(node.options, duration_s=60.0)

    def ask() -> None:
        threading.Timer(LONGER_S, turn.come).start()

    turn = node.turn = Turn(node.core, ask, drain_timeout_s=DRAIN_S, patience_s=60.0)
    result = node.run()
    assert (result.exit_code, result.summary["ended"]) == (0, "ended")
    assert 60 > result.summary["duration_s"] >= LONGER_S
