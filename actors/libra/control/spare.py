"""Room for an operator where somebody's code has taken every descriptor that the process may have."""

from __future__ import annotations

import contextlib
import os
import resource
import socket

__all__ = ["Spare"]

_BEYOND = 16
"""So many descriptors beyond the limit, while somebody is let in: other threads may take some of them."""


class Spare:
    """A descriptor for an operator who comes when there is none left."""

    def __init__(self) -> None:
        self._descriptor: int | None = None

    def keep(self) -> None:
        """Have one, where that can be."""
        if self._descriptor is None:
            with contextlib.suppress(OSError):
                self._descriptor = os.open(os.devnull, os.O_RDONLY)

    def spend(self) -> None:
        """Have none."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def let_in(self, listener: socket.socket) -> socket.socket | None:
        """Accept a connection for which there is no descriptor; None where none is to be had at all.

        Args:
            listener: Somebody waits there.
        """
        return _let_in_beyond_the_limit(listener) or self._let_in_instead(listener)

    def _let_in_instead(self, listener: socket.socket) -> socket.socket | None:
        """At once, before the room that is made goes too."""
        if self._descriptor is None:
            return None
        self.spend()
        try:
            return listener.accept()[0]
        except OSError:
            self.keep()
            return None


def _let_in_beyond_the_limit(listener: socket.socket) -> socket.socket | None:
    """Somebody's code has taken all descriptors up to its soft limit, which may be raised for a moment.

    The kept descriptor alone would not do: between its end and the connection's beginning a thread (of a journal that
    tries to open its file again) may take its place.
    """
    try:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft + _BEYOND if hard < 0 else min(soft + _BEYOND, hard), hard))
    except (OSError, ValueError):
        return None
    try:
        return listener.accept()[0]
    except OSError:
        return None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
