"""What tests of all rooms share: a node on a stage, made-up recordings, and the recorded data beside the repository."""

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from libra.core.actor import Actor, ActorRef
from libra.core.node import Node, NodeOptions, Outcome
from libra.model import ContractKind, Instrument

pytest_plugins = ("tests.strict_skips",)

# How long an example takes is the machine's affair.
hypothesis.settings.register_profile("libra", deadline=None)
hypothesis.settings.load_profile("libra")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it puts into the background so. Tests are about what Ctrl-C does.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _run_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nodes of a test are found by that test alone. Not below tmp_path, which is too long for a socket's path."""
    folder = tempfile.mkdtemp(prefix="libra-run-")
    monkeypatch.setenv("LIBRA_RUN_DIR", folder)
    yield
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def usual_signals() -> Iterator[None]:
    """What programs begin with, which inherit what is ignored: SIGUSR1 behind a node of a test, SIGHUP by `nohup`."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGUSR1, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


T0_NS = 1_723_161_600_000_000_000
"""Where made-up recordings begin."""


def quote_frame(number: int, bid: str = "100.00", ask: str = "100.01", symbol: str = "BTCUSDT") -> str:
    data = {"u": number, "s": symbol, "b": bid, "B": "5.000", "a": ask, "A": "5.000"}
    return json.dumps({"stream": f"{symbol.lower()}@bookTicker", "data": data}, separators=(",", ":"))


def trade_frame(number: int, price: str = "100.00", size: str = "1.000", symbol: str = "BTCUSDT") -> str:
    ms = T0_NS // 1_000_000
    data = {"e": "trade", "E": ms, "s": symbol, "t": number, "p": price, "q": size, "T": ms, "m": False, "M": True}
    return json.dumps({"stream": f"{symbol.lower()}@trade", "data": data}, separators=(",", ":"))


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Path]:
    """Writes a recording of (seconds since the start, frame) lines."""

    def record(lines: Iterable[tuple[float, str]], name: str = "recording.txt") -> Path:
        path = tmp_path / name
        path.write_text("".join(f"{T0_NS + round(at * 1e9)} {frame}\n" for at, frame in lines), encoding="utf-8")
        return path

    return record


class Stage:
    """A node with nothing in it but the actors of a test, and a market of quotes at stated times."""

    def __init__(self, record: Callable[..., Path], **options: Any) -> None:
        self._record = record
        self.node = Node(NodeOptions(**{"simulated": True, **options}))
        self.instrument = Instrument(
            "BTC/USDT",
            "binance",
            base="BTC",
            quote="USDT",
            price_decimals=2,
            size_decimals=3,
            tick_size="0.01",
            lot_size="0.001",
            kind=ContractKind.SPOT,
            settle="USDT",
            venue_symbol="BTCUSDT",
            min_size="0.001",
            max_size="1000",
            min_notional="1",
            contract_size="1",
            maker_fee="0",
            taker_fee="0",
            fee_decimals=8,
            tradable=True,
        )

    def quotes(self, *times_s: float) -> None:
        """Quotes at these times; the bid of the first is 100.00, of the second 101.00..."""
        frames = ((at, quote_frame(n + 1, f"{100 + n}.00", f"{100 + n}.50")) for n, at in enumerate(times_s))
        self.node.core.add_replay([self._record(frames, f"quotes-{id(times_s)}.txt")], [self.instrument])

    def add(self, name: str, factory: Callable[[], Actor]) -> ActorRef:
        return self.node.add_actor(name, factory)

    def run(self) -> Outcome:
        return self.node.run_blocking()


@pytest.fixture
def stage(record: Callable[..., Path]) -> Callable[..., Stage]:
    """Makes a stage; keywords are node options."""
    return lambda **options: Stage(record, **options)


@pytest.fixture
def uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that a test starts are left alone by coverage, which takes SIGTERM and writes a file at the end."""
    for name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def shared() -> Path | None:
    """The recorded data beside the repository; None, with the reason printed, where it is missing."""
    default = Path(__file__).resolve().parents[2] / "shared"
    data = Path(os.environ.get("LIBRA_SHARED", default)) / "data"
    if data.is_dir():
        return data
    print(f"no recorded data: {data} is missing")  # noqa: T201
    return None
