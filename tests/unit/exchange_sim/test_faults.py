"""Each fault does what it says, to those it names, so often or so long, and to nobody else."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from libra.exchange_sim.clients import Client
from libra.exchange_sim.control import Control
from libra.exchange_sim.errors import ApiError
from libra.exchange_sim.faults import KINDS, Asked, FaultRequest

from .conftest import Reader, Stage, market


def reading(stage: Stage, name: str, **more: Any) -> tuple[Client, Reader]:
    """A client that reads an account's spot events."""
    reader = Reader()
    client = Client(reader, 1 << 20, spot=True, **more)
    stage.venue.clients.add(client)
    stage.venue.user_streams.attach("spot", name, client)
    return client, reader


def fault(stage: Stage, kind: str, **more: Any) -> Any:
    body = msgspec.json.encode({"kind": kind, **more})
    return Control(stage.venue).answer("POST", "faults", {}, body)


def told(reader: Reader) -> list[tuple[str, str]]:
    """The ids and what happened, of reports only."""
    return [(one["c"], one["x"]) for one in reader.messages() if one["e"] == "executionReport"]


def place(stage: Stage, name: str, client_id: str) -> None:
    stage.order(name, "BUY", "0.1", "60000", newClientOrderId=client_id)


@pytest.fixture
def watched(stage: Stage) -> tuple[Stage, Reader, Reader]:
    return stage, reading(stage, "alice")[1], reading(stage, "bob")[1]


def test_events_are_dropped_so_often_and_for_one_account(watched: tuple[Stage, Reader, Reader]):
    stage, alice, bob = watched
    fault(stage, "drop_events", account="alice", event="executionReport", count=2)
    for number in range(3):
        place(stage, "alice", f"a{number}")
        place(stage, "bob", f"b{number}")
    assert told(alice) == [("a2", "NEW")]
    assert told(bob) == [("b0", "NEW"), ("b1", "NEW"), ("b2", "NEW")]


def test_events_come_twice(watched: tuple[Stage, Reader, Reader]):
    stage, alice, _ = watched
    fault(stage, "duplicate_events", event="executionReport", count=1)
    place(stage, "alice", "a")
    place(stage, "alice", "b")
    assert told(alice) == [("a", "NEW"), ("a", "NEW"), ("b", "NEW")]


def test_events_come_late_and_for_so_long(watched: tuple[Stage, Reader, Reader]):
    stage, alice, _ = watched
    fault(stage, "delay_events", event="executionReport", seconds=5, for_s=2)
    place(stage, "alice", "a")
    stage.wait(3)
    place(stage, "alice", "b")
    assert told(alice) == [("b", "NEW")]
    stage.wait(1.9)
    assert told(alice) == []
    stage.wait(0.2)
    assert told(alice) == [("a", "NEW")]


def test_events_change_places_and_the_last_one_comes_by_itself(watched: tuple[Stage, Reader, Reader]):
    stage, alice, _ = watched
    fault(stage, "reorder_events", event="executionReport", count=1)
    fault(stage, "drop_events", event="outboundAccountPosition")
    place(stage, "alice", "a")
    place(stage, "alice", "b")
    # The dropped event behind it was the next one.
    assert told(alice) == [("a", "NEW"), ("b", "NEW")]
    stage.venue.faults.clear()
    fault(stage, "reorder_events", event="outboundAccountPosition")
    fault(stage, "reorder_events", event="executionReport", count=1, seconds=2)
    stage.venue.faults.clear(stage.venue.faults.active[0].id)
    place(stage, "alice", "c")
    kinds = [one["e"] for one in alice.messages()]
    assert kinds == ["outboundAccountPosition", "executionReport"]
    fault(stage, "reorder_events", event="outboundAccountPosition", count=1, seconds=2)
    place(stage, "alice", "d")
    assert [one["e"] for one in alice.messages()] == ["executionReport"]
    stage.wait(2.1)
    assert [one["e"] for one in alice.messages()] == ["outboundAccountPosition"]


