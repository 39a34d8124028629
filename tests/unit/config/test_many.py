"""One entry for many symbols: ranges of numbers, and patterns."""

from pathlib import Path

import pytest

from libra.config import load
from libra.errors import ConfigError

SYMBOL = 'symbol = "BTC/USDT:USDT"'
MARKET = SYMBOL + '\nstart_price = "60000.0"'
SYMBOLS = 'symbols = ["BTC/USDT:USDT"]'


@pytest.fixture
def read(write):
    """The settings of the small profile with other symbols in its market, its instruments and its strategy."""

    def read(numbered: str, symbols: str, more: str = "", instrument: str | None = None):
        market = f'symbol = "{numbered}"\nstart_price = "60000.0"'
        swap = {MARKET: market, SYMBOL: f'symbol = "{instrument or numbered}"', SYMBOLS: f"symbols = {symbols}"}
        name = write(swap=swap)
        if more:
            Path(name).write_text(Path(name).read_text() + more)
        return load(name, environ={})

    return read


ETH = """
[[instruments]]
symbol = "{symbol}"
venue = "binanceusdm"
kind = "linear"
price_decimals = 2
size_decimals = 3
tick_size = "0.01"
lot_size = "0.001"
max_size = "1000"
maker_fee = "0.0002"
taker_fee = "0.0005"
"""


def test_a_range_stands_for_each_of_its_numbers(read):
    settings = read("S{08..11}/USDT:USDT", '["S08/USDT:USDT"]')
    names = [f"S{number}/USDT:USDT" for number in ("08", "09", "10", "11")]
    assert [entry.symbol for entry in settings.instruments] == names
    assert [entry.symbol for entry in settings.market.symbols] == names
    assert [entry.native_symbol for entry in settings.instruments] == ["S08USDT", "S09USDT", "S10USDT", "S11USDT"]
    assert {entry.lot_size for entry in settings.instruments} == {settings.instruments[0].lot_size}


@pytest.mark.parametrize(
    ("symbols", "found"),
    [
        ('["*/USDT:USDT"]', [0, 1, 2, 3]),
        ('["S?/USDT:USDT"]', [0, 1, 2, 3]),
        ('["S2/*", "S0/USDT:USDT", "*"]', [2, 0, 1, 3]),
        ('["S[12]/*", "S1/USDT:USDT"]', None),
        ('["X*"]', None),
    ],
)
def test_a_pattern_stands_for_what_fits_it_each_once(read, symbols, found):
    if found is None:
        with pytest.raises(ConfigError, match=r"fits no symbol of \[\[instruments\]\]"):
            read("S{0..3}/USDT:USDT", symbols)
        return
    settings = read("S{0..3}/USDT:USDT", symbols)
    assert settings.strategies[0].symbols == tuple(f"S{number}/USDT:USDT" for number in found)


def test_of_several_venues_each_is_named_with_its_own(read):
    more = ETH.format(symbol="S1/USDT:USDT") + ETH.format(symbol="S2/USDT:USDT")
    # An account is one venue's, and says so where its strategies have symbols of two.
    with pytest.raises(ConfigError, match="its strategies trade at binanceusdm and synthetic"):
        read("S{0..1}/USDT:USDT", '["*"]', more)
    settings = read("S{0..1}/USDT:USDT", '["*@synthetic"]', more)
    assert settings.strategies[0].symbols == ("S0/USDT:USDT@synthetic", "S1/USDT:USDT@synthetic")


@pytest.mark.parametrize(
    ("numbered", "told"),
    [
        ("S{3..1}/USDT:USDT", "{3..1} counts backwards"),
        ("S{0..100000}/USDT:USDT", "{0..100000} stands for 100,001 symbols, and 100,000 are the most"),
    ],
)
def test_a_wrong_range_is_told_with_its_place(read, numbered, told):
    with pytest.raises(ConfigError) as error:
        read(numbered, '["*"]')
    assert told in str(error.value)
    assert "p.toml:" in str(error.value)


def test_what_is_wrong_in_one_of_many_is_told_once(read):
    with pytest.raises(ConfigError) as error:
        read("S{0..3}/USDT:USDT", '["*"]', instrument='S{0..3}/USDT:USDT"\nnonsense = "1')
    assert str(error.value).count("nonsense") == 1
