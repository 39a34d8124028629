# ruff: noqa: ANN401 - CCXT is not typed
"""What is laid over a class of CCXT: every request takes its turn, every answer is looked at, no key is shown.

CCXT stays as it is; a subclass made at run time overrides the few places through which everything goes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import contextmanager, nullcontext
from contextvars import Context, ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from libra.gateways.budget import Urgency
from libra.gateways.ccxt.errors import library
from libra.gateways.ccxt.pings import ping_often

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from libra.gateways.ccxt.rules import VenueRules
    from libra.gateways.turnstile import Turnstile

__all__ = ["Hooks", "NotConnected", "error_of_nobody", "guarded", "names_no_request", "paid", "urgent"]

_urgency: ContextVar[Urgency] = ContextVar("libra_ccxt_urgency", default=Urgency.SNAPSHOT)
_paid: ContextVar[bool] = ContextVar("libra_ccxt_paid", default=False)
_only_connected: ContextVar[bool] = ContextVar("libra_ccxt_only_connected", default=False)
_stream: ContextVar[str] = ContextVar("libra_ccxt_stream", default="")
_left_ns: ContextVar[int | None] = ContextVar("libra_ccxt_left", default=None)

_SNAPSHOTS = 2
_MOST_UNANSWERED = 4_096
"""Requests over a socket whose leaving is remembered."""

_REPORTS = "orders"
"""What CCXT calls the stream of reports among what a connection is waited on for."""

_FIRST_KNOCK_S, _LONGEST_KNOCK_S = 0.5, 60.0
"""Between two tries to make a connection that requests would leave by."""

_BANNED = 418
_SILENCE_S, _BAN_S = 10.0, 120.0
"""How long nothing is sent behind a 429 or a 418 that does not say how long."""


class NotConnected(Exception):  # noqa: N818 - a finding
    """The socket that a request would leave by is not open: nothing was sent."""


@contextmanager
def urgent(urgency: Urgency, *, stream: str = "") -> Iterator[None]:
    """Requests within, and tasks begun within, are so urgent; a stream's connections are remembered by its name."""
    token, stream_token = _urgency.set(urgency), _stream.set(stream)
    try:
        yield
    finally:
        _urgency.reset(token)
        _stream.reset(stream_token)


@contextmanager
def paid(*, only_connected: bool = False) -> Iterator[None]:
    """Requests within have their turn already; with ``only_connected`` they leave by an open socket or not at all.

    A request that waited for a connection would leave whenever that is made, though whoever asked has given up.
    """
    token, connected_token = _paid.set(True), _only_connected.set(only_connected)
    try:
        yield
    finally:
        _paid.reset(token)
        _only_connected.reset(connected_token)


@contextmanager
def _leaving() -> Iterator[None]:
    token = _left_ns.set(time.monotonic_ns())
    try:
        yield
    finally:
        _left_ns.reset(token)


