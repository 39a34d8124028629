"""A node of a chaos test, as a process: `python -m tests.chaos.worker ORDER`, the order as JSON.

A publisher publishes numbered events as fast as it is told to, until SIGUSR1; a consumer handles them. Both write their
ledger, and show what they are at in a status file. At SIGUSR2 a publisher says anew what only the latest counts of, and
a consumer that was `late` begins to listen to that. SIGTERM ends them in order. Started again a publisher counts on,
and a consumer passes over what stands in its ledger, as an order gate does: what was not acknowledged comes again.
"""

import json
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

from tests.chaos.ledger import Ledger, handled, published

from libra.core.events import Event, EventType
from libra_core import Bridge, NodeCore, Quote

DURABLE = {
    "RISK": EventType.RISK_LIMIT_BREACH,
    "ORDERS": EventType.ORDER_FILLED,
    "SIGNALS": EventType.SIGNAL,
}
STATE = (
    EventType.POSITION_UPDATED,
    EventType.BALANCE_UPDATED,
    EventType.ACTOR_STATE,
    EventType.GATEWAY_CONNECTED,
    EventType.GATEWAY_DISCONNECTED,
)
"""Of these only the latest counts; the last two are of one thing."""
LANES = {event_type: lane for lane, event_type in DURABLE.items()}
_SHOW_EVERY_S = 0.05


class Worker:
    """One node: its native side and its bridge, driven by hand."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        path = Path(order["ledger"])
        is_publisher = order["role"] == "publisher"
        before = (published if is_publisher else handled)(path) if path.exists() else {}
        self.ledger = Ledger(path)
        self.core = NodeCore(simulated=False, lane_capacity=order.get("lane_capacity", 65_536))
        self.voice = self.core.take_voice()
        self.stopping = False
        self.publishing = is_publisher
        # The last of each lane in an earlier life.
        self.before = {lane: numbers[-1] for lane, numbers in before.items() if numbers}
        self.repeated = 0
        self.numbers = dict.fromkeys((*DURABLE, "QUOTE"), order.get("begin", 0)) | (self.before if is_publisher else {})
        mixed = ["RISK" if number % 50 == 0 else ("ORDERS", "SIGNALS")[number % 2] for number in range(50)]
        # RISK is rare; facts and commands take turns.
        self.lanes = order.get("lanes") or mixed
        self.refused = 0
        self.quotes = 0
        self.state = 0
        self.known: dict[str, list[int]] = {}
        self.is_asked = False
        self.news: list[list[Any]] = []
        # Which events it was told to pass over: kind, channel, epoch, first, last.
        self.passed: list[list[Any]] = []
        self.failures: list[str] = []
        if order["role"] == "consumer":
            slot = self.core.add_actor("consumer")
            for event_type in DURABLE.values():
                self.core.subscribe(slot, event_type, self.on_durable)
            self.core.subscribe(slot, EventType.QUOTE, self.on_quote)
            if not order.get("late"):
                self.listen_to_state()
        self.slot = self.core.add_actor("worker")
        for told in (
            "BRIDGE_CONNECTED",
            "BRIDGE_DISCONNECTED",
            "BRIDGE_GAP",
            "BRIDGE_OVERFLOW",
            "NODE_UP",
            "NODE_DOWN",
        ):
            self.core.subscribe(self.slot, EventType[told], self.on_news)
        self.core.set_on_failure(lambda _slot, error, event: self.failures.append(f"{error!r} of {event!r}"))
        self.bridge = Bridge(self.core, order["bridge"])

    def on_durable(self, event: Event) -> None:
        lane = LANES[event.event_type]
        if event.payload <= self.before.get(lane, 0):
            self.repeated += 1
        else:
            self.ledger.note(lane, event.payload)

    def listen_to_state(self) -> None:
        slot = self.core.add_actor("state")
        for event_type in STATE:
            self.core.subscribe(slot, event_type, self.on_state)

    def on_state(self, event: Event) -> None:
        self.known.setdefault(event.event_type.name, []).append(event.payload)

    def say_state(self) -> None:
        """Later lives count on from where earlier ones were."""
        self.state = max(self.state + 1, time.time_ns() // 1_000_000)
        for event_type in STATE:
            self.voice.announce(self.slot, event_type, self.state)

    def on_quote(self, _event: Event) -> None:
        self.quotes += 1

    def on_news(self, event: Event) -> None:
        told = event.payload
        self.news.append([told.kind, told.node, told.channel, told.count, told.detail])
        if told.runs:
            assert told.count == sum(last - first + 1 for _, first, last in told.runs)
            self.passed += [[told.kind, told.channel, *run] for run in told.runs]

    def publish(self, lane: str) -> bool:
        number = self.numbers[lane] = self.numbers[lane] + 1
        self.ledger.note(lane, number)
        if self.core.emit(self.slot, DURABLE[lane], number):
            return True
        self.ledger.take_back(lane, number)
        self.refused += 1
        return False

    def quote(self) -> None:
        number = self.numbers["QUOTE"] = self.numbers["QUOTE"] + 1
        instrument = f"SYM{number % 16}"
        quote = Quote(instrument, bid=f"{number}.1", ask=f"{number}.2", bid_size="1", ask_size="1")
        self.core.publish_market(Event.create(EventType.QUOTE, "feed", quote), instrument)

    def run(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stopping", True))
        signal.signal(signal.SIGUSR1, lambda *_: setattr(self, "publishing", False))
        signal.signal(signal.SIGUSR2, lambda *_: setattr(self, "is_asked", True))
        self.bridge.start()
        started = shown = time.monotonic()
        per_s, sent = self.order.get("per_s", 0), 0
        while not self.stopping:
            self.core.unpark()
            busy = self.core.ingest() + self.core.drain(256, 1_000_000)[0]
            now = time.monotonic()
            if self.is_asked:
                self.is_asked = False
                if self.order["role"] == "consumer":
                    self.listen_to_state()
                else:
                    self.say_state()
            if self.publishing:
                due = int((now - started) * per_s)
                for _ in range(min(due - sent, 200)):
                    sent += 1
                    self.publish(self.lanes[sent % len(self.lanes)])
                    if self.order.get("quotes"):
                        self.quote()
            if now - shown >= _SHOW_EVERY_S:
                shown = now
                self.show()
            if not busy and self.core.park():
                select.select([self.core.fileno], [], [], 0.002)
        last = self.bridge.stop(self.order.get("stop_s", 5.0))
        self.show(last, ended=True)

    def show(self, stats: dict[str, Any] | None = None, *, ended: bool = False) -> None:
        counts = self.core.counts()
        status = {
            "numbers": self.numbers,
            "refused": self.refused,
            "repeated": self.repeated,
            "quotes": self.quotes,
            "state": self.state,
            "known": self.known,
            "market": counts["lanes"]["MARKET_DATA"],
            "letters": counts["events"].get("DEAD_LETTER", 0),
            "news": self.news,
            "passed": self.passed,
            "failures": self.failures[:10],
            "ended": ended,
            "stats": stats or self.bridge.stats(),
        }
        path = Path(self.order["status"])
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(status), encoding="utf-8")
        draft.replace(path)


if __name__ == "__main__":
    Worker(json.loads(sys.argv[1])).run()
