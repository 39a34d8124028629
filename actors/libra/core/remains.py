"""What is left of instances that are no more: it is let go of in a turn of its actor, which is watched.

The end of an object is its author's code: its ``__del__`` may never return. The last hold on an instance is often
somebody else's (the frames of a traceback, a task that was cancelled just now, a circle that the collector finds one
day, in anybody's turn or in nobody's), so instances, what they raised and their tasks are kept here until the others
have let go, and then dropped by their actor's name: `HandlerTimedOut` ends a ``__del__`` that does not return.
"""

from __future__ import annotations

import contextlib
import gc
import inspect
import logging
import time
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from libra.core.actor import Actor
from libra.core.faults import log_failure

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable
    from typing import Any

    from libra.core.faults import Fatal
    from libra_core import NodeCore

__all__ = ["Remains"]

_log = logging.getLogger(__name__)
_SUSPENDS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_CALLBACKS_S = 0.02
_PATIENCE_S = 1.0
"""How long tasks that were cancelled may take to end before what they hold is not waited for."""


@dataclass(slots=True)
class _Left:
    """What an actor has left.

    Attributes:
        until: When its tasks are not waited for any more.
        things: Instances and exceptions.
        tasks: What was cancelled with its instance.
        has_ended: So they have.
    """

    until: float = 0.0
    things: list[object] = field(default_factory=list)
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)
    has_ended: bool = False


class Remains:
    """See the module.

    Args:
        core: The node's native side.
        fatal: What ends the run.
    """

    def __init__(self, core: NodeCore, fatal: Fatal) -> None:
        self._core = core
        self._fatal = fatal
        self._left: dict[int, _Left] = {}

    def keep(self, slot: int, thing: object, tasks: Iterable[asyncio.Task[Any]] = ()) -> None:
        """An actor has no use for this any more: an instance, or what was raised.

        Args:
            slot: The actor.
            thing: It; None where there are tasks alone.
            tasks: Tasks that were cancelled with it.
        """
        left = self._left.setdefault(slot, _Left())
        if thing is not None:
            left.things.append(thing)
        left.tasks.extend(tasks)
        left.has_ended, left.until = False, time.monotonic() + _PATIENCE_S

    def let_go(self, *, at_once: bool = False) -> None:
        """Between two events: let go of what waits for nothing any more.

        Args:
            at_once: Tasks that have not ended are not waited for.
        """
        if not self._left:
            return
        now = time.monotonic()
        for slot, left in list(self._left.items()):
            if left.tasks and not left.has_ended and all(task.done() for task in left.tasks):
                # The loop has their callbacks still.
                left.has_ended, left.until = True, min(left.until, now + _CALLBACKS_S)
            if at_once or now >= left.until or not left.tasks:
                del self._left[slot]
                self._drop(slot, left)

    def _drop(self, slot: int, left: _Left) -> None:
        with_end = [weakref.ref(thing) for thing in left.things if isinstance(thing, Actor) and _has_end(thing)]
        try:
            self._core.turn(slot, _end, left, with_end)
        except self._fatal:
            raise
        except BaseException as error:
            # Raised behind a `__del__` that has just ended by itself.
            log_failure(_log, "what an actor has left could not be let go of in time", error=error, fatal=self._fatal)


def _end(left: _Left, with_end: list[weakref.ref[Actor]]) -> None:
    for thing in left.things:
        if isinstance(thing, BaseException):
            _clear_frames(thing)
    left.tasks.clear()
    left.things.clear()
    thing = None
    if any(instance() is not None for instance in with_end):
        # In a circle, most likely: better now, by its actor's name, than in anybody else's turn.
        gc.collect()


def _has_end(actor: Actor) -> bool:
    """Its class says what is to be done at its end. Looking for circles takes 40 ms, with CCXT 260."""
    return hasattr(type(actor), "__del__")


def _clear_frames(error: BaseException) -> None:
    """What was raised holds the frames that it came through, and one of them often holds it: a circle.

    A frame of a coroutine may be that of a task which goes on, and is left alone.
    """
    step = error.__traceback__
    while step is not None:
        if not step.tb_frame.f_code.co_flags & _SUSPENDS:
            with contextlib.suppress(RuntimeError):
                step.tb_frame.clear()
        step = step.tb_next
