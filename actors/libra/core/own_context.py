"""What each actor may set for itself: an instance has a `contextvars.Context`, and decimals as Python documents them.

The node enters it around each turn of the actor (``libra-py``, module ``node/context``); a task that it makes has a
copy, as any task has. So a precision that one actor sets, or a context variable, is seen by no other and not by the
node. A module is imported under a copy as well: what it sets while that lasts holds for nobody, and is told.
"""

from __future__ import annotations

import contextvars
import decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    _T = TypeVar("_T")

__all__ = ["context_for_an_actor", "plain_decimals", "under_a_copy"]

_TERMS = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp", "traps")


def plain_decimals() -> decimal.Context:
    """Decimals as Python documents them, whatever somebody has made of ``decimal.DefaultContext``."""
    return decimal.Context(
        prec=28,
        rounding=decimal.ROUND_HALF_EVEN,
        Emin=-999_999,
        Emax=999_999,
        capitals=1,
        clamp=0,
        flags=[],
        traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
    )


def context_for_an_actor(base: contextvars.Context) -> contextvars.Context:
    """What a fresh instance runs in: the variables of ``base``, and decimals of its own."""
    context = base.copy()
    context.run(decimal.setcontext, plain_decimals())
    return context


def under_a_copy(call: Callable[..., _T], *args: Any) -> tuple[_T, list[str]]:  # noqa: ANN401 - handed on
    """Call something that may set what is the caller's: of decimals it sets its own.

    Returns:
        What the call gave, and which settings of decimals it has changed, by their names. Those that it changed in
        ``decimal.DefaultContext``, which threads begin with, are taken back.
    """
    default, own = decimal.DefaultContext, decimal.getcontext().copy()
    before, defaults = _terms_of(own), _terms_of(default)

    def within() -> tuple[_T, dict[str, Any]]:
        decimal.setcontext(own)
        given = call(*args)
        return given, _terms_of(decimal.getcontext())

    try:
        given, after = contextvars.copy_context().run(within)
    finally:
        now = _terms_of(default)
        changed = [f"DefaultContext.{name}" for name, was in defaults.items() if now[name] != was]
        for name, was in defaults.items():
            setattr(default, name, was)
    return given, [name for name, was in before.items() if after[name] != was] + changed


def _terms_of(context: decimal.Context) -> dict[str, Any]:
    return {
        name: dict(context.traps) if name == "traps" else getattr(context, name)  # `traps` is a view
        for name in _TERMS
    }
