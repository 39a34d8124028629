"""A run that lost something between its nodes has failed, and says what."""

from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.assembly.test_bridged_node import Bridge

from libra.assembly.bridge import lost_events
from libra.assembly.bridge_end import BridgeEnd
from libra.assembly.bridge_log import BridgeLog

CHANNEL = "ORDERS:all:strategies"
BOX = {"confirmed": 0, "acknowledged": 0, "kept": 0}
QUIET = {"lost": 0, "lost_events": 0, "suspected": 0, "gap": False}


def link(*, cut: int = 0, **channel: Any) -> dict[str, Any]:
    return {"link": {"channels": {CHANNEL: QUIET | channel}, "outboxes": {"ORDERS": BOX | {"cut": cut}}, "nodes": {}}}


@pytest.mark.parametrize(
    ("stats", "lost"),
    [
        (link(), {}),
        ({}, {}),
        (link(lost=1, lost_events=18), {CHANNEL: 18}),
        (link(lost=2), {CHANNEL: 2}),
        (link(cut=7), {"ORDERS, cut": 7}),
        (link(gap=True), {}),
    ],
    ids=["nothing", "alone", "counted", "not counted", "cut", "a gap that may close"],
)
def test_what_was_lost(stats, lost):
    assert lost_events(stats) == lost
    end = BridgeEnd()
    end.stats = stats
    assert end.lost_events == lost


class Ended(Bridge):
    """A bridge whose counts are given."""

    def __init__(self, stats: dict[str, Any]) -> None:
        super().__init__()
        self.counts = {"credits_in_use": 0} | stats

    def flush(self) -> None: ...

    def leave(self, timeout_s: float) -> None: ...

    def stats(self) -> dict[str, Any]:
        return self.counts


def account(name: str, stopped: tuple[str, str] | None) -> Any:
    return SimpleNamespace(name=name, standing=lambda: {"stopped": stopped})


@pytest.mark.parametrize(
    ("stats", "unsound"),
    [
        (link(gap=True), {"a": f"BRIDGE_UNSOUND: limit no gap, value {CHANNEL}"}),
        (link(lost=1, lost_events=3), {"a": f"BRIDGE_UNSOUND: limit no gap, value {CHANNEL}"}),
        ({"credits_in_use": 2}, {"a": f"BRIDGE_UNSOUND: limit no gap, value {CHANNEL}"}),
        (link(), {}),
    ],
    ids=["a gap", "a loss", "left behind", "all has come"],
)
async def test_accounts_that_refused_orders_for_their_bridge_are_named(stats, unsound):
    end = BridgeEnd()
    accounts = [
        account("a", ("BRIDGE_UNSOUND", f"limit no gap, value {CHANNEL}")),
        account("b", ("KILL_SWITCH", "ops")),
        account("c", None),
    ]
    end.note_accounts(accounts)
    core: Any = SimpleNamespace(extend_drain=lambda _: None)
    await end.leave(Ended(stats), BridgeLog(), core, 1.0)
    assert end.unsound == unsound
    assert end.lost_events.get("outbox", 0) == stats.get("credits_in_use", 0)
