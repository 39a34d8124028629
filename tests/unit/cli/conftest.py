"""A fake engine in the place of `libra.assembly`: the one boundary that these tests replace."""

import sys
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

TIME_NS = 1_723_161_256_000_000_000

SUMMARY = {
    "events": {"QUOTE": 1200, "TRADE": 34, "BAR": 0},
    "lanes": {
        "RISK": {"published": 0, "dispatched": 0, "dropped": 0, "conflated": 0},
        "MARKET_DATA": {"published": 1234, "dispatched": 1200, "dropped": 3, "conflated": 31},
    },
    "signals": 5,
    "orders": {"FILLED": 4, "REJECTED": 1},
    "fills": 6,
    "errors": 0,
    "malformed": 0,
    "positions": [
        {"account": "paper", "symbol": "BTC/USDT:USDT", "size": Decimal("-0.083"), "unrealised": Decimal("1.5")}
    ],
    "pnl": {
        "USDT": {
            "realised": Decimal("12.500000000001"),
            "unrealised": Decimal("1.5"),
            "fees": Decimal("0.00000001"),
            "total": Decimal("-13.999999990001"),
        }
    },
    "equity": {"USDT": Decimal("100013.99")},
    "latency_us": {"tick_to_order": {"p50": 7.5, "p99": 19.25, "max": 80.0}},
    "duration_s": 2.0,
    "events_per_s": 617.0,
    "digest": "ab" * 16,
}

ORDER = {
    "time_ns": TIME_NS,
    "symbol": "BTC/USDT:USDT",
    "side": "BUY",
    "type": "MARKET",
    "size": Decimal("0.083"),
    "filled": Decimal("0.041"),
    "price": Decimal("60000.1"),
    "status": "FILLED",
    "strategy": "sma_crossover",
}

STATUS = {
    "time_ns": TIME_NS,
    "elapsed_s": 1.0,
    "events_per_s": 617.0,
    "symbols": [
        {
            "symbol": "BTC/USDT:USDT",
            "bid": Decimal("60000.0"),
            "ask": Decimal("60000.1"),
            "position": Decimal("0.083"),
            "unrealised": Decimal("-1.5"),
            "realised": Decimal("17.25"),
            "trades": 1200,
        }
    ],
    "pnl": SUMMARY["pnl"],
    "equity": SUMMARY["equity"],
    "orders": [ORDER],
    "fills": 1,
    "signals": 5,
    "lanes": SUMMARY["lanes"],
    "errors": 0,
}


@dataclass
class FakeEngine:
    """Builds nodes that end at once with what a test has set."""

    summary: dict[str, Any] = field(default_factory=lambda: dict(SUMMARY))
    exit_code: int = 0
    orders: list[dict[str, object]] = field(default_factory=lambda: [dict(ORDER)])
    fills: list[dict[str, object]] = field(default_factory=list)
    equity: list[dict[str, object]] = field(default_factory=list)
    statuses: list[dict[str, Any]] = field(default_factory=lambda: [dict(STATUS)])
    error: BaseException | None = None
    said: str = ""
    settings: Any = None
    profile: str = ""
    resume: list[str] = field(default_factory=list)

    def build(self, settings, *, profile="", resume=(), live=False):
        self.settings = settings
        self.profile = profile
        self.resume = list(resume)
        self.live = live
        return self

    def run(self, on_progress=None, progress_interval_s=0.25):
        assert progress_interval_s > 0
        for status in self.statuses:
            on_progress(status)
        if self.said:
            sys.stdout.write(self.said)
        if self.error is not None:
            raise self.error
        return self


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    fake = FakeEngine()
    module = ModuleType("libra.assembly")
    module.build = fake.build  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "libra.assembly", module)
    return fake


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LIBRA_DEBUG", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
