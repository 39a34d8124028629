"""What a metric is, and what is read of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, NamedTuple, TypeAlias

__all__ = ["LABELS", "Declared", "Histogram", "Row", "counter", "gauge"]

LABELS: Final = frozenset(
    {
        *("lane", "actor", "account", "venue", "strategy", "channel", "peer", "code"),
        # Of fixed lists, or of what a profile names: no input of a venue makes another value.
        *("currency", "limit", "network", "node", "quantile", "state", "symbol", "urgency", "version"),
    }
)
"""Every label that a metric may have. Each has few values, whatever the market does."""

Kind: TypeAlias = Literal["counter", "gauge", "histogram", "summary"]


@dataclass(frozen=True, slots=True)
class Declared:
    """A metric.

    Attributes:
        name: As it is scraped: ``libra_`` first, a counter with ``_total``, the base unit in it where there is one.
        kind: Its type.
        help: What it counts, in a sentence.
        labels: The names of its labels.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()

    def row(self, value: Value, *labels: object) -> Row:
        """What was read of it.

        Args:
            value: The value; a histogram's is a `Histogram`, a summary's its quantiles.
            labels: The values of its labels, in their order.
        """
        return Row(self, tuple(map(str, labels)), value)


class Histogram(NamedTuple):
    """Counts by upper bounds.

    Attributes:
        bounds: The upper bounds, rising, without the infinite one.
        counts: How many lie in each, and behind the last one; not summed up.
        total: The sum of all values.
    """

    bounds: Sequence[float]
    counts: Sequence[int]
    total: float


Value: TypeAlias = float | Decimal | Histogram | Mapping[float, float]


class Row(NamedTuple):
    """What was read of a metric for one combination of labels."""

    metric: Declared
    labels: tuple[str, ...]
    value: Value


def counter(name: str, said: str, *labels: str) -> Declared:
    """A count that only rises while its node runs; its name ends in ``_total``."""
    return Declared(name, "counter", said, labels)


def gauge(name: str, said: str, *labels: str) -> Declared:
    """A value that rises and falls."""
    return Declared(name, "gauge", said, labels)
