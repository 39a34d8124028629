"""The benchmark of the bridge measures: a short run of the cases that need no build, on a server of its own."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BENCHES = Path(__file__).parents[2] / "benches"


@pytest.fixture
def _beside_the_benches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(BENCHES))
    yield
    for name in set(sys.modules) - before:
        if str(BENCHES) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.usefixtures("_beside_the_benches")
def test_orders_between_python_loops_all_arrive_and_are_timed() -> None:
    from bridge_cases import Cases
    from bridge_server import Server

    with Server() as server:
        folder = Path(server.socket).parent
        # Fewer applied than published would be an error there.
        found = Cases(server, binary="", peer=None, seconds=0.2).order_in_python(0)
        assert server.cpu_s() > 0
    assert 0 < found["p50_us"] <= found["p99_us"] <= found["p999_us"]
    assert not folder.exists()


@pytest.mark.usefixtures("_beside_the_benches")
def test_each_goal_and_table_is_made_of_what_was_found() -> None:
    from bridge import budgets, markdown, text

    order = {"p50_us": 50.0, "p99_us": 500.0, "p999_us": 5_000.0}
    market = {
        "events/s": 5e6,
        "missing": 0.0,
        "lag in the second quarter, us": 10.0,
        "lag in the last quarter, us": 10.0,
    }
    durable = {"events/s": 300_000.0, "wait p50, us": 1_000.0}
    names = ("order", "order beside market data", "order in Python", "order in Python beside market data")
    found = {
        "sustained": {"events/s": 5e6, "lag, us": 100.0},
        "saturated": market,
        "saturated, one shard": market,
        "paced": dict.fromkeys(("publisher", "server", "subscriber"), 0.1)
        | {"all three": 0.3, "events/s": 1e6, "lag, us": 200.0, "missing": 0.0},
        "durable": durable,
        "durable in batches": durable,
        "idle": {"a node": 0.0005},
    } | dict.fromkeys(names, order)
    goals = budgets(found)
    assert [goal.name for goal in goals if goal.over > 1] == []
    assert len(goals) == 9
    with_peer = found | {"redis-py": {"events/s": 10_000.0}, "redis-py, 128 a message": {"events/s": 500_000.0}}
    assert budgets(with_peer)[2].measured == 500
    assert "9 of 9 goals met" in text(found, goals)
    rows = markdown(with_peer, budgets(with_peer)).splitlines()
    assert all(row.startswith("|") for row in rows if row)
    assert any("500.0x" in row for row in rows)
