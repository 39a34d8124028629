"""What may be a handler: a function whose body runs when it is called, or when what it gives is awaited.

A function with a ``yield`` in it gives a generator: its body would never run, and nothing would say so.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["check_handler", "check_hooks"]


def check_handler(handler: object, what: str = "") -> None:
    """Refuse a generator.

    Args:
        handler: What is to be called.
        what: Its name; by default what it says itself.

    Raises:
        TypeError: For a function, a method or a callable object that is written as one.
    """
    if _yields(handler) or (callable(handler) and _yields(type(handler).__call__)):
        name = what or getattr(handler, "__qualname__", None) or type(handler).__qualname__
        raise TypeError(
            f"{name} is a generator, whose body would never run: a handler is a function, or an `async def`, "
            "without `yield`"
        )


def check_hooks(owner: object, hooks: Iterable[str], plain: Iterable[str] = ()) -> None:
    """The same of an actor's hooks, or of those of its class.

    Args:
        owner: The actor, or its class.
        hooks: Names of hooks.
        plain: Those of hooks that nobody awaits.

    Raises:
        TypeError: For the first that will not do.
    """
    whose = (owner if isinstance(owner, type) else type(owner)).__name__
    for hook in hooks:
        check_handler(getattr(owner, hook, None), f"{whose}.{hook}")
    for hook in plain:
        check_handler(getattr(owner, hook, None), f"{whose}.{hook}")
        if inspect.iscoroutinefunction(getattr(owner, hook, None)):
            raise TypeError(f"{whose}.{hook} is called between two events and not awaited: write it without `async`")


def _yields(call: object) -> bool:
    return inspect.isgeneratorfunction(call) or inspect.isasyncgenfunction(call)
