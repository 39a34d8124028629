"""What it costs that a node remembers its events: each case with the ring and without, in turns, as a ratio.

`python benches/traces.py [--quick] [--json]`. Nanoseconds an event, published and handled by one actor in Python that
does nothing, by the thread's own CPU time; the least of many short turns of each, which follow each other, so that the
machine's moods fall on both.

- *quotes*: market data that is not sampled: what `[telemetry]` costs by default where the most events are.
- *quotes sampled*: all of it is followed, `sample = 1`.
- *signals*: urgent events, always remembered: two notes each.
- *signals exported*: the same, with the notes taken out as the exporter does, on another thread's time.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from scale import BURST, nothing, quotes, symbols, through

from libra.core.events import Event, EventType
from libra_core import NodeCore

NOTES = 65_536
"""The usual size of the ring."""


def core_of(event_type: EventType, recording: dict[str, Any] | None) -> NodeCore:
    """A node with one actor."""
    core = NodeCore(simulated=False)
    if recording is not None:
        core.record(NOTES, **recording)
    core.subscribe(core.add_actor("actor"), event_type, nothing)
    return core


def signals() -> list[Event]:
    """Urgent events."""
    return [Event.create(EventType.SIGNAL, "bench") for _ in range(BURST)]


CASES: dict[str, tuple[EventType, dict[str, Any]]] = {
    "quotes": (EventType.QUOTE, {}),
    "quotes sampled": (EventType.QUOTE, {"sample": 1.0}),
    "signals": (EventType.SIGNAL, {}),
    "signals exported": (EventType.SIGNAL, {"export": 16_384}),
}


def measure(*, quick: bool) -> dict[str, tuple[float, float]]:
    """Nanoseconds an event without and with the ring, by case."""
    turns, events = (40, 4_096) if quick else (200, 16_384)
    found = {}
    for name, (event_type, recording) in CASES.items():
        off, on = core_of(event_type, None), core_of(event_type, recording)
        burst = quotes(symbols(BURST)) if event_type == EventType.QUOTE else signals()
        least = [float("inf"), float("inf")]
        for turn in range(turns):
            # Each goes first as often as the other.
            for which in (0, 1) if turn % 2 else (1, 0):
                least[which] = min(least[which], through((off, on)[which], burst, events))
            while any(on.take_notes(NOTES)):
                pass
        found[name] = (least[0], least[1])
    return found


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer events and turns")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    arguments = parser.parse_args()
    found = measure(quick=arguments.quick)
    if arguments.json:
        print(json.dumps({name: [off, on, on / off] for name, (off, on) in found.items()}))
        return
    for name, (off, on) in found.items():
        print(f"{name:<18} {off:6.1f} ns without, {on:6.1f} ns with the ring: {on / off:.3f}")


if __name__ == "__main__":
    main()
