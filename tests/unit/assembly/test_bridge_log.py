"""What the log and operators are told of a bridge."""

import itertools
import logging
import random
import time
from datetime import datetime
from types import SimpleNamespace

import pytest

from libra.assembly.bridge import bridge_row, unsent
from libra.assembly.bridge_log import AGAIN_AFTER_S, BridgeLog
from libra.cli.status import bridge_lines


def news(kind, *, node="", channel="", count=0, detail=""):
    return SimpleNamespace(kind=kind, node=node, channel=channel, count=count, detail=detail)


NOON = datetime(2026, 5, 4, 12).timestamp()  # noqa: DTZ001 - the log's is local, too


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, "libra.assembly.bridge_log")
    clock = Clock()
    made = BridgeLog(clock, lambda: NOON + clock.now - Clock.now)
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
    assert caplog.records[3].getMessage().endswith("(said 499 times meanwhile, last at 12:00:00)")
    made.tell([full])
    made.close()
    assert len(caplog.records) == 5, "what waits is told at the end"


RISK, ORDERS = "RISK:all:a", "ORDERS:all:a"
OPPOSITES = [
    (("the server is connected", "connected", {}), ("no connection to the server", "disconnected", {})),
    (("are here", "gap_repaired", {"channel": ORDERS}), ("are missing", "gap_opened", {"channel": ORDERS})),
    (("node b is there", "node_up", {"node": "b"}), ("node b is no more", "node_down", {"node": "b"})),
    (("node b is there", "node_up", {"node": "b"}), ("node b has left", "node_left", {"node": "b"})),
]


@pytest.mark.parametrize("opposites", OPPOSITES)
@pytest.mark.parametrize("seed", range(10))
def test_the_last_word_is_how_it_stands_and_since_when(log, opposites, seed):
    made, clock, caplog = log
    chance = random.Random(seed)
    began, ended = clock.now, clock.now + 60
    now, changed, at = None, began, []
    while clock.now < ended + 3 * AGAIN_AFTER_S:
        if clock.now < ended and chance.random() < chance.choice((0.02, 0.3)):
            now, changed = (1 if now != 1 else 0), clock.now
            _, kind, where = opposites[now]
            made.tell([news(kind, **where)])
        else:
            made.tell([])
        at += [clock.now] * (len(caplog.records) - len(at))
        clock.now = round(clock.now + 0.1, 1)
    told = [record.getMessage() for record in caplog.records]
    assert opposites[now][0] in told[-1]
    for each in (0, 1):
        times = [when for when, text in zip(at, told, strict=True) if opposites[each][0] in text]
        assert all(later - sooner >= AGAIN_AFTER_S - 0.01 for sooner, later in itertools.pairwise(times))
    assert at[-1] <= changed + AGAIN_AFTER_S + 0.11, "it does not wait longer"
    stamp = datetime.fromtimestamp(NOON + changed - Clock.now).strftime("%H:%M:%S")  # noqa: DTZ006
    assert f"since {stamp}" in told[-1] if "since" in told[-1] else at[-1] == changed


def test_a_state_that_waited_is_told_with_the_time_at_which_it_changed(log):
    made, clock, caplog = log
    for at, kind in (
        (0, "connected"),
        (3, "disconnected"),
        (3.4, "connected"),
        (9, "disconnected"),
        (9.3, "connected"),
    ):
        clock.now = 100.0 + at
        made.tell([news(kind)])
    clock.now = 111.0
    made.tell([])
    assert [record.getMessage() for record in caplog.records] == [
        "bridge: the server is connected",
        "bridge: no connection to the server",
        "bridge: the server is connected (since 12:00:09; it changed 3 times meanwhile)",
    ]
    # What is said once more has not changed.
    for at, kind in ((21.5, "disconnected"), (24, "disconnected"), (25, "disconnected")):
        clock.now = 100.0 + at
        made.tell([news(kind)])
    made.close()
    assert [record.getMessage() for record in caplog.records[3:]] == [
        "bridge: no connection to the server",
        "bridge: no connection to the server (since 12:00:21)",
    ]


def test_why_there_is_no_connection_is_told_again_where_it_is_another_reason(log):
    made, clock, caplog = log
    for at, kind, why in (
        (0, "disconnected", "it ended"),
        (0.1, "disconnected", "nobody there"),
        (2, "server_refuses", "WRONGPASS; to change: the password"),
        (3, "server_refuses", "WRONGPASS; to change: the user"),
        (20, "connected", ""),
        (30.5, "disconnected", "it ended"),
        (30.6, "disconnected", "nobody there"),
        (31, "connected", ""),
    ):
        clock.now = 100.0 + at
        made.tell([])
        made.tell([news(kind, detail=why)])
        assert (made.connected_since_ns is not None) == (kind == "connected")
    refused = "bridge: no connection to the server, and none before somebody changes something: WRONGPASS; to change:"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "bridge: no connection to the server: it ended"),
        ("ERROR", f"{refused} the password"),
        ("ERROR", f"{refused} the user (since 12:00:02)"),
        ("INFO", "bridge: the server is connected"),
        ("WARNING", "bridge: no connection to the server: it ended"),
        ("INFO", "bridge: the server is connected"),
    ], "a reason that held for a moment is not told behind its end"


def test_what_will_never_come_ends_a_gap_that_waits_to_be_told(log):
    made, clock, caplog = log
    gap, here = news("gap_opened", channel=ORDERS), news("gap_repaired", channel=ORDERS)
    made.tell([gap, here, gap, news("gap_opened", channel=RISK)])
    assert len(caplog.records) == 3, "the second one waits, and other channels do not"
    made.tell([news("gap_lost", channel=ORDERS, count=3)])
    clock.now += AGAIN_AFTER_S
    made.tell([])
    assert "3 events of ORDERS:all:a will never come" in caplog.records[-1].getMessage()


