"""What a process holds at one moment: memory, Python objects, descriptors, threads."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Sample:
    """What was counted.

    Attributes:
        at: How much of the load was behind it, 0 to 1.
        events: Events so far.
        orders: Orders and refused requests that the account holds.
        fills: Executions that it holds.
        rss: Resident bytes.
        blocks: Blocks that Python has allocated, whoever holds them.
        descriptors: Open file descriptors.
        threads: Threads of the operating system.
        objects: Tracked Python objects by type, made since `begin`.
    """

    at: float
    events: int
    orders: int
    fills: int
    rss: int
    blocks: int
    descriptors: int
    threads: int
    objects: dict[str, int]

    def row(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def begin() -> None:
    """Leave what interpreter and imports hold out of the count: that makes a look cheap enough to have many."""
    gc.collect()
    gc.freeze()


def take(at: float, events: int, orders: int = 0, fills: int = 0) -> Sample:
    """Count now. Garbage in cycles is collected first: what is left is held by somebody."""
    gc.collect()
    tracked: Counter[str] = Counter()
    for kind, count in Counter(map(type, gc.get_objects())).items():
        tracked[f"{kind.__module__}.{kind.__qualname__}"] += count
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - a Path would be one more object to count
        rss = int(statm.read().split()[1]) * PAGE
    return Sample(
        at=at,
        events=events,
        orders=orders,
        fills=fills,
        rss=rss,
        blocks=sys.getallocatedblocks(),
        descriptors=len(os.listdir("/proc/self/fd")),
        threads=max(len(os.listdir("/proc/self/task")), threading.active_count()),
        objects=dict(tracked),
    )
