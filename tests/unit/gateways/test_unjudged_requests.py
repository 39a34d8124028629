"""Requests that die with the account's risk actor, in a running node."""

import pytest

from libra.risk import Risk


@pytest.fixture
def failing(monkeypatch):
    """How often the risk actor's handler raises, before its account is asked or behind that."""
    left = {"before": 0, "behind": 0}
    check = Risk.check

    def fail(when):
        if left[when]:
            left[when] -= 1
            raise RuntimeError(f"{when} it was judged")

    def checked(self, event):
        fail("before")
        check(self, event)
        fail("behind")

    monkeypatch.setattr(Risk, "check", checked)
    return left


async def test_a_request_that_dies_with_its_risk_handler_is_rejected(running, script, failing):
    async with running() as node:
        failing["before"] = 1
        died = node.submit(price="99.0")
        await node.until(lambda: node.status(died) == "REJECTED")
        assert node.account.order(died).reason == "RISK_FAILED"
        assert [(order.order_id, str(order.status)) for order in node.strategy.seen] == [(died, "REJECTED")], (
            "told once"
        )
        lives = node.submit(price="99.0")
        await node.until(lambda: script.ordered == [lives])
        assert node.node.dead_letters.counts()["RAISED"] == {"acct.risk": 1}


async def test_one_whose_approval_has_gone_out_goes_on(running, script, failing):
    async with running() as node:
        failing["behind"] = 1
        order_id = node.submit(price="99.0")
        await node.until(lambda: script.ordered == [order_id])
        assert "REJECTED" not in [str(order.status) for order in node.strategy.seen]
        assert node.node.dead_letters.counts()["RAISED"] == {"acct.risk": 1}
