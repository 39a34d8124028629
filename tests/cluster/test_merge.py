"""One summary of several."""

from decimal import Decimal

from libra_cluster.supervision.merge import merge_rows, merge_statuses, merge_summaries, node_row


def summary(**more):
    return {
        "events": {"QUOTE": 3, "SIGNAL": 1},
        "lanes": {"RISK": {"waiting": 0, "dropped": 1}},
        "signals": 1,
        "orders": {"FILLED": 2},
        "fills": 2,
        "errors": 0,
        "dead_letters": {},
        "positions": [{"instrument": "a"}],
        "pnl": {"USDT": {"realised": Decimal("0.10"), "total": Decimal("0.05")}},
        "equity": {"USDT": Decimal("100.01")},
        "latency_us": {"tick_to_order": {"p50": 1.0, "p99": 2.0, "max": 9.0}},
        "duration_s": 1.0,
        "events_per_s": 4.0,
        "digest": None,
        "failed": ["a"],
        "failures": ["a failed for good"],
        "stopped": {"paper": "KILL_SWITCH: why"},
        "ended": "stop",
        "asked_by": "SIGTERM",
        **more,
    }


def test_numbers_are_added_exactly_and_the_slowest_latency_counts():
    other = summary(
        latency_us={"tick_to_order": {"p50": 0.5, "p99": 3.0, "max": 4.0}}, stopped={"other": "x"}, events={"TRADE": 5}
    )
    merged = merge_summaries([summary(), other], duration_s=3.0, ended="ended", asked_by=None)
    assert merged["events"] == {"QUOTE": 3, "SIGNAL": 1, "TRADE": 5}
    assert merged["lanes"] == {"RISK": {"waiting": 0, "dropped": 2}}
    assert merged["pnl"] == {"USDT": {"realised": Decimal("0.20"), "total": Decimal("0.10")}}
    assert merged["equity"] == {"USDT": Decimal("200.02")}
    assert merged["latency_us"] == {"tick_to_order": {"p50": 0.5, "p99": 3.0, "max": 4.0}}
    assert merged["failed"] == ["a", "a"]
    assert merged["stopped"] == {"paper": "KILL_SWITCH: why", "other": "x"}
    assert (merged["duration_s"], merged["events_per_s"], merged["ended"]) == (3.0, 3.0, "ended")
    assert merged["asked_by"] is None
    assert set(merged) == set(summary())


def test_nobody_who_measured_a_latency():
    nothing = {"tick_to_order": {"p50": None, "p99": None, "max": None}}
    merged = merge_summaries([summary(latency_us=nothing)] * 2, duration_s=0.0, ended="stop", asked_by="SIGINT")
    assert merged["latency_us"] == nothing
    assert merged["events_per_s"] == 0.0


def test_statuses_keep_the_last_orders_of_all():
    first = {"time_ns": 5, "elapsed_s": 1.0, "fills": 1, "orders": [{"time_ns": t} for t in range(8)]}
    second = {"time_ns": 9, "elapsed_s": 0.5, "fills": 2, "orders": [{"time_ns": 7}, {"time_ns": 3}]}
    merged = merge_statuses([first, second])
    assert (merged["time_ns"], merged["elapsed_s"], merged["fills"]) == (9, 1.0, 3)
    assert [row["time_ns"] for row in merged["orders"]] == [2, 3, 3, 4, 5, 6, 7, 7]


def test_rows_are_in_the_order_of_their_times():
    assert merge_rows([[{"time_ns": 2}, {"time_ns": 4}], [{"time_ns": 3}]]) == [
        {"time_ns": 2},
        {"time_ns": 3},
        {"time_ns": 4},
    ]


def test_a_nodes_row():
    row = node_row("a", 7, ["market"], {"summary": summary(), "exit_code": 3, "bridge": {"sent": 1}}, None)
    assert (row["name"], row["pid"], row["roles"], row["died"], row["exit_code"]) == ("a", 7, ["market"], None, 3)
    assert row["events"] == {"QUOTE": 3, "SIGNAL": 1}
    assert row["bridge"] == {"sent": 1}
    dead = node_row("a", 7, [], None, "killed by SIGKILL")
    assert (dead["died"], dead["exit_code"]) == ("killed by SIGKILL", None)
