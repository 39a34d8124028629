"""A connection of nobody's to a node's server, and frames of nobody's, made from docs/wire.md alone."""

import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from tests.wire.reader import crc32c

EVENTS, ACK, BEACON, SNAPSHOT = 1, 3, 4, 8
NO_LANE = 255


class Wire:
    """A connection of nobody's: it hears what nodes say, and says what it likes."""

    def __init__(self, connection: socket.socket, file: BufferedReader) -> None:
        self._connection = connection
        self._file = file

    def _said(self) -> bytes | list[bytes]:
        line = self._file.readline()
        match line[:1]:
            case b"*":
                return [part for part in (self._said() for _ in range(int(line[1:]))) if isinstance(part, bytes)]
            case b"$":
                return self._file.read(int(line[1:]) + 2)[:-2]
            case _:
                return line.strip()

    def call(self, *parts: bytes) -> bytes | list[bytes]:
        asked = b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
        self._connection.sendall(b"*%d\r\n%b" % (len(parts), asked))
        return self._said()

    def run(self) -> bytes:
        """What names the server's process, as a sender names it that opens a channel there."""
        told = self.call(b"INFO", b"server")
        assert isinstance(told, bytes)
        return next(line for line in told.split(b"\r\n") if line.startswith(b"run_id:")).removeprefix(b"run_id:")

    def hear(self, pattern: bytes) -> tuple[bytes, bytes]:
        """A channel that the pattern fits, and a frame of it; nothing else may be asked on this connection any more."""
        self.call(b"PSUBSCRIBE", pattern)
        said = self._said()
        assert isinstance(said, list)
        assert said[:2] == [b"pmessage", pattern]
        return said[2], said[3]


@contextmanager
def wire(path: Path) -> Iterator[Wire]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(30)
        connection.connect(str(path))
        # Closed with it, also where a test fails: else somebody else's finds it unclosed.
        with connection.makefile("rb") as file:
            yield Wire(connection, file)


def sealed(frame: bytes) -> bytes:
    """With the checksum that its bytes give."""
    return frame[:12] + struct.pack("<I", crc32c(frame[:12] + frame[16:])) + frame[16:]


def frame(
    kind: int,
    publisher: str,
    epoch: int,
    first: int = 0,
    *,
    lane: int = NO_LANE,
    shard: str = "",
    preface: bytes = b"",
    events: Sequence[bytes] = (),
    names: Sequence[str] = (),
) -> bytes:
    """A frame that nothing is wrong with but what it says."""
    table = b"".join(word(name) for name in names)
    body = preface + b"".join(events) + table
    texts = (publisher + shard).encode()
    length = (60 + len(texts) + 7) // 8 * 8
    fields = (
        b"LBRF",
        1,
        0,
        kind,
        lane,
        0,
        length,
        0,
        epoch,
        first,
        len(events),
        len(body),
        1,
        len(preface),
        len(table),
    )
    header = struct.pack("<4sBBBBHHIQQIIqIIHBB", *fields, len(names), len(publisher), len(shard)) + texts
    return sealed(header.ljust(length, b"\0") + body)


def event(event_type: int, *, source: int = 0, instrument: int = 0, seq: int = 1, ts_ns: int = 1) -> bytes:
    """An event without a payload."""
    fields = (event_type, 0, 0, 64, bytes(16), bytes(8), 1, 0, 0, source, instrument, bytes(8), seq, ts_ns)
    return struct.pack("<HBBI16s8sBBBxHH8sQq", *fields)


def word(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def beacon() -> bytes:
    """The preface of a beacon of a node that has appended nothing and wants nothing."""
    return bytes(16) + b"\0" + struct.pack("<q", 1) + word("x") + struct.pack("<HHH", 0, 0, 0)
