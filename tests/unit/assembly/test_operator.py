"""The verbs of an operator against a node that does not run on: what they refuse, and the seam for limits."""

import os
import time
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from libra.assembly.operator import Operator
from libra.control.peer import Peer
from libra.core.actor import ActorState
from libra.core.events import Event, EventType
from libra.errors import ControlError
from libra_core import NodeCore

OPS = Peer(os.geteuid(), 1)


@dataclass(frozen=True)
class Change:
    limit: str
    old: str
    new: str


class Account:
    def __init__(self, name, log_fails=False):
        self.name = name
        self.killed = None
        self.log_fails = log_fails
        self.differs = None
        self.accepted = None
        self.passed = []
        self.incident = None
        self.version = 1
        self.count = 0
        self.meanwhile = 0

    @property
    def is_killed(self):
        return self.killed is not None

    def kill(self, reason):
        self.killed = reason
        self.count += 1
        if self.log_fails:
            raise OSError("no space")
        return []

    def cancelling(self):
        return [f"open of {self.name}"]

    def stops(self):
        return self.count

    def resume(self, reason, stops):
        self.count += self.meanwhile
        if stops != self.count:
            raise ValueError("it was stopped again meanwhile")
        if self.log_fails:
            raise OSError("no space")
        self.killed = None

    def accept_venue(self, reason, stops):
        assert stops == self.count
        if self.differs is None:
            raise ValueError("nothing to accept")
        if self.log_fails:
            raise OSError("no space")
        self.accepted, self.differs = reason, None

    def last_look(self):
        return None if self.differs is None else {"differences": [self.differs]}

    def standing(self):
        return {
            "killed": self.killed,
            "unattended": None,
            "stopped": None,
            "incident": self.incident,
            "open_orders": 0,
            "cancelling": 0,
            "limits_version": self.version,
        }

    def limits(self):
        return [("max_order_size", "1")]

    def breaches(self):
        return self.passed

    def positions(self):
        return [
            {"instrument": "a", "size": 0, "unrealised": 0, "cost": 1},
            {"instrument": "b", "size": 2, "unrealised": 3, "cost": 1},
        ]


class Core:
    """A signal stops an account once the guard has had its turn."""

    sent = 0

    def __init__(self, accounts):
        self.accounts = accounts

    def catch_up_with_signals(self):
        for account in self.accounts.values():
            account.count += self.sent
        self.sent = 0
        return True


class Node:
    def __init__(self, *names, **more):
        self.accounts = {name: Account(name, **more) for name in names}
        strategy = SimpleNamespace(name="mine", account=names[0], on_vanish="keep")
        self.strategies = [strategy]
        self.states = {"mine": ActorState.RUNNING}
        self.core = Core(self.accounts)
        self.operator = Operator(self, 0, "p", "v")
        self.stopped = []
        self.asked = []
        self.cancelled = []

    def cancel_outside(self, account, ids):
        self.cancelled += ids

    def attend(self, account):
        return False

    def actor_states(self):
        return self.states

    def stop_strategy(self, name):
        self.stopped.append(name)

    def change_limits(self, account, changes, *, confirmed, who):
        self.asked.append((account, changes, confirmed, who))
        if not confirmed:
            raise ControlError("NOT_CONFIRMED", "that loosens a limit")
        return Change("max_order_size", "1", changes["max_order_size"])


def ask(node, verb, **arguments):
    return node.operator.verbs[verb](OPS, arguments)


def code(node, verb, **arguments):
    with pytest.raises(ControlError) as caught:
        ask(node, verb, **arguments)
    return caught.value.code


def test_kill_and_resume_say_who_and_why():
    node = Node("a", "b")
    [row] = ask(node, "kill", account="a", reason=" a  fat\nfinger ")["accounts"]
    assert row["killed"] == f"libra kill-switch by {OPS}: a fat finger"
    assert row["positions"] == [{"instrument": "b", "size": 2, "unrealised": 3}]
    assert node.accounts["b"].killed is None
    ask(node, "kill", reason="again")
    assert node.accounts["a"].killed.endswith("again"), "who came later explains it"
    assert [row["killed"] for row in ask(node, "resume")["accounts"]] == [None, None]


def signal_comes(node):
    node.core.sent += 1


def look_differs(node):
    node.accounts["a"].differs = ("POSITION_DIFFERS", "BTC/USDT:USDT", "0", "2", "2")