def test_connections_are_cut_by_whose_they_are(watched: tuple[Stage, Reader, Reader]):
    stage, alice, bob = watched
    assert fault(stage, "disconnect", account="bob", stream="user")["hits"] == 1
    assert (alice.aborted, bob.aborted) == (False, True)
    assert fault(stage, "disconnect", side="linear")["hits"] == 0
    assert fault(stage, "disconnect", stream="api")["hits"] == 0


def test_a_stalled_connection_gets_all_of_it_later(watched: tuple[Stage, Reader, Reader]):
    stage, alice, bob = watched
    fault(stage, "stall", account="alice", seconds=5)
    place(stage, "alice", "a")
    place(stage, "bob", "b")
    stage.wait(4)
    assert (told(alice), told(bob)) == ([], [("b", "NEW")])
    stage.wait(2)
    assert told(alice) == [("a", "NEW")]


def test_a_half_open_connection_loses_everything_and_nobody_is_told(watched: tuple[Stage, Reader, Reader]):
    stage, alice, bob = watched
    fault(stage, "half_open", account="alice")
    place(stage, "alice", "a")
    place(stage, "bob", "b")
    assert (told(alice), alice.aborted, told(bob)) == ([], False, [("b", "NEW")])
    stage.venue.faults.clear()
    place(stage, "alice", "c")
    assert told(alice) == [("c", "NEW")]


def test_a_client_that_does_not_read_is_cut_off_and_others_go_on(watched: tuple[Stage, Reader, Reader]):
    stage, alice, bob = watched
    alice.reads = False
    for number in range(2_000):
        stage.venue.user_streams.send(stage.venue.accounts[2], "spot", {"e": "x", "text": "y" * 1_000})
        stage.venue.user_streams.send(stage.venue.accounts[3], "spot", {"e": "x", "number": number})
        stage.venue.flush()
        if alice.aborted:
            break
    assert 1_000 < number < 1_100
    assert len(bob.messages()) == number + 1
    assert not bob.aborted


@pytest.mark.parametrize(
    ("path", "name", "row"),
    [
        ("userTrades", "time", 9_500),
        ("myTrades", "time", 9_500),
        ("income", "time", 9_500),
        ("sapi/capital/deposit/hisrec", "insertTime", 9_500),
        ("sapi/capital/withdraw/history", "applyTime", "1970-01-01 00:00:10"),
        ("sapi/asset/transfer", "timestamp", 9_500),
        ("sapi/asset/assetDividend", "divTime", 9_500),
    ],
)
def test_what_is_young_is_in_no_history_that_lags(stage: Stage, path: str, name: str, row: object):
    faults = stage.venue.faults
    asked = Asked("linear", "GET", path, "alice", "")
    fault(stage, "lag", account="alice", seconds=1)
    old = {name: "1970-01-01 00:00:09" if name == "applyTime" else 9_000}
    for wrap in (lambda rows: rows, lambda rows: {"rows": rows, "total": len(rows)}):
        lagging = faults.lagging(asked, wrap([old, {name: row}]), 10_000)
        assert (lagging["rows"] if isinstance(lagging, dict) else lagging) == [old]
        assert faults.lagging(Asked("linear", "GET", path, "bob", ""), wrap([{name: row}]), 10_000) == wrap(
            [{name: row}]
        )
    assert faults.lagging(Asked("linear", "GET", "openOrders", "alice", ""), [{"time": 9_999}], 10_000) != []
    stage.venue.faults.clear()
    assert faults.lagging(asked, [{name: row}], 10_000) == [{name: row}]


