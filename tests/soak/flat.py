"""Whether what was sampled is flat: a line through the second half of a run, and how much it rises there.

The first half is warm-up: allocators, caches and rings find their sizes. Orders and executions of an account stay in
memory for its life by design, so what they may take is set aside, and measured: `BYTES_AN_ORDER`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from tests.soak.probe import Sample

BYTES_AN_ORDER = 3_000
"""The most that an order with its execution, its log in memory and what its account keeps of it may take."""
RSS_TOLERANCE = 1 << 20
"""Bytes of rise in half a run that are the allocator's business."""
OBJECTS_TOLERANCE = 30
"""Objects of one type: what happens to be suspended, queued or cached when a sample is taken."""
BLOCKS_TOLERANCE = 1_000


@dataclass(frozen=True, slots=True)
class Rise:
    """How much something rises over the second half.

    Attributes:
        what: What was counted.
        by: The rise of the line.
        allowed: The most that is called flat.
    """

    what: str
    by: float
    allowed: float

    @property
    def is_flat(self) -> bool:
        """Not more than is allowed; falling is flat."""
        return self.by <= self.allowed


def rise(samples: Sequence[Sample], value: Callable[[Sample], float]) -> float:
    """How much a line through these samples rises from the first to the last.

    One sample that was taken in the middle of a burst says nothing of what is held, so the line is the one that such
    samples do not turn.

    Source: P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63 (1968): the median of
    the slopes between any two samples.
    """
    points = [(sample.at, value(sample)) for sample in samples]
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x1 != x2]
    if not slopes:
        raise ValueError("a line needs samples from two moments")
    return median(slopes) * (points[-1][0] - points[0][0])


def second_half(samples: Sequence[Sample]) -> list[Sample]:
    """What was sampled behind the warm-up."""
    return [sample for sample in samples if sample.at >= 0.5]


def rises(samples: Sequence[Sample]) -> list[Rise]:
    """Everything that has to be flat.

    Raises:
        ValueError: For fewer than eight samples in the second half, which no line can be trusted with.
    """
    half = second_half(samples)
    if len(half) < 8:
        raise ValueError(f"{len(half)} samples in the second half are too few")
    orders = half[-1].orders - half[0].orders
    found = [
        Rise("rss", rise(half, lambda sample: sample.rss), RSS_TOLERANCE + orders * BYTES_AN_ORDER),
        Rise("blocks", rise(half, lambda sample: sample.blocks), BLOCKS_TOLERANCE),
        Rise("descriptors", rise(half, lambda sample: sample.descriptors), 0.5),
        Rise("threads", rise(half, lambda sample: sample.threads), 0.5),
    ]
    for name in sorted({name for sample in half for name in sample.objects}):
        by = rise(half, lambda sample, name=name: sample.objects.get(name, 0))  # type: ignore[misc]
        found.append(Rise(name, by, OBJECTS_TOLERANCE))
    return found


def bytes_an_order(samples: Sequence[Sample]) -> float | None:
    """What an order took in the second half, with all that grew beside it; None where there were too few to tell."""
    half = second_half(samples)
    orders = half[-1].orders - half[0].orders
    return rise(half, lambda sample: sample.rss) / orders if orders >= 1_000 else None
