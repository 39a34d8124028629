"""Strategies that are no more, and which of them an operator may let in again."""

from types import SimpleNamespace

import pytest

from libra.assembly.ended import EndedStrategies


class Account:
    name = "paper"

    def __init__(self, told):
        self.told = told
        self.refuses = ""
        self.left = (0, False)

    def left_by(self, strategy):
        return self.left

    def vanish(self, strategy, policy):
        self.told.append(("vanish", strategy, policy))
        return []

    def readmit(self, strategy):
        if self.refuses:
            raise ValueError(self.refuses)
        self.told.append(("readmit", strategy))

    def vanished(self):
        gone = {}
        for what, strategy, *policy in self.told:
            gone = {**gone, strategy: policy[0]} if what == "vanish" else gone
            if what == "readmit":
                del gone[strategy]
        return [(strategy, policy, []) for strategy, policy in gone.items()]


def can_resume(ended):
    return [(row["strategy"], row["on_vanish"], row["can_resume"]) for row in ended.rows()]


@pytest.fixture
def told():
    return []


@pytest.fixture
def account(told):
    return Account(told)


@pytest.fixture
def node(account):
    strategies = [
        SimpleNamespace(name="mine", account="paper", on_vanish="cancel"),
        SimpleNamespace(name="other", account="elsewhere", on_vanish="cancel"),
    ]
    return SimpleNamespace(
        settings=SimpleNamespace(strategies=strategies),
        accounts={"paper": account},
        part=SimpleNamespace(elsewhere={"far": ("mine",)}),
        bridge_end=SimpleNamespace(lost_strategies=[]),
        tell_strategy=lambda *_, **__: None,
        cancel_outside=lambda *_: None,
        bridge_row=lambda: {"peers": [{"node": "far", "up": True}]},
    )


@pytest.fixture
def ended(node):
    return EndedStrategies(node, 7)


def test_who_went_with_its_node_is_let_in_again_and_lost_again(ended, told, node):
    assert can_resume(ended) == []
    ended.lose("mine")
    ended.lose("mine")
    assert can_resume(ended) == [("mine", "cancel", True)]
    assert ended.readmit("mine") == "paper"
    assert can_resume(ended) == []
    with pytest.raises(ValueError, match="it is not gone"):
        ended.readmit("mine")
    ended.note_lost(["mine"])
    ended.take_in()
    assert told == [("vanish", "mine", "cancel"), ("readmit", "mine"), ("vanish", "mine", "cancel")]
    assert node.bridge_end.lost_strategies == ["mine", "mine"]


def test_what_one_leaves_that_ends_with_its_node_is_its_accounts_wherever_that_is(ended, node, told, caplog):
    events = []
    node.tell_strategy = lambda _, name, **more: events.append((name, more))
    ended.leave("other", "its on_stop raised")
    assert events == [("other", {"vanished": True, "with_node": True, "life": 7})]
    # Whether it left anything is the account's node to find: see `miss`.
    assert (told, ended.left, "other" in ended) == ([], [], True)
    assert "other ends with the node: its on_stop raised; should it leave anything, account elsewhere" in caplog.text


@pytest.mark.parametrize(
    ("left", "on_vanish", "what"),
    [
        ((0, False), "flatten", None),
        ((0, True), "cancel", None),
        ((0, True), "flatten", "0 open orders and a position"),
        ((2, True), "keep", "2 open orders and a position"),
        ((1, False), "cancel", "1 open order:"),
    ],
)
def test_only_where_its_policy_has_something_to_say(ended, node, account, told, caplog, left, on_vanish, what):
    account.left, node.settings.strategies[0].on_vanish = left, on_vanish
    ended.leave("mine", "it waited")
    assert (bool(told), bool(ended.left), "mine" in ended) == ((what is not None),) * 3
    assert what is None or what in caplog.text


def test_who_has_ended_stays_out(ended, told):
    for way in (ended.vanish, ended.end):
        way("mine")
        with pytest.raises(ValueError, match="it has ended"):
            ended.readmit("mine")
        assert can_resume(ended) == [("mine", "cancel", False)]
    # Also one that ended, and was lost before.
    ended.lose("mine")
    with pytest.raises(ValueError, match="it has ended"):
        ended.readmit("mine")
    assert can_resume(ended) == [("mine", "cancel", False)]
    assert ("readmit", "mine") not in told


def test_who_went_with_its_node_and_ended_before_it_was_let_in_stays_out(ended):
    ended.lose("mine")
    ended.vanish("mine")
    assert can_resume(ended) == [("mine", "cancel", False)]


@pytest.mark.parametrize("peers", [[], [{"node": "far", "up": False}], [{"node": "near", "up": True}]])
def test_its_node_has_to_be_there(ended, node, told, peers):
    ended.lose("mine")
    node.bridge_row = lambda: {"peers": peers}
    with pytest.raises(ValueError, match="its node far is not there"):
        ended.readmit("mine")
    assert len(told) == 1


@pytest.mark.parametrize("name", ["other", "nobody"])
def test_others_strategies_are_not_ours_to_let_in(ended, name):
    with pytest.raises(ValueError, match="no account of this node"):
        ended.readmit(name)


def test_what_the_account_refuses_changes_nothing(ended, account):
    ended.lose("mine")
    account.refuses = "its BTC is being flattened"
    with pytest.raises(ValueError, match="being flattened"):
        ended.readmit("mine")
    account.refuses = ""
    assert ended.readmit("mine") == "paper"
