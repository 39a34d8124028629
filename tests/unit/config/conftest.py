"""A small valid profile that each test spoils or changes in its own way."""

from pathlib import Path

import pytest

PROFILE = """\
[node]
name = "test"
seed = 1

[market]
kind = "synthetic"

[[market.symbols]]
symbol = "BTC/USDT:USDT"
start_price = "60000.0"

[[instruments]]
symbol = "BTC/USDT:USDT"
venue = "synthetic"
kind = "linear"
price_decimals = 1
size_decimals = 3
tick_size = "0.1"
lot_size = 0.001
max_size = "1000"
maker_fee = "0.0002"
taker_fee = 0.0005

[risk]
max_position_notional = "50000"
max_order_notional = "20000"

[[account_groups]]
name = "paper"
balances = { USDT = "100000" }
gateway = { kind = "paper" }
sizing = { kind = "fixed_notional", value = "5000" }

[[strategies]]
name = "sma"
class = "libra.strategies.examples.sma_crossover:SmaCrossover"
account = "paper"
symbols = ["BTC/USDT:USDT"]
params = { fast = 10, slow = 30 }
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def write(tmp_path: Path):
    """Writes a file below the test's folder, by default the small profile with some text replaced."""

    def write(name: str = "p.toml", text: str = PROFILE, swap: dict[str, str] | None = None) -> str:
        for old, new in (swap or {}).items():
            assert old in text, old
            text = text.replace(old, new, 1)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return f"./{name}"

    return write
