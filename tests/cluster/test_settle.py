"""What a node's death leaves on an account: its strategies' on_vanish is carried through before the end, or is said."""

import json
import os
import signal
from typing import Any

import pytest
from tests.cluster.conftest import wait_for_nodes, wait_until
from tests.cluster.test_joined import BUYER, Joined, joined  # noqa: F401 - a fixture

from libra.assembly.vanished import vanished_status
from libra_cluster.supervision.child import Child

STORM = BUYER.replace("interval_s=0.1", "interval_s=0.03")
ONCE = """
def on_quote(self, quote):
    if not hasattr(self, "bought"):
        self.bought = self.submit(quote.symbol, OrderSide.BUY, "0.001")
"""


def killed(joined: Joined, body: str, risk: str):  # noqa: F811
    """A run whose strategies' node is killed once it holds something."""
    profile = joined.topology(strategy=joined.strategy(body), strategy_more='on_vanish = "flatten"', risk=risk)
    running = joined.start("run", profile, "--json")
    pids = wait_for_nodes(running, "trading", "strategies")

    def holds() -> object:
        [node] = json.loads(joined.run("status", "--node", "trading", "--json").out)["nodes"]
        return node["accounts"][0]["positions"]

    wait_until(holds, "it trades")
    os.kill(pids["strategies"], signal.SIGKILL)
    ended = running.end(60)
    assert ended.code == 1
    [row] = ended.summary["vanished"]
    [closing] = row["flattening"]
    return ended, closing


def test_a_closing_that_has_to_wait_for_its_turn_is_waited_for(joined: Joined):  # noqa: F811
    ended, closing = killed(joined, STORM, "max_orders_per_second = 3")
    assert closing["state"] == "flat", ended.err
    assert "position left open" not in ended.err


def test_a_position_that_stays_is_an_error(joined: Joined):  # noqa: F811
    # One order a minute, which the strategy has had.
    ended, closing = killed(joined, ONCE, "max_orders_per_minute = 1")
    assert closing["state"] == "waiting", ended.err
    [told] = [line for line in ended.err.splitlines() if "position left open" in line]
    assert "ERROR" in told
    assert "account paper: strategy mine is gone, its BTC/USDT:USDT@synthetic is not flat, and the node stops" in told
    assert closing["code"] in told


class Account:
    def __init__(self, name: str, gone: tuple[str, ...], cancelling: int) -> None:
        self.name, self.gone, self.open = name, gone, cancelling

    def vanished(self) -> list[Any]:
        return [(strategy, "flatten", [("BTC", "flat", "", "")]) for strategy in self.gone]

    def standing(self) -> dict[str, int]:
        return {"cancelling": self.open}


def test_cancels_are_counted_of_accounts_that_were_left():
    accounts: Any = {
        "a": Account("a", ("mine", "other"), 2),
        "b": Account("b", (), 4),
        "c": Account("c", ("third",), 1),
    }
    told = vanished_status(accounts)
    assert told["cancelling"] == 3
    assert [(row["account"], row["strategy"]) for row in told["vanished"]] == [
        ("a", "mine"), ("a", "other"), ("c", "third"),
    ]  # fmt: skip


def flattened(strategy: str, *states: str) -> dict[str, object]:
    return {"strategy": strategy, "flattening": [{"state": state} for state in states]}


@pytest.mark.parametrize(
    ("rows", "cancelling", "has_settled"),
    [
        ([], 0, False),
        ([flattened("other", "flat")], 0, False),
        ([flattened("mine")], 0, True),
        ([flattened("mine")], 1, False),
        ([flattened("mine", "flat", "given up")], 0, True),
        ([flattened("mine", "flat", "working")], 0, False),
        ([flattened("mine", "waiting", "flat")], 0, False),
        ([flattened("mine", "flat"), flattened("other", "waiting")], 0, True),
    ],
)
def test_an_account_has_settled_once_nothing_waits_and_nothing_is_being_cancelled(rows, cancelling, has_settled):
    child = object.__new__(Child)
    child.status = {"vanished": rows, "cancelling": cancelling}
    assert child.has_settled(["mine"]) is has_settled
    child.status = None
    assert not child.has_settled(["mine"])
