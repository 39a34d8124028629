"""Lives of a process that trades at the simulated exchange over CCXT, one a line of standard input.

Each is a fork that runs a real node, as in `tests.integration.crash.lives`, until its strategies have done what they
were told and its accounts agree with the venue, or until it is dead. Run as ``python -m
tests.integration.ccxt_gateway.lives``.
"""

import asyncio
import json
import os
import time
import urllib.request

from tests.integration.crash.lives import WatchedAccount, fork_each
from tests.integration.crash.points import POINTS

from libra.assembly import build, trading_node, venues
from libra.config import load
from libra.gateways.ccxt.venue import require_venue

LONGEST_LIFE_S = 60


class Watch:
    """Makes the steps of a gateway's orders points, and knows what the exchange has seen of them."""

    def __init__(self, url, deadly, make):
        self._url, self._deadly, self._make = url, deadly, make

    def gateway(self, *args, **named):
        gateway = self._make(*args, **named)
        gateway.order = self._watched("order", gateway.order, lambda order, *_: order.order_id, self._was_asked)
        gateway.cancel = self._watched("cancel", gateway.cancel, lambda order_id: order_id, self._was_cancelled)
        return gateway

    def _watched(self, what, real, id_of, has_arrived):
        async def request(*args, **how):
            POINTS.reach(f"{what}.unsent")
            asked = asyncio.ensure_future(real(*args, **how))
            try:
                if self._deadly == f"{what}.sent":
                    # Its answer is slow here: the exchange says when it has the request.
                    while not await asyncio.to_thread(has_arrived, id_of(*args)):
                        assert not asked.done(), "it was answered"
                    POINTS.reach(f"{what}.sent")
                answer = await asked
            finally:
                asked.cancel()
            POINTS.reach(f"{what}.answered")
            return answer

        return request

    def _was_asked(self, order_id):
        return any(row["client_order_id"] == order_id for row in self._control("requests"))

    def _was_cancelled(self, order_id):
        orders = self._control("orders?account=sim")
        return any(row["status"] == "CANCELED" for row in orders if row["clientOrderId"] == order_id)

    def _control(self, path):
        with urllib.request.urlopen(f"{self._url}/control/{path}", timeout=10) as answer:
            return json.loads(answer.read())


def live(life):
    """Run the profile until all is done."""
    os.environ["LIBRA_RUN_DIR"] = life["run_folder"]
    os.chdir(life["folder"])
    POINTS.arm(life["point"], life["nth"])
    open_account = trading_node.open_account
    trading_node.open_account = lambda *args: WatchedAccount(open_account(*args), "")
    venues.account_gateway = Watch(life["url"], life["point"], venues.account_gateway).gateway
    node = build(load(life["profile"], environ={}))
    strategies = [entry.name for entry in node.settings.strategies]
    idle_ns = 0

    def look(_status):
        nonlocal idle_ns
        actors = [node.actor_named(name) for name in strategies]
        idle = all(actor is not None and actor.read == life["lines"] and not actor.undone for actor in actors)
        idle_ns = (idle_ns or time.time_ns()) if idle else 0
        if idle_ns and all(agrees(account, idle_ns) for account in node.accounts.values()):
            node.stop()

    result = node.run(on_progress=look, progress_interval_s=0.02)
    assert result.exit_code == 0, result.summary


def agrees(account, since_ns):
    """A look at the account, begun since then, has found nothing, and nothing is open to question."""
    found = account.last_look()
    later = found is not None and found["at_ns"] - found["duration_ns"] > since_ns
    settled = later and found["settled"] and not found["differences"]
    return settled and not account.is_reconciling and account.standing()["stopped"] is None


if __name__ == "__main__":
    require_venue("binance")
    print("ready", flush=True)  # noqa: T201 - whoever started it waits for that
    fork_each(live, LONGEST_LIFE_S)