class Hooks:
    """What a guarded exchange tells its gateway.

    Args:
        turnstile: The rate budget of its address.
        rules: The venue's rules.
        account: Whose own limits count.
    """

    def __init__(self, turnstile: Turnstile, rules: VenueRules, account: str) -> None:
        self.turnstile = turnstile
        self.rules = rules
        self.account = account
        self.snapshots = asyncio.Semaphore(_SNAPSHOTS)
        """So many are under way: large answers that come together hold the loop, and cancels with it."""
        self.clients: dict[str, Any] = {}
        """The connection of each stream, by its name."""
        self.clock_doubted = asyncio.Event()
        """The venue has refused a request for its time."""
        self.venue_now_ns: Callable[[], int] = time.time_ns
        """The venue's clock: its limits count by its own minutes."""
        self._knocks: dict[str, tuple[float, float]] = {}
        self.left_ns: dict[str, int] = {}
        """When requests over a socket left, by their ids."""
        self.on_message: Callable[[Any, Mapping[str, Any]], None] | None = None
        self.on_frame: Mapping[str, Callable[[bool, Mapping[str, Any]], None]] = {}
        """Who takes frames as the venue sent them, by CCXT's method that would."""

    def answered(self, status: int, url: str, headers: Mapping[str, str], body: str) -> None:
        """An answer over HTTP: its headers say what the venue has counted, its status whether it wants silence."""
        self._count(self.rules.counted(url, headers), _left_ns.get())
        limits = self.rules.announced(url, body)
        if limits:
            self.turnstile.budget.learn(limits)
        if status in (_BANNED, 429):
            after = next((value for key, value in headers.items() if key.lower() == "retry-after"), "")
            wanted_s = float(after) if after.replace(".", "", 1).isdigit() else None
            self.turnstile.penalise(wanted_s if wanted_s is not None else _BAN_S if status == _BANNED else _SILENCE_S)

    def heard(self, client: Any, message: Any) -> None:
        """A message over a WebSocket."""
        client.heard_ns = time.monotonic_ns()
        if not isinstance(message, dict):
            return
        left_ns = self.left_ns.pop(str(message["id"]), None) if "id" in message else None
        if "rateLimits" in message:
            self._count(self.rules.counted_by_message(client.url, message), left_ns)
        if message.get("status") in (_BANNED, 429):
            self.turnstile.penalise(self._silence_s(message))
        if self.on_message is not None:
            self.on_message(client, message)

    def knock(self, client: Any, session: Any) -> None:
        """Make the connection that requests would leave by, if nobody makes it: more and more rarely while it fails.

        Those who have a request for it send that another way, so nothing else holds them back.
        """
        now_s = time.monotonic()
        due_s, wait_s = self._knocks.get(client.url, (0.0, _FIRST_KNOCK_S))
        if client.connection or client.connecting or now_s < due_s:
            return
        if now_s - due_s > _LONGEST_KNOCK_S:
            # It held for a while.
            wait_s = _FIRST_KNOCK_S
        self._knocks[client.url] = (now_s + wait_s, min(2 * wait_s, _LONGEST_KNOCK_S))
        context = Context()
        # Nothing of the request that came upon it: it goes on without.
        context.run(_urgency.set, Urgency.ORDER)
        context.run(client.connect, session)

    def in_turn(self, url: str, make: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """As it makes connections to an address, but in their turn: a venue counts them, too."""

        async def connection(session: Any) -> Any:
            cost = self.rules.connection_cost(url)
            turn = await self.turnstile.take(_urgency.get(), cost, account=self.account)
            self.turnstile.used(turn)
            return await make(session)

        return connection

    def leaves(self, message: Any) -> None:
        """A request over a socket leaves."""
        if isinstance(message, dict) and "id" in message:
            if len(self.left_ns) >= _MOST_UNANSWERED:
                del self.left_ns[next(iter(self.left_ns))]
            self.left_ns[str(message["id"])] = time.monotonic_ns()

    def _silence_s(self, message: Mapping[str, Any]) -> float:
        """How long a refusal over a socket wants silence: both of its times are of the venue's clock, never of ours."""
        told = (message.get("error") or {}).get("data") or {}
        until_ms, now_ms = told.get("retryAfter"), told.get("serverTime")
        if not isinstance(until_ms, (int, float)):
            return _BAN_S if message["status"] == _BANNED else _SILENCE_S
        if not isinstance(now_ms, (int, float)):
            now_ms = self.venue_now_ns() / 1e6
        return max(0.0, (until_ms - now_ms) / 1e3)

    def _count(self, counted: Iterable[tuple[str, int]], left_ns: int | None) -> None:
        # An answer that is on its way at the turn of a minute says what was used of the one before.
        age_ns = 0 if left_ns is None else time.monotonic_ns() - left_ns
        for name, used in counted:
            now_ns = self.venue_now_ns()
            self.turnstile.sync(name, used, account=self.account, age_ns=age_ns, venue_now_ns=now_ns)


def _silent_logger() -> logging.Logger:
    # CCXT logs whole requests at DEBUG, with their keys.
    logger = logging.Logger("libra.silent", level=logging.CRITICAL + 1)
    logger.addHandler(logging.NullHandler())
    return logger


def guarded(exchange_class: type[Any], hooks: Hooks) -> type[Any]:
    """The class with every way to the venue under guard."""

    class Guarded(exchange_class):  # type: ignore[misc] # chosen at run time
        logger = _silent_logger()

        async def fetch2(
            self,
            path: str,
            api: Any = "public",
            method: str = "GET",
            params: Any = None,
            config: Any = None,
        ) -> Any:
            params, config = params if params is not None else {}, config if config is not None else {}
            if _paid.get():
                with _leaving():
                    return await super().fetch2(path, api, method, params, config)
            cost = self.calculate_rate_limiter_cost(api, method, path, params, config)
            spent = hooks.rules.cost(api, cost, path=path)
            turnstile, urgency = hooks.turnstile, _urgency.get()
            async with hooks.snapshots if urgency is Urgency.SNAPSHOT else nullcontext():
                turn = await turnstile.take(urgency, spent, account=hooks.account)
                turnstile.used(turn)
                with _leaving():
                    return await super().fetch2(path, api, method, params, config)

        def on_rest_response(
            self, code: Any, reason: Any, url: Any, method: Any, headers: Any, body: Any, *more: Any
        ) -> Any:
            hooks.answered(code, url, headers or {}, body or "")
            return super().on_rest_response(code, reason, url, method, headers, body, *more)

        def handle_errors(self, *what: Any) -> Any:
            try:
                return super().handle_errors(*what)
            except Exception as error:
                # CCXT's own words leave the venue's code out now and then.
                answers = [answer for answer in what if isinstance(answer, dict) and "code" in answer]
                error.answer = answers[0] if answers else None  # type: ignore[attr-defined]
                if isinstance(error, library().InvalidNonce):
                    hooks.clock_doubted.set()
                raise

        def handle_message(self, client: Any, message: Any) -> None:
            hooks.heard(client, message)
            if not hooks.rules.is_binance or not _is_late(client, message):
                super().handle_message(client, message)

        def client(self, url: str) -> Any:
            client = super().client(url)
            if "future" not in vars(client):
                client.future = _consumed(client.future)
                client.create_connection = hooks.in_turn(url, client.create_connection)
                if hooks.rules.takes_orders(url):
                    client.heard_ns = 0
                    client.ping_loop = partial(ping_often, client)
            if stream := _stream.get():
                hooks.clients[stream] = client
            return client

        def watch(self, url: str, message_hash: str, message: Any = None, *more: Any, **named: Any) -> Any:
            if not _only_connected.get():
                hooks.leaves(message)
                return super().watch(url, message_hash, message, *more, **named)
            self.open()
            client = self.client(url)
            if not is_open(client):
                # The next one finds it connected.
                hooks.knock(client, self.session)
                raise NotConnected(url)
            hooks.leaves(message)
            answer = super().watch(url, message_hash, message, *more, **named)
            if _is_request(message_hash):
                kept = (message_hash, *more[:1])
                answer.add_done_callback(lambda done: _forget(client, kept, done))
            return answer

    def frame_handler(name: str) -> Callable[..., None]:
        def handle(self: Any, client: Any, message: Any, *_: Any) -> None:
            taker = hooks.on_frame.get(name)
            if taker is not None:
                taker(self.is_spot_url(client), message)
            elif name in _FORWARDED:
                getattr(super(Guarded, self), name)(client, message)

        return handle

    def handle_ws_error(self: Any, client: Any, message: Any) -> None:
        if message.get("id") is not None:
            super(Guarded, self).handle_ws_error(client, message)
            return
        # CCXT would tell it as the answer to everything in flight, which the venue may well have taken. It ends no
        # stream of reports either, which waits for no answer: none of its frames is missed by it.
        error = error_of_nobody(message)
        for message_hash in [waiting for waiting in client.futures if waiting != _REPORTS]:
            client.reject(error, message_hash)

    async def keep_alive_listen_key(*_: Any) -> None:
        """Nothing: CCXT does it once and no more, and ends the stream where that fails. Whoever has the stream does."""

    if hooks.rules.is_binance:
        Guarded.handle_ws_error = handle_ws_error
        Guarded.keep_alive_listen_key = keep_alive_listen_key
        # As the venue sent them: CCXT would make floats of prices, and one order of several updates.
        for name in (*_FORWARDED, "handle_balance", "handle_acount_update", "handle_order_book_subscription"):
            setattr(Guarded, name, frame_handler(name))
    Guarded.__name__ = Guarded.__qualname__ = exchange_class.__name__
    return Guarded


_FORWARDED = ("handle_bids_asks", "handle_trade", "handle_order_book", "handle_order_update")


def _consumed(make: Callable[[str], Any]) -> Callable[[str], Any]:
    """As it makes futures, but one that fails and that nobody waits for is no fault: CCXT makes some on suspicion."""

    def future(message_hash: str) -> Any:
        made = make(message_hash)
        made.remove_done_callback(_consume)
        made.add_done_callback(_consume)
        return made

    return future


def _consume(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()


def _is_request(message_hash: object) -> bool:
    """True for one request of many, which has a number of its own; a login has a name, by which CCXT remembers it."""
    return any(character.isdigit() for character in str(message_hash))


def _forget(client: Any, kept: tuple[Any, ...], answer: asyncio.Future[Any]) -> None:
    """A request has its answer, or nobody waits for it: CCXT keeps each, and goes through all with each refusal."""
    for request_id in kept:
        client.subscriptions.pop(request_id, None)
        if client.futures.get(request_id) is answer:
            del client.futures[request_id]


def _is_late(client: Any, message: Any) -> bool:
    """An answer of Binance's to a request that was given up: CCXT fails with one that it finds no request for."""
    if not isinstance(message, dict) or "status" not in message or message.get("id") is None:
        return False
    return str(message["id"]) not in client.subscriptions and str(message["id"]) not in client.futures


def names_no_request(message: Mapping[str, Any]) -> bool:
    """True for an error of Binance's that is the answer to nothing in particular."""
    return message.get("id") is None and ("error" in message or message.get("status", 200) != 200)


def error_of_nobody(message: Mapping[str, Any]) -> Exception:
    """What such an error says, as one that leaves open what became of a request."""
    told = message.get("error") or {}
    # Without quotes: what looks like an answer of the venue's would be taken for a refusal.
    words = f"{told.get('code')} {told.get('msg')}".replace('"', "'")
    error: Exception = library().NetworkError(f"an error that names no request: {words}")
    return error


def is_open(client: Any) -> bool:
    """True for a connection that takes a message now."""
    connected = client.connected
    return bool(
        client.isConnected
        and connected.done()
        and not connected.cancelled()
        and connected.exception() is None
        and not client.closed()
    )
