"""`[pools]`: one strategy over several nodes, each with a part of its symbols."""

import json
from pathlib import Path

import pytest
from tests.cluster.test_joined import Joined, joined  # noqa: F401 - a fixture
from tests.cluster.test_topology import MORE, TRADING, read, wrong  # noqa: F401 - fixtures
from tests.unit.config.conftest import PROFILE

from libra.config import load
from libra_cluster.sharding import spread
from libra_cluster.topology import Topology

POOL = '[pools.many]\nstrategy = "sma"\nnodes = 3\nenv = { A = "1" }\n'
SYMBOLS = [f"S{number:02d}/USDT:USDT" for number in range(40)]


@pytest.fixture
def of_forty(tmp_path: Path):
    """The small profile with forty symbols, and more text behind it."""

    def of_forty(more: str):
        text = PROFILE.replace("BTC/USDT:USDT", "S{00..39}/USDT:USDT", 2).replace("BTC/USDT:USDT", "*")
        (tmp_path / "p.toml").write_text(text + more, encoding="utf-8")
        return load(tmp_path / "p.toml", environ={})

    return of_forty


def test_each_node_has_a_strategy_of_its_own_with_its_part_of_the_symbols(of_forty):
    settings = of_forty(TRADING + POOL)
    members = ("many-0", "many-1", "many-2")
    assert [strategy.name for strategy in settings.strategies] == list(members)
    assert {strategy.params["fast"] for strategy in settings.strategies} == {10}
    parts = {strategy.name: strategy.symbols for strategy in settings.strategies}
    assert parts == spread(SYMBOLS, dict.fromkeys(members, 1.0))
    topology = Topology.of(settings)
    assert [member.name for member in topology.members] == ["trading", *members]
    for member in topology.members[1:]:
        assert (member.part.strategies, dict(member.env)) == ((member.name,), {"A": "1"})
        assert (member.part.market, member.part.accounts) == (False, False)


def test_others_keep_their_place_and_their_nodes(of_forty):
    more = MORE.replace("BTC/USDT:USDT", "S00/USDT:USDT")
    settings = of_forty(more + TRADING + '[nodes.rest]\nroles = ["strategies"]\n' + POOL)
    assert [strategy.name for strategy in settings.strategies] == ["many-0", "many-1", "many-2", "second"]
    assert {member.name: member.part.strategies for member in Topology.of(settings).members}["rest"] == ("second",)


@pytest.mark.parametrize(
    ("more", "found"),
    [
        (POOL, "of 1 symbol none would be of many-"),
        (POOL.replace("sma", "smo"), 'pools.many.strategy: there is no strategy "smo": known are sma'),
        (POOL.replace("3", "1") + POOL.replace("many", "more"), 'pool "many" runs sma already'),
        (POOL.replace("3", "0"), "pools.many.nodes"),
        (POOL.replace("many", "Many"), "pools.Many"),
        (POOL.replace("nodes = 3", "nodes = 3\nnode = 4"), "pools.many.node"),
        (POOL.replace("3", "1") + '[nodes.many-0]\nroles = ["strategies"]\n', "many-0 has the name of another node"),
    ],
)
def test_mistakes(wrong, more: str, found: str):  # noqa: F811
    assert found in wrong(TRADING + more)


SIGNALS = """
asked = 0

def on_start(self):
    self.set_timer("say", 0.001, interval_s=0.001)

def on_timer(self, name):
    self.asked += 1
    self.signal(self.symbols[0], SignalType.LONG if self.asked % 2 else SignalType.SHORT)
"""


def test_strategies_that_leave_together_do_not_wait_for_each_other(joined: Joined):  # noqa: F811
    """Each hears the signals of the others, and takes in none when it has stopped."""
    profile = joined.profile(strategy=joined.strategy(SIGNALS), quotes_hz=5)
    path = joined.folder / profile
    text = path.read_text(encoding="utf-8").replace("BTC/USDT:USDT", "S{00..39}/USDT:USDT")
    text = text.replace('symbols = ["S{00..39}/USDT:USDT"]', 'symbols = ["*"]')
    pools = TRADING + '[pools.mine]\nstrategy = "mine"\nnodes = 3\n'
    path.write_text(text + pools, encoding="utf-8")
    ended = joined.run("run", profile, "--duration", "2", "--json")
    assert ended.code == 0, ended.err
    rows = ended.summary["nodes"]
    assert [row["name"] for row in rows] == ["trading", "mine-0", "mine-1", "mine-2"]
    assert all(row["signals"] > 0 for row in rows[1:]), json.dumps(rows)
    assert rows[0]["lanes"]["SIGNALS"]["delivered"] >= sum(row["signals"] for row in rows[1:])
