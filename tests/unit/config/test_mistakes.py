"""Every mistake of a profile is reported at once, with its place."""

from pathlib import Path

import pytest

from libra.config import ConfigError, Flags, load


def problems(profile: str, **kwargs) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(profile, environ=kwargs.pop("environ", {}), **kwargs)
    return list(caught.value.problems)


def test_five_mistakes_are_reported_together_with_their_lines(write):
    path = write(
        swap={
            "seed = 1": "sede = 1",
            'tick_size = "0.1"': 'tick_size = "0.25"',
            'kind = "fixed_notional"': 'kind = "fixed_notionl"',
            'account = "paper"': 'account = "papper"',
            "symbols = [": 'symbols = ["ETH/USDT:USDT", ',
        }
    )
    found = problems(path)
    assert len(found) == 5
    assert found[0] == 'p.toml:3: node.sede: is not a known key; did you mean "seed"?'
    assert found[1].startswith("p.toml:18: instruments.0.tick_size: 0.25 has more than 1 decimals")
    assert found[2].startswith("p.toml:32: account_groups.paper.sizing.kind: has the unknown kind ")
    assert '"fixed_notionl"' in found[2]
    assert found[3] == 'p.toml:37: strategies.sma.account: there is no account group "papper": did you mean "paper"?'
    assert found[4].startswith(
        'p.toml:38: strategies.sma.symbols.0: "ETH/USDT:USDT" is no instrument: did you mean "BTC'
    )


@pytest.mark.parametrize(
    ("old", "new", "place", "said"),
    [
        ('name = "paper"', 'name = "pa per"', "p.toml:29: account_groups.0.name", "not written as it should be"),
        ("size_decimals = 3", "size_decimals = 12", "instruments.0.price_decimals", "13 decimals together"),
        ('max_size = "1000"', 'max_size = "9999999999999999"', "p.toml:20: instruments.0.max_size", "too large"),
        ('max_size = "1000"', 'max_size = "0.0005"', "instruments.0.max_size", "more than 3 decimals"),
        ("lot_size = 0.001", "lot_size = true", "p.toml:19: instruments.0.lot_size", "has to be a number"),
        ("lot_size = 0.001", "lot_size = nan", "instruments.0.lot_size", "finite number"),
        ("lot_size = 0.001", 'lot_size = "0,001"', "instruments.0.lot_size", "has to be a number"),
        ("taker_fee = 0.0005", "taker_fee = 0.000000001", "instruments.0.taker_fee", "more than 8 decimals"),
        ('kind = "linear"', 'kind = "spot"', "instruments.0.kind", 'a spot symbol has no ":"'),
        ('kind = "linear"', 'kind = "inverse"', "instruments.0.kind", "settles in BTC, not USDT"),
        ('start_price = "60000.0"', 'start_price = "60000.05"', "market.symbols.0.start_price", "no multiple"),
        ('max_order_notional = "20000"', "", "account_groups.paper.risk", "has no max_order_notional"),
        (
            'max_order_notional = "20000"',
            "max_order_notional = -1",
            "p.toml:26: risk.max_order_notional",
            "than 0, not",
        ),
        ('balances = { USDT = "100000" }', "", "account_groups.paper", "starts with money"),
        (
            '{ kind = "paper" }',
            "{ latency_ms = 1 }",
            "account_groups.paper.gateway",
            'has no kind; add kind = one of "paper"',
        ),
        ('{ kind = "paper" }', '{ kind = "paper", latency = 1 }', "gateway.latency", 'did you mean "latency_ms"?'),
        ("seed = 1", 'seed = "1"', "p.toml:3: node.seed", 'has to be a whole number, not "1"'),
        ("seed = 1", "speed = 2", "p.toml:3: node.speed", "a live clock runs at speed 1"),
        ("seed = 1", "speed = 0", "node.speed", 'has to be "max" or a number above zero'),
        ('symbols = ["BTC/USDT:USDT"]', "symbols = []", "strategies.sma.symbols", "must not be empty"),
        ('account = "paper"\n', "", "strategies.sma.account", "is missing; add it. Name of the account group"),
        (
            "libra.strategies.examples.sma_crossover:SmaCrossover",
            "no/such.py:Mine",
            "sma.class",
            "there is no file such.py",
        ),
        (
            "libra.strategies.examples.sma_crossover:SmaCrossover",
            "a b:Mine",
            "sma.class",
            "neither a module nor a .py file",
        ),
        ("libra.strategies.examples.sma_crossover:SmaCrossover", "mine", "sma.class", "not written as it should be"),
        ('kind = "synthetic"', 'kind = "syntetic"', "p.toml:6: market.kind", 'the unknown kind "syntetic"'),
    ],
)
def test_a_mistake_names_its_place_and_what_to_do(write, old, new, place, said):
    found = problems(write(swap={old: new}))
    assert any(place in problem and said in problem for problem in found), found