def test_requests_fail_before_or_after_they_are_carried_out(stage: Stage):
    faults = stage.venue.faults
    order = Asked("spot", "POST", "order", "alice", "BTCUSDT")
    fault(stage, "error", account="alice", path="order", method="POST", count=1, status=502)
    fault(stage, "lost_answer", side="spot", symbol="BTCUSDT", count=1)
    assert faults.before(Asked("spot", "GET", "order", "alice", "BTCUSDT")) is None
    assert faults.before(Asked("spot", "POST", "order", "bob", "BTCUSDT")) is None
    refused = faults.before(order)
    assert refused is not None
    assert refused.http == 502
    assert faults.before(order) is None
    assert faults.after(Asked("linear", "POST", "order", "alice", "BTCUSDT")) is None
    lost = faults.after(order)
    assert lost is not None
    assert (lost.kind, lost.status) == ("lost_answer", None)
    assert faults.after(order) is None


def test_maintenance_closes_one_side_for_so_long(watched: tuple[Stage, Reader, Reader]):
    stage, alice, _ = watched
    fault(stage, "maintenance", side="spot", for_s=30)
    assert (alice.aborted, stage.venue.faults.is_closed("spot"), stage.venue.faults.is_closed("linear")) == (
        True,
        True,
        False,
    )
    refused = stage.venue.faults.before(Asked("spot", "GET", "ping", "", ""))
    assert refused is not None
    assert refused.http == 503
    stage.wait(31)
    assert not stage.venue.faults.is_closed("spot")
    assert Control(stage.venue).answer("GET", "faults", {}, b"") == []


def test_a_skewed_clock_refuses_what_was_on_time(stage: Stage):
    now = stage.clock.now_ms()
    fault(stage, "clock_skew", seconds=6)
    with pytest.raises(ApiError, match="-1021"):
        stage.ask("alice", "GET", "spot/account", timestamp=now)
    assert stage.ask("alice", "GET", "spot/time")["serverTime"] == now + 6_000
    fault(stage, "clock_skew", seconds=-6)
    with pytest.raises(ApiError, match="-1021"):
        stage.ask("alice", "GET", "spot/account", timestamp=now)
    fault(stage, "clock_skew", seconds=0)
    assert stage.ask("alice", "GET", "spot/account", timestamp=now)


def test_an_address_is_banned_for_so_long(stage: Stage):
    fault(stage, "ban", seconds=10, ip="1.2.3.4", side="spot")
    with pytest.raises(ApiError) as caught:
        stage.ask("alice", "GET", "spot/account")
    assert (caught.value.http, caught.value.retry_after_s) == (418, 10)
    stage.ask("alice", "GET", "linear/account")
    stage.wait(10)
    stage.ask("alice", "GET", "spot/account")


def test_a_listen_key_ends_and_its_readers_are_told(stage: Stage):
    key = stage.ask("alice", "POST", "linear/listenKey")["listenKey"]
    assert stage.venue.user_streams.owner("linear", key) == "alice"
    reader = Reader()
    client = Client(reader, 1 << 20, spot=False)
    stage.venue.clients.add(client)
    stage.venue.user_streams.attach("linear", "alice", client)
    fault(stage, "expire_listen_key", account="alice")
    stage.venue.flush()
    assert [(one["e"], one["listenKey"]) for one in reader.messages()] == [("listenKeyExpired", key)]
    assert stage.venue.user_streams.owner("linear", key) is None
    with pytest.raises(ApiError, match="-1125"):
        stage.ask("alice", "PUT", "linear/listenKey")
    stage.order("alice", "BUY", "0.1", "60000", where="linear")
    assert reader.messages() == []
    assert stage.ask("alice", "POST", "linear/listenKey")["listenKey"] != key


def test_a_listen_key_lives_an_hour_from_the_last_word(stage: Stage):
    key = stage.ask("alice", "POST", "linear/listenKey")["listenKey"]
    stage.wait(3_000)
    assert stage.ask("alice", "PUT", "linear/listenKey")["listenKey"] == key
    stage.wait(3_599)
    assert stage.venue.user_streams.owner("linear", key) == "alice"
    stage.wait(2)
    assert stage.venue.user_streams.owner("linear", key) is None


