"""Where the values of secrets are: in the environment, or handed over by the process that started this one.

Whoever runs under the same user may read what a process was started with (`/proc/PID/environ`), while it lives.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable, Mapping

__all__ = ["environment", "hand_over", "seclude", "take_out"]

_PR_SET_DUMPABLE = 4

_handed: dict[str, str] = {}


def environment() -> Mapping[str, str]:
    """The environment, with what was handed over."""
    return {**os.environ, **_handed}


def hand_over(values: Mapping[str, str]) -> None:
    """Variables that this process has from the one that started it, and that are in no environment."""
    _handed.update(values)


def take_out(names: Iterable[str]) -> dict[str, str]:
    """Take variables out of this process's environment, what the kernel shows of it included.

    Returns:
        Those that were there.
    """
    values = {name: value for name, value in environment().items() if name in set(names)}
    for name in values.keys() & os.environ.keys():
        _wipe(name)
        del os.environ[name]
    for name in values.keys() & _handed.keys():
        del _handed[name]
    return values


def seclude() -> None:
    """No other process of this user may look into this one's memory or environment from here on (Linux).

    It leaves no core dump either. Whoever is root, or may trace any process, is not held back.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _wipe(name: str) -> None:
    # Unsetting takes the name away, and leaves its bytes where the kernel shows them.
    getenv = ctypes.CDLL(None).getenv
    getenv.restype, getenv.argtypes = ctypes.c_void_p, (ctypes.c_char_p,)
    at = getenv(os.fsencode(name))
    if at:
        ctypes.memset(at, 0, len(ctypes.string_at(at)))
