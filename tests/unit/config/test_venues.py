"""Profiles of accounts at venues: mistakes are told together, and real money has to be asked for."""

import pytest

from libra.config import ConfigError, load
from libra.config.live import check_live, key_names

PROFILE = """\
[market]
kind = "ccxt"
venue = "binance"
symbols = ["BTC/USDT"]

[[instruments]]
symbol = "BTC/USDT"
venue = "binance"
kind = "spot"
price_decimals = 2
size_decimals = 5
tick_size = "0.01"
lot_size = "0.00001"
max_size = "9000"
maker_fee = "0.001"
taker_fee = "0.001"

[risk]
max_position_notional = "50000"
max_order_notional = "20000"
max_daily_loss = "100"

[[account_groups]]
name = "spot"
gateway = { kind = "ccxt", venue = "binance", api_key_env = "A_KEY", secret_env = "A_SECRET" }
log = { path = "gate.log", resume = true }
sizing = { kind = "fixed_notional", value = "50" }

[[strategies]]
name = "sma"
class = "libra.strategies.examples.sma_crossover:SmaCrossover"
account = "spot"
symbols = ["BTC/USDT"]
"""

NODES = """
[nodes.trading]
roles = ["market", "accounts"]
[nodes.strategies]
roles = ["strategies"]
"""

KEYS = {"A_KEY": "aaaaaaaa", "A_SECRET": "bbbbbbbb"}


def problems(path):
    with pytest.raises(ConfigError) as caught:
        load(path, environ={})
    return list(caught.value.problems)


def missing(settings, **given):
    with pytest.raises(ConfigError) as caught:
        check_live(settings, **given)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('api_key_env = "A_KEY", ', "", "gateway.api_key_env: is missing"),
        ('secret_env = "A_SECRET"', 'secret_env = "A_KEY"', "names the variable of the API key"),
        ('api_key_env = "A_KEY"', 'api_key_env = "not a name"', "api_key_env: is not written as it should be"),
        ('secret_env = "A_SECRET"', 'secret_env = "A_SECRET", market = "swap"', "which is spot"),
        ('secret_env = "A_SECRET"', 'secret_env = "A_SECRET", testnet = true', "have to be of one place"),
        ('secret_env = "A_SECRET"', 'secret_env = "A_SECRET", redirect = "http://example.com"', "use https"),
        ('secret_env = "A_SECRET"', 'secret_env = "A_SECRET", redirect = "http://127.0.0.1:1/x"', "without a path"),
        ('log = { path = "gate.log"', 'balances = { USDT = "5" }\nlog = { path = "gate.log"', "take balances out"),
        ('symbols = ["BTC/USDT"]\n\n[[instruments]]', 'symbols = ["ETH/USDT"]\n\n[[instruments]]', "has no instrument"),
        ('venue = "binance"\nsymbols', 'venue = "kraken"\nsymbols', "is priced by the market of another"),
        ('[market]\nkind = "ccxt"', '[node]\nclock = "simulated"\n[market]\nkind = "ccxt"', "delivers in real time"),
    ],
)
def test_a_mistake_of_a_venue_is_told(write, old, new, said):
    found = problems(write(text=PROFILE, swap={old: new}))
    assert any(said in problem for problem in found), found


def test_two_accounts_are_not_one_account_of_the_venue(write):
    second = PROFILE[PROFILE.index("[[account_groups]]") : PROFILE.index("[[strategies]]")]
    second = second.replace('name = "spot"', 'name = "again"').replace("gate.log", "other.log")
    found = problems(write(text=PROFILE + "\n" + second))
    assert any('keys and the market of account "spot"' in problem for problem in found), found


def test_real_money_has_to_be_asked_for_and_all_that_it_lacks_is_told(write):
    text = PROFILE.replace("resume = true", "resume = false").replace('max_daily_loss = "100"', "")
    found = "\n".join(missing(load(write(text=text), environ={}), live=False, environ={}))
    for part in ("say so: --live", "neither A_KEY nor", "neither A_SECRET nor", "outlive", "max_daily_loss", "[nodes."):
        assert part in found


def test_a_whole_live_profile_starts(write):
    settings = load(write(text=PROFILE + NODES), environ={})
    check_live(settings, live=True, environ=KEYS)
    assert missing(settings, live=False, environ=KEYS) == [
        "account_groups.spot: trades at binance with real money; say so: --live"
    ]


def test_all_that_a_run_lacks_is_said_at_once_and_to_a_run_alone(write):
    limits = PROFILE[PROFILE.index("[risk]") : PROFILE.index("[[account_groups]]")]
    profile = write(text=PROFILE.replace(limits, ""))
    with pytest.raises(ConfigError) as caught:
        load(profile, environ={}, live=False)
    said = caught.value.problems
    for what in (
        "max_position_notional",
        "max_order_notional",
        "max_daily_loss",
        "--live",
        "A_KEY",
        "A_SECRET",
        "nodes:",
    ):
        assert [problem for problem in said if what in problem], (what, said)
    assert str(caught.value).startswith(f"the configuration has {len(said)} problems")
    assert len(problems(profile)) == 2, "of the profile alone"


def test_real_money_is_not_beside_strategies(write):
    together = '\n[nodes.all]\nroles = ["market", "accounts", "strategies"]\n'
    (found,) = missing(load(write(text=PROFILE + together), environ={}), live=True, environ=KEYS)
    assert found.startswith("nodes.all.roles: strategies are beside accounts with real money")


@pytest.mark.parametrize("place", ["testnet = true", 'redirect = "http://127.0.0.1:8900"'])
def test_a_test_network_needs_keys_and_nothing_more(write, place):
    text = PROFILE.replace('symbols = ["BTC/USDT"]\n\n', f'symbols = ["BTC/USDT"]\n{place}\n\n')
    settings = load(write(text=text.replace('"A_SECRET" }', f'"A_SECRET", {place} }}')), environ={})
    check_live(settings, live=False, environ=KEYS)
    assert len(missing(settings, live=False, environ={})) == 2


def test_a_key_may_stand_in_a_file_that_a_variable_names(write):
    settings = load(write(text=PROFILE + NODES), environ={})
    check_live(settings, live=True, environ={"A_KEY_FILE": "/a", "A_SECRET_FILE": "/b"})
    (found,) = missing(settings, live=True, environ={**KEYS, "A_KEY_FILE": "/a"})
    assert "both set" in found
    assert key_names(settings) == {"A_KEY", "A_KEY_FILE", "A_SECRET", "A_SECRET_FILE"}


@pytest.mark.parametrize(
    ("place", "is_live"),
    [
        ("http://127.0.0.1:8900", False),
        ("http://127.8.9.10:8900", False),
        ("http://localhost:8900", False),
        ("https://[::1]:8900", False),
        ("https://api.binance.com", True),
        ("https://localhost.example.com", True),
        ("https://127.0.0.1.example.com", True),
        ("https://10.0.0.7:8900", True),
        ("https://0.0.0.0:8900", True),
    ],
)
def test_a_redirect_is_real_money_unless_it_is_this_machine(write, place, is_live):
    text = PROFILE.replace('symbols = ["BTC/USDT"]\n\n', f'symbols = ["BTC/USDT"]\nredirect = "{place}"\n\n')
    settings = load(write(text=text.replace('"A_SECRET" }', f'"A_SECRET", redirect = "{place}" }}')), environ={})
    assert settings.account_groups[0].gateway.is_live is is_live
    if is_live:
        assert any("real money" in problem for problem in missing(settings, live=False, environ=KEYS))
    else:
        check_live(settings, live=False, environ=KEYS)
