"""Lives of our process, one a line of standard input: each a fork that runs a real node until it is done or dead.

Run as ``python -m tests.integration.crash.lives``. The parent has imported everything and started no thread, so a life
begins in milliseconds; answers, a line a life, say how it ended (exit code, or minus the signal).
"""

import json
import logging
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.integration.crash.points import POINTS

from libra.assembly import build, trading_node
from libra.config import load
from libra.risk.actor import Risk

LONGEST_LIFE_S = 25
WATCHED = frozenset(
    [
        "on_signal",
        "on_request",
        "on_approved",
        "on_cancel",
        "may_send",
        "on_submitted",
        "on_report",
        "cancel_all",
        "set_reconciled",
        "confirm",
    ]
)

_looks = Counter()


def _still_in_time(order_id):
    # The first looks ask whether its sending was left undone, and whether the venue may be queried, which goes on.
    _looks[order_id] += 1
    return time.time_ns() + 1_000_000_000 if _looks[order_id] > 2 else None


MUTANTS = {
    # What a query is for, done the wrong way: whatever is not answered leaves again.
    "sends again": {
        "may_send": lambda real: lambda order_id: real(order_id) or True,
        "send_by_ns": lambda real: lambda order_id: real(order_id) or _still_in_time(order_id),
    },
    "loses fills": {"on_report": lambda real: lambda report: report.status == "FILLED" or real(report)},
}
"""Guards taken out: by name, which method becomes what."""


class WatchedAccount:
    """An account group whose steps are points."""

    def __init__(self, account, mutant):
        self._account = account
        self._mutant = mutant

    def __getattr__(self, name):
        found = getattr(self._account, name)
        if self._mutant:
            found = MUTANTS[self._mutant].get(name, lambda real: real)(found)
        if name not in WATCHED:
            return found

        def watched(*args):
            reconciling = self._account.is_reconciling
            POINTS.reach(f"{name}.before")
            if reconciling:
                POINTS.reach(f"recovery.{name}.before")
            result = found(*args)
            POINTS.reach(f"{name}.after")
            if reconciling:
                POINTS.reach(f"recovery.{name}.after")
            if name == "on_report" and self._account.order(args[0].order_id).status == "PARTIALLY_FILLED":
                POINTS.reach("partly_filled")
            return result

        return watched


def live(life):
    """Run the profile until its strategy is done, and write down what the account knows then."""
    POINTS.arm(life.get("point", ""), life.get("nth", 0))
    known_before = []

    def open_watched(*args):
        account = WatchedAccount(trading_node_open(*args), life["mutant"])
        known_before.extend(order.order_id for order in account.orders() if order.reason != "RECONCILING")
        found = {"known": known_before, **account.recovered}
        Path(life["found"]).write_text(json.dumps(found), encoding="utf-8")
        return account

    def kill(self, event, real=Risk.kill):
        POINTS.reach("latched")
        real(self, event)

    # The latch is set natively, before anybody is told; here the cancels of a gateway outside have not left yet.
    Risk.kill = kill
    trading_node_open, trading_node.open_account = trading_node.open_account, open_watched
    node = build(load(life["profile"], environ={}))
    load_class = trading_node.load_class
    gateway = load_class(node.settings.account_groups[0].gateway.class_path)
    gateway.session = life["session"]
    walker = load_class(node.settings.strategies[0].class_path)
    walker.account_group = staticmethod(lambda: node.accounts["acct"])
    walker.touch = staticmethod(lambda *order, **how: gateway.latest.touch(*order, **how))

    def look(_status):
        strategy = node.actor_named("walker")
        if strategy is not None and strategy.done:
            node.stop()

    result = node.run(on_progress=look, progress_interval_s=0.02)
    account = node.accounts["acct"]
    told = {
        "orders": result.orders,
        "fills": result.fills,
        "summary": result.summary,
        "exit_code": result.exit_code,
        "positions": account.positions(),
        "balances": account.balances(),
        "is_killed": account.is_killed,
        "digest": account.state_digest(),
        "passed": dict(POINTS.passed),
        "run_folder": os.environ["LIBRA_RUN_DIR"],
    }
    Path(life["report"]).write_text(json.dumps(told, default=str), encoding="utf-8")


def fork_each(live, longest_s):
    """Live once for each line of standard input, each in a fork that has so many seconds; answer how it ended."""
    for line in sys.stdin:
        life = json.loads(line)
        process = os.fork()
        if process == 0:
            status = 70
            try:
                signal.alarm(longest_s)
                log = os.open(life["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
                for stream in (1, 2):
                    os.dup2(log, stream)
                logging.basicConfig(level=logging.INFO)
                live(life)
                status = 0
            except BaseException:
                logging.exception("the life failed")
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    # A folder of its own, whoever starts it: no operator of this host finds its nodes, and it finds none of theirs.
    with tempfile.TemporaryDirectory(prefix="libra-lives-") as folder:
        os.environ["LIBRA_RUN_DIR"] = folder
        print("ready", flush=True)  # noqa: T201 - whoever started it waits for that
        fork_each(live, LONGEST_LIFE_S)
