"""Limits of a running node by the command line: a real process, its refusals, and what it knows after it was killed."""

import json
import signal

from tests.integration.conftest import LOG

ORDERS = """
def on_start(self):
    self.said = set()

def on_quote(self, quote):
    self.submit(quote.symbol, OrderSide.BUY, "0.002", price=quote.bid - 500)

def on_order(self, order):
    if order.status == "ACCEPTED":
        self.cancel(order.order_id)
    what = f"{order.status} {order.reason} {order.detail}".strip()
    if order.status in ("ACCEPTED", "REJECTED") and what not in self.said:
        self.said.add(what)
        self.log.warning(f"<{what}>")
"""
REFUSED = "<REJECTED ORDER_SIZE_LIMIT "


def start(shell, *, risk=""):
    return shell.start("run", shell.profile(shell.strategy(ORDERS), account=LOG, risk=risk), "--json")


def account_of(shell):
    [node] = json.loads(shell.run("status", "--json").out)["nodes"]
    return node["accounts"][0]


def limits_of(shell):
    return json.loads(shell.run("limits", "show", "--json").out)["limits"]["paper"]


def test_a_limit_is_lowered_holds_over_a_kill_and_is_raised_only_when_confirmed(shell):
    running = start(shell)
    running.wait_for("<ACCEPTED>")
    assert account_of(shell)["limits_version"] == 1
    lowered = shell.run("limits", "set", "max_order_size=0.0010", "--json")
    assert lowered.code == 0, lowered.err
    changed = json.loads(lowered.out)["change"]
    assert (changed["version"], changed["changes"]) == (2, [{"key": "max_order_size", "old": None, "new": "0.001"}])
    assert changed["who"].endswith(")"), "the login and the uid, as the kernel says"
    running.wait_for(REFUSED)
    assert REFUSED + "limit 0.001 BTC, value 0.002 BTC>" in running.said
    assert "max_order_size from None to 0.001, by " + changed["who"] in running.said
    assert account_of(shell)["limits_version"] == 2
    assert "limits version 2" in shell.run("status").out

    # Looser, or wrong: told, and nothing is changed.
    for terms, why in (
        (["max_order_size=0.5"], "would loosen from 0.001 to 0.5: confirm it"),
        (["max_order_size=0.0005", "max_orders=1"], "max_orders: no such limit"),
        (["max_order_size=-1", "--confirm"], "has to be above zero"),
        (["max_order_notional=none", "--confirm"], "max_order_notional has to be set for every account"),
    ):
        refused = shell.run("limits", "set", *terms)
        assert refused.code == 1, terms
        assert why in refused.err + refused.out
    assert limits_of(shell)["max_order_size"] == "0.001"
    assert account_of(shell)["limits_version"] == 2

    # Who, old and new stand in the log before the change holds: so they outlive the process, whatever its end.
    running.signal(signal.SIGKILL)
    running.end()
    log = (shell.folder / "gate.log").read_bytes()
    assert changed["who"].encode() in log
    again = start(shell, risk='max_order_size = "5"')
    again.wait_for("max_order_size is 0.001 by its log, not 5 as in the profile")
    again.wait_for(REFUSED)
    assert limits_of(shell)["max_order_size"] == "0.001"

    raised = shell.run("limits", "set", "max_order_size=3", "--confirm")
    assert raised.code == 0, raised.err
    assert "max_order_size" in raised.out
    again.wait_for("<ACCEPTED>")
    again.signal(signal.SIGINT)
    ended = again.end()
    assert ended.code == 0, ended.err
    assert ended.summary["events"]["RISK_LIMITS_CHANGED"] == 1
    assert ended.summary["rejections"]["ORDER_SIZE_LIMIT"] > 0
