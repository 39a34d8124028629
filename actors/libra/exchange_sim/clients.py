"""A client's WebSocket as the venue writes to it: frames that are made once for all, a bounded backlog, and its faults.

Frames of a server are not masked, so the same bytes go to every client. They are gathered for a step of the venue and
written at once. A client that does not read is disconnected when more waits for it than its limit, as at the venue.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["Client", "frame"]


def frame(payload: bytes) -> bytes:
    """A whole text message as one WebSocket frame (RFC 6455, 5.2), not masked."""
    length = len(payload)
    if length < 126:
        return bytes((0x81, length)) + payload
    if length < 65_536:
        return b"\x81\x7e" + length.to_bytes(2, "big") + payload
    return b"\x81\x7f" + length.to_bytes(8, "big") + payload


class Transport(Protocol):
    """What is used of an asyncio transport."""

    def write(self, data: bytes) -> None:
        """Sends."""

    def get_write_buffer_size(self) -> int:
        """What waits."""

    def abort(self) -> None:
        """Closes without waiting."""

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""


class Client:
    """A connection.

    Args:
        transport: Where its bytes go.
        limit: How many bytes may wait for it.
        spot: Which side of the venue it is on.
        combined: Whether its events are wrapped with the stream's name.
        api: Whether it asks by ws-api.
    """

    def __init__(
        self, transport: Transport, limit: int, *, spot: bool, combined: bool = False, api: bool = False
    ) -> None:
        self.transport = transport
        self.is_spot = spot
        self.is_combined = combined
        self.is_api = api
        self.names: set[str] = set()
        self.account: str = ""
        """Whose user stream it is, or carries."""
        self.is_muted = False
        """A half-open connection: what is written is lost, and nobody is told."""
        self.stalled_until_ns = 0
        self.was_slow = False
        """It was cut off for not reading."""
        self._limit = limit
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0

    def send(self, payload: bytes) -> None:
        """A message for this client alone; it goes with the next `flush`."""
        self.put(frame(payload))

    def put(self, frames: bytes) -> None:
        """Frames that go with the next `flush`."""
        self._waiting.append(frames)
        self._waiting_bytes += len(frames)

    @property
    def has_waiting(self) -> bool:
        """Whether something was not written yet."""
        return bool(self._waiting)

    def flush(self, now_ns: int) -> None:
        """Writes what waits, in one go; cuts off who reads too slowly."""
        if not self._waiting or self.transport.is_closing():
            self._waiting.clear()
            self._waiting_bytes = 0
            return
        if self.is_muted:
            self._waiting.clear()
            self._waiting_bytes = 0
        elif now_ns >= self.stalled_until_ns:
            self.transport.write(b"".join(self._waiting))
            self._waiting.clear()
            self._waiting_bytes = 0
        if self._waiting_bytes + self.transport.get_write_buffer_size() > self._limit:
            self._waiting.clear()
            self.transport.abort()
            self.was_slow = True

    def cut(self) -> None:
        """Closes without a word."""
        self.transport.abort()
