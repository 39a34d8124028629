"""Symbols that are spread over the nodes of a pool."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libra_cluster.sharding import owner, spread

SYMBOLS = [f"S{number:04d}/USDT:USDT" for number in range(10_000)]
CAPACITIES = st.dictionaries(st.text("abc-0123456789", min_size=1), st.floats(0.1, 10), min_size=1, max_size=8)


def even(count: int) -> dict[str, float]:
    return {f"sma-{number}": 1.0 for number in range(count)}


def test_it_is_what_it_was():
    """Whoever counts differently would start a symbol in a second place."""
    assert spread(SYMBOLS[:8], even(3)) == {
        "sma-0": ("S0002/USDT:USDT", "S0003/USDT:USDT", "S0004/USDT:USDT", "S0007/USDT:USDT"),
        "sma-1": ("S0005/USDT:USDT",),
        "sma-2": ("S0000/USDT:USDT", "S0001/USDT:USDT", "S0006/USDT:USDT"),
    }
    assert owner("BTC/USDT:USDT", {"a": 1.0, "b": 2.5}) == "b"


@pytest.mark.parametrize("count", [2, 3, 10])
def test_nodes_have_as_much_as_each_other(count: int):
    shares = [len(having) for having in spread(SYMBOLS, even(count)).values()]
    fair = len(SYMBOLS) / count
    # Five standard deviations of a fair draw.
    assert max(abs(share - fair) for share in shares) < 5 * (fair * (1 - 1 / count)) ** 0.5


def test_nodes_have_by_their_capacity():
    shares = {name: len(having) for name, having in spread(SYMBOLS, {"small": 1, "large": 3}).items()}
    assert abs(shares["large"] - 7_500) < 5 * (10_000 * 0.75 * 0.25) ** 0.5


@given(CAPACITIES, st.text("abc-", min_size=1), st.floats(0.1, 10))
def test_a_node_that_comes_or_goes_moves_what_it_gets_or_had_alone(nodes, name, capacity):
    without = {other: its for other, its in nodes.items() if other != name}
    if not without:
        return
    before, after = spread(SYMBOLS[:200], without), spread(SYMBOLS[:200], {**without, name: capacity})
    for other in without:
        assert set(after[other]) <= set(before[other])
    moved = [symbol for other in without for symbol in before[other] if symbol not in after[other]]
    assert sorted(moved) == sorted(after[name])


@given(CAPACITIES, st.lists(st.text(min_size=1), unique=True))
def test_each_is_in_one_place_in_any_order_of_the_nodes_and_keeps_its_own(nodes, keys):
    spread_out = spread(keys, nodes)
    assert sorted(key for having in spread_out.values() for key in having) == sorted(keys)
    assert spread(keys, dict(reversed(nodes.items()))) == spread_out
    for name, having in spread_out.items():
        assert list(having) == [key for key in keys if owner(key, nodes) == name]


@given(CAPACITIES, st.text(min_size=1), st.floats(1.0, 100))
def test_who_gets_more_capacity_loses_nothing(nodes, key, factor):
    having = owner(key, nodes)
    assert owner(key, {**nodes, having: nodes[having] * factor}) == having


def test_what_cannot_be_spread_is_refused():
    with pytest.raises(ValueError, match="there is no node"):
        spread(SYMBOLS, {})
    for wrong in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="the capacity of node b has to be above 0"):
            owner("BTC/USDT", {"a": 1.0, "b": wrong})
