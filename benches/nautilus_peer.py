"""The peer nautilus_trader, run by its own interpreter: `python nautilus_peer.py EVENTS` prints nanoseconds an event.

Its message bus calls handlers on the publisher's thread, without a queue: `publish` goes through its topics, `send` to
one endpoint. The event is a plain object that exists already, the handler does nothing.
"""

from __future__ import annotations

import json
import sys
import time

from nautilus_trader.common.component import MessageBus, TestClock
from nautilus_trader.model.identifiers import TraderId


def nothing(_: object) -> None:
    """A handler that does nothing."""


def main() -> None:
    """Measures both ways, less the bare loop."""
    events = int(sys.argv[1])
    bus, event = MessageBus(trader_id=TraderId("BENCH-001"), clock=TestClock()), object()
    bus.subscribe(topic="data.quotes.X.BTCUSDT", handler=nothing)
    bus.register(endpoint="bench", handler=nothing)
    now_ns = time.thread_time_ns

    started = now_ns()
    for _ in range(events):
        pass
    loop_ns = now_ns() - started

    publish = bus.publish
    publish("data.quotes.X.BTCUSDT", event)
    started = now_ns()
    for _ in range(events):
        publish("data.quotes.X.BTCUSDT", event)
    publish_ns = now_ns() - started - loop_ns

    send = bus.send
    started = now_ns()
    for _ in range(events):
        send("bench", event)
    send_ns = now_ns() - started - loop_ns
    print(json.dumps({"nautilus publish": publish_ns / events, "nautilus send": send_ns / events}))


if __name__ == "__main__":
    main()
