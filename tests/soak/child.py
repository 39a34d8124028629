"""One load in a process of its own: a line of JSON a sample, and one of what it did."""

from __future__ import annotations

import json
import sys
from typing import Any

from tests.soak import bus_load, node_load
from tests.soak.probe import Sample

ROUNDS_AN_HOUR = 3_600


def main(load: str, hours: float, live_times: float) -> None:
    """Run ``load`` for what an hour brings, or a part of it; a live node gets it at so many times the rate."""
    done: dict[str, Any]
    if load == "bus":
        done = bus_load.run(_tell, rounds=round(ROUNDS_AN_HOUR * hours))
    elif load == "simulated":
        done = node_load.run(_tell, clock="simulated", duration_s=3_600 * hours, times=1.0)
    else:
        done = node_load.run(_tell, clock="live", duration_s=3_600 * hours / live_times, times=live_times)
    _write({"done": done})


def _tell(sample: Sample) -> None:
    # What a process has said it need not hold: samples that were kept would be counted themselves.
    _write(sample.row())


def _write(row: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(row, default=str) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], *map(float, sys.argv[2:]))
