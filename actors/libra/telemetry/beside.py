"""Reading a node from another thread than its loop's, which goes on meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from libra_core import PanicException

__all__ = ["read_beside"]

T = TypeVar("T")

_TRIES: Final = 5
_AGAIN_S: Final = 0.001


def read_beside(read: Callable[[], T]) -> T:
    """What is read, without waiting for the loop.

    A table may change while it is read, and a finaliser that runs in the middle of something native may hand the
    interpreter over: it is read anew then.

    Args:
        read: Reads, and changes nothing.

    Raises:
        RuntimeError: When it could not be read several times in a row.
    """
    for _ in range(_TRIES - 1):
        try:
            return read()
        except (RuntimeError, PanicException):
            time.sleep(_AGAIN_S)
    try:
        return read()
    except PanicException as error:
        raise RuntimeError(str(error)) from None
