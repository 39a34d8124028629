"""The reader by which native threads wake a node's loop: it stays, whatever somebody's code does to the loop's readers.

Without it nothing comes in any more: no market, no answer of a venue, no signal. Whoever takes it back, or sets another
one for the same descriptor, is refused and told of by name; who goes around that is undone at the next look.

What the loop itself waits for (the node's control socket, a gateway's connection) is no actor's to take either: only
what somebody has given the loop by name can be taken back.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from libra.core.faults import whose_doing

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from libra_core import NodeCore

__all__ = ["WakeUp"]

_log = logging.getLogger(__name__)
_CALLS = ("add_reader", "remove_reader", "add_writer", "remove_writer")


class WakeUp:
    """See the module.

    Args:
        core: The node's native side.
    """

    def __init__(self, core: NodeCore) -> None:
        self._core = core
        self._loop: asyncio.AbstractEventLoop | None = None
        self._call: Callable[[], None] = _nothing
        self._given: set[tuple[str, int | None]] = set()
        self._told: set[tuple[str, str]] = set()

    def install(self, call: Callable[[], None]) -> None:
        """From now on ``call`` is called in the running loop when a native thread has something for it."""
        loop = self._loop = asyncio.get_running_loop()
        self._call = call
        type(loop).add_reader(loop, self._core.fileno, call)
        # An attribute of this one loop, before those of its class: as `Tasks` does it.
        for name in _CALLS:
            setattr(loop, name, partial(self._asked, loop, name))

    def uninstall(self) -> None:
        """The loop is as it was."""
        loop, self._loop = self._loop, None
        if loop is not None:
            for name in _CALLS:
                vars(loop).pop(name, None)
            type(loop).remove_reader(loop, self._core.fileno)

    def look(self) -> list[str]:
        """Put it back where somebody has taken it all the same; gives what that was, where the loop knows."""
        loop = self._loop
        if loop is None:
            return []
        # Nothing else tells whether there is one, and of uvloop nothing does. What comes meanwhile stays readable.
        was_there = type(loop).remove_reader(loop, self._core.fileno)
        type(loop).add_reader(loop, self._core.fileno, self._call)
        return ["the reader that wakes the node"] if was_there is False else []

    def _asked(self, loop: asyncio.AbstractEventLoop, name: str, fd: Any, *args: Any) -> Any:  # noqa: ANN401
        number = _number(fd)
        does, kind = name.split("_")
        if number != self._core.fileno:
            if does == "add":
                self._given.add((kind, number))
            elif (kind, number) in self._given:
                self._given.discard((kind, number))
            elif self._core.running() is not None and isinstance(fd, int):
                # By its number: uvloop itself calls this with the socket of a wait that is cancelled.
                return False
            return getattr(type(loop), name)(loop, fd, *args)
        whose = whose_doing(self._core.running())
        if (whose, name) not in self._told:
            self._told.add((whose, name))
            _log.error(
                "%s calls %s for the descriptor that wakes the node: it does nothing, and it is not told again",
                whose,
                name,
            )
        return False if does == "remove" else None


def _number(fd: object) -> int | None:
    """The descriptor that a loop takes this for; None where it takes it for none."""
    if isinstance(fd, int):
        return fd
    try:
        return int(fd.fileno())  # type: ignore[attr-defined]
    except Exception:
        return None


def _nothing() -> None: ...
