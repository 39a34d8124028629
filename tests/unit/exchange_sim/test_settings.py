"""Settings are read from TOML, and what makes no sense is told before anything listens."""

from decimal import Decimal
from pathlib import Path

import pytest

from libra.errors import ConfigError
from libra.exchange_sim import SimSettings, load_settings
from libra.exchange_sim.accounts import make_account
from libra.exchange_sim.markets import make_market

GOOD = """
seed = 7
history_s = 0.5
[limits]
spot_weight = 100
[[markets]]
symbol = "ETH/USDT"
start_price = 3000
tick_size = 0.01
lot_size = 0.0001
[markets.flow]
quote_rate_hz = 50
[[accounts]]
name = "a"
api_key = "ka"
secret = "s"
spot = { USDT = 100, BTC = 0.5 }
maker_fee = 0.00075
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "exchange.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read_and_its_decimals_are_exact(tmp_path: Path):
    settings = load_settings(write(tmp_path, GOOD))
    assert (settings.seed, settings.history_s, settings.limits.spot_weight) == (7, 0.5, 100)
    (market,), (account,) = settings.markets, settings.accounts
    assert (market.tick_size, market.flow.quote_rate_hz, market.flow.spread_ticks) == (Decimal("0.01"), 50, 2)
    assert make_account(0, account).spot_fees == (75_000, 100_000)
    assert make_account(0, account).spot.free == {"USDT": 100 * 10**8, "BTC": 5 * 10**7}
    listed = make_market(0, market)
    assert (listed.symbol, listed.tick, listed.price_decimals, listed.size_decimals) == ("ETHUSDT", 1, 2, 4)


def test_without_a_file_there_are_four_markets_and_an_account():
    settings = load_settings(None)
    assert [market.symbol for market in settings.markets] == ["BTC/USDT", "ETH/USDT", "BTC/USDT:USDT", "ETH/USDT:USDT"]
    (account,) = settings.accounts
    assert (account.name, account.api_key, account.secret) == ("sim", "sim-key", "sim-secret")
    assert account.spot == {"USDT": 100_000, "BTC": 10}
    assert settings.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nonsense = 1", "nonsense"),
        ("seed = -1", "seed"),
        ("[[markets]]\nsymbol = 'btc'\n", "symbol"),
        (GOOD.replace("0.0001", "0"), "lot_size"),
        (GOOD + GOOD.split("[[accounts]]")[1].join(["[[accounts]]", ""]), '"a" is there twice'),
        (GOOD.replace('secret = "s"', ""), "neither secret nor public_key"),
        ("markets = []", "no market"),
        (GOOD.replace("USDT = 100", "USDT = -1"), "less than nothing"),
        (GOOD.replace("seed = 7", "seed = true"), "seed"),
        ("seed = [", "end of document"),
    ],
)
def test_what_makes_no_sense_is_told(tmp_path: Path, text: str, says: str):
    with pytest.raises(ConfigError, match=says):
        load_settings(write(tmp_path, text))
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("symbol", "tick", "price", "says"),
    [
        ("BTC/USDT:BTC", "0.1", "60000", "settle in their quote currency"),
        ("BTC/USDT", "0.000001", "60000", "more than 8 decimals together"),
        ("BTC/USDT", "0.2", "60000.1", "not on tick_size"),
    ],
)
def test_a_market_whose_steps_do_not_fit_is_told(symbol: str, tick: str, price: str, says: str):
    (market, *_) = SimSettings().markets
    from msgspec.structs import replace

    changed = replace(market, symbol=symbol, tick_size=Decimal(tick), start_price=Decimal(price))
    with pytest.raises(ConfigError, match=says):
        make_market(0, changed)
