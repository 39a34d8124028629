"""What an operator may ask of a running node: the verbs behind its control socket.

Each looks at its arguments first and refuses what it does not know, then acts at once, between two events of the node.
What changes trading is logged with who asked for it.

What lets more risk in names what it was decided on, as `status` and `limits` told it: the ``latch`` of an account,
which is another one after each kill, or the version of its limits. Where that has changed since, it is refused.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from libra.errors import ControlError

if TYPE_CHECKING:
    from libra.assembly.trading_node import TradingNode
    from libra.control.peer import Peer
    from libra.control.server import Verb
    from libra_core import AccountGroup, EventNote

__all__ = ["Operator"]

_MOST_NOTES = 1_000
"""Of one answer: making it holds the loop for some milliseconds at most."""

_log = logging.getLogger(__name__)


class Operator:
    """The verbs of one node.

    Args:
        node: The node.
        started_ns: When it started, nanoseconds since the epoch.
        profile: The profile that it runs.
        version: The version of Libra.
    """

    def __init__(self, node: TradingNode, started_ns: int, profile: str, version: str) -> None:
        self._node = node
        self.started_ns = started_ns
        # A wall clock may be set.
        self._began = time.monotonic()
        self._profile = profile
        self._version = version
        # Another one for each life, whose account counts from 0: what was seen of an earlier one is none of this.
        self._life = secrets.token_hex(8)

    @property
    def verbs(self) -> dict[str, Verb]:
        """The verbs by name."""
        return {
            "status": self.status,
            "kill": self.kill,
            "resume": self.resume,
            "readmit": self.readmit,
            "limits": self.limits,
            "set_limits": self.set_limits,
            "stop_strategy": self.stop_strategy,
            "trace": self.trace,
            "traces": self.traces,
        }

    def status(self, peer: Peer, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - anyone may look
        """Where the node stands, with what a resume has to name: that is heard of the kill switch first."""
        _only(arguments)
        latches = {account.name: self._latch(account) for account in self._node.accounts.values()}
        status = self.look()
        for row in status["accounts"]:
            row["latch"] = latches[row["name"]]
        return status

    def look(self) -> dict[str, Any]:
        """The same without that: it changes nothing, and may be asked for beside the loop at any time."""
        node = self._node
        states = node.actor_states()
        return {
            "name": node.options.name,
            "pid": os.getpid(),
            "profile": self._profile,
            "version": self._version,
            "started_ns": self.started_ns,
            "uptime_s": round(time.monotonic() - self._began, 3),
            "accounts": [
                {**_row(account), "journal": node.journals.row(account.name)} for account in node.accounts.values()
            ],
            "strategies": [
                {
                    "name": strategy.name,
                    "account": strategy.account,
                    "state": str(states[strategy.name]),
                    "on_vanish": strategy.on_vanish,
                }
                for strategy in node.strategies
            ],
            "waiting_s": {
                actor: {lane: round(age_s, 3) for lane, age_s in lanes.items()}
                for actor, lanes in node.core.waiting_s().items()
            },
            "load": {
                actor: {"tasks": tasks, "timers": timers}
                for actor, (tasks, timers) in node.actor_loads().items()
                if tasks or timers
            },
            "metrics": node.metrics_url,
            "venues": node.venue_rows(),
            "bridge": node.bridge_row(),
            "vanished": node.ended.rows(),
            "errors": node.errors + sum(account.tally()["errors"] for account in node.accounts.values()),
            "failed": node.failed,
        }

    def kill(self, peer: Peer, arguments: dict[str, Any]) -> dict[str, Any]:
        """Set the kill latch of an account, or of all, and cancel what is open."""
        _only(arguments, "account", "reason")
        reason = _reason(arguments, peer, "libra kill-switch")
        accounts = self._accounts(arguments)
        # Whoever asks has sent a signal before: by its number it is his, and not one that came later.
        self._node.core.catch_up_with_signals()
        if not accounts:
            self._node.pull_switch(reason)
        failed: list[str] = []
        for account in accounts:
            try:
                self._node.cancel_outside(account, account.kill(reason))
            except OSError as error:
                # It sends nothing any more either, and what is open is cancelled all the same; the others have to be
                # stopped, too.
                self._node.cancel_outside(account, account.cancelling())
                failed.append(f"account {account.name}: its log says: {error}")
            _log.error("account %s: kill switch: %s", account.name, reason)
        if failed:
            raise ControlError(
                "LOG",
                f"nothing new leaves and what is open is cancelled, but the log has not taken it: {'; '.join(failed)}",
            )
        return {"accounts": [self._account_row(account) for account in accounts]}

    def resume(self, peer: Peer, arguments: dict[str, Any]) -> dict[str, Any]:
        """Take the kill latch of an account, or of all, back; of one also by taking its venue's word."""
        _only(arguments, "account", "reason", "accept_venue", "latches")
        accept = arguments.get("accept_venue", False)
        if not isinstance(accept, bool):
            raise ControlError("BAD_REQUEST", "accept_venue: true or false")
        latches = arguments.get("latches")
        if latches is not None and not isinstance(latches, dict):
            raise ControlError("BAD_REQUEST", "latches: that of each account, as status told it")
        accounts = self._accounts(arguments)
        # The loop may have come back behind a signal that nobody has counted yet.
        self._node.core.catch_up_with_signals()
        # What a thread says from here on is not taken back with what it was looked at.
        stops = {account.name: account.stops() for account in accounts}
        for account in accounts:
            if latches is not None and latches.get(account.name) != self._latch(account):
                raise _changed(account, "Nothing was changed")
        if accept:
            return {"accounts": [self._account_row(self._accept_venue(accounts, arguments, peer, stops))]}
        reason = _reason(arguments, peer, "libra resume")
        failed: list[ControlError] = []
        resumed: list[str] = []
        for account in accounts:
            try:
                account.resume(reason, stops[account.name])
            except ValueError:
                failed.append(_changed(account, "It stays stopped"))
                continue
            except OSError as error:
                failed.append(ControlError("LOG", f"account {account.name} stays stopped: its log says: {error}"))
                continue
            resumed.append(account.name)
            _log.warning("account %s is resumed: %s", account.name, reason)
            if self._node.attend(account):
                _log.warning("account %s is attended again: its gateway runs", account.name)
        if failed:
            told = f"; resumed: {', '.join(resumed)}" if resumed else ""
            raise ControlError(failed[0].code, "; ".join(error.text for error in failed) + told)
        return {"accounts": [self._account_row(account) for account in accounts]}

    def _accept_venue(
        self, accounts: list[AccountGroup], arguments: dict[str, Any], peer: Peer, stops: dict[str, int]
    ) -> AccountGroup:
        if len(accounts) != 1:
            raise ControlError("WHICH_ACCOUNT", f"name one account: {', '.join(self._node.accounts)}")
        account = accounts[0]
        reason = _reason(arguments, peer, "libra resume --accept-venue")
        look = account.last_look()
        try:
            account.accept_venue(reason, stops[account.name])
        except ValueError as error:
            raise ControlError("CANNOT_ACCEPT", f"account {account.name}: {error}") from error
        except OSError as error:
            text = f"account {account.name} stays stopped: its log says: {error}"
            _log.error("%s", text)
            raise ControlError("LOG", text) from error
        taken = [] if look is None else look["differences"]
        _log.warning("account %s: the venue's word is taken (%s): %s", account.name, reason, taken)
        for code, explanation in account.breaches():
            _log.error("account %s stands stopped by a loss all the same: %s: %s", account.name, code, explanation)
        return account

    def limits(self, peer: Peer, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - anyone may look
        """The limits of an account, or of all, that hold now."""
        _only(arguments, "account")
        accounts = self._accounts(arguments)
        return {
            "limits": {account.name: dict(account.limits()) for account in accounts},
            "versions": {account.name: account.standing()["limits_version"] for account in accounts},
        }

    def set_limits(self, peer: Peer, arguments: dict[str, Any]) -> dict[str, Any]:
        """Change limits of an account; looser ones only when it is confirmed, of the version that was looked at."""
        _only(arguments, "account", "changes", "confirmed", "version")
        changes, confirmed = arguments.get("changes"), arguments.get("confirmed", False)
        if (
            not isinstance(changes, dict)
            or not changes
            or not all(isinstance(value, str) for value in changes.values())
        ):
            raise ControlError("BAD_REQUEST", "changes: names of limits with their values as text")
        if not isinstance(confirmed, bool):
            raise ControlError("BAD_REQUEST", "confirmed: true or false")
        version = arguments.get("version")
        if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
            raise ControlError("BAD_REQUEST", "version: that of the limits, as limits told it")
        accounts = self._accounts(arguments)
        if len(accounts) != 1:
            raise ControlError("WHICH_ACCOUNT", f"name one account: {', '.join(self._node.accounts)}")
        account = accounts[0].name
        now = accounts[0].standing()["limits_version"]
        if confirmed and version not in (None, now):
            text = f"account {account}: its limits have version {now} by now, not {version}: look at them again"
            raise ControlError("CHANGED", text)
        change = self._node.change_limits(account, changes, confirmed=confirmed, who=str(peer))
        return {"account": account, "change": asdict(change)}

    def stop_strategy(self, peer: Peer, arguments: dict[str, Any]) -> dict[str, Any]:
        """Stop one strategy for good; its policy says what happens to its orders."""
        _only(arguments, "strategy")
        name = arguments.get("strategy")
        strategies = {strategy.name: strategy for strategy in self._node.strategies}
        if not isinstance(name, str) or name not in strategies:
            raise ControlError("UNKNOWN_STRATEGY", f"strategies are {', '.join(strategies) or 'none'}")
        _log.warning("strategy %s is stopped by %s", name, peer)
        self._node.stop_strategy(name)
        return {"strategy": name, "on_vanish": strategies[name].on_vanish}

    def readmit(self, peer: Peer, arguments: dict[str, Any]) -> dict[str, Any]:
        """Let in a strategy again that was taken for gone with its node."""
        _only(arguments, "strategy", "reason")
        name = arguments.get("strategy")
        reason = _reason(arguments, peer, "libra resume --strategy")
        try:
            account = self._node.ended.readmit(name if isinstance(name, str) else "")
        except ValueError as error:
            raise ControlError("CANNOT_READMIT", f"strategy {name} stays refused: {error}") from error
        _log.warning("account %s: strategy %s trades again: %s", account, name, reason)
        return {"strategy": name, "account": account}

    def trace(self, peer: Peer, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - anyone may look
        """What the node remembers of traces whose id begins with these digits."""
        _only(arguments, "id")
        prefix = arguments.get("id")
        if not isinstance(prefix, str):
            raise ControlError("BAD_REQUEST", "id: a trace id, or its first digits")
        try:
            notes = self._node.core.notes_of(prefix, _MOST_NOTES)
        except ValueError as error:
            raise ControlError("BAD_REQUEST", f"id: {error}") from None
        return {
            "notes": [_note_row(note) for note in notes],
            "more": len(notes) == _MOST_NOTES,
            "recorded": dict(self._node.core.recorded()),
        }

    def traces(self, peer: Peer, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - anyone may look
        """The latest traces with an order in them, the latest first."""
        _only(arguments, "last")
        last = arguments.get("last")
        if not isinstance(last, int) or isinstance(last, bool) or not 1 <= last <= _MOST_NOTES:
            raise ControlError("BAD_REQUEST", f"last: 1 to {_MOST_NOTES}")
        latest = self._node.core.latest_orders(last)
        return {"traces": [_note_row(note) for note in latest], "recorded": dict(self._node.core.recorded())}

    def _accounts(self, arguments: dict[str, Any]) -> list[AccountGroup]:
        name = arguments.get("account")
        if name is None:
            return list(self._node.accounts.values())
        if not isinstance(name, str) or name not in self._node.accounts:
            names = ", ".join(self._node.accounts)
            raise ControlError("UNKNOWN_ACCOUNT", f"accounts are {names}" if names else "this node has no account")
        return [self._node.accounts[name]]

    def _account_row(self, account: AccountGroup) -> dict[str, Any]:
        # It hears of the kill switch before the row is made.
        latch = self._latch(account)
        return {**_row(account), "latch": latch}

    def _latch(self, account: AccountGroup) -> str:
        """What a resume is about: another text once something has stopped it again, for the same reason too."""
        stops = account.stops()
        standing, look = account.standing(), account.last_look()
        why = [standing[key] for key in ("killed", "unattended", "incident")]
        # Of a loss the limit; what it measured goes with the market.
        why += [self._life, stops, sorted(code for code, _ in account.breaches())]
        why.append(look["differences"] if look is not None and standing["incident"] is not None else None)
        return hashlib.sha256(repr(why).encode()).hexdigest()[:16]


def _row(account: AccountGroup) -> dict[str, Any]:
    positions = [
        {"instrument": row["instrument"], "size": row["size"], "unrealised": row["unrealised"]}
        for row in account.positions()
        if row["size"]
    ]
    return {"name": account.name, **account.standing(), "positions": positions, "look": account.last_look()}


def _changed(account: AccountGroup, then: str) -> ControlError:
    why = account.standing()["killed"] or "see libra status"
    return ControlError("CHANGED", f"account {account.name} does not stand any more as it was looked at: {why}. {then}")


def _note_row(note: EventNote) -> dict[str, Any]:
    """A note as a trace is told in: ids in hexadecimal digits, as in the log."""
    return {
        "trace_id": f"{note.trace_id:032x}",
        "span_id": f"{note.span_id:016x}",
        "parent_span_id": f"{note.parent_span_id:016x}" if note.parent_span_id else "",
        "step": note.step,
        "event_type": note.event_type,
        "lane": note.lane,
        "source": note.source,
        "instrument": note.instrument,
        "actor": note.actor,
        "sequence": note.sequence,
        "at_ns": note.at_ns,
        "end_ns": note.end_ns,
    }


def _only(arguments: dict[str, Any], *known: str) -> None:
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        raise ControlError("BAD_REQUEST", f"unknown: {', '.join(unknown)}; known: {', '.join(known) or 'nothing'}")


def _reason(arguments: dict[str, Any], peer: Peer, verb: str) -> str:
    """Who, by what, and why: as it goes into the log."""
    reason = arguments.get("reason", "")
    if not isinstance(reason, str):
        raise ControlError("BAD_REQUEST", "reason: a text")
    said = f": {' '.join(reason.split())}" if reason.strip() else ""
    return f"{verb} by {peer}{said}"
