"""What wins over what, and what the result holds."""

from decimal import Decimal
from pathlib import Path

import pytest

from libra.config import ConfigError, Flags, load
from libra.config.market import ReplayMarketSettings


def test_each_layer_wins_over_the_one_before(write):
    path = write()
    seed = {"LIBRA__NODE__SEED": "2"}
    assert load(path, environ={}).node.seed == 1
    assert load(path, environ=seed).node.seed == 2
    assert load(path, environ=seed, flags=Flags(sets=("node.seed=3",))).node.seed == 3
    assert load(path, environ=seed, flags=Flags(sets=("node.seed=3", "node.seed=4"))).node.seed == 4
    assert load(path, environ=seed, flags=Flags(sets=("node.seed=3",), seed=5)).node.seed == 5


def test_a_file_wins_over_what_it_includes_and_later_includes_over_earlier(write):
    write("one.toml", "[node]\nseed = 11\nname = 'one'\ndrain_timeout_s = 0.5")
    write("sub/two.toml", "include = ['three.toml']\n[node]\nseed = 12\nname = 'two'")
    write("sub/three.toml", "[node]\nseed = 13\nlog_level = 'debug'")
    from tests.unit.config.conftest import PROFILE

    text = 'include = ["one.toml", "sub/two.toml"]\n' + PROFILE.replace("seed = 1\n", "").replace('name = "test"', "")
    node = load(write(text=text), environ={}).node
    assert (node.seed, node.name, node.drain_timeout_s, node.log_level) == (12, "two", 0.5, "debug")


def test_tables_of_a_list_are_laid_over_each_other_by_name(write):
    write("base.toml")
    write("mine.toml", 'include = ["base.toml"]\n[[strategies]]\nname = "sma"\nparams = { fast = 5, extra = [1.50] }')
    (strategy,) = load("./mine.toml", environ={}).strategies
    assert strategy.params == {"fast": 5, "slow": 30, "extra": [Decimal("1.50")]}
    assert strategy.account == "paper"


def test_another_kind_takes_the_place_of_a_whole_table(write):
    write("base.toml")
    write("mine.toml", 'include = ["base.toml"]\n[node]\nclock = "simulated"\n[market]\nkind = "replay"')
    assert load("./mine.toml", environ={}).market == ReplayMarketSettings(kind="replay")


def test_an_account_inherits_limits_and_overrides_single_ones(write):
    path = write(
        swap={
            'gateway = { kind = "paper" }': 'gateway = { kind = "paper" }\nrisk = { max_order_notional = 7 }',
            "[risk]\n": '[risk]\nmax_open_orders = 9\nper_symbol = { "BTC/USDT:USDT" = { max_position = 1.5 } }\n',
        }
    )
    settings = load(path, environ={"LIBRA__RISK__MAX_DAILY_LOSS": "12.50"})
    risk = settings.account_groups[0].risk
    assert (risk.max_order_notional, risk.max_position_notional, risk.max_open_orders) == (7, 50000, 9)
    assert risk.max_daily_loss == Decimal("12.50")
    assert risk.per_symbol["BTC/USDT:USDT"].max_position == Decimal("1.5")
    assert settings.risk.max_order_notional == 20000


def test_numbers_are_exact_however_they_are_written(write):
    instrument = load(write(), environ={}).instruments[0]
    assert (instrument.lot_size, instrument.taker_fee) == (Decimal("0.001"), Decimal("0.0005"))
    assert instrument.id == "BTC/USDT:USDT@synthetic"
    assert (instrument.base, instrument.quote, instrument.settle_currency) == ("BTC", "USDT", "USDT")
    assert (instrument.native_symbol, instrument.smallest_size) == ("BTCUSDT", Decimal("0.001"))


def test_list_entries_are_named_by_index_or_name(write):
    sets = ("strategies.0.params.fast=5", "strategies.sma.params.slow=50", 'strategies.sma.symbols.0="BTC/USDT:USDT"')
    environ = {"LIBRA__STRATEGIES__SMA__PARAMS__FAST": "4", "LIBRA__ACCOUNT_GROUPS__PAPER__BALANCES__USDT": "7"}
    settings = load(write(), environ=environ, flags=Flags(sets=(*sets, "account_groups.paper.allow_short=true")))
    assert settings.strategies[0].params == {"fast": 5, "slow": 50}
    assert settings.account_groups[0].balances == {"USDT": 7}
    assert settings.account_groups[0].allow_short


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("node.seed", "has to be section.key=value"),
        ("=5", "has to be section.key=value"),
        ("node..seed=5", "has to be section.key=value"),
        ("strategies.nope.params.fast=5", 'strategies: has no single entry "nope"; entries are sma'),
        ("strategies.7.params.fast=5", 'has no single entry "7"'),
        ("node.seed.x=5", "node.seed: is a single value"),
        ("node.sede=5", '--set node.sede=5: node.sede: is not a known key; did you mean "seed"?'),
    ],
)
def test_a_set_that_leads_nowhere(write, argument, said):
    with pytest.raises(ConfigError) as caught:
        load(write(), environ={}, flags=Flags(sets=(argument,)))
    assert said in str(caught.value)


def test_flags_imply_what_they_need(write, tmp_path: Path):
    path = write()
    (tmp_path / "a.gz").write_bytes(b"")
    paced = load(path, environ={}, flags=Flags(speed=10.0, duration_s=2.5)).node
    assert (paced.clock, paced.speed, paced.duration_s) == ("simulated", 10.0, 2.5)
    replay = load(path, environ={}, flags=Flags(data=("a.gz",)))
    assert (replay.node.clock, replay.node.speed) == ("simulated", "max")
    assert replay.market == ReplayMarketSettings(kind="replay", files=(str(tmp_path / "a.gz"),))
    paced_replay = load(path, environ={}, flags=Flags(data=("a.gz",), speed=1.0))
    assert paced_replay.node.speed == 1.0
    assert load(None, environ={}, flags=Flags(data=("a.gz",))).node.name == "replay"
    assert load(None, environ={}).node.name == "paper"


def test_files_are_found_beside_the_profile_first(write, tmp_path: Path):
    write("sub/rec.gz", "")
    write("other.gz", "")
    market = 'kind = "synthetic"\n\n[[market.symbols]]\nsymbol = "BTC/USDT:USDT"\nstart_price = "60000.0"'
    replay = 'kind = "replay"\nfiles = ["rec.gz", "other.gz"]'
    write("sub/p.toml", swap={market: replay, "seed = 1": 'clock = "simulated"'})
    files = load("sub/p.toml", environ={}).market.files
    assert files == (str(tmp_path / "sub/rec.gz"), str(tmp_path / "other.gz"))
