"""Actors: state and behaviour behind one mailbox, one event at a time.

An actor overrides the hooks that it wants; each typed hook that it overrides subscribes it to that kind of event. Hooks
may be sync or async; while an async one is suspended, the actor's later events wait. What a hook raises is a supervised
failure (see ``libra.core.supervision``).
"""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from libra.core.events import Event, EventType
from libra.core.handlers import check_handler, check_hooks
from libra.core.mail import ActorRef, Ask, Tell
from libra.model import Notice, Order
from libra_core import Mail

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Iterable

    from libra.core.clock import Clock
    from libra.core.context import ActorContext
    from libra.core.watching import Terminated
    from libra.model import BookDelta, Fill, Position, Quote, Signal, Trade

__all__ = ["HOOKS", "Actor", "ActorRef", "ActorState"]

ORDER_EVENTS = (
    EventType.ORDER_NEW,
    EventType.ORDER_SUBMITTED,
    EventType.ORDER_ACCEPTED,
    EventType.ORDER_PARTIALLY_FILLED,
    EventType.ORDER_FILLED,
    EventType.ORDER_CANCELLED,
    EventType.ORDER_EXPIRED,
    EventType.ORDER_REJECTED,
)
"""The events that carry an order, each state of its life cycle one."""


class ActorState(StrEnum):
    """The life cycle: ``created -> starting -> running <-> degraded -> stopping -> stopped | failed``.

    Degraded is an actor without an instance, which waits to be started anew: it failed, or was taken down with another
    one of its group. What comes for it meanwhile waits in its mailbox.

    | from | to | when |
    | --- | --- | --- |
    | created | starting | its node starts |
    | starting | running | `on_start` has ended |
    | starting, running | degraded | a hook raised |
    | starting | degraded | it is taken down: its `on_start` is cancelled |
    | running | stopping | it asked for that, its node ends, or it is taken down |
    | stopping | stopped | `on_stop` has ended, well or not |
    | stopping | degraded | it was taken down |
    | degraded | starting | the wait is over, and those before it in its group are running |
    | degraded | stopping | its node ends, or it was asked to stop |
    | starting, running, stopping, degraded | failed | it was given up, or its handler would not end |
    """

    CREATED = "created"
    STARTING = "starting"
    RUNNING = "running"
    DEGRADED = "degraded"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class Actor:
    """The base of every actor. Subclasses override hooks; they need no ``__init__``.

    Attributes:
        params: The actor's own parameters, as the profile has them.
        snapshot_interval_s: None, and it carries nothing over; 0, and `snapshot` is asked for its state when it has
            stopped in order; above 0, also every so many seconds of the node's clock.
        snapshot_version: Goes up when `restore` no longer understands older states.
    """

    snapshot_interval_s: ClassVar[float | None] = None
    snapshot_version: ClassVar[int] = 1

    _keeps_tasks: ClassVar[bool] = False
    """Its tasks go on when it has failed: what they carry out is under way outside the process."""

    # It hears of orders and refusals that are its own alone: the core hands it no others.
    _hears_its_own: ClassVar[bool] = False
    _payload_hooks: ClassVar[dict[str, tuple[EventType, ...]]] = {
        "on_tick": (EventType.TICK,),
        "on_quote": (EventType.QUOTE,),
        "on_trade": (EventType.TRADE,),
        "on_bar": (EventType.BAR,),
        "on_book": (EventType.ORDER_BOOK,),
        "on_signal": (EventType.SIGNAL,),
        "on_position": (EventType.POSITION_OPENED, EventType.POSITION_UPDATED, EventType.POSITION_CLOSED),
        "on_balance": (EventType.BALANCE_UPDATED,),
    }
    """Hooks that are called with the payload alone, natively."""

    params: dict[str, Any]
    _context: ActorContext

    def __init__(self, params: dict[str, Any] | None = None) -> None:
        self.params = dict(params or {})

    # What an actor is given ------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The actor's name, unique in its node: the source of its events."""
        return self._context.name

    @property
    def clock(self) -> Clock:
        """Where time comes from, live or simulated."""
        return self._context.clock

    @property
    def random(self) -> random.Random:
        """A generator of its own, seeded by the run and the actor's name."""
        return self._context.random

    @property
    def log(self) -> logging.Logger:
        """A logger that names the actor."""
        return self._context.log

    @property
    def state(self) -> ActorState:
        """Where the actor stands in its life cycle."""
        return self._context.state

    @property
    def ref(self) -> ActorRef:
        """This actor's own address."""
        return self._context.ref

    @property
    def current_event(self) -> Event | None:
        """The event that is being handled; what the actor publishes is a child of it."""
        return self._context.core.current(self._context.slot)

    def actor(self, name: str) -> ActorRef:
        """The address of another actor: its name, or ``NODE/NAME`` for one of another node that a bridge leads to.

        Raises:
            KeyError: When the node has none of that name, or is joined to no others.
        """
        return self._context.find(name)

    # What an actor does ----------------------------------------------------------------------------------------------

    def emit(self, event_type: EventType, payload: object = None, *, instrument: str | None = None) -> bool:
        """Publish an event, as a child of the one being handled; False when a subscriber refused it.

        Raises:
            ValueError: For a type that only the node itself, or the order gate of an account, may publish.
        """
        return self._context.core.emit(self._context.slot, event_type, payload, instrument)

    def subscribe(
        self,
        event_type: EventType,
        handler: Callable[[Any], Awaitable[None] | None] | None = None,
        *,
        instruments: Iterable[str] = (),
        batch: bool | Literal["block"] = False,
    ) -> str:
        """Subscribe to a type of event: of some instruments, or of all. Without a handler `on_event` gets them.

        Args:
            event_type: Of market data, for a batch.
            handler: Called with each event; with several where ``batch`` says so.
            instruments: Exact ids; none for all instruments.
            batch: True hands over a list of events, ``"block"`` a NumPy block (`libra.core.blocks`): what waited, up to
                256 events, in their order. Urgent lanes go before a batch. What has gathered is gone when the actor is
                restarted.

        Returns:
            An id for `unsubscribe`.

        Raises:
            ValueError: For a batch of anything but market data.
            TypeError: For a block of an event type that has none, and for a handler that cannot be called, or has a
                `yield` in it.
        """
        call = self.on_event if handler is None else handler
        check_handler(call)
        core, slot = self._context.core, self._context.slot
        return core.subscribe(slot, event_type, call, instruments=list(instruments), batch=batch)

    def unsubscribe(self, subscription_id: str) -> bool:
        """Take a subscription back; False when there is none of that id."""
        return self._context.core.unsubscribe(self._context.slot, subscription_id)

    def set_timer(self, name: str, delay_s: float, *, interval_s: float = 0.0) -> None:
        """Have `on_timer(name)` called after a delay, and every ``interval_s`` after that.

        A name is set once: again means anew.

        Raises:
            ValueError: For a time that is negative, not a number, or longer than thirty years.
        """
        self._context.set_timer(name, delay_s, interval_s)

    @property
    def missed_ticks(self) -> int:
        """In `on_timer`: how often a timer with an interval was due and made no event, since the one before this.

        One event of it waits at most: who was busy for long is called for that one, and told of the others by the next.
        """
        return self._context.missed_ticks

    def cancel_timer(self, name: str) -> bool:
        """Take a timer back; False when none of that name is set."""
        return self._context.cancel_timer(name)

    def watch(self, actor: ActorRef | str) -> None:
        """Have `on_terminated` called whenever an instance of another actor ends; at once where it has ended for good.

        It lasts over restarts of the other, and ends with this instance. ``NODE/ACTOR`` watches one of another node:
        the death of that node, its leaving and a name that it does not know end the watch too.

        Raises:
            KeyError: When the node has none of that name.
        """
        self._context.watch(actor if isinstance(actor, str) else actor.name)

    def unwatch(self, actor: ActorRef | str) -> bool:
        """Watch no more, not even what waits to be told; False when it was not watched."""
        return self._context.unwatch(actor if isinstance(actor, str) else actor.name)

    def stop(self) -> None:
        """Ask to be stopped when the event being handled is done, for good: no instance follows.

        Of a strategy nothing leaves any more once `on_stop` has ended: its ``on_vanish`` says what becomes of its open
        orders and its position.
        """
        self._context.request_stop()

    # Hooks -----------------------------------------------------------------------------------------------------------

    def on_start(self) -> Awaitable[None] | None:
        """The actor starts: called before its first event, and again on a fresh instance after each restart."""

    def on_stop(self) -> Awaitable[None] | None:
        """The actor stops, in an orderly way; not called when it failed."""

    def on_event(self, event: Event) -> Awaitable[None] | None:
        """An event of a type subscribed to without a handler of its own."""

    def on_message(self, message: Any) -> Any:  # noqa: ANN401 - whatever actors send each other
        """A message of another actor; what it returns is the reply to an ``ask``."""

    def on_timer(self, name: str) -> Awaitable[None] | None:
        """A timer is due."""

    def on_terminated(self, terminated: Terminated) -> Awaitable[None] | None:
        """An instance of a watched actor has ended."""

    def on_tick(self, tick: Any) -> Awaitable[None] | None:  # noqa: ANN401 - a gateway's own payload
        """A price update of a gateway that knows no finer kind."""

    def on_quote(self, quote: Quote) -> Awaitable[None] | None:
        """The best bid and offer changed."""

    def on_trade(self, trade: Trade) -> Awaitable[None] | None:
        """The market traded."""

    def on_bar(self, bar: Any) -> Awaitable[None] | None:  # noqa: ANN401 - a Bar
        """An interval ended."""

    def on_book(self, delta: BookDelta) -> Awaitable[None] | None:
        """An order book changed."""

    def on_signal(self, signal: Signal) -> Awaitable[None] | None:
        """A strategy said what it thinks."""

    def on_order(self, order: Order) -> Awaitable[None] | None:
        """An order came to a new state."""

    def on_fill(self, fill: Fill) -> Awaitable[None] | None:
        """A part of an order was executed: once for each execution, also behind the order's end."""

    def on_refused(self, notice: Notice) -> Awaitable[None] | None:
        """A cancel, a request or a signal was refused, and no order's state says so.

        ``notice.code`` is the code of docs/risk.md, of a cancel the order's id; ``notice.detail`` says why. Orders
        that were refused come to `on_order` instead.
        """

    def on_position(self, position: Position) -> Awaitable[None] | None:
        """A position changed."""

    def on_balance(self, balance: Any) -> Awaitable[None] | None:  # noqa: ANN401 - a Balance
        """A balance changed."""

    def on_risk(self, event: Event) -> Awaitable[None] | None:
        """A limit was hit, equity fell, or the kill switch was set or taken back."""

    def snapshot(self) -> object:
        """The state to carry over, as `libra.core.codec` encodes it; None for none. See ``snapshot_interval_s``."""
        return None

    def restore(self, state: Any) -> None:  # noqa: ANN401 - whatever `snapshot` gave
        """Take over a state that `snapshot` gave, before `on_start`. What it raises costs only the state."""

    # How hooks are wired ---------------------------------------------------------------------------------------------

    def _instruments(self) -> list[str]:
        """The instruments that typed market data hooks are about; empty for all."""
        return []

    def _attach(self, context: ActorContext) -> None:
        self._context = context
        check_hooks(self, *HOOKS)
        core, slot = context.core, context.slot
        core.subscribe(slot, EventType.MESSAGE, self._receive)
        core.subscribe(slot, EventType.TIMER, self._timer_due)
        core.subscribe(slot, EventType.ACTOR_TERMINATED, self._terminated)
        instruments = self._instruments()
        for hook, event_types in self._payload_hooks.items():
            if self._overrides(hook):
                for event_type in event_types:
                    core.subscribe(slot, event_type, getattr(self, hook), instruments=instruments, payload=True)
        if self._overrides("on_order") or self._overrides("on_fill"):
            for event_type in ORDER_EVENTS:
                core.subscribe(slot, event_type, self._order_changed, instruments=instruments, own=self._hears_its_own)
        if self._overrides("on_refused"):
            for event_type in (EventType.ORDER_CANCEL_REJECTED, EventType.ORDER_REQUEST_REJECTED):
                core.subscribe(slot, event_type, self._refused, own=self._hears_its_own)
        if self._overrides("on_risk"):
            for event_type in (
                EventType.RISK_LIMIT_BREACH,
                EventType.DRAWDOWN_WARNING,
                EventType.CIRCUIT_BREAKER,
                EventType.TRADING_RESUMED,
            ):
                core.subscribe(slot, event_type, self.on_risk)

    def _overrides(self, hook: str) -> bool:
        return getattr(type(self), hook) is not getattr(Actor, hook)

    def _is_foreign(self, told: Order | Notice) -> bool:
        # What the core hands on also where it does not know whose it is.
        return self._hears_its_own and told.strategy != self._context.name

    def _refused(self, event: Event) -> Awaitable[None] | None:
        notice = event.payload
        if not isinstance(notice, Notice) or self._is_foreign(notice):
            return None
        return self.on_refused(notice)

    def _order_changed(self, event: Event) -> Awaitable[None] | None:
        order = event.payload
        # Anyone may publish anything under this type; what is no order is nothing to this actor.
        if not isinstance(order, Order) or self._is_foreign(order):
            return None
        first = self.on_order(order)
        # Also of an order that is over: a venue may execute it nonetheless, or tell of it late.
        fill = order.last_fill
        if first is None:
            return None if fill is None else self.on_fill(fill)
        return first if fill is None else self._order_then_fill(first, fill)

    async def _order_then_fill(self, first: Awaitable[None], fill: Fill) -> None:
        await first
        second = self.on_fill(fill)
        if second is not None:
            await second

    def _terminated(self, event: Event) -> Awaitable[None] | None:
        return self.on_terminated(event.payload) if self._context.is_watched(event.payload) else None

    def _receive(self, event: Event) -> Awaitable[None] | None:
        letter = event.payload
        if isinstance(letter, Mail):
            letter = self._context.open_mail(letter)
            if letter is None:
                return None
        if isinstance(letter, Ask):
            return letter.answer(self.on_message)
        message = letter.message if isinstance(letter, Tell) else letter
        result = self.on_message(message)
        return result if hasattr(result, "__await__") else None

    def _timer_due(self, event: Event) -> Awaitable[None] | None:
        if self._context.take_snapshot_if_due(event.payload):
            return None
        name = self._context.timer_name(event.payload)
        if name is None:
            return None
        self._context.missed_ticks = self._context.core.missed_ticks(event)
        return self.on_timer(name)


HOOKS = tuple(name for name in vars(Actor) if name.startswith("on_")), ("snapshot", "restore")
"""What subclasses override: what may be async, and what may not."""
