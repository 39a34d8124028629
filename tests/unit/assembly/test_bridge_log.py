"""What the log and operators are told of a bridge."""

import logging
from types import SimpleNamespace

import pytest

from libra.assembly.bridge import bridge_row, unsent
from libra.assembly.bridge_log import AGAIN_AFTER_S, BridgeLog
from libra.cli.status import bridge_lines


def news(kind, *, node="", channel="", count=0, detail=""):
    return SimpleNamespace(kind=kind, node=node, channel=channel, count=count, detail=detail)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, "libra.assembly.bridge_log")
    clock = Clock()
    made = BridgeLog(clock)
    return made, clock, caplog


def test_each_is_told_at_once_and_the_same_again_at_most_every_ten_seconds(log):
    made, clock, caplog = log
    full = news("outbox_full", channel="ORDERS:all:a")
    for _ in range(500):
        made.tell([full])
    made.tell(
        [news("outbox_full", channel="RISK:all:a"), news("gap_lost", channel="ORDERS:all:b", count=3, detail="why")]
    )
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "ERROR"]
    assert "3 events of ORDERS:all:b" in caplog.records[2].getMessage()
    assert caplog.records[2].getMessage().endswith("until libra resume: why")
    clock.now += AGAIN_AFTER_S - 0.1
    made.tell([])
    assert len(caplog.records) == 3
    clock.now += 0.2
    made.tell([])
    assert caplog.records[3].getMessage().endswith("(said 499 times meanwhile)")
    made.tell([full])
    made.close()
    assert len(caplog.records) == 5, "what waits is told at the end"


def test_what_is_lost_meanwhile_is_told_in_sum(log):
    made, clock, caplog = log
    for count in (10, 20_000, 5):
        made.tell([news("gap_lost", channel="RISK:all:a", count=count)])
    clock.now += AGAIN_AFTER_S
    made.tell([])
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith("bridge: 10 events of RISK:all:a")
    assert second.startswith("bridge: 20005 events of RISK:all:a")
    assert second.endswith("(said 2 times meanwhile)")


def test_findings_are_told_by_what_they_say_and_a_fence_ends_the_node(log):
    made, _, caplog = log
    made.tell([news("connected")])
    assert made.connected_since_ns is not None
    finding = "maxmemory_policy: it may drop keys. Set maxmemory-policy noeviction"
    made.tell([news("server_finding", detail=finding), news("server_finding", detail="save: x"), news("brand_new")])
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING", "WARNING", "INFO"]
    assert "maxmemory-policy noeviction" in caplog.text
    assert not made.is_fenced
    made.tell([news("fenced", detail="epoch 9")])
    assert made.is_fenced
    assert caplog.records[-1].levelname == "ERROR"
    assert made.connected_since_ns is None


STATS = {
    "credits_in_use": 12,
    "excused": {"slow": 3, "hung": 12},
    "excusals": 4,
    "link": {
        "connected": True,
        "fenced": False,
        "connections": {"calls": {"up": True, "error": ""}, "hears": {"up": True, "error": "before"}},
        "outboxes": {
            "RISK": {"confirmed": 0, "acknowledged": 0, "fullness": 0},
            "ORDERS": {"confirmed": 10, "acknowledged": 5, "fullness": 41},
        },
        "channels": {
            "ORDERS:all:b": {"gap": True, "lost": 2, "lost_events": 7, "suspected": 1},
            "RISK:all:b": {"gap": False, "lost": 1, "lost_events": 0, "suspected": 2},
        },
        "nodes": {
            "b": {
                "up": False,
                "heard_ns": 7,
                "clock_ahead_us": -3,
                "behind": ["RISK", "ORDERS"],
                "given_up": ["ORDERS"],
            }
        },
    },
}


def test_operators_see_connection_backlog_gaps_and_peers():
    row = bridge_row(STATS, 5)
    assert row == {
        "connected": True, "since_ns": 5, "error": "", "fenced": False, "backlog": 12, "unsent": 7, "fullness_pct": 41,
        "gaps": ["ORDERS:all:b"], "losses": 3, "lost": 7, "suspected": 3,
        "excused": {"slow": 3, "hung": 12}, "excusals": 4,
        "peers": [{"node": "b", "up": False, "heard_ns": 7, "clock_ahead_us": -3, "behind": ["RISK", "ORDERS"],
                   "given_up": ["ORDERS"]}],
    }  # fmt: skip
    lines = bridge_lines(row | {"since_ns": None})
    assert lines == [
        "  bridge  connected  12 events under way, 7 not sent, outbox 41 % full",
        "    gaps: ORDERS:all:b",
        "    lost: 7 events, in 3 losses",
        "    may be lost: something, 3 times, with a server and a node that had ended, or before this node took part",
        "    acknowledged without the actors that do not get on with them: hung (12 events), slow (3 events)",
        "    node b  DOWN  behind on RISK  not waited for on ORDERS",
    ]
    assert bridge_lines(None) == []
    assert (bridge_row({}, None), unsent({})) == (None, 0)


def test_a_bridge_without_a_server_says_why():
    down = {"up": False, "error": "unix:///x: cannot connect: no such file"}
    row = bridge_row(STATS | {"link": STATS["link"] | {"connected": False, "connections": {"calls": down}}}, 5)
    assert row is not None
    assert bridge_lines(row)[0].startswith(
        "  bridge  NOT CONNECTED: unix:///x: cannot connect: no such file  12 events"
    )
    assert "FENCED" in bridge_lines(row | {"fenced": True})[0]
