"""A reader of frames in pure Python, written from docs/wire.md alone: what another language needs, and no more.

`read(frame)` gives the frame as plain data: the words of the document as keys, 128-bit ids and msgpack as hexadecimal
digits; `packed.py` says what the msgpack holds. What it refuses it names by the document's codes.
"""

import re
import struct
from collections.abc import Callable
from typing import Any

from tests.wire import packed

MAJOR, MINOR = 1, 2
_HEADER = struct.Struct("<4sBBBBHHIQQIIqIIHBB")
_EVENT = struct.Struct("<HBBI16s8sBBBxHH8sQq")
LATEST = (1 << 53) - 1
_NO_LANE = 255
_OF_EVENTS = (1, 2)
LONGEST = 8 << 20
_CODES = """
APPROVAL_INVALID BRIDGE_UNSOUND CANCELLED_EARLY CANCEL_RATE CONCENTRATION_LIMIT DAILY_LOSS DRAWDOWN
DUPLICATE_REQUEST EXECUTION_FAILED EXPIRED GROSS_EXPOSURE_LIMIT INCIDENT INSTRUMENT_ORDERS_LIMIT
INSUFFICIENT_BALANCE INVALID_ORDER KILL_SWITCH LEVERAGE_LIMIT LIMITS_CHANGED LOG_FAILED LOT_SIZE MESSAGE_RATE
MIN_NOTIONAL MIN_SIZE NET_EXPOSURE_LIMIT NOT_FOUND NOT_OWNER NOT_TRADABLE NO_MARKET NO_VOLUME OPEN_ORDERS_LIMIT
ORDER_FINAL ORDER_NOTIONAL_LIMIT ORDER_RATE ORDER_SIZE_LIMIT OVERFLOW PARTICIPATION_LIMIT POSITION_LIMIT
POSITION_NOTIONAL_LIMIT PRESSURE PRICE_COLLAR QUEUE_FULL RECONCILING REQUEST_CONFLICT RISK_FAILED SPOT_INVENTORY
STALE_MARKET STOPPING STRATEGY_MESSAGE_RATE STRATEGY_STOPPED TICK_SIZE UNATTENDED UNCONFIRMED UNKNOWN_INSTRUMENT
UNKNOWN_ORDER WRONG_ACCOUNT
"""
RISK_CODES = frozenset(_CODES.split())
"""The codes of docs/risk.md."""
NAMES = 100_000
"""So many distinct names are taken in of a publisher."""
_TYPES = {*range(1, 6), *range(16, 30), *range(32, 36), *range(48, 53), *range(64, 68), *range(80, 87), *range(96, 102)}
_LOCAL_ONLY = {17, 27, 66, 67, 85, 86, *range(96, 102)}
_PUBLISHER = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_SHARD = re.compile(r"[a-z0-9][a-z0-9_@.-]{0,62}")


