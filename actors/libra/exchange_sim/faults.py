"""What a test may break, by account, side, stream, symbol or path; so many times, or for so long.

| kind | what happens |
| --- | --- |
| `disconnect` | connections that match are closed without a word |
| `stall` | nothing is written to them for `seconds`, then all of it |
| `half_open` | whatever is written to them, or comes from them, is lost; nobody is told, and pings have no answer |
| `drop_events`, `duplicate_events` | events of an account are lost, or come twice |
| `delay_events`, `reorder_events` | they come `seconds` later, or behind the next one |
| `depth_gap` | `count` depth updates of a market are lost |
| `error` | requests are answered by `status` (default 503) and not carried out |
| `slow` | requests are carried out, and answered `seconds` later |
| `lag` | lists of executions and of money that came or went lack what is younger than `seconds` |
| `lost_answer` | requests are carried out, and the connection is closed; with a `status`, "status unknown" is said |
| `maintenance` | every request is refused by 503, and connections are closed and not taken |
| `clock_skew` | the venue's clock says `seconds` more than it is |
| `ban` | the address is banned for `seconds` |
| `expire_listen_key` | the account's listen key ends now |
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from libra.exchange_sim.errors import ApiError

if TYPE_CHECKING:
    from libra.exchange_sim.accounts import Account
    from libra.exchange_sim.clients import Client
    from libra.exchange_sim.venue import Venue

__all__ = ["KINDS", "Asked", "Fault", "FaultRequest", "Faults"]

Kind = Literal[
    "disconnect",
    "stall",
    "half_open",
    "drop_events",
    "duplicate_events",
    "delay_events",
    "reorder_events",
    "depth_gap",
    "error",
    "slow",
    "lag",
    "lost_answer",
    "maintenance",
    "clock_skew",
    "ban",
    "expire_listen_key",
]

KINDS: tuple[str, ...] = Kind.__args__  # type: ignore[attr-defined]

_AT_ONCE = frozenset({"disconnect", "stall", "half_open", "depth_gap", "clock_skew", "ban", "expire_listen_key"})
_EVENTS = frozenset({"drop_events", "duplicate_events", "delay_events", "reorder_events"})
_BEFORE = frozenset({"error", "maintenance"})
_AFTER = frozenset({"slow", "lost_answer"})
_LAGS = frozenset({"lag"})
_HISTORIES = ("userTrades", "myTrades", "income", "sapi/asset/*", "sapi/capital/*")
_TIMES = ("time", "timestamp", "divTime", "insertTime")

Seconds = Annotated[float, msgspec.Meta(ge=-86_400, le=86_400)]


class FaultRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fault as it is asked for. What is left out matches all."""

    kind: Kind
    account: str | None = None
    side: Literal["spot", "linear"] | None = None
    stream: str | None = None
    """A pattern of stream names; `user` for user streams, `api` for ws-api connections."""
    symbol: str | None = None
    method: str | None = None
    path: str | None = None
    """A pattern of paths behind the version: `order`, `*`."""
    event: str | None = None
    """A pattern of user events: `executionReport`."""
    count: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """How often; without it and without `for_s`, until it is cleared."""
    for_s: Annotated[float, msgspec.Meta(gt=0)] | None = None
    seconds: Seconds = 1.0
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] | None = None
    ip: str = "127.0.0.1"


@dataclass(slots=True)
class Fault:
    """A fault that was set."""

    id: int
    request: FaultRequest
    until_ns: int | None
    hits: int = 0

    def is_over(self, now_ns: int) -> bool:
        """Whether it does nothing any more."""
        spent = self.request.count is not None and self.hits >= self.request.count
        return spent or (self.until_ns is not None and now_ns >= self.until_ns)


@dataclass(frozen=True, slots=True)
class Asked:
    """What faults see of a request."""

    side: str
    method: str
    path: str
    account: str
    symbol: str


