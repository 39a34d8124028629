"""An account stops new orders while the bridge of its node is unsound, without any handler having been told."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.chaos.test_beginnings import Side
from tests.chaos.topology import Server, wait_until
from tests.unit.core.remote.test_account import INSTRUMENT, LIMITS

from libra.core.events import Event, EventType
from libra_core import Quote, Trade

BUY = ("main", INSTRUMENT.id, "BUY", "0.001", "60000.00", "GTC", 0, None)


class Account(Side):
    """A node with an account, and a strategy in its slot 0."""

    def open(self) -> None:
        self.account = self.core.open_account(
            "main",
            [INSTRUMENT],
            ["worker"],
            balances=[("USDT", "1000000")],
            sizing=("fixed_size", "1"),
            sizing_overrides=[],
            allow_short=True,
            limits=list(LIMITS.items()),
        )
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
        self.pump()

    def _learn(self, event: Event) -> None:
        order = event.payload
        self.last.append((order.reason, order.detail))

    def buy(self) -> tuple[str, str]:
        """What becomes of an order: the code and the words of its refusal, or nothing."""
        had = len(self.last)
        assert self.core.emit_order_request(self.slot, *BUY)

        def is_told() -> bool:
            self.pump()
            return len(self.last) > had

        wait_until(is_told, lambda: str(self.last))
        return self.last[-1]


@pytest.fixture
def server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="u-"))
    made = Server(folder)
    yield made
    made.close()
    shutil.rmtree(folder)


def test_a_nearly_full_outbox_stops_new_orders_and_an_emptied_one_lets_them_pass(server: Server):
    server.start()
    con = Side(server.url, "con")
    con.bridge.start()
    con.until("connected")
    pub = Account(server.url, "pub", outbox_events=1_000, stale_after_ms=600_000)
    pub.bridge.start()
    pub.until("node_up")
    con.bridge.stop()
    for number in range(850):
        # Before there is an account whose gate alone may say so.
        assert pub.emit(EventType.RISK_LIMIT_BREACH, number)
        pub.pump()
    wait_until(lambda: pub.outboxes()["RISK"]["fullness"] >= 80, lambda: str(pub.outboxes()))

    pub.open()

    def stopped() -> tuple[str, str] | None:
        return pub.account.standing()["stopped"]

    wait_until(stopped, lambda: str(pub.outboxes()))
    code, words = stopped() or ("", "")
    assert (code, words.rpartition(" ")[2]) == ("BRIDGE_UNSOUND", "RISK")
    assert words.startswith("limit 80 %, value ")
    con = Side(server.url, "con")
    con.bridge.start()

    def is_empty() -> bool:
        con.pump()
        return pub.outboxes()["RISK"]["fullness"] < 80

    wait_until(is_empty, lambda: str(pub.outboxes()))
    assert pub.buy() == ("", "")
    pub.bridge.stop()
    con.bridge.stop()
