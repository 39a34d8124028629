"""What Python nodes pack, in pure Python: msgpack as its specification has it, and what docs/wire.md puts into it."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

__all__ = ["Extension", "PackedError", "Tagged", "unpack", "value_of"]

_NUMBERS = {
    0xCA: ">f",
    0xCB: ">d",
    0xCC: ">B",
    0xCD: ">H",
    0xCE: ">I",
    0xCF: ">Q",
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
}
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
_BINARY, _TEXT, _LIST, _MAP, _EXTENSION = "binary", "text", "list", "map", "extension"
_LENGTHS = {
    0xC4: (_BINARY, 1),
    0xC5: (_BINARY, 2),
    0xC6: (_BINARY, 4),
    0xC7: (_EXTENSION, 1),
    0xC8: (_EXTENSION, 2),
    0xC9: (_EXTENSION, 4),
    0xD9: (_TEXT, 1),
    0xDA: (_TEXT, 2),
    0xDB: (_TEXT, 4),
    0xDC: (_LIST, 2),
    0xDD: (_LIST, 4),
    0xDE: (_MAP, 2),
    0xDF: (_MAP, 4),
}
"""What has its length in so many bytes behind the first."""


class PackedError(ValueError):
    """No msgpack, or not what the document says of it."""


@dataclass(frozen=True)
class Extension:
    """A value of an extension type, not opened."""

    code: int
    data: bytes


@dataclass(frozen=True)
class Tagged:
    """A value that is of a tag, as plain data: market data, a class of somebody's, a word of the nodes'."""

    tag: str
    value: Any


class _Reader:
    """Bytes of msgpack, from the first on; ``opened`` makes a value of each extension."""

    def __init__(self, data: bytes, opened: Callable[[Extension], Any]) -> None:
        self.data, self.opened = data, opened

    def bytes(self, length: int) -> bytes:
        if length > len(self.data):
            raise PackedError("it ends within a value")
        taken, self.data = self.data[:length], self.data[length:]
        return taken

    def length(self, size: int) -> int:
        return int.from_bytes(self.bytes(size), "big")

    def value(self) -> Any:
        [first] = self.bytes(1)
        if first < 0x80:
            return first
        if first >= 0xE0:
            return first - 0x100
        if first in _CONSTANTS:
            return _CONSTANTS[first]
        if first in _NUMBERS:
            form = _NUMBERS[first]
            return struct.unpack(form, self.bytes(struct.calcsize(form)))[0]
        if first < 0x90:
            return self.sized(_MAP, first & 0xF)
        if first < 0xA0:
            return self.sized(_LIST, first & 0xF)
        if first < 0xC0:
            return self.sized(_TEXT, first & 0x1F)
        if 0xD4 <= first <= 0xD8:
            return self.sized(_EXTENSION, 1 << (first - 0xD4))
        if first not in _LENGTHS:
            raise PackedError(f"the byte {first:#x} begins nothing")
        kind, size = _LENGTHS[first]
        return self.sized(kind, self.length(size))

    def sized(self, kind: str, length: int) -> Any:
        if kind == _LIST:
            return [self.value() for _ in range(length)]
        if kind == _MAP:
            return {self.value(): self.value() for _ in range(length)}
        if kind == _EXTENSION:
            [code] = struct.unpack(">b", self.bytes(1))
            return self.opened(Extension(code, self.bytes(length)))
        data = self.bytes(length)
        return data.decode() if kind == _TEXT else data


def _read(data: bytes, opened: Callable[[Extension], Any]) -> Any:
    reader = _Reader(data, opened)
    try:
        value = reader.value()
    except (UnicodeDecodeError, TypeError, RecursionError) as error:
        raise PackedError(str(error)) from None
    if reader.data:
        raise PackedError("bytes are left behind it")
    return value


def unpack(data: bytes) -> Any:
    """The one value that these bytes are, its extensions not opened."""
    return _read(data, lambda extension: extension)


def _opened(extension: Extension) -> Any:
    data = extension.data
    match extension.code:
        case 1:
            return Decimal(data.decode("ascii"))
        case 2:
            return datetime.fromisoformat(data.decode("ascii"))
        case 3:
            return int(data.decode("ascii"))
        case 4:
            tag, value = _read(data, _opened)
            return Tagged(tag, value)
        case 5:
            return dict(_read(data, _opened))
    raise PackedError(f"extension type {extension.code} is of a later version")


def value_of(tag: str, data: bytes) -> Any:
    """What a payload or the body of a message says, by its tag and its msgpack."""
    value = _read(data, _opened)
    return value if tag == "plain" else Tagged(tag, value)