class FrameError(ValueError):
    """A frame that is refused: the document's code, and why."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


class FieldError(ValueError):
    """A payload or a message with wrong fields."""


def _table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli): polynomial 0x1EDC6F41, reflected, begun and ended with all ones."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


class _Fields:
    """Fields one behind the other."""

    def __init__(self, data: bytes, names: list[str], minor: int = MINOR) -> None:
        self.data, self.names, self.minor = data, names, minor

    def bytes(self, length: int) -> bytes:
        if length > len(self.data):
            raise FieldError("it ends within a field")
        field, self.data = self.data[:length], self.data[length:]
        return field

    def number(self, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.bytes(size), "little", signed=signed)

    def i64(self) -> int:
        return self.number(8, signed=True)

    def i128(self) -> int:
        return self.number(16, signed=True)

    def id(self) -> str:
        return f"{self.number(16):032x}"

    def text(self, length_size: int = 2) -> str:
        return self.bytes(self.number(length_size)).decode()

    def name(self) -> str:
        number = self.number(2)
        if number >= len(self.names):
            raise FieldError("a name is not in the table")
        return self.names[number]

    def choice(self, many: int) -> int:
        value = self.number(1)
        if value >= many:
            raise FieldError("a field has an unknown value")
        return value

    def flag(self) -> bool:
        return bool(self.choice(2))

    def i64s(self, keys: str) -> dict[str, Any]:
        return {key: self.i64() for key in keys.split()}

    def i128s(self, keys: str) -> dict[str, Any]:
        return {key: self.i128() for key in keys.split()}

    def channel(self) -> list[Any]:
        lane, shard, publisher = self.choice(4), self.text(1), self.text(1)
        if not (_SHARD.fullmatch(shard) and _PUBLISHER.fullmatch(publisher)):
            raise FieldError("a name that cannot be one")
        return [lane, shard, publisher]

    def place(self) -> int:
        number = self.number(8)
        if number > LATEST:
            raise FieldError("an epoch or a sequence beyond the last")
        return number

    def positions(self) -> list[dict[str, Any]]:
        return [{"channel": self.channel(), "epoch": self.place(), "seq": self.place()} for _ in range(self.number(2))]


def _quote(it: _Fields) -> dict[str, Any]:
    return it.i64s("bid ask bid_size ask_size ts_venue_ns venue_seq")


def _trade(it: _Fields) -> dict[str, Any]:
    return it.i64s("price size trade_id ts_venue_ns") | {"aggressor": it.choice(3)}


def _bar(it: _Fields) -> dict[str, Any]:
    return it.i64s("open high low close volume ts_open_ns") | {"interval_ms": it.number(4)}


def _book(it: _Fields) -> dict[str, Any]:
    head = {"snapshot": it.flag()} | it.i64s("first_id last_id previous_id ts_venue_ns")
    bids, asks = it.number(4), it.number(4)
    return head | {
        "bids": [[it.i64(), it.i64()] for _ in range(bids)],
        "asks": [[it.i64(), it.i64()] for _ in range(asks)],
    }


def _request(it: _Fields) -> dict[str, Any]:
    return {
        "request_id": it.id(),
        "signal_id": it.id(),
        "account": it.name(),
        "strategy": it.name(),
        "instrument": it.name(),
        "side": it.choice(2),
        "order_type": it.choice(2),
        "time_in_force": it.choice(4),
    } | it.i64s("size price deadline_ns ts_origin_ns")


def _cancel(it: _Fields) -> dict[str, Any]:
    return {"client_order_id": it.id(), "account": it.name(), "strategy": it.name()}


def _fill(it: _Fields) -> dict[str, Any]:
    return (
        {
            "client_order_id": it.id(),
            "trade_id": it.number(8),
            "instrument": it.name(),
            "strategy": it.name(),
            "fee_currency": it.name(),
            "side": it.choice(2),
            "liquidity": it.choice(2),
        }
        | it.i64s("price size ts_venue_ns")
        | it.i128s("fee")
    )


def _order(it: _Fields) -> dict[str, Any]:
    order = {"client_order_id": it.id(), "request": _request(it), "status": it.choice(8)}
    has_fill = it.flag()
    order |= it.i64s("filled ts_ns") | it.i128s("filled_notional fees")
    order |= {key: it.text() for key in ("venue_order_id", "reason", "detail")}
    return order | {"last_fill": _fill(it) if has_fill else None}


def _signal(it: _Fields) -> dict[str, Any]:
    return (
        {
            "id": it.id(),
            "strategy": it.name(),
            "instrument": it.name(),
            "signal_type": it.choice(5),
            "strength": struct.unpack("<d", it.bytes(8))[0],
        }
        | it.i64s("price deadline_ns")
        | {"reason": it.text()}
    )


def _breach(it: _Fields) -> dict[str, Any]:
    code = it.text()
    if code not in RISK_CODES:
        raise FieldError("a code that docs/risk.md does not have")
    return {"code": code, "currency": it.name()} | it.i128s("limit value") | it.i64s("ts_ns")


def _position(it: _Fields) -> dict[str, Any]:
    head = {"instrument": it.name(), "size": it.i64()}
    return head | it.i128s("cost realised fees") | {"trades": it.number(8)}


def _position_report(it: _Fields) -> dict[str, Any]:
    head = {"account": it.name(), "position": _position(it)} | it.i128s("unrealised")
    has_average, average = it.flag(), it.i128()
    return head | {"average_price": average if has_average else None}


def _balance(it: _Fields) -> dict[str, Any]:
    head = {"currency": it.name()} | it.i128s("opening total reserved realised fees unrealised peak")
    return head | it.i64s("day") | it.i128s("day_start")


def _notice(it: _Fields) -> dict[str, Any]:
    said = {"account": it.name(), "code": it.text(), "detail": it.text()}
    return said | ({"strategy": it.name()} if it.minor >= 2 else {})


def _encoded(it: _Fields) -> dict[str, Any]:
    tag, data = it.text(), it.bytes(it.number(4))
    if tag == "libra.mail":
        return {"tag": tag, "message": _message(_Fields(data, it.names))}
    return {"tag": tag, "msgpack": _msgpack(data)}


def _message(it: _Fields) -> dict[str, Any]:
    if it.number(1) != 1:
        raise FieldError("a message of a later version")
    head = {"kind": it.choice(4), "id": it.id()} | {key: it.text() for key in ("to", "from", "tag")}
    return head | {"msgpack": _msgpack(it.bytes(len(it.data)))}


def _msgpack(data: bytes) -> str:
    try:
        packed.unpack(data)
    except packed.PackedError as error:
        raise FieldError(f"no msgpack: {error}") from None
    return data.hex()


_PAYLOADS: dict[int, tuple[str, Callable[[_Fields], dict[str, Any]]]] = {
    0: ("empty", lambda it: {}),
    1: ("quote", _quote),
    2: ("trade", _trade),
    3: ("bar", _bar),
    4: ("book", _book),
    16: ("order_request", _request),
    17: ("cancel_request", _cancel),
    18: ("order", _order),
    19: ("signal", _signal),
    20: ("breach", _breach),
    21: ("position", _position),
    22: ("position_report", _position_report),
    23: ("balance", _balance),
    24: ("notice", _notice),
    128: ("encoded", _encoded),
}


def _beacon(it: _Fields) -> dict[str, Any]:
    said = {
        "incarnation": it.id(),
        "is_leaving": it.flag(),
        "started_ns": it.i64(),
        "version": it.text(1),
        "metrics_address": it.text(),
        "channels": it.positions(),
        "interests": [[it.choice(4), it.text(1)] for _ in range(it.number(2))],
    }
    return said | ({"shards": it.number(1)} if it.minor >= 1 else {})


def _snapshot(it: _Fields) -> dict[str, Any]:
    said = {"request_id": it.id(), "group": it.text(1), "part": it.number(4), "parts": it.number(4)}
    if said["part"] >= said["parts"]:
        raise FieldError("a part behind the last")
    return said | {"positions": it.positions()}


_SNAPSHOT = 8
_MESSAGES: dict[int, Callable[[_Fields], dict[str, Any]]] = {
    3: lambda it: {"group": it.text(1), "positions": it.positions()},
    4: _beacon,
    7: lambda it: {
        "request_id": it.id(),
        "group": it.text(1),
        "channel": it.channel(),
        "epoch": it.place(),
        "seq": it.place(),
    },
    _SNAPSHOT: _snapshot,
}


def _names(data: bytes, count: int, known: set[str]) -> list[str]:
    fields, names = _Fields(data, []), [""]
    try:
        names += [fields.text(1) for _ in range(count)]
    except (FieldError, UnicodeDecodeError) as error:
        raise FrameError("bad_names", f"a wrong table of names: {error}") from None
    if fields.data or "" in names[1:]:
        raise FrameError("bad_names", "a wrong table of names")
    if len(known | {*names[1:]}) > NAMES:
        raise FrameError("too_many_names", "new names of a publisher that has used up its own")
    known.update(names[1:])
    return names


def _event(data: bytes, channel_seq: int, names: list[str], minor: int) -> dict[str, Any]:
    fields = _EVENT.unpack_from(data)
    event_type, _, encoding, _, trace_id, span_id, trace_flags, price_decimals, size_decimals = fields[:9]
    source, instrument, parent_span_id, bus_seq, ts_ns = fields[9:]

    def skipped(code: str) -> dict[str, Any]:
        return {"channel_seq": channel_seq, "skipped": code}

    if event_type not in _TYPES:
        return skipped("unknown_type")
    if event_type in _LOCAL_ONLY:
        return skipped("local_only")
    # A name that is not in the table, and more decimals than a price can have.
    if max(source, instrument) >= len(names) or max(price_decimals, size_decimals) > 18:
        return skipped("malformed")
    if encoding not in _PAYLOADS:
        return skipped("unknown_encoding")
    word, read_payload = _PAYLOADS[encoding]
    it = _Fields(data[_EVENT.size :], names, minor)
    try:
        payload = read_payload(it)
        if it.data and minor <= MINOR:
            raise FieldError("bytes are left behind its last field")
    except (FieldError, UnicodeDecodeError):
        return skipped("malformed")
    return {
        "channel_seq": channel_seq,
        "type": event_type,
        "trace_id": trace_id.hex(),
        "span_id": span_id.hex(),
        "trace_flags": trace_flags,
        "parent_span_id": parent_span_id.hex(),
        "price_decimals": price_decimals,
        "size_decimals": size_decimals,
        "source": names[source],
        "instrument": names[instrument],
        "bus_seq": bus_seq,
        "ts_ns": ts_ns,
        "encoding": word,
        "payload": payload,
    }


def _check_length(frame: bytes) -> None:
    """Magic and version, which stay where they are, then the lengths."""
    if not b"LBRF".startswith(frame[:4]):
        raise FrameError("foreign", "not a frame")
    if len(frame) >= 6 and frame[4] != MAJOR:
        code = "newer_major" if frame[4] > MAJOR else "unknown_major"
        raise FrameError(code, f"a frame of format {frame[4:5].hex()}, and this reader reads format {MAJOR}")
    if len(frame) < _HEADER.size:
        raise FrameError("truncated", "it ends within its header")
    header_length, body_length = int.from_bytes(frame[10:12], "little"), int.from_bytes(frame[36:40], "little")
    length = header_length + body_length
    if header_length < _HEADER.size:
        raise FrameError("bad_header", "a header that is shorter than any")
    if length > LONGEST:
        raise FrameError("oversized", "longer than any may be")
    if len(frame) != length:
        raise FrameError("truncated" if len(frame) < length else "oversized", "not as long as its header says")


def _check_names(frame: bytes, header_length: int, lane: int, minor: int) -> tuple[str, str]:
    """The publisher's name and the shard's."""
    publisher_length, shard_length = frame[58:60]
    end = _HEADER.size + publisher_length + shard_length
    padded = (end + 7) // 8 * 8
    if padded > header_length:
        raise FrameError("bad_header", "names that are longer than it")
    if minor <= MINOR and (padded != header_length or any(frame[end:padded])):
        raise FrameError("bad_header", "bytes behind its last field")
    try:
        publisher = frame[_HEADER.size : end - shard_length].decode()
        shard = frame[end - shard_length : end].decode()
    except UnicodeDecodeError:
        raise FrameError("bad_header", "a name that is no text") from None
    is_control = lane == _NO_LANE and not shard
    if not _PUBLISHER.fullmatch(publisher) or not (is_control or _SHARD.fullmatch(shard)):
        raise FrameError("bad_header", "a name that cannot be one")
    return publisher, shard


def _check_kind(kind: int, count: int, preface_length: int, names_length: int) -> None:
    is_wrong = count == 0 or preface_length != 0 if kind in _OF_EVENTS else count != 0 or names_length != 0
    if is_wrong and kind != _SNAPSHOT:
        raise FrameError("bad_header", "not what its kind has")


def read(frame: bytes, known: dict[str, set[str]] | None = None) -> dict[str, Any]:
    """A frame as plain data.

    Args:
        frame: Its bytes.
        known: The names that were taken in, by publisher; it is added to.

    Raises:
        FrameError: When the frame is refused.
    """
    _check_length(frame)
    _, major, minor, kind, lane, flags, header_length, checksum, epoch, first_seq, count, body_length, *rest = (
        _HEADER.unpack_from(frame)
    )
    sent_ns, preface_length, names_length, names_count, _, _ = rest
    if crc32c(frame[:12] + frame[16:]) != checksum:
        raise FrameError("corrupted", "its checksum is wrong")
    if kind not in _OF_EVENTS and kind not in _MESSAGES:
        raise FrameError("unknown_kind", f"a frame of the unknown kind {kind}")
    if lane not in (0, 1, 2, 3, _NO_LANE):
        raise FrameError("bad_header", "an unknown lane")
    publisher, shard = _check_names(frame, header_length, lane, minor)
    events_length = body_length - preface_length - names_length
    if count * _EVENT.size > events_length:
        raise FrameError("bad_header", "its parts are longer than it")
    _check_kind(kind, count, preface_length, names_length)
    if epoch > LATEST or first_seq + max(0, count - 1) > LATEST:
        raise FrameError("bad_header", "an epoch or sequences beyond the last")

    body = _Fields(frame[header_length:], [])
    preface, left, table = (body.bytes(length) for length in (preface_length, events_length, names_length))
    pieces = []
    for _ in range(count):
        length = int.from_bytes(left[4:8], "little")
        if length < _EVENT.size or length > len(left):
            raise FrameError("bad_events", "its events do not fit its length")
        pieces.append(left[:length])
        left = left[length:]
    if left:
        raise FrameError("bad_events", "its events do not fit its length")
    names = _names(table, names_count, set() if known is None else known.setdefault(publisher, set()))
    message = None
    if kind in _MESSAGES:
        it = _Fields(preface, [], minor)
        try:
            message = _MESSAGES[kind](it)
            if it.data and minor <= MINOR:
                raise FieldError("bytes are left behind its message")
        except (FieldError, UnicodeDecodeError) as error:
            raise FrameError("bad_preface", str(error)) from None
    header = {
        "version": [major, minor],
        "kind": kind,
        "lane": None if lane == _NO_LANE else lane,
        "flags": flags,
        "epoch": epoch,
        "first_seq": first_seq,
        "count": count,
        "sent_ns": sent_ns,
        "publisher": publisher,
        "shard": shard,
    }
    events = [_event(piece, first_seq + at, names, minor) for at, piece in enumerate(pieces)]
    return {"header": header, "message": message, "events": events}
