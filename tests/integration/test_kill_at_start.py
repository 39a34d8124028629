"""The kill switch by a signal while a node starts: at each step from the guard on every account is stopped, also one
that is opened later."""

import gc
import os
import signal
from typing import Any

import pytest
from tests.integration.test_kill import SECOND

from libra.assembly.trading_node import TradingNode, build
from libra.config import load

TRADES = """
def on_quote(self, quote):
    self.submit(quote.symbol, OrderSide.BUY, "0.001", price=quote.ask)
"""


class Steps:
    """The native side of a node that pulls the kill switch behind one of the calls made between guard and actors."""

    def __init__(self, core: object, pull_behind: int | None) -> None:
        self._core = core
        self._pull_behind = pull_behind
        self.calls: list[str] = []
        self._counts = False

    def __getattr__(self, name: str) -> object:
        value = getattr(self._core, name)
        return self._counted(name, value) if callable(value) else value

    def _counted(self, name: str, call):
        def step(*args, **kwargs):
            result = call(*args, **kwargs)
            self._counts = (self._counts or name == "install_guard") and name != "publish_unconfirmed"
            if self._counts:
                self.calls.append(name)
                if len(self.calls) - 1 == self._pull_behind:
                    os.kill(os.getpid(), signal.SIGUSR1)
                    assert self._core.catch_up_with_signals()
            return result

        return step


def node(
    shell, *, pull_behind: int | None = None, resume: tuple[str, ...] = (), seed: int = 1
) -> tuple[TradingNode, Steps]:
    second = SECOND.replace("[[account_groups]]\nname", f"[[account_groups]]\nlog = {log(shell, 'second')}\nname")
    terms = {"clock": "simulated", "node": "duration_s = 0.3\ncontrol = false", "strategy_more": second}
    path = shell.folder / shell.profile(shell.strategy(TRADES), account=f"log = {log(shell, 'paper')}", **terms)
    # Of another seed are other requests: what was refused once stays refused.
    path.write_text(path.read_text().replace("seed = 1", f"seed = {seed}"))
    made = build(load(path), resume=resume)
    made.core = steps = Steps(made.core, pull_behind)  # type: ignore[assignment]
    return made, steps


def log(shell, account: str) -> str:
    return f'{{ path = "{shell.folder / account}.log", resume = true }}'


def run(shell, **how: Any) -> tuple[int, set[str], int, list[str]]:
    """Fills in the logs, accounts that the kill switch stopped, exit code and steps of a run that is over for good."""
    made, steps = node(shell, **how)
    result = made.run()
    stopped = {account for account, why in result.summary["stopped"].items() if "KILL_SWITCH" in str(why)}
    del made
    # The node and its actors hold each other, and the logs.
    gc.collect()
    return len(result.fills), stopped, result.exit_code, steps.calls


BOTH = {"paper", "second"}


def every(calls: list[str]) -> list[int]:
    return list(range(len(calls)))


def distinct(calls: list[str]) -> list[int]:
    """The first and the last step of each name."""
    last = {name: step for step, name in enumerate(calls)}
    return sorted({calls.index(name) for name in last} | set(last.values()))


@pytest.mark.parametrize("chosen", [distinct, pytest.param(every, marks=pytest.mark.slow)])
def test_at_each_step_of_a_start_the_switch_stops_both_accounts_for_good(shell, chosen):
    fills, _, _, calls = run(shell)
    assert fills > 0, "undisturbed they trade"
    assert calls[0] == "install_guard"
    assert calls.count("open_account") == 2
    for behind in chosen(calls):
        for path in shell.folder.glob("*.log*"):
            path.unlink()
        assert run(shell, pull_behind=behind)[:3] == (0, BOTH, 3), f"{behind} {calls[behind]}"
        assert not list(shell.folder.glob("*.killed")), "it stands in the logs"
    assert run(shell, seed=2)[:2] == (0, BOTH)


@pytest.mark.parametrize("step", ["install_guard", "open_account"])
def test_a_switch_that_is_pulled_while_a_node_starts_outlasts_its_resume(shell, step):
    run(shell, pull_behind=0)
    fills, _, _, calls = run(shell, resume=tuple(BOTH), seed=2)
    assert fills > 0, "resumed they trade"
    behind = len(calls) - 1 - calls[::-1].index(step)
    run(shell, pull_behind=0, seed=3)
    assert run(shell, pull_behind=behind, resume=tuple(BOTH), seed=4)[:2] == (fills, BOTH)
