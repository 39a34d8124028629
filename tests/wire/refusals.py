"""Frames that a reader refuses, or of which it skips an event, by the tables of docs/wire.md.

`python -m tests.wire.refusals` writes them into refused.json, which both readers are held against: the one beside this
file, and the one in Rust (`tests/golden` of libra-net).
"""

import json
import struct
from pathlib import Path
from typing import Any

from tests.wire import reader

FILE = Path(__file__).parent / "refused.json"
GOLDEN = Path(__file__).parent / "golden" / "v1.2"
_FIRST = 72
"""Where the first event of the golden frame `orders` begins, and the preface of the control frames."""

# What, the golden frame, from where on, what stands there then; a reader gives the frame this code, or its first event.
_OF_FRAMES: tuple[tuple[str, str, str, int, bytes], ...] = (
    ("another magic", "foreign", "orders", 0, b"LBRX"),
    ("a later major version", "newer_major", "orders", 4, b"\2"),
    ("a major version that never was", "unknown_major", "orders", 4, b"\0"),
    ("a body longer than any", "oversized", "orders", 36, b"\xff\xff\xff\xff"),
    ("a body that ends early", "truncated", "orders", 36, b"\xff\xff\0\0"),
    ("more bytes than it says", "oversized", "orders", 36, b"\1\0\0\0"),
    ("a header shorter than any", "bad_header", "orders", 10, b"\x08\0"),
    ("kind 99", "unknown_kind", "orders", 6, b"\x63"),
    ("kind 5, which is not given", "unknown_kind", "orders", 6, b"\5"),
    ("kind 0", "unknown_kind", "orders", 6, b"\0"),
    ("lane 9", "bad_header", "orders", 7, b"\x09"),
    ("lane 4", "bad_header", "orders", 7, b"\4"),
    ("an epoch beyond the last", "bad_header", "orders", 16, struct.pack("<Q", reader.LATEST + 1)),
    ("a sequence beyond the last", "bad_header", "orders", 24, struct.pack("<Q", reader.LATEST + 1)),
    ("sequences that run beyond the last", "bad_header", "orders", 24, struct.pack("<Q", reader.LATEST)),
    ("no events", "bad_header", "orders", 32, b"\0\0\0\0"),
    ("more events than there is room for", "bad_header", "orders", 32, b"\xff\xff\xff\xff"),
    ("a preface before events", "bad_header", "orders", 48, b"\x40\0\0\0"),
    ("a preface longer than the frame", "bad_header", "orders", 48, b"\xff\xff\xff\xff"),
    ("a table longer than the frame", "bad_header", "orders", 52, b"\xff\xff\xff\xff"),
    ("a publisher's name longer than the header", "bad_header", "orders", 58, b"\xff"),
    ("no publisher", "bad_header", "orders", 58, b"\0"),
    ("no shard in a lane", "bad_header", "orders", 59, b"\0"),
    ("a publisher's name that cannot be one", "bad_header", "orders", 60, b"N"),
    ("a publisher's name that is no text", "bad_header", "orders", 60, b"\xff"),
    ("something behind the header's last field", "bad_header", "orders", 71, b"\1"),
    ("a message with events", "bad_header", "orders", 6, b"\3"),
    ("a message without what it says", "bad_preface", "beacon", _FIRST, b""),
    ("an event shorter than any", "bad_events", "orders", _FIRST + 4, b"\x3f\0\0\0"),
    ("an event longer than the part", "bad_events", "orders", _FIRST + 4, b"\xff\xff\xff\xff"),
    ("fewer events than fill their part", "bad_events", "orders", 32, b"\1\0\0\0"),
    ("a table with fewer names than it says", "bad_names", "orders", 56, b"\xff\xff"),
    ("a table with more names than it says", "bad_names", "orders", 56, b"\1\0"),
    ("a beacon whose flag is 2", "bad_preface", "beacon", _FIRST + 16, b"\2"),
    ("a version that is no text", "bad_preface", "beacon", _FIRST + 26, b"\xff"),
    ("a part behind the last", "bad_preface", "snapshot", _FIRST + 23, b"\2"),
    ("a position in lane 4", "bad_preface", "ack", _FIRST + 9, b"\4"),
    ("a position of a publisher whose name cannot be one", "bad_preface", "ack", _FIRST + 15, b"D"),
    ("a position beyond the last", "bad_preface", "ack", _FIRST + 24, struct.pack("<Q", reader.LATEST + 1)),
)
_OF_EVENTS: tuple[tuple[str, str, int, bytes], ...] = (
    ("a type that is not given", "unknown_type", 0, b"\xff\xff"),
    ("an approval", "local_only", 0, b"\x11\0"),
    ("what a journal says of itself", "local_only", 0, b"\x56\0"),
    ("an encoding that is not given", "unknown_encoding", 3, b"\xc8"),
    ("fewer bytes than its payload has", "malformed", 3, b"\x12"),
    ("more bytes than its payload has", "malformed", 3, b"\0"),
    ("more decimals than a price can have", "malformed", 33, b"\x13"),
    ("a source that is not in the table", "malformed", 36, b"\xff\xff"),
    ("a strategy that is not in the table", "malformed", 64 + 16, b"\xff\xff"),
    ("a kind of signal that is none", "malformed", 64 + 20, b"\5"),
)


def golden(name: str) -> bytes:
    """A golden frame of today's version."""
    return bytes.fromhex((GOLDEN / f"{name}.hex").read_text())


def changed(name: str, at: int, to: bytes) -> bytes:
    """A golden frame with other bytes, and the checksum that these give."""
    frame = bytearray(golden(name))
    frame[at : at + len(to)] = to
    frame[12:16] = reader.crc32c(bytes(frame[:12] + frame[16:])).to_bytes(4, "little")
    return bytes(frame)


def cut(name: str) -> bytes:
    """A golden message whose preface ends early."""
    frame = bytearray(golden(name)[:-1])
    for at in (36, 48):
        frame[at : at + 4] = (int.from_bytes(frame[at : at + 4], "little") - 1).to_bytes(4, "little")
    frame[12:16] = reader.crc32c(bytes(frame[:12] + frame[16:])).to_bytes(4, "little")
    return bytes(frame)


def cases() -> list[dict[str, Any]]:
    """What each frame is, its bytes, and the code of the frame or of its first event."""
    whole = golden("orders")
    damaged = whole[:-1] + bytes([whole[-1] ^ 1])
    made = [("a bit that fell over", "corrupted", damaged), ("half of a header", "truncated", whole[:30])]
    made += [
        ("no bytes", "truncated", b""),
        ("text", "foreign", b"hello, world"),
        ("half of a magic", "truncated", b"LB"),
    ]
    for what, code, name, at, to in _OF_FRAMES:
        made.append((what, code, changed(name, at, to) if to else cut(name)))
    said = [{"what": what, "frame": code, "hex": frame.hex()} for what, code, frame in made]
    for what, code, at, to in _OF_EVENTS:
        said.append({"what": what, "event": code, "hex": changed("orders", _FIRST + at, to).hex()})
    return said


if __name__ == "__main__":
    FILE.write_text(json.dumps(cases(), indent=1) + "\n", encoding="utf-8")
