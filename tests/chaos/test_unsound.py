"""An account stops new orders while the bridge of its node is unsound, without any handler having been told."""

import time

from tests.chaos.driven import Driven, Place
from tests.chaos.wires import EVENTS, event, frame, wire
from tests.unit.core.remote.test_account import INSTRUMENT, opened

from libra.core.events import Event, EventType
from libra_core import Quote, Trade

BUY = ("main", INSTRUMENT.id, "BUY", "0.001", "60000.00", "GTC", 0, None)


class Account(Driven):
    """A node with an account, and a strategy in its slot 0."""

    def open(self) -> None:
        self.account = opened(self.core, "main", "worker")
        self.account.set_reconciled()
        self.core.list_instruments([INSTRUMENT])
        risk = self.core.add_actor("risk", decisive=True)
        self.core.subscribe(risk, EventType.ORDER_REQUEST, self.account.on_request)
        execution = self.core.add_actor("execution", decisive=True)
        self.core.subscribe(execution, EventType.ORDER_APPROVED, self.account.on_approved)
        self.last: list[tuple[str, str]] = []
        told = self.core.add_actor("told")
        for event_type in (EventType.ORDER_NEW, EventType.ORDER_REJECTED):
            self.core.subscribe(told, event_type, self._learn)
        for kind, payload in (
            (EventType.QUOTE, Quote(INSTRUMENT.id, "60000.00", "60000.10", "1", "1")),
            (EventType.TRADE, Trade(INSTRUMENT.id, "60000.00", "100000")),
        ):
            assert self.core.publish_market(Event.create(kind, "market", payload), INSTRUMENT.id)
        self.turn()

    def _learn(self, event: Event) -> None:
        order = event.payload
        self.last.append((order.reason, order.detail))

    def buy(self) -> None:
        """Asks for an order; `last` tells what becomes of it: the code and the words of its refusal, or nothing."""
        assert self.core.emit_order_request(self.slot, *BUY)


def test_a_nearly_full_outbox_stops_new_orders_and_an_emptied_one_lets_them_pass():
    with Place(["pub", "con"], outbox_events=1_000, stale_after_ms=600_000) as place:
        con = place.node("con")
        place.until(lambda: con.told("connected"))
        pub = place.join(Account(place.settings, "pub"))
        place.until(lambda: pub.told("node_up"))
        place.leave(con)
        for number in range(850):
            # Before there is an account whose gate alone may say so.
            assert pub.publish(EventType.RISK_LIMIT_BREACH, number)
            pub.turn()
        place.until(lambda: pub.outboxes()["RISK"]["fullness"] >= 80)

        pub.open()
        place.until(lambda: pub.account.standing()["stopped"])
        code, words = pub.account.standing()["stopped"] or ("", "")
        assert (code, words.rpartition(" ")[2]) == ("BRIDGE_UNSOUND", "RISK")
        assert words.startswith("limit 80 %, value ")
        place.node("con")
        place.until(lambda: pub.outboxes()["RISK"]["fullness"] < 80)
        before = len(pub.last)
        pub.buy()
        place.until(lambda: len(pub.last) > before)
        assert pub.last[-1] == ("", "")


def test_a_kill_switch_of_a_run_before_says_how_long_ago_it_was_pulled():
    with Place(["pub", "con"]) as place, wire(place.server.socket) as ours:
        said, hours_ago = str(time.time_ns() // 1_000_000).encode(), time.time_ns() - 3 * 3_600 * 10**9
        keys = [f"libra:driven:{kind}:RISK:all:pub".encode() for kind in ("chan", "stream", "ack")]
        pulled = event(50, source=1, ts_ns=hours_ago)
        made = frame(EVENTS, "pub", int(said), 1, lane=0, shard="all", events=[pulled], names=["mine"])
        # The functions are there once a node is.
        place.leave(place.node("con"))
        ours.call(b"FCALL", b"libra1_open", b"4", b"libra:driven:epochs", *keys, b"pub", said, b"0", ours.run())
        ours.call(b"FCALL", b"libra1_append", b"2", *keys[:2], b"libra:driven:RISK:all", said, b"1", b"1", made)
        con = Account(place.settings, "con")
        con.open()
        before = con.account.stops()
        place.join(con)
        place.until(lambda: con.account.is_killed)
        standing = con.account.standing()
        assert standing["killed"] == "set by mine, 3 h before it came here"
        assert con.account.stops() == before + 1
        assert con.publish(EventType.CIRCUIT_BREAKER, "mine too")
        place.until(lambda: con.account.stops() == before + 2)
        assert con.account.standing()["killed"].endswith("; before: set by mine, 3 h before it came here")
