"""Long when the fast moving average crosses above the slow one, short when it crosses below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from libra.model import SignalType
from libra.strategies import Sma, Strategy

if TYPE_CHECKING:
    from libra.model import Quote

__all__ = ["SmaCrossover"]


class _Averages:
    """One symbol's averages."""

    __slots__ = ("fast", "next_sample_ns", "slow", "was_above")

    def __init__(self, fast: int, slow: int) -> None:
        self.fast = Sma(fast)
        self.slow = Sma(slow)
        self.next_sample_ns = 0
        self.was_above: bool | None = None


class SmaCrossover(Strategy):
    """Two simple moving averages of the mid price, sampled at a fixed pace.

    Parameters:
        fast: Samples in the fast average (10).
        slow: Samples in the slow average (30); more than ``fast``.
        sample_ms: One sample so often, in milliseconds (100); 0 takes every quote.
    """

    def on_start(self) -> None:
        """Read the parameters; a slow average that is not slower is refused."""
        self.fast = int(self.params.get("fast", 10))
        self.slow = int(self.params.get("slow", 30))
        self.sample_ns = int(self.params.get("sample_ms", 100)) * 1_000_000
        if not 0 < self.fast < self.slow:
            raise ValueError(f"fast has to be less than slow, and above zero: fast={self.fast}, slow={self.slow}")
        self.averages: dict[str, _Averages] = {}

    def on_quote(self, quote: Quote) -> None:
        """Take a sample when it is time for one, and signal at a crossing."""
        symbol = quote.symbol
        averages = self.averages.get(symbol)
        if averages is None:
            averages = self.averages[symbol] = _Averages(self.fast, self.slow)
        if quote.ts_ns < averages.next_sample_ns:
            return
        averages.next_sample_ns = quote.ts_ns + self.sample_ns
        mid = quote.mid
        fast, slow = averages.fast.update(mid), averages.slow.update(mid)
        if fast is None or slow is None or fast == slow:
            return
        above = fast > slow
        if averages.was_above is not None and above != averages.was_above:
            signal_type = SignalType.LONG if above else SignalType.SHORT
            self.signal(symbol, signal_type, reason="the averages crossed")
        averages.was_above = above
