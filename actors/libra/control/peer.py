"""Who is at the other end of a Unix-domain socket, as the kernel says."""

from __future__ import annotations

import os
import pwd
import socket
import struct
import sys
from dataclasses import dataclass

__all__ = ["Peer", "peer_of"]


@dataclass(frozen=True, slots=True)
class Peer:
    """The process at the other end.

    Attributes:
        uid: Its user.
        pid: Its process; None where the kernel does not say.
    """

    uid: int
    pid: int | None

    @property
    def may_operate(self) -> bool:
        """True for the user that the node runs as, and for root."""
        return self.uid in (os.geteuid(), 0)

    def __str__(self) -> str:
        """As it goes into the log: the login and the uid."""
        try:
            return f"{pwd.getpwuid(self.uid).pw_name} (uid {self.uid})"
        except KeyError:
            return f"uid {self.uid}"


def peer_of(connection: socket.socket) -> Peer:
    """Who connected, or who listens.

    Raises:
        OSError: Where the kernel does not tell.
    """
    if sys.platform == "darwin":  # pragma: no cover - the tests run on Linux
        # struct xucred: version, uid, ...; SOL_LOCAL is 0, LOCAL_PEERCRED 1.
        credentials = connection.getsockopt(0, 1, 76)
        return Peer(struct.unpack_from("=II", credentials)[1], None)
    size = struct.calcsize("=iII")
    pid, uid, _ = struct.unpack("=iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return Peer(uid, pid)
