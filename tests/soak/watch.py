"""Runs a load in a process of its own, and takes in what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.soak.probe import Sample

ROOT = Path(__file__).resolve().parents[2]
LOADS = ("bus", "simulated", "live")
LIVE_TIMES = 15.0
"""A live node gets its hour's market at so many times the rate."""


@dataclass(slots=True)
class Soaked:
    """What a load left behind.

    Attributes:
        samples: In their order.
        done: What it counted itself.
    """

    samples: list[Sample] = field(default_factory=list)
    done: dict[str, Any] = field(default_factory=dict)


def soak(
    load: str,
    hours: float,
    on_sample: Callable[[Sample], None] = lambda sample: None,
    *,
    live_times: float = LIVE_TIMES,
) -> Soaked:
    """Run a load to its end.

    Args:
        load: One of `LOADS`.
        hours: How much of it.
        on_sample: Called with each sample as it comes.
        live_times: How many times its market's rate a live node gets. What it cannot handle waits in its mailboxes, and
            is held.

    Raises:
        RuntimeError: When the process fails, with what it said last.
    """
    soaked = Soaked()
    command = [sys.executable, "-m", "tests.soak.child", load, str(hours), str(live_times)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            for line in process.stdout:
                row = json.loads(line)
                if "done" in row:
                    soaked.done = row["done"]
                    continue
                soaked.samples.append(Sample(**row))
                on_sample(soaked.samples[-1])
            said = process.stderr.read()
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0 or not soaked.done:
        raise RuntimeError(f"the load {load} ended with exit code {process.returncode}: {said[-2000:]}")
    return soaked