def test_a_mistake_does_not_bring_followers(write):
    found = problems(write(swap={'sizing = { kind = "fixed_notional"': 'sizing = { kind = "x"'}))
    assert len(found) == 1, "the account is wrong, but it exists: its strategy is not blamed"


def test_an_inherited_limit_is_blamed_once(write):
    found = problems(write(swap={'"50000"': '"-1"'}))
    assert [problem.partition(": ")[0] for problem in found] == ["p.toml:25"]


def test_names_are_unique(write):
    from tests.unit.config.conftest import PROFILE

    extra = PROFILE[PROFILE.index("[[account_groups]]") :]
    instrument = PROFILE[PROFILE.index("[[instruments]]") : PROFILE.index("[risk]")]
    found = problems(write(text=PROFILE + extra + instrument))
    assert sum('"paper" is taken' in problem for problem in found) == 1
    assert sum('"sma" is taken' in problem for problem in found) == 1
    assert sum("BTC/USDT:USDT@synthetic is listed twice" in problem for problem in found) == 1
    assert len(found) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[node]\nname = libra\n", "p.toml:2: is not TOML at column 8: Invalid value; text needs quotes"),
        ("[node\n", "p.toml:1: is not TOML"),
        ('a = "\\ud800', "is not TOML"),
        ('include = "x.toml"', "p.toml:1: include: has to be a list of files"),
        (
            '[market]\nkind = "replay"\n[node]\ninclude = ["x"]',
            "p.toml:4: node.include: is not a known key; move it to the top",
        ),
        ('\ninclude = ["no.toml"]', "p.toml:2: include: there is no file no.toml"),
        ('include = ["."]', "is a directory"),
        ('include = ["p.toml"]', "include each other: p.toml -> p.toml"),
        ("", "market: is missing"),
        ("strategies = 5\nmarket = []\ninstruments = {}\naccount_groups = [1]\nnode = 2\nrisk = [3]", "node: "),
    ],
)
def test_files_that_are_no_profile(write, text, said):
    assert any(said in problem for problem in problems(write(text=text)))


def test_a_cycle_over_two_files_is_refused(write):
    write("a.toml", 'include = ["b.toml"]')
    write("b.toml", '\ninclude = ["a.toml"]')
    (found,) = problems("./a.toml")
    assert found.startswith("b.toml:2: include: the files include each other: a.toml -> b.toml -> a.toml")


def test_bytes_that_are_no_text(tmp_path: Path):
    (tmp_path / "p.toml").write_bytes(b"name = '\xff'")
    assert "is not UTF-8 text" in problems("p.toml")[0]


def test_a_missing_profile_and_an_unknown_name():
    assert problems("no/such.toml") == ["no/such.toml: there is no file no/such.toml; create it or correct the name"]
    with pytest.raises(ConfigError, match=r'no profile "papr"; did you mean "paper"\?(.|\n)*replay'):
        load("papr")


def test_data_files_are_all_tested(write, tmp_path: Path):
    (tmp_path / "a.gz").write_bytes(b"")
    found = problems(write(), flags=Flags(data=("a.gz", "./a.gz", "no.gz", ".", "none.gz")))
    assert found == [
        "--data: market.files: ./a.gz is given twice; name each recording once",
        "--data: market.files: no.gz does not exist; correct the path",
        "--data: market.files: . is a directory; name the files in it",
        "--data: market.files: none.gz does not exist; correct the path",
    ]


def test_a_strategy_file_is_read_but_not_run(write, tmp_path: Path):
    path = write(swap={"libra.strategies.examples.sma_crossover:SmaCrossover": "mine.py:Mine"})
    write("mine.py", "raise SystemExit(9)\nclass Other: ...\n")
    assert "mine.py has no class Mine; it has Other" in problems(path)[0]
    write("mine.py", "class Mine(:\n")
    assert "mine.py is not Python: line 1" in problems(path)[0]
    write("mine.py", "raise SystemExit(9)\nclass Mine: ...\n")
    assert load(path, environ={}).strategies[0].class_path == f"{tmp_path}/mine.py:Mine"


def test_an_account_is_one_venues(write):
    from tests.unit.config.conftest import PROFILE

    spot = PROFILE[PROFILE.index("[[instruments]]") : PROFILE.index("[risk]")]
    spot = spot.replace(":USDT", "").replace("synthetic", "binance").replace("linear", "spot")
    found = problems(
        write(
            text=PROFILE.replace('symbols = ["', 'symbols = ["BTC/USDT", "').replace(
                "gateway", "allow_short=true\ngateway"
            )
            + spot
        )
    )
    assert any("trade at binance and synthetic" in problem for problem in found)
    assert any("spot cannot be sold short" in problem for problem in found)


def test_a_value_from_the_environment_is_not_repeated(write):
    (found,) = problems(write(), environ={"LIBRA__NODE__CLOCK": "hunter2"})
    assert found.startswith("environment variable LIBRA__NODE__CLOCK: node.clock: has to be")
    assert "hunter2" not in found
