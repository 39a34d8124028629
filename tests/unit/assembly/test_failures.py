"""A run that ends with 1 says why in its summary; one that does not has nothing to say."""

from types import SimpleNamespace
from typing import Any

import pytest

from libra import exit_codes
from libra.assembly.bridge_end import BridgeEnd
from libra.assembly.failures import failures
from libra.assembly.trading_node import _exit_code
from libra.core.options import Outcome

CHANNEL = "ORDERS:all:strategies"


def node(
    unattended: str | None = None,
    *,
    fenced: bool = False,
    lost_input: bool = False,
    left: tuple[str, ...] = (),
    not_flat: tuple[str, ...] = (),
    **end: Any,
) -> Any:
    bridge_end = BridgeEnd()
    for name, value in end.items():
        setattr(bridge_end, name, value)
    account = SimpleNamespace(name="paper", standing=lambda: {"unattended": unattended})
    return SimpleNamespace(
        accounts={"paper": account},
        bridge_end=bridge_end,
        bridge_log=SimpleNamespace(is_fenced=fenced),
        ended=SimpleNamespace(left=list(left), not_flat=lambda: [("paper", "mine", what, "") for what in not_flat]),
        lost_input=lost_input,
    )


LOST = {"link": {"channels": {CHANNEL: {"lost": 1, "lost_events": 18}}, "outboxes": {"ORDERS": {"cut": 7}}}}


@pytest.mark.parametrize(
    ("ended", "outcome", "why"),
    [
        (node(), Outcome(), []),
        (node(), Outcome(why="stop", asked_by="SIGTERM", errors=3), []),
        (node(), Outcome(failed=["mine", "other"]), ["mine failed for good", "other failed for good"]),
        (
            node(left=("mine",)),
            Outcome(),
            ["strategy mine left orders or a position, without an on_stop that did its work"],
        ),
        (
            node(not_flat=("BTC/USDT@synthetic", "position")),
            Outcome(),
            [f"strategy mine is gone, its {what} was not flattened" for what in ("BTC/USDT@synthetic", "position")],
        ),
        (node(), Outcome(drained=False), ["not all was handled within the drain's time"]),
        (node(), Outcome(why="memory"), ["it needed more memory than it may have"]),
        (node(lost_input=True), Outcome(), ["some of the market's data could not be read"]),
        (node(fenced=True), Outcome(), ["another process of this node's name has taken over"]),
        (node(lost_strategies=["mine"]), Outcome(), ["strategy mine was lost with its node"]),
        (node(left_behind=17), Outcome(), ["17 durable events did not leave"]),
        (
            node(stats=LOST),
            Outcome(),
            [f"18 durable events of {CHANNEL} were lost", "7 durable events of ORDERS, cut were lost"],
        ),
        (
            node(unsound={"paper": "BRIDGE_UNSOUND: a gap"}),
            Outcome(),
            ["account paper refused its orders: BRIDGE_UNSOUND: a gap"],
        ),
        (node("its gateway failed"), Outcome(), ["account paper is unattended: its gateway failed"]),
    ],
    ids=lambda it: "; ".join(it) or "nothing" if isinstance(it, list) else "",
)
def test_each_reason_is_in_words(ended: Any, outcome: Outcome, why: list[str]) -> None:
    assert failures(ended, outcome) == why
    for stopped, code in (({}, exit_codes.OK), ({"paper": "DAILY_LOSS"}, exit_codes.RISK_STOP)):
        told = {"failures": failures(ended, outcome), "stopped": stopped}
        assert _exit_code(told) == (exit_codes.FAILED if why else code)