@pytest.mark.parametrize(
    "again",
    [
        signal_comes,
        lambda node: ask(node, "kill", reason="first"),
        lambda node: setattr(node.accounts["a"], "killed", "an actor's word"),
        lambda node: setattr(node.accounts["a"], "count", 7),
        lambda node: setattr(node.accounts["b"], "passed", [("DRAWDOWN", "6 of 5")]),
        look_differs,
    ],
)
@pytest.mark.parametrize("accept", [False, True])
def test_a_resume_is_about_the_stop_that_was_looked_at(again, accept):
    node = Node("a", "b")
    ask(node, "kill", reason="first")
    for account in node.accounts.values():
        account.incident = ("POSITION_DIFFERS", "BTC/USDT:USDT")
    node.accounts["a"].differs = ("POSITION_DIFFERS", "BTC/USDT:USDT", "0", "1", "1")
    rows = ask(node, "kill", reason="first")["accounts"]
    latches = {row["name"]: row["latch"] for row in rows}
    again(node)
    more = {"account": "a", "accept_venue": True} if accept else {}
    if not (accept and node.accounts["b"].passed):
        assert code(node, "resume", latches=latches, **more) == "CHANGED"
        assert [account.is_killed for account in node.accounts.values()] == [True, True]
        assert node.accounts["a"].accepted is None
    latches = {row["name"]: row["latch"] for row in ask(node, "kill")["accounts"]}
    node.core.catch_up_with_signals()
    ask(node, "resume", latches=latches, **more)


def test_what_was_seen_of_an_earlier_life_is_no_look_at_this_one():
    [row] = ask(Node("a"), "kill", reason="first")["accounts"]
    node = Node("a")
    ask(node, "kill", reason="first")
    assert code(node, "resume", latches={"a": row["latch"]}) == "CHANGED"


def test_what_comes_between_the_last_look_and_the_resume_keeps_the_account_stopped():
    node = Node("a")
    [row] = ask(node, "kill", reason="first")["accounts"]
    node.accounts["a"].meanwhile = 1
    assert code(node, "resume", latches={"a": row["latch"]}) == "CHANGED"
    assert node.accounts["a"].is_killed


def test_of_several_accounts_each_that_can_is_resumed_and_told():
    node = Node("a", "b", "c")
    rows = ask(node, "kill", reason="first")["accounts"]
    node.accounts["b"].meanwhile = 1
    with pytest.raises(ControlError) as caught:
        ask(node, "resume", latches={row["name"]: row["latch"] for row in rows})
    assert caught.value.code == "CHANGED"
    assert caught.value.text.startswith("account b does not stand any more as it was looked at: ")
    assert caught.value.text.endswith(". It stays stopped; resumed: a, c")
    assert [account.is_killed for account in node.accounts.values()] == [False, True, False]


def test_a_loss_that_goes_on_is_the_same_stop():
    node = Node("a")
    node.accounts["a"].passed = [("DRAWDOWN", "6 of 5")]
    [row] = ask(node, "kill")["accounts"]
    node.accounts["a"].passed = [("DRAWDOWN", "7 of 5")]
    assert ask(node, "resume", latches={"a": row["latch"]})["accounts"][0]["killed"] is None
    assert code(node, "resume", latches=["a"]) == "BAD_REQUEST"
    assert code(node, "resume", latches={}) == "CHANGED", "every account is named"


def test_arguments_that_make_no_sense():
    node = Node("a", "b")
    assert code(node, "kill", account="c") == "UNKNOWN_ACCOUNT"
    assert code(node, "kill", account=["a"]) == "UNKNOWN_ACCOUNT"
    assert code(node, "kill", acount="a") == "BAD_REQUEST"
    assert code(node, "kill", reason=7) == "BAD_REQUEST"
    assert node.accounts["a"].killed is None
    assert code(node, "stop_strategy", strategy="nobody") == "UNKNOWN_STRATEGY"
    assert code(node, "set_limits", changes={}) == "BAD_REQUEST"
    assert code(node, "set_limits", changes={"max_order_size": 1}) == "BAD_REQUEST"
    assert code(node, "set_limits", changes={"max_order_size": "1"}, confirmed="yes") == "BAD_REQUEST"
    assert code(node, "set_limits", changes={"max_order_size": "1"}) == "WHICH_ACCOUNT"
    assert node.asked == []


def test_a_log_that_fails_leaves_the_account_stopped():
    assert code(Node("a", log_fails=True), "resume") == "LOG"


def test_the_venues_word_is_taken_for_one_account_with_who_and_why(caplog):
    node = Node("a", "b")
    assert code(node, "resume", accept_venue=True) == "WHICH_ACCOUNT"
    assert code(node, "resume", account="a", accept_venue="yes") == "BAD_REQUEST"
    assert code(node, "resume", account="a", accept_venue=True) == "CANNOT_ACCEPT"
    account = node.accounts["a"]
    account.differs = ("POSITION_DIFFERS", "BTC/USDT:USDT", "0", "1", "1")
    account.log_fails = True
    assert code(node, "resume", account="a", accept_venue=True) == "LOG"
    account.log_fails = False
    assert "stays stopped: its log says: no space" in caplog.text
    [row] = ask(node, "resume", account="a", accept_venue=True, reason="by hand")["accounts"]
    assert (row["name"], account.accepted) == ("a", f"libra resume --accept-venue by {OPS}: by hand")
    assert "POSITION_DIFFERS" in caplog.text
    assert "a loss" not in caplog.text


