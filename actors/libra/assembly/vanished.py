"""Strategies that are no more: what becomes of their orders and positions, for operators and for the log.

A flattening that has not come to its end when the node stops goes on nowhere: nobody closes what is left, which is an
error.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from libra_core import AccountGroup

__all__ = ["VanishedReport", "not_flat", "vanished_rows", "vanished_status"]

_log = logging.getLogger(__name__)


def vanished_rows(accounts: Mapping[str, AccountGroup]) -> list[dict[str, Any]]:
    """A row for each strategy that is no more, with how far the flattening of each of its instruments is."""
    return [
        {
            "strategy": strategy,
            "account": account.name,
            "on_vanish": policy,
            "flattening": [
                {"instrument": instrument, "state": state, "code": code, "detail": detail}
                for instrument, state, code, detail in instruments
            ],
        }
        for account in accounts.values()
        for strategy, policy, instruments in account.vanished()
    ]


def vanished_status(accounts: Mapping[str, AccountGroup]) -> dict[str, Any]:
    """The same rows as a supervisor hears of them, with how many orders their accounts are cancelling."""
    rows = vanished_rows(accounts)
    left = {row["account"] for row in rows}
    return {"vanished": rows, "cancelling": sum(accounts[name].standing()["cancelling"] for name in left)}


def not_flat(accounts: Mapping[str, AccountGroup]) -> list[tuple[str, str, str, str]]:
    """What strategies hold that are no more and that were to be flattened; what a kill switch keeps open is not of it.

    Returns:
        (account, strategy, instrument, why), an instrument each; "position", where none is being closed yet since
        cancels of the strategy wait for their answers. The reason begins with ": ", or is empty.
    """
    found = []
    for row in vanished_rows(accounts):
        account, strategy = accounts[row["account"]], row["strategy"]
        if row["on_vanish"] != "flatten" or account.standing()["killed"] is not None:
            continue
        left = [closing for closing in row["flattening"] if closing["state"] != "flat"]
        for closing in left:
            why = f": {closing['code']}: {closing['detail']}" if closing["code"] else ""
            found.append((account.name, strategy, closing["instrument"], why))
        if not left and account.left_by(strategy)[1]:
            found.append((account.name, strategy, "position", ": cancels without an answer"))
    return found


class VanishedReport:
    """Logs the end of each flattening, once."""

    def __init__(self) -> None:
        self._told_of: set[tuple[str, ...]] = set()

    def begin_again(self, strategy: str) -> None:
        """Its policy is asked for again: what becomes of that is told again."""
        self._told_of = {told for told in self._told_of if told[1] != strategy}

    def tell(self, accounts: Mapping[str, AccountGroup]) -> None:
        """Log what has ended since the last time."""
        for row in vanished_rows(accounts):
            for closing in row["flattening"]:
                # What a refusal measured differs from try to try: its code is told once.
                told = (row["account"], row["strategy"], *(closing[key] for key in ("instrument", "state", "code")))
                if closing["state"] == "working" or told in self._told_of:
                    continue
                self._told_of.add(told)
                what = (row["account"], row["strategy"], closing["instrument"])
                if closing["state"] == "flat":
                    _log.warning("account %s: strategy %s is gone, its %s is flat", *what)
                    continue
                why = (closing["code"], closing["detail"])
                if closing["state"] == "waiting":
                    text = "account %s: strategy %s is gone, its %s waits to be flattened: %s: %s"
                    _log.warning(text, *what, *why)
                else:
                    _log.error("account %s: strategy %s is gone, its %s could not be flattened: %s: %s", *what, *why)
