"""The codec of payloads: how one leaves a process and comes back as what it was.

Inside a process a payload travels as the object it is. Where it leaves (the bridge, a recording), `encode` makes a
stable tag and msgpack bytes of it, and `decode` makes the payload again.

| payload | tag |
| --- | --- |
| `None`, bool, int, float, str, bytes, `Decimal`, datetime, and lists and dicts of them | `plain` |
| a class that was given to `register` | the class's own |
| `Quote`, `Trade`, `Bar`, `BookDelta` | `quote`, `trade`, `bar`, `book_delta` |

Numbers are exact: a `Decimal` keeps its zeros, an int may have any size. What has a tag may also stand inside a list or
a dict. What would not come back as what it was (a tuple, a set, an enum member) is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar, cast, overload

import msgspec

from libra.errors import CodecError
from libra_core import Bar, BookDelta, Quote, Trade

__all__ = ["decode", "encode", "register"]

_PLAIN = "plain"
# Extension types of msgpack: part of the format, never used for something else.
_DECIMAL, _DATETIME, _BIG_INT, _TAGGED, _PAIRS = range(1, 6)
_INT_RANGE = range(-(2**63), 2**64)
_KEPT = (bytes, datetime, Decimal)

S = TypeVar("S", bound=type[msgspec.Struct])
Native = type[Quote] | type[Trade] | type[Bar] | type[BookDelta]

_NATIVE: dict[str, Native] = {"quote": Quote, "trade": Trade, "bar": Bar, "book_delta": BookDelta}
_Head = tuple[str, int, int, int]
_Levels = list[tuple[int, int]]
_SHAPES: dict[type, Any] = {
    Quote: tuple[_Head, list[int]],
    Trade: tuple[_Head, list[int], str | None],
    Bar: tuple[_Head, list[int], int],
    BookDelta: tuple[_Head, bool, list[int], _Levels, _Levels],
}
_structs: dict[str, type[msgspec.Struct]] = {}
_tags: dict[type, str] = {native: tag for tag, native in _NATIVE.items()}

_pack = msgspec.msgpack.Encoder(order="deterministic").encode


def _from_ext(code: int, data: memoryview) -> object:
    match code:
        case 1:
            return Decimal(str(data, "ascii"))
        case 2:
            return datetime.fromisoformat(str(data, "ascii"))
        case 3:
            return int(str(data, "ascii"))
        case 4:
            tag, tree = cast("tuple[str, object]", _unpack(data))
            return _rebuild(tag, tree)
        case 5:
            return dict(cast("list[tuple[object, object]]", _unpack(data)))
    raise CodecError(f"msgpack extension type {code} is none of ours: the data is of a later version, or damaged")


_unpack = msgspec.msgpack.Decoder(ext_hook=_from_ext).decode


@overload
def register(struct_type: S, tag: str | None = None) -> S: ...
@overload
def register(struct_type: None = None, tag: str | None = None) -> Callable[[S], S]: ...
def register(struct_type: S | None = None, tag: str | None = None) -> S | Callable[[S], S]:
    """Makes a `msgspec.Struct` class known, so that its objects may leave the process. Also a decorator.

    What a field that is typed `Any` holds comes back as plain data; give fields their types.

    Args:
        struct_type: The class.
        tag: Its name in the data, the same in every process and for ever; by default the class's module and name.

    Raises:
        CodecError: When it is no Struct, when its fields cannot be decoded, or when another class has the tag.

    Example:
        >>> import msgspec
        >>> @register(tag="example.pair")
        ... class Pair(msgspec.Struct):
        ...     long: str
        ...     short: str
        >>> tag, data = encode(Pair("BTC/USDT", "ETH/USDT"))
        >>> decode(tag, data)
        Pair(long='BTC/USDT', short='ETH/USDT')
    """
    if struct_type is None:
        return lambda decorated: register(decorated, tag)
    if not (isinstance(struct_type, type) and issubclass(struct_type, msgspec.Struct)):
        raise CodecError(f"register takes a class made from msgspec.Struct, not {struct_type!r}")
    name = f"{struct_type.__module__}.{struct_type.__qualname__}"
    tag = name if tag is None else tag
    if tag == _PLAIN or tag in _NATIVE or not tag:
        raise CodecError(f"the tag {tag!r} of {name} is taken by the codec itself; choose another")
    known = _structs.get(tag)
    # A module that is loaded again makes its classes anew: the later one counts.
    if known is not None and f"{known.__module__}.{known.__qualname__}" != name:
        raise CodecError(f"the tag {tag!r} of {name} is taken by {known.__module__}.{known.__qualname__}")
    with suppress(NameError):  # A field of its own class, which a decorator sees before the class has its name.
        try:
            msgspec.msgpack.Decoder(struct_type)
        except TypeError as error:
            raise CodecError(f"the fields of {name} cannot be decoded: {error}") from None
    _structs[tag] = struct_type
    _tags[struct_type] = tag
    return struct_type


def encode(payload: object) -> tuple[str, bytes]:
    """The tag of a payload, and the payload as msgpack: the same bytes in whatever order its dicts were filled.

    Raises:
        CodecError: When the payload, or something in it, would not come back as what it is.
    """
    tag = _tags.get(type(payload), _PLAIN)
    try:
        return tag, _pack(_tree(payload, tag) if tag != _PLAIN else _plain(payload))
    except RecursionError:
        raise CodecError(
            f"a {type(payload).__name__} that contains itself, or is too deep, cannot be encoded"
        ) from None
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
        raise CodecError(f"a payload of type {type(payload).__name__} cannot be encoded: {error}") from error


def decode(tag: str, data: bytes) -> object:
    """The payload that `encode` was given.

    Raises:
        CodecError: When the tag is unknown here, or the data is not what `encode` makes.
    """
    try:
        return _rebuild(tag, _unpack(data))
    except RecursionError:
        raise CodecError(f"the data of tag {tag!r} is nested too deep to be decoded") from None
    except (TypeError, ValueError, ArithmeticError, msgspec.MsgspecError) as error:
        raise CodecError(f"the data of tag {tag!r} cannot be decoded: {error}") from error


def _tree(payload: object, tag: str) -> object:
    """What stands in the data for an object of a tag."""
    if tag in _NATIVE:
        return cast("Quote", payload).to_units()
    return _plain(msgspec.to_builtins(payload, builtin_types=_KEPT, order="deterministic"), is_typed=True)


def _rebuild(tag: str, tree: object) -> object:
    if tag == _PLAIN:
        return tree
    if (native := _NATIVE.get(tag)) is not None:
        return native.from_units(*msgspec.convert(tree, _SHAPES[native]))
    if (struct_type := _structs.get(tag)) is not None:
        return msgspec.convert(tree, struct_type)
    known = ", ".join(sorted(_structs)) or "none"
    raise CodecError(f"no class is registered here for the tag {tag!r}; registered are: {known}")


def _plain(value: object, *, is_typed: bool = False) -> object:
    """A value in what msgpack knows. In the typed fields of a Struct a tuple may become a list: the type knows."""
    kind = type(value)
    if value is None or kind is bool or kind is float or kind is str or kind is bytes:
        return value
    if kind is int:
        return value if value in _INT_RANGE else msgspec.msgpack.Ext(_BIG_INT, b"%d" % cast("int", value))
    if kind is Decimal:
        return msgspec.msgpack.Ext(_DECIMAL, str(value).encode())
    if kind is datetime:
        return msgspec.msgpack.Ext(_DATETIME, cast("datetime", value).isoformat().encode())
    if kind is list or (is_typed and kind is tuple):
        return [_plain(item, is_typed=is_typed) for item in cast("list[object]", value)]
    if kind is dict:
        items = cast("dict[object, object]", value).items()
        if all(type(key) is str for key, _ in items):
            return {key: _plain(item, is_typed=is_typed) for key, item in items}
        pairs = [(_plain(key, is_typed=is_typed), _plain(item, is_typed=is_typed)) for key, item in items]
        return msgspec.msgpack.Ext(_PAIRS, _pack(sorted(pairs, key=lambda pair: _pack(pair[0]))))
    if (tag := _tags.get(kind)) is not None:
        return msgspec.msgpack.Ext(_TAGGED, _pack((tag, _tree(value, tag))))
    name = f"{kind.__module__}.{kind.__qualname__}"
    if issubclass(kind, msgspec.Struct):
        raise CodecError(f"the class {name} is not registered: decorate it with libra.core.codec.register")
    raise CodecError(f"{name} cannot be encoded: a payload is a registered msgspec.Struct, market data, or plain data")