def test_a_venues_word_that_passes_a_loss_limit_is_told_with_the_stop(caplog):
    node = Node("a")
    account = node.accounts["a"]
    account.differs = ("BALANCE_DIFFERS", "USDT", "1000", "500", "-500")
    account.passed = [("DAILY_LOSS", "limit 100 USDT, value 500 USDT")]
    ask(node, "resume", account="a", accept_venue=True, reason="a fee")
    assert "the venue's word is taken" in caplog.text
    assert "account a stands stopped by a loss all the same: DAILY_LOSS: limit 100 USDT, value 500 USDT" in caplog.text


def test_a_log_that_fails_keeps_no_other_account_from_being_stopped_or_resumed():
    node = Node("a", "b")
    node.accounts["a"].log_fails = True
    assert code(node, "kill", reason="enough") == "LOG"
    assert [account.is_killed for account in node.accounts.values()] == [True, True]
    assert node.cancelled == ["open of a"], "a cancel does not wait for a log"
    assert code(node, "resume") == "LOG"
    assert [account.is_killed for account in node.accounts.values()] == [True, False]


def test_limits_are_asked_for_as_given_and_looser_only_when_confirmed():
    node = Node("a")
    assert code(node, "set_limits", changes={"max_order_size": "2"}) == "NOT_CONFIRMED"
    changed = ask(node, "set_limits", changes={"max_order_size": "2"}, confirmed=True)
    assert changed == {"account": "a", "change": {"limit": "max_order_size", "old": "1", "new": "2"}}
    assert [(confirmed, who) for _, _, confirmed, who in node.asked] == [(False, str(OPS)), (True, str(OPS))]
    assert ask(node, "limits") == {"limits": {"a": {"max_order_size": "1"}}, "versions": {"a": 1}}


def test_limits_are_loosened_of_the_version_that_was_looked_at():
    node = Node("a")
    node.accounts["a"].version = 2
    changes = {"max_order_size": "2"}
    assert code(node, "set_limits", changes=changes, confirmed=True, version="2") == "BAD_REQUEST"
    assert code(node, "set_limits", changes=changes, confirmed=True, version=1) == "CHANGED"
    assert node.asked == []
    ask(node, "set_limits", changes=changes, confirmed=True, version=2)
    assert code(node, "set_limits", changes=changes, version=1) == "NOT_CONFIRMED", "what lowers is taken of any"


def test_a_strategy_that_has_stopped_is_asked_for_what_it_left_and_one_that_failed_is_not():
    node = Node("a")
    for state in (ActorState.RUNNING, ActorState.STOPPED, ActorState.FAILED):
        node.states["mine"] = state
        assert ask(node, "stop_strategy", strategy="mine") == {"strategy": "mine", "on_vanish": "keep"}
    assert node.stopped == ["mine", "mine", "mine"]


def test_what_is_remembered_is_told_in_the_digits_of_the_log():
    node = Node("a")
    node.core = NodeCore(simulated=False)
    node.core.record(5_000)
    event = Event.create(EventType.ORDER_NEW, "test")
    assert node.core.publish(event)
    [row] = ask(node, "trace", id=event.trace_id[:8])["notes"]
    assert (row["trace_id"], row["span_id"], row["parent_span_id"]) == (event.trace_id, event.span_id, "")
    assert (row["step"], row["event_type"], row["lane"]) == ("published", "ORDER_NEW", "ORDERS")
    listed = ask(node, "traces", last=5)
    assert [found["trace_id"] for found in listed["traces"]] == [event.trace_id]
    assert listed["recorded"]["notes"] == 1
    for number in range(2_000):
        node.core.publish(Event.create(EventType.SIGNAL, f"s{number % 3}", None, event.trace_id))
    answer = ask(node, "trace", id=event.trace_id)
    assert (len(answer["notes"]), answer["more"]) == (1_000, True)


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("trace", {}),
        ("trace", {"id": 7}),
        ("trace", {"id": "xyz"}),
        ("trace", {"id": "", "more": 1}),
        ("traces", {}),
        ("traces", {"last": 0}),
        ("traces", {"last": True}),
        ("traces", {"last": 10**6}),
    ],
)
def test_a_question_about_traces_that_makes_no_sense_is_refused(verb, arguments):
    node = Node("a")
    node.core = NodeCore(simulated=False)
    assert code(node, verb, **arguments) == "BAD_REQUEST"


def test_how_long_a_node_runs_is_no_matter_of_a_clock_that_is_set(monkeypatch):
    node = SimpleNamespace(
        options=SimpleNamespace(name="n"),
        actor_states=dict,
        accounts={},
        strategies=(),
        core=SimpleNamespace(waiting_s=dict),
        actor_loads=dict,
        metrics_url=None,
        venue_rows=list,
        bridge_row=lambda: None,
        ended=SimpleNamespace(rows=list),
        errors=0,
        failed=[],
    )
    began = time.monotonic()
    operator = Operator(node, time.time_ns(), "p", "v")
    a_day_on = time.time_ns() + 86_400 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: a_day_on)
    assert 0 <= operator.status(OPS, {})["uptime_s"] <= time.monotonic() - began + 0.001
