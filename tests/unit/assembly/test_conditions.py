"""What a node still misses to be alive, started and ready, in words."""

from types import SimpleNamespace

import pytest

from libra.assembly.conditions import Conditions
from libra.core.actor import ActorState

STANDING = {"killed": None, "unattended": None, "stopped": None, "incident": None, "log_failed": False}
BRIDGE = {"fenced": False, "connected": True, "error": "", "refuses": []}


class Node:
    """A node that is ready."""

    def __init__(self, **fields):
        self.core = SimpleNamespace(running=lambda: "sma")
        self.is_open, self.is_draining, self.has_bridge = True, False, True
        self.states = {"sma": ActorState.RUNNING}
        self.failed = []
        self.standing = {}
        self.bridge = {}
        self.__dict__.update(fields)

    @property
    def accounts(self):
        standing = STANDING | self.standing
        return {"paper": SimpleNamespace(name="paper", standing=lambda: standing)}

    def actor_states(self):
        return self.states

    def bridge_row(self):
        return None if self.bridge is None else BRIDGE | self.bridge


def ready(pulse=None, **fields):
    return Conditions(Node(**fields), pulse or SimpleNamespace(is_late=False)).missing_to_be_ready()


def test_a_node_that_trades_misses_nothing():
    assert ready() == []
    assert ready(bridge=None, has_bridge=False) == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"is_open": False}, "accounts and bridge are being opened"),
        ({"states": {"sma": ActorState.STARTING, "b": ActorState.CREATED}}, "actors have not started: sma, b"),
        ({"is_draining": True}, "the node is draining: it was asked to end"),
        ({"failed": ["sma"]}, "actor sma was given up"),
        (
            {"standing": {"killed": "by hand", "stopped": ("KILL_SWITCH", "")}},
            "account paper: its kill switch is set: by hand",
        ),
        ({"standing": {"unattended": "sma failed"}}, "account paper: unattended: sma failed"),
        ({"standing": {"incident": ("ODD", "so")}}, "account paper: incident ODD: so"),
        ({"standing": {"log_failed": True}}, "account paper: its log does not take what it has to"),
        (
            {"standing": {"stopped": ("BRIDGE_UNSOUND", "a gap")}},
            "account paper: no new order leaves: BRIDGE_UNSOUND a gap",
        ),
        ({"bridge": {"connected": False, "error": "refused"}}, "bridge: not connected: refused"),
        ({"bridge": {"connected": False}}, "bridge: not connected: not yet"),
        ({"bridge": {"fenced": True}}, "bridge: another process of this node's name has taken over"),
        (
            {"bridge": {"refuses": [{"what": "ORDERS", "reason": "read only"}]}},
            "bridge: the server refuses ORDERS: read only",
        ),
        ({"bridge": None}, "bridge: it was not started"),
    ],
)
def test_what_is_missing_is_said(fields, said):
    assert ready(**fields) == [said]


def test_a_loop_that_is_held_is_named_with_who_holds_it():
    pulse = SimpleNamespace(is_late=True, age_s=6.25, limit_s=5.0)
    said = "the loop has not come round for 6.2 s, and a handler may hold it for 5 s: actor sma runs"
    conditions = Conditions(Node(), pulse)
    assert conditions.missing_to_live() == [said]
    assert conditions.missing_to_be_ready() == [said]


def test_what_has_started_once_has_started():
    node = Node()
    conditions = Conditions(node, SimpleNamespace(is_late=False))
    assert conditions.missing_to_start() == []
    node.states = {"sma": ActorState.STARTING}
    assert conditions.missing_to_start() == [], "a restart is no start"