def test_behind_a_fence_nothing_is_said_of_a_connection_before_it(log):
    made, clock, caplog = log
    made.tell([news("connected"), news("disconnected"), news("connected"), news("fenced")])
    clock.now += AGAIN_AFTER_S
    made.tell([])
    assert "taken over" in caplog.records[-1].getMessage()


def test_what_happened_and_waited_says_when_it_did(log):
    made, clock, caplog = log
    for at in (0, 1, 4):
        clock.now = 100.0 + at
        made.tell([news("outbox_full", channel=ORDERS)])
    clock.now = 110.0
    made.tell([])
    assert caplog.records[-1].getMessage().endswith("(said 2 times meanwhile, last at 12:00:04)")


def test_what_is_lost_meanwhile_is_told_in_sum(log):
    made, clock, caplog = log
    for count in (10, 20_000, 5):
        made.tell([news("gap_lost", channel="RISK:all:a", count=count)])
    clock.now += AGAIN_AFTER_S
    made.tell([])
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith("bridge: 10 events of RISK:all:a")
    assert second.startswith("bridge: 20005 events of RISK:all:a")
    assert second.endswith("(said 2 times meanwhile, last at 12:00:00)")


def test_findings_are_told_by_what_they_say_and_a_fence_ends_the_node(log):
    made, _, caplog = log
    made.tell([news("connected")])
    assert made.connected_since_ns is not None
    finding = "maxmemory_policy: it may drop keys. Set maxmemory-policy noeviction"
    made.tell([news("server_finding", detail=finding), news("server_finding", detail="save: x"), news("brand_new")])
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING", "WARNING", "INFO"]
    assert "maxmemory-policy noeviction" in caplog.text
    made.tell([news("server_note", detail="UNENCRYPTED: x"), news("server_note", detail="PERSISTENCE_SNAPSHOTS: y")])
    told = [(record.levelname, record.getMessage()) for record in caplog.records[4:]]
    assert told == [
        ("INFO", "bridge: the server: UNENCRYPTED: x"),
        ("INFO", "bridge: the server: PERSISTENCE_SNAPSHOTS: y"),
    ]
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
            "RISK": {"confirmed": 0, "acknowledged": 0, "kept": 0, "fullness": 0},
            "ORDERS": {"confirmed": 10, "acknowledged": 3, "kept": 5, "fullness": 41},
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
        "connected": True, "since_ns": 5, "error": "", "fenced": False, "refuses": [], "findings": [],
        "backlog": 12, "unsent": 7, "fullness_pct": 41,
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


def test_operators_see_what_a_connected_server_refuses_and_what_is_to_be_seen_to():
    oom = "OOM command not allowed"
    write, append = (
        {"what": what, "reason": oom, "for_ns": ns} for what, ns in (("write", 90), ("append to RISK", 40))
    )
    market = {"what": "publish market data of shard 3", "reason": "NOPERM x; to change: y", "for_ns": 7}
    finding = {"code": "UNENCRYPTED", "severity": "note", "sentence": "a", "change": "b"}
    link = {"refuses": [write, append], "market_out": {"refuses": [market]}, "findings": [finding]}
    row = bridge_row(STATS | {"link": STATS["link"] | link}, 5, now_ns=100)
    assert row is not None
    assert row["findings"] == [finding]
    assert row["refuses"] == [
        {"what": "write", "reason": oom, "since_ns": 10},
        {"what": "append to RISK", "reason": oom, "since_ns": 60},
        {"what": "publish market data of shard 3", "reason": "NOPERM x; to change: y", "since_ns": 93},
    ]
    now_ns = time.time_ns()
    since = [
        {**refused, "since_ns": now_ns - seconds * 10**9}
        for refused, seconds in zip(row["refuses"], (125, 3, 4), strict=True)
    ]
    lines = bridge_lines(row | {"since_ns": None, "refuses": since})
    assert lines[0].startswith("  bridge  connected, but the server REFUSES what is below  12 events")
    assert lines[1:4] == [
        f"    refused for 0:02:05: write, append to RISK: {oom}",
        "    refused for 0:00:04: publish market data of shard 3: NOPERM x; to change: y",
        "    to see to at the server: UNENCRYPTED (--json says what to change)",
    ]


def test_since_when_it_is_connected_does_not_change_with_the_clock():
    clock, wall = Clock(), Clock()
    wall.now = NOON
    made = BridgeLog(clock, wall)
    made.tell([news("connected")])
    clock.now, wall.now = clock.now + 60, NOON + 86_460
    assert made.connected_since_ns == round((NOON + 86_400) * 1e9), "a minute ago, as the clock of now has it"


def test_a_bridge_without_a_server_says_why():
    down = {"up": False, "error": "unix:///x: cannot connect: no such file"}
    row = bridge_row(STATS | {"link": STATS["link"] | {"connected": False, "connections": {"calls": down}}}, 5)
    assert row is not None
    assert bridge_lines(row)[0].startswith(
        "  bridge  NOT CONNECTED: unix:///x: cannot connect: no such file  12 events"
    )
    assert "FENCED" in bridge_lines(row | {"fenced": True})[0]


def test_a_node_that_stood_still_does_not_know_whether_somebody_looked(log):
    made, _clock, caplog = log
    made.tell([news("loop_stood_still", node="a", detail="it stood still for 3 s")])
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert "libra status names its strategies as GONE where that is so: it stood still for 3 s" in record.getMessage()
