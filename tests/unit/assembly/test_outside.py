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
def lives():
    return {"left": 7, "right": 9}


class Made(Outside):
    timers = 0

    def set_timer(self, *_: object) -> None:
        self.timers += 1


@pytest.fixture
def outside(told, lives):
    return Made(
        frozenset(("mine", "yours", "hers")),
        HOSTS,
        vanish=lambda name: told.append(("vanished", name)),
        lose=lambda name: told.append(("lost", name)),
        miss=lambda name: told.append(("missed", name)),
        life_of=lives.get,
    )


def test_a_node_that_is_no_more_takes_all_of_its_strategies_with_it_and_no_others(outside, told):
    outside.lose(Event.create(EventType.NODE_DOWN, "bridge", SimpleNamespace(kind="node_down", node="left")))
    assert told == [("lost", "mine"), ("lost", "yours")]


@pytest.mark.parametrize("kind", ["node_missing", "node_replaced"])
def test_of_a_node_of_which_nothing_came_only_what_the_log_has_is_missed(outside, told, kind):
    outside.lose(Event.create(EventType.NODE_DOWN, "bridge", SimpleNamespace(kind=kind, node="left")))
    assert told == [("missed", "mine"), ("missed", "yours")]


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
        ("mine", {"vanished": True, "life": 7}, [("vanished", "mine")]),
        ("hers", {"vanished": True, "life": 9}, [("vanished", "hers")]),
        ("mine", {"vanished": True, "with_node": True}, [("missed", "mine")]),
        ("mine", {"vanished": True, "with_node": True, "life": 7}, [("missed", "mine")]),
        ("mine", {"vanished": False}, []),
        ("mine", {}, []),
        ("mine", None, []),
        ("local", {"vanished": True}, []),
    ],
)
def test_a_strategy_that_stopped_vanishes_where_its_node_says_so(outside, told, source, payload, expected):
    outside.learn(Event.create(EventType.STRATEGY_STOPPED, source, payload))
    assert told == expected


def vanished(life):
    return Event.create(EventType.STRATEGY_STOPPED, "mine", {"vanished": True, "life": life})


def test_what_an_earlier_life_said_is_nothing_to_the_one_that_runs_now(outside, told, monkeypatch):
    warned = []
    log = SimpleNamespace(warning=lambda *told: warned.append(told))
    monkeypatch.setattr(type(outside), "log", property(lambda _: log))
    outside.learn(vanished(6))
    assert (told, outside.timers, len(warned)) == ([], 0, 1)


def test_it_waits_until_it_is_known_whose_life_it_was(outside, told, lives):
    del lives["left"]
    outside.learn(vanished(7))
    outside.on_timer("lives")
    # An earlier beacon is under way still.
    lives["left"] = 5
    outside.on_timer("lives")
    assert (told, outside.timers) == ([], 3)
    lives["left"] = 7
    outside.on_timer("lives")
    outside.on_timer("lives")
    assert (told, outside.timers) == ([("vanished", "mine")], 3)
