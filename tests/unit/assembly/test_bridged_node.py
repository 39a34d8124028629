"""A node with a bridge: it ends when it is fenced, and leaves without holding its own loop up."""

import logging
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from libra.assembly import build
from libra.config import Flags, load
from libra.errors import ConfigError

QUIET = """
from libra.strategies import Strategy


class Mine(Strategy):
    pass
"""


class Bridge:
    """A bridge that carries nothing."""

    def __init__(self, *news: str, refuses: str = "", left: int = 0) -> None:
        self.waiting = [SimpleNamespace(kind=kind, node="", channel="", count=0, detail="") for kind in news]
        self.refuses = refuses
        self.left = left
        self.flushed = threading.Semaphore(0)
        self.was_flushed: bool | None = None

    def start(self, core: object) -> None:
        del core
        if self.refuses:
            raise ConfigError(self.refuses)

    def flush(self) -> None:
        self.flushed.release()

    def leave(self, timeout_s: float) -> None:
        # Only a loop that runs on meanwhile comes so far. The guard ends a node whose drain hangs for longer.
        self.was_flushed = all(self.flushed.acquire(timeout=timeout_s) for _ in range(3))

    def stop(self, timeout_s: float) -> dict[str, Any]:
        del timeout_s
        return self.stats()

    def stats(self) -> dict[str, Any]:
        return {"credits_in_use": self.left}

    def news(self) -> list[Any]:
        news, self.waiting = self.waiting, []
        return news


@pytest.fixture
def run(tmp_path: Path):
    """Runs a small profile over a bridge."""

    def run(bridge: Bridge):
        from tests.integration.conftest import Shell

        (tmp_path / "mine.py").write_text(QUIET, encoding="utf-8")
        Shell(tmp_path).profile("mine.py:Mine", clock="live", quotes_hz=100)
        settings = load(tmp_path / "test.toml", flags=Flags(duration_s=0.3), environ={})
        return build(settings, bridge=bridge).run()

    return run


def test_it_leaves_on_a_thread_of_its_own_and_tells_what_stays(run, caplog):
    bridge = Bridge("connected", left=3)
    with caplog.at_level(logging.INFO):
        result = run(bridge)
    assert (bridge.was_flushed, result.exit_code) == (True, 1)
    assert "bridge: the server is connected" in caplog.text
    [left] = [record for record in caplog.records if "did not leave" in record.getMessage()]
    assert (left.levelname, left.getMessage()) == ("ERROR", "bridge: 3 durable events did not leave")


def test_one_that_is_fenced_ends_with_1_and_says_why(run, caplog):
    with caplog.at_level(logging.ERROR):
        result = run(Bridge("fenced"))
    assert result.exit_code == 1
    assert result.summary["duration_s"] < 0.3 or result.summary["ended"] != "ended"
    assert "another process of this node's name has taken over" in caplog.text
    assert "did not leave" not in caplog.text


def test_one_whose_bridge_is_refused_does_not_start(run):
    with pytest.raises(ConfigError, match="WRONGPASS"):
        run(Bridge(refuses="bridge: WRONGPASS"))
