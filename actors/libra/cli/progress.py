"""Progress of a run as lines, where there is no terminal: the first fill at once, then a line every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, TextIO

from libra.cli import text

INTERVAL_S = 2.0

_EXECUTED = ("FILLED", "PARTIALLY_FILLED")


class ProgressLines:
    """Prints lines until it is left; a context manager.

    Args:
        stream: Where to print.
        now: A monotonic clock in seconds; it only paces the lines.
    """

    def __init__(self, stream: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._now = now
        self._next_s = now() + INTERVAL_S
        self._had_fill = False

    def __enter__(self) -> ProgressLines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, status: Mapping[str, Any]) -> None:
        """Prints what is due."""
        if not self._had_fill and text.count(status.get("fills", 0)) != "0":
            self._had_fill = True
            self._print(f"{text.clock(status.get('time_ns'))}  first fill{_last_execution(status)}")
        if self._now() >= self._next_s:
            self._next_s = self._now() + INTERVAL_S
            self._print(_line(status))

    def _print(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


def _last_execution(status: Mapping[str, Any]) -> str:
    executed = [order for order in status.get("orders", ()) if str(order.get("status", "")).upper() in _EXECUTED]
    if not executed:
        return ""
    order = executed[-1]
    price = order.get("price")
    at = f" at {text.plain(price)}" if price not in (None, "", 0) else ""
    size, symbol = text.plain(order.get("filled")), text.plain(order.get("symbol"))
    return f": {str(order.get('side', '')).lower()} {size} {symbol}{at} ({text.plain(order.get('strategy'))})"


def _line(status: Mapping[str, Any]) -> str:
    parts = [
        text.clock(status.get("time_ns")),
        text.rate(status.get("events_per_s")),
        *(f"{name} {text.count(status.get(name, 0))}" for name in ("signals", "fills", "errors")),
        f"equity {text.money(status.get('equity'))}",
    ]
    if status.get("dead_letters"):
        parts.append(f"dead letters {text.count(status['dead_letters'])}")
    pnl = status.get("pnl")
    for currency, figures in pnl.items() if isinstance(pnl, Mapping) else ():
        if isinstance(figures, Mapping):
            parts.append(f"P&L {text.money(figures.get('total'))} {currency}")
    return "  ".join(parts)