@dataclass(slots=True)
class Faults:
    """The faults of a venue."""

    venue: Venue
    active: list[Fault] = field(default_factory=list)
    _ids: count[int] = field(default_factory=lambda: count(1))
    _due: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    _held: dict[tuple[str, str], list[Callable[[], None]]] = field(default_factory=dict)

    def set(self, request: FaultRequest) -> Fault:
        """Sets a fault; what happens at once has happened then.

        Raises:
            ApiError: When it names what does not exist.
        """
        self._check(request)
        now_ns = self.venue.clock.now_ns()
        until_ns = None if request.for_s is None else now_ns + int(request.for_s * 1e9)
        fault = Fault(next(self._ids), request, until_ns)
        if request.kind in _AT_ONCE:
            self._do(fault, now_ns)
        else:
            if request.kind == "maintenance":
                self._cut(request)
            self.active.append(fault)
        return fault

    def clear(self, number: int | None = None) -> int:
        """Ends one fault, or all, the clock's skew and half-open connections too; gives how many."""
        gone = [fault for fault in self.active if number in {None, fault.id}]
        self.active = [fault for fault in self.active if fault not in gone]
        if number is None:
            self.venue.clock.skew_ns = 0
            for client in self.venue.clients:
                client.is_muted, client.stalled_until_ns = False, 0
        return len(gone)

    def step(self, now_ns: int) -> None:
        """Delivers what was delayed until now, and forgets what is over."""
        while self._due and self._due[0][0] <= now_ns:
            heapq.heappop(self._due)[2]()
        self.active = [fault for fault in self.active if not fault.is_over(now_ns)]

    def before(self, asked: Asked) -> ApiError | None:
        """Why a request is not carried out, if a fault says so."""
        fault = self._hit(_BEFORE, asked)
        if fault is None:
            return None
        if fault.request.kind == "maintenance" or fault.request.status in {None, 503}:
            return ApiError.disconnected()
        if fault.request.status == HTTPStatus.TOO_MANY_REQUESTS:
            after_s = max(1, round(fault.request.seconds))
            return ApiError.too_much_weight(self.venue.settings.limits.spot_weight, after_s)
        return ApiError(-1000, "An unknown error occurred while processing the request.", fault.request.status or 500)

    def after(self, asked: Asked) -> FaultRequest | None:
        """What becomes of an answer."""
        fault = self._hit(_AFTER, asked)
        return fault.request if fault is not None else None

    def lagging(self, asked: Asked, answer: object, now_ms: int) -> object:
        """An answer as it is where histories lag: without the rows that are too young."""
        rows = answer.get("rows") if isinstance(answer, dict) else answer
        if not isinstance(rows, list) or not any(fnmatchcase(asked.path, path) for path in _HISTORIES):
            return answer
        fault = self._hit(_LAGS, asked)
        if fault is None:
            return answer
        until_ms = now_ms - round(fault.request.seconds * 1_000)
        kept = [row for row in rows if _time_of(row) <= until_ms]
        return {**answer, "rows": kept} if isinstance(answer, dict) else kept

    def is_closed(self, side: str) -> bool:
        """Whether no connection is taken."""
        return any(
            fault.request.kind == "maintenance" and fault.request.side in {None, side} for fault in self._alive()
        )

    def on_event(
        self, account: Account, side: str, event: dict[str, Any], deliver: Callable[[dict[str, Any]], None]
    ) -> bool:
        """Takes an account's event, where a fault is about it."""
        held = self._held.pop((account.name, side), [])
        symbol = str(event.get("s") or event.get("o", {}).get("s", ""))
        for fault in self._alive():
            wanted = fault.request
            if (
                wanted.kind in _EVENTS
                and wanted.account in {None, account.name}
                and wanted.side in {None, side}
                and (wanted.symbol in {None, symbol} or not symbol)
                and fnmatchcase(event["e"], wanted.event or "*")
            ):
                fault.hits += 1
                self._break(wanted, (account.name, side), event, deliver)
                break
        else:
            deliver(event)
        for late in held:
            late()
        return True

    def _break(
        self,
        wanted: FaultRequest,
        of: tuple[str, str],
        event: dict[str, Any],
        deliver: Callable[[dict[str, Any]], None],
    ) -> None:
        if wanted.kind == "duplicate_events":
            deliver(event)
            deliver(event)
        elif wanted.kind == "delay_events":
            self._later(wanted.seconds, lambda: deliver(event))
        elif wanted.kind == "reorder_events":
            done = False

            def once() -> None:
                nonlocal done
                if not done:
                    done = True
                    deliver(event)

            self._held.setdefault(of, []).append(once)
            # Where no other event follows it comes by itself.
            self._later(wanted.seconds, once)

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.venue.clock.now_ns() + int(seconds * 1e9), next(self._ids), act))

    def _alive(self) -> list[Fault]:
        now_ns = self.venue.clock.now_ns()
        return [fault for fault in self.active if not fault.is_over(now_ns)]

    def _hit(self, kinds: frozenset[str], asked: Asked) -> Fault | None:
        for fault in self._alive():
            wanted = fault.request
            if (
                wanted.kind in kinds
                and wanted.account in {None, asked.account}
                and wanted.side in {None, asked.side}
                and wanted.symbol in {None, asked.symbol}
                and wanted.method in {None, asked.method}
                and fnmatchcase(asked.path, wanted.path or "*")
            ):
                fault.hits += 1
                return fault
        return None

    def _check(self, request: FaultRequest) -> None:
        names = {account.name for account in self.venue.accounts.values()}
        if request.account is not None and request.account not in names:
            raise ApiError(-1100, f"there is no account {request.account!r}")
        if request.symbol is not None and request.symbol not in {one.symbol for one in self.venue.floor.markets}:
            raise ApiError(-1100, f"there is no symbol {request.symbol!r}")
        if request.kind == "expire_listen_key" and request.account is None:
            raise ApiError(-1100, "expire_listen_key needs an account")

    def _do(self, fault: Fault, now_ns: int) -> None:
        wanted, venue = fault.request, self.venue
        if wanted.kind == "disconnect":
            fault.hits = self._cut(wanted)
        elif wanted.kind == "clock_skew":
            venue.clock.skew_ns = int(wanted.seconds * 1e9)
        elif wanted.kind == "ban":
            for spot, side in venue.sides.items():
                if wanted.side in {None, "spot" if spot else "linear"}:
                    side.budgets.ban(wanted.ip, venue.clock.now_ms(), wanted.seconds)
        elif wanted.kind == "expire_listen_key":
            venue.user_streams.expire_key(wanted.account or "", "linear")
        elif wanted.kind == "depth_gap":
            for market in venue.floor.markets:
                if wanted.symbol in {None, market.symbol} and wanted.side in {None, _side(market.is_spot)}:
                    venue.market_streams.skip_depth(market, wanted.count or 1)
        else:
            for client in self._matching(wanted):
                fault.hits += 1
                if wanted.kind == "half_open":
                    client.is_muted = True
                else:
                    client.stalled_until_ns = now_ns + int(wanted.seconds * 1e9)

    def _cut(self, wanted: FaultRequest) -> int:
        clients = self._matching(wanted)
        for client in clients:
            client.cut()
        return len(clients)

    def _matching(self, wanted: FaultRequest) -> list[Client]:
        return [client for client in self.venue.clients if _matches(wanted, client)]


def _side(spot: bool) -> str:  # noqa: FBT001
    return "spot" if spot else "linear"


def _matches(wanted: FaultRequest, client: Client) -> bool:
    if wanted.side not in {None, _side(client.is_spot)} or wanted.account not in {None, client.account}:
        return False
    if wanted.symbol is not None and not any(name.startswith(wanted.symbol.lower()) for name in client.names):
        return False
    if wanted.stream == "user":
        return bool(client.account)
    if wanted.stream == "api":
        return client.is_api
    return wanted.stream is None or any(fnmatchcase(name, wanted.stream) for name in client.names)


def _time_of(row: Mapping[str, Any]) -> int:
    if "applyTime" in row:
        applied = datetime.strptime(row["applyTime"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        return round(applied.timestamp() * 1_000)
    return int(next((row[name] for name in _TIMES if name in row), 0))
