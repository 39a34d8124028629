"""Whose end in another node is one that their account has to deal with."""

from types import SimpleNamespace

import pytest

from libra.assembly.outside import Outside
from libra.core.events import Event, EventType

HOSTS = {"left": ("mine", "yours"), "right": ("hers",)}


@pytest.fixture
def told():
    return []


@pytest.fixture
def outside(told):
    return Outside(
        frozenset(("mine", "yours", "hers")),
        HOSTS,
        vanish=lambda name: told.append(("vanished", name)),
        lose=lambda name: told.append(("lost", name)),
    )


def test_a_node_that_is_no_more_takes_all_of_its_strategies_with_it_and_no_others(outside, told):
    outside.lose(Event.create(EventType.NODE_DOWN, "bridge", SimpleNamespace(kind="node_down", node="left")))
    assert told == [("lost", "mine"), ("lost", "yours")]


@pytest.mark.parametrize(
    "payload",
    [SimpleNamespace(kind="node_stopped", node="left"), SimpleNamespace(kind="node_down", node="without_any"), None],
)
def test_other_news_of_nodes_take_none(outside, told, payload):
    outside.lose(Event.create(EventType.NODE_DOWN, "bridge", payload))
    assert told == []


@pytest.mark.parametrize(
    ("source", "payload", "expected"),
    [
        ("mine", {"vanished": True}, [("vanished", "mine")]),
        ("mine", {"vanished": False}, []),
        ("mine", {}, []),
        ("mine", None, []),
        ("local", {"vanished": True}, []),
    ],
)
def test_a_strategy_that_stopped_vanishes_where_its_node_says_so(outside, told, source, payload, expected):
    outside.learn(Event.create(EventType.STRATEGY_STOPPED, source, payload))
    assert told == expected
