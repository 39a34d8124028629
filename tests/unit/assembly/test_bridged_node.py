"""A node with a bridge: it ends when it is fenced, and leaves without holding its own loop up."""

import logging
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from libra.assembly import build
from libra.assembly.turn import Turn
from libra.config import Flags, load
from libra.errors import ConfigError

QUIET = """
from libra.strategies import Strategy


class Mine(Strategy):
    pass
"""


class Bridge:
    """A bridge that carries nothing."""

    life = 7

    def __init__(self, *news: str, refuses: str = "", left: int = 0, kept: int = 0, keeps: bool = True) -> None:
        self.waiting = [SimpleNamespace(kind=kind, node="away", channel="", count=0, detail="") for kind in news]
        self.refuses = refuses
        self.left, self.kept = left, kept
        self.keeps_it = keeps
        self.awaited = 0
        self.flushed = threading.Semaphore(0)
        self.was_flushed: bool | None = None

    def start(self, core: object) -> None:
        del core
        if self.refuses:
            raise ConfigError(self.refuses)

    def flush(self) -> None:
        self.flushed.release()

    def awaits(self) -> bool:
        self.awaited -= 1
        return self.awaited >= 0

    def keeps(self) -> bool:
        return self.keeps_it

    def leave(self, timeout_s: float) -> None:
        # Only a loop that runs on meanwhile comes so far. The guard ends a node whose drain hangs for longer.
        self.was_flushed = all(self.flushed.acquire(timeout=timeout_s) for _ in range(3))

    def life_of(self, node: str) -> int | None:
        del node
        return None

    def stop(self, timeout_s: float) -> dict[str, Any]:
        del timeout_s
        return self.stats()

    def stats(self) -> dict[str, Any]:
        # As behind latest values of the lane, which are numbered with the others and are no durable events.
        outbox = {"confirmed": self.kept + 100, "acknowledged": 0, "kept": self.kept}
        return {"credits_in_use": self.left + self.kept, "link": {"outboxes": {"ORDERS": outbox}, "nodes": {}}}

    def news(self) -> list[Any]:
        news, self.waiting = self.waiting, []
        return news


@pytest.fixture
def run(tmp_path: Path):
    """Runs a small profile over a bridge."""

    def run(bridge: Bridge, patience_s: float | None = None):
        from tests.integration.conftest import Shell

        (tmp_path / "mine.py").write_text(QUIET, encoding="utf-8")
        Shell(tmp_path).profile("mine.py:Mine", clock="live", quotes_hz=100)
        settings = load(tmp_path / "test.toml", flags=Flags(duration_s=0.3), environ={})
        node = build(settings, bridge=bridge)
        if patience_s is not None:
            node.turn = Turn(node.core, lambda: None, drain_timeout_s=1.0, patience_s=patience_s)
        return node.run()

    return run


def test_it_leaves_on_a_thread_of_its_own_and_tells_what_stays(run, caplog):
    bridge = Bridge("connected", left=3)
    with caplog.at_level(logging.INFO):
        result = run(bridge)
    assert (bridge.was_flushed, result.exit_code) == (True, 1)
    assert result.summary["lost"] == {"strategies": [], "events": {"outbox": 3}}
    assert result.summary["failures"] == ["3 durable events did not leave"]
    assert "bridge: the server is connected" in caplog.text
    [left] = [record for record in caplog.records if "durable events" in record.getMessage()]
    assert (left.levelname, left.getMessage()) == (
        "ERROR",
        "bridge: 3 durable events did not reach those that they are for",
    )


@pytest.mark.parametrize(("keeps", "code"), [(True, 0), (False, 1)])
def test_what_only_a_server_holds_that_ends_with_it_has_not_left(run, caplog, keeps, code):
    bridge = Bridge("node_up", "node_left", kept=10, keeps=keeps)
    with caplog.at_level(logging.ERROR):
        result = run(bridge)
    assert (result.exit_code, result.summary["lost"]["events"]) == (code, {} if keeps else {"outbox": 10})
    assert ("bridge: 10 durable events did not reach those that they are for" in caplog.text) is not keeps


def test_it_stays_while_somebody_has_not_been_heard_of(run):
    bridge = Bridge()
    bridge.awaited = 4
    assert run(bridge).exit_code == 0
    assert bridge.awaited == -1


def test_one_that_is_fenced_ends_with_1_and_says_why(run, caplog):
    with caplog.at_level(logging.ERROR):
        result = run(Bridge("fenced"))
    assert result.exit_code == 1
    assert result.summary["duration_s"] < 0.3 or result.summary["ended"] != "ended"
    assert "another process of this node's name has taken over" in caplog.text
    assert "durable events" not in caplog.text


def test_one_that_is_fenced_waits_for_nobody(run):
    result = run(Bridge("fenced"), patience_s=30.0)
    assert (result.exit_code, result.summary["ended"]) == (1, "stop")
    assert result.summary["failures"] == ["another process of this node's name has taken over"]
    assert result.summary["duration_s"] < 30


def test_one_whose_bridge_is_refused_does_not_start(run):
    with pytest.raises(ConfigError, match="WRONGPASS"):
        run(Bridge(refuses="bridge: WRONGPASS"))
