"""The collector that hands a node's rows to `prometheus_client`, and the text that is made of them.

The interpreter is given back every few metrics, so that a scrape takes it from the loop in small pieces, and not in
many more than that: each costs the loop some work, too. A part that cannot be read is left out of this scrape and
counted; the others stand.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from libra.telemetry.beside import read_beside
from libra.telemetry.metrics.declared import Declared, Histogram, Row, counter, gauge

__all__ = ["METRICS", "NodeCollector", "Part"]

_log = logging.getLogger(__name__)

Part: TypeAlias = tuple[str, Sequence[Declared], Callable[[], Iterable[Row]]]
"""Its name, its metrics, and what reads them."""

_AT_ONCE: Final = 16
"""Metrics between which the interpreter is not given back: some 0.7 ms."""

_TOOK = gauge("libra_scrape_duration_seconds", "How long it took to read the node for this scrape.")
_FAILED = counter("libra_scrape_errors_total", "Parts that could not be read, and were left out of a scrape.")

METRICS: Final = (_TOOK, _FAILED)


class NodeCollector(Collector):
    """Reads a node when it is asked.

    Args:
        parts: The parts of the node, in the order in which they are told.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        # Of the process: memory, CPU time, descriptors.
        self._process = [ProcessCollector(registry=None), PlatformCollector(registry=None)]
        self._failed = 0
        self._is_told: set[str] = set()

    def collect(self) -> Iterator[Metric]:
        """Each metric with what is read of it now."""
        for number, metric in enumerate(self._collect(), 1):
            yield metric
            if number % _AT_ONCE == 0:
                time.sleep(0)

    def _collect(self) -> Iterator[Metric]:
        began = time.perf_counter()
        for name, metrics, read in self._parts:
            yield from _families(metrics, self._read(name, read))
        for collector in self._process:
            yield from collector.collect()
        own = [_TOOK.row(time.perf_counter() - began), _FAILED.row(self._failed)]
        yield from _families(METRICS, own)

    def text(self, accept: str) -> tuple[bytes, str]:
        """A scrape.

        Args:
            accept: What the scraper takes, by its header ``Accept``.

        Returns:
            The body and its content type: OpenMetrics where that is asked for, else the text of Prometheus.
        """
        encode, content_type = choose_encoder(accept)
        return encode(self), content_type

    def _read(self, name: str, read: Callable[[], Iterable[Row]]) -> list[Row]:
        try:
            return read_beside(lambda: list(read()))
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
        self._failed += 1
        if name not in self._is_told:
            self._is_told.add(name)
            _log.error("metrics: %s could not be read, and is left out: %s", name, why)
        return []


def _families(metrics: Sequence[Declared], rows: Iterable[Row]) -> Iterator[Metric]:
    families = {}
    for declared in metrics:
        name = declared.name.removesuffix("_total") if declared.kind == "counter" else declared.name
        families[declared.name] = Metric(name, declared.help, declared.kind)
    for row in rows:
        for suffix, labels, value in _samples(row):
            families[row.metric.name].add_sample(row.metric.name + suffix, labels, value)
    yield from families.values()


def _samples(row: Row) -> Iterator[tuple[str, dict[str, str], float]]:
    labels = dict(zip(row.metric.labels, row.labels, strict=True))
    value = row.value
    if isinstance(value, Histogram):
        below = 0
        for bound, count in zip((*value.bounds, float("inf")), value.counts, strict=True):
            below += count
            yield "_bucket", {**labels, "le": _bound(bound)}, below
        yield "_count", labels, below
        yield "_sum", labels, value.total
    elif isinstance(value, Mapping):
        for quantile, at in value.items():
            yield "", {**labels, "quantile": _bound(quantile)}, at
    else:
        yield "", labels, float(value)


def _bound(value: float) -> str:
    return "+Inf" if value == float("inf") else repr(value)
