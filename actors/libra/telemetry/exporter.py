"""The thread that takes notes out of a node and exports them as spans.

Events never wait for it. What it does not take in time is dropped by the native queue and counted; what a collector
does not take is dropped here and counted. A collector that is gone is told of once, and once when it is back.

Needs the extra ``libra[otel]``.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter, SpanExportResult

from libra.telemetry.spans import SpanMaker, resource_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from libra_core import EventNote

__all__ = ["TraceExporter", "console_exporter", "otlp_exporter"]

_log = logging.getLogger(__name__)

_EVERY_S = 0.2
_MOST = 256
"""Notes of a writer in a batch: making and encoding their spans takes some milliseconds of the interpreter."""
_SWITCH_S = 0.000_5
"""How long the loop waits for the interpreter at most while spans are made; usually that is 5 ms."""
_TIMEOUT_S = 5.0
"""A collector that takes longer for a batch has not taken it."""


def otlp_exporter(endpoint: str | None) -> SpanExporter:
    """Spans go to a collector by OTLP over HTTP, as protobuf.

    Args:
        endpoint: The collector, without the path of traces; where left out, OpenTelemetry's own variables say.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    # It tells of each try; what matters is told by `TraceExporter`, once.
    logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter").setLevel(logging.CRITICAL)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    url = None if endpoint is None else f"{endpoint}/v1/traces"
    return OTLPSpanExporter(endpoint=url, timeout=_TIMEOUT_S)


def console_exporter() -> SpanExporter:
    """Spans go to stderr, one JSON object a line: stdout is the run's own."""
    return ConsoleSpanExporter(out=sys.stderr, formatter=lambda span: span.to_json(indent=None) + "\n")


class TraceExporter:
    """Exports a node's notes from a thread of its own.

    Args:
        take: Takes so many notes of each writer at most: `libra_core.NodeCore.take_notes`.
        exporter: Where spans go.
        node: The node's name.
        version: The version of Libra.
        pid: The node's process.
    """

    def __init__(
        self,
        take: Callable[[int], list[list[EventNote]]],
        exporter: SpanExporter,
        *,
        node: str,
        version: str,
        pid: int,
    ) -> None:
        self._take = take
        self._exporter = exporter
        self._maker = SpanMaker(resource_of(node, version, pid), version)
        self._held: list[list[EventNote]] = []
        self._is_over = threading.Event()
        self._is_abandoned = False
        self._is_failing = False
        self._switched_from_s = 0.0
        self.exported = 0
        """Spans that were taken from us."""
        self.failed = 0
        """Spans that were not."""
        self._thread = threading.Thread(target=self._run, name="libra-traces", daemon=True)

    def start(self) -> None:
        """Begin. Until `close` threads take turns at the interpreter more often than they usually do."""
        self._switched_from_s = sys.getswitchinterval()
        sys.setswitchinterval(min(_SWITCH_S, self._switched_from_s))
        self._thread.start()

    def close(self, timeout_s: float) -> None:
        """Export what waits, at most so long, and end. What is left then is lost."""
        until = time.monotonic() + timeout_s
        self._is_over.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s / 2)
            # Ends the waits between tries; a collector that has not answered by then is given up.
            self._is_abandoned = self._thread.is_alive()
            self._exporter.shutdown()
            self._thread.join(max(0.0, until - time.monotonic()))
            sys.setswitchinterval(self._switched_from_s)
        if self.failed or self._thread.is_alive():
            _log.warning("traces: %d spans were exported, %d were not taken", self.exported, self.failed)

    def _run(self) -> None:
        while True:
            is_over = self._is_over.wait(_EVERY_S)
            while self._export_some() and not self._is_abandoned:
                pass
            if is_over:
                return

    def _export_some(self) -> bool:
        """Export what is there of each writer, up to a batch; True where more may wait."""
        taken = self._take(_MOST)
        self._held += [[] for _ in range(len(taken) - len(self._held))]
        spans: list[ReadableSpan] = []
        for held, notes in zip(self._held, taken, strict=True):
            held += notes
            complete = held[: _complete(held)] if len(notes) == _MOST else held[:]
            del held[: len(complete)]
            spans += self._maker.spans_of(complete)
        if spans:
            self._export(spans)
        return any(len(notes) == _MOST for notes in taken)

    def _export(self, spans: Sequence[ReadableSpan]) -> None:
        try:
            result = self._exporter.export(spans)
        except Exception as error:
            result, why = SpanExportResult.FAILURE, f"{type(error).__name__}: {error}"
        else:
            why = "the collector did not take them"
        if result is SpanExportResult.SUCCESS:
            self.exported += len(spans)
            if self._is_failing:
                _log.warning("traces are exported again; %d spans were not", self.failed)
        else:
            self.failed += len(spans)
            if not self._is_failing:
                _log.warning("traces cannot be exported: %s; trading goes on, and spans are dropped", why)
        self._is_failing = result is not SpanExportResult.SUCCESS


def _complete(notes: Sequence[EventNote]) -> int:
    """How many notes are complete for sure: the last frame may have more that were not taken yet."""
    last = notes[-1].frame
    count = len(notes)
    while last and count and notes[count - 1].frame == last:
        count -= 1
    return count
