"""`libra cluster plan`: what would run where, and what a change would move."""

import json

import pytest
from tests.cluster.test_pools import POOL, SYMBOLS, of_forty  # noqa: F401 - a fixture
from tests.cluster.test_topology import TRADING

from libra.cli.main import main
from libra.config import load
from libra_cluster.planning import plan_of
from libra_cluster.sharding import spread


def test_a_plan_says_what_the_run_would_build(of_forty):  # noqa: F811 - the fixture
    plan = plan_of(of_forty(TRADING + POOL))
    trading, *pool = plan.nodes
    assert (trading.name, trading.roles, trading.strategies, trading.symbols) == (
        ("trading", ("market", "accounts"), (), ())
    )
    assert {node.name: node.symbols for node in pool} == spread(SYMBOLS, {f"many-{n}": 1.0 for n in range(3)})
    assert {(node.roles, node.pool, node.env) for node in pool} == {(("strategies",), "many", ("A",))}
    assert (plan.accounts, plan.server) == (("paper",), "a server of its own")


def test_one_process_is_a_plan_too():
    [node] = plan_of(load("paper", environ={})).nodes
    assert (node.name, node.roles, node.pool) == ("paper", ("market", "accounts", "strategies"), None)
    assert node.symbols == ("BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT")


def test_a_server_is_shown_without_its_options(of_forty):  # noqa: F811 - the fixture
    url = '[bridge]\nurl = "rediss://redis.example:6380/2?password_env=ALSO"\n'
    assert plan_of(of_forty(TRADING + POOL + url)).server == "rediss://redis.example:6380/2"


def test_a_node_more_takes_and_moves_nothing_else(of_forty):  # noqa: F811 - the fixture
    before, plan = plan_of(of_forty(TRADING + POOL)), plan_of(of_forty(TRADING + POOL.replace("3", "4")))
    moves = plan.moves_from(before)
    new = next(node for node in plan.nodes if node.name == "many-3")
    assert [(pool, symbol, now) for pool, symbol, _, now in moves] == [
        ("many", symbol, "many-3") for symbol in new.symbols
    ]
    assert moves, "it is not idle"
    # And back: whoever is gone has given what it had, and nobody else anything.
    assert before.moves_from(plan) == [(pool, symbol, now, old) for pool, symbol, old, now in moves]


def test_a_symbol_that_comes_or_goes_has_no_node_there(of_forty):  # noqa: F811 - the fixture
    settings = of_forty(TRADING + POOL)
    alone = load("paper", environ={})
    assert plan_of(alone).moves_from(plan_of(settings))[0][:2] == ("many", "S00/USDT:USDT")
    assert {move[3] for move in plan_of(alone).moves_from(plan_of(settings))} == {None}
    assert {move[2] for move in plan_of(settings).moves_from(plan_of(alone))} == {None}


def test_the_verb_shows_it(capsys, tmp_path):
    assert main(["cluster", "plan", "cluster"]) == 0
    told = capsys.readouterr().out
    assert "trading" in told
    assert "market, accounts (paper)" in told
    assert "4 processes, joined by a server of its own" in told
    counts = [int(line.split()[3]) for line in told.splitlines() if line.split()[:1] and line.split()[0][:4] == "sma-"]
    assert (len(counts), sum(counts)) == (3, 1000)


def test_the_verb_shows_what_a_change_would_move(capsys):
    base = ["cluster", "plan", "cluster"]
    assert main([*base, "--json", "--instead-of", "pools.sma.nodes=2"]) == 0
    plan = json.loads(capsys.readouterr().out)
    taken = next(node["symbols"] for node in plan["nodes"] if node["name"] == "sma-2")
    assert sorted(move["symbol"] for move in plan["moves"]) == sorted(taken)
    assert {move["to"] for move in plan["moves"]} == {"sma-2"}
    assert main([*base, "--instead-of", "pools.sma.nodes=2"]) == 0
    told = capsys.readouterr().out
    assert f"{len(taken):,} of 1,000 symbols of pools would have another node:" in told
    assert "sma-0 -> sma-2" in told
    assert main([*base, "--instead-of", "node.seed=2"]) == 0
    assert "nothing moves" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["plan", "--set", "pools.sma.nodes=0", "cluster"], ["plans"]])
def test_what_is_wrong_is_said(arguments, capsys):
    assert main(["cluster", *arguments]) == 2
    assert capsys.readouterr().err


def test_few_symbols_are_named_and_many_where_that_is_asked_for(capsys):
    assert main(["cluster", "plan", "two_nodes"]) == 0
    assert "BTC/USDT:USDT, ETH/USDT:USDT, SOL/USDT:USDT" in capsys.readouterr().out
    assert main(["cluster", "plan", "cluster", "--symbols"]) == 0
    assert "S999/USDT:USDT" in capsys.readouterr().out