def test_depth_updates_are_lost_and_the_sequence_shows_it():
    stage = Stage(markets=(market("BTC/USDT"), market("BTC/USDT:USDT")))
    reader = Reader()
    client = Client(reader, 1 << 20, spot=True)
    stage.venue.clients.add(client)
    stage.venue.market_streams.subscribe(client, "btcusdt@depth@100ms")
    ids = []
    for number in range(6):
        if number == 3:
            fault(stage, "depth_gap", symbol="BTCUSDT", side="spot", count=2)
        stage.order("alice", "BUY", "0.1", f"{59_000 + number}")
        stage.wait(0.05)
        stage.wait(0.05)
        ids += [(one["U"], one["u"]) for one in reader.messages()]
    gaps = [after[0] - before[1] - 1 for before, after in pairwise(ids)]
    assert (len(ids), gaps) == (4, [0, 0, 2])


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"kind": "meteor"}, "kind"),
        ({"kind": "stall", "account": "nobody"}, "nobody"),
        ({"kind": "stall", "symbol": "NOPE"}, "NOPE"),
        ({"kind": "stall", "colour": 1}, "colour"),
        ({"kind": "expire_listen_key"}, "account"),
        ({"kind": "error", "status": 200}, "400"),
    ],
)
def test_what_makes_no_sense_is_refused(stage: Stage, request_: dict[str, Any], says: str):
    with pytest.raises(ApiError, match=says):
        Control(stage.venue).answer("POST", "faults", {}, msgspec.json.encode(request_))
    for method, path in (("GET", "nothing"), ("POST", "trades"), ("DELETE", "faults/x")):
        with pytest.raises(ApiError, match="-1000"):
            Control(stage.venue).answer(method, path, {}, b"")


def test_every_kind_is_documented():
    from libra.exchange_sim import faults

    assert faults.__doc__
    assert all(f"`{kind}`" in faults.__doc__ for kind in KINDS)
    assert len(KINDS) == 16
    assert FaultRequest(kind="stall").count is None


def test_the_control_endpoint_shows_the_venues_own_truth(stage: Stage):
    stage.order("bob", "SELL", "1", "60000", newClientOrderId="ask")
    stage.order("alice", "BUY", "0.4", "60000", newClientOrderId="bid")
    with pytest.raises(ApiError):
        stage.order("alice", "BUY", "100", "60000", newClientOrderId="much")
    with pytest.raises(ApiError):
        stage.order("alice", "BUY", "1", "60000", newClientOrderId="late", timestamp=stage.clock.now_ms() - 60_000)
    control = Control(stage.venue)
    trades: Any = control.answer("GET", "trades", {"account": "alice"}, b"")
    (mine,) = trades["trades"]
    assert (mine["client_order_id"], mine["price"], mine["quantity"], mine["buys"]) == (
        "bid",
        "60000.0",
        "0.40000",
        True,
    )
    assert (mine["fee"], mine["fee_asset"], mine["maker"]) == ("0.00040000", "BTC", False)
    accounts: Any = control.answer("GET", "accounts", {}, b"")
    alice = next(row for row in accounts if row["name"] == "alice")
    assert alice["spot"]["BTC"]["free"] == "100.39960000"
    orders: Any = control.answer("GET", "orders", {"account": "bob"}, b"")
    assert [(row["clientOrderId"], row["status"]) for row in orders] == [("ask", "PARTIALLY_FILLED")]
    requests: Any = control.answer("GET", "requests", {}, b"")
    asked = [(row["client_order_id"], row["code"]) for row in requests]
    assert asked == [("ask", 0), ("bid", 0), ("much", -2010), ("late", -1021)]
    clock: Any = control.answer("GET", "clock", {}, b"")
    assert clock["skew_ns"] == 0
