"""What is said over a control socket: JSON objects, one a line, each request answered by one reply.

A request is ``{"v": 1, "op": NAME, ...arguments}``, a reply ``{"v": 1, "ok": true, "result": {...}}`` or
``{"v": 1, "ok": false, "error": {"code": CODE, "message": TEXT}}``. Lines are bounded, keys that a verb does not know
are refused, and the version goes up when an older side would misunderstand. ``until_ns`` says until when a request is
good, on the monotonic clock, which all processes of a host have in common: behind that nobody waits for it any more.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final

from libra.errors import ControlError

__all__ = [
    "LASTING",
    "LONGEST_LINE",
    "LONGEST_REQUEST",
    "LOOKS",
    "VERSION",
    "decode_reply",
    "decode_request",
    "encode_error",
    "encode_reply",
    "json_line",
]

VERSION = 1
LONGEST_REQUEST = 16 * 1024
"""Bytes of a request with its newline; more closes the connection."""
LONGEST_LINE = 4 * 1024 * 1024
"""Bytes of a reply that a client takes."""
LASTING: Final = frozenset({"kill"})
"""What is done however late it is read, and whoever has gone meanwhile: it only takes risk away."""
LOOKS: Final = frozenset({"status", "limits", "trace", "traces"})
"""What changes nothing."""


def decode_request(line: bytes) -> tuple[str, dict[str, Any], int | None]:
    """The verb of a request, its arguments, and until when it is good: None for as long as its client is there.

    Raises:
        ControlError: For what is no request of this version.
    """
    request = _object(line)
    if request.pop("v", None) != VERSION:
        raise ControlError("VERSION", f"this node speaks version {VERSION} of the protocol")
    op = request.pop("op", None)
    if not isinstance(op, str):
        raise ControlError("BAD_REQUEST", 'a request names its verb: "op"')
    until_ns = request.pop("until_ns", None)
    if until_ns is not None and (not isinstance(until_ns, int) or isinstance(until_ns, bool)):
        raise ControlError("BAD_REQUEST", "until_ns: a time of the monotonic clock, in nanoseconds")
    return op, request, until_ns


def encode_request(op: str, arguments: dict[str, Any], until_ns: int | None = None) -> bytes:
    """A request as a line."""
    return json_line({"v": VERSION, "op": op, **({} if until_ns is None else {"until_ns": until_ns}), **arguments})


def encode_reply(result: dict[str, Any]) -> bytes:
    """A reply to what was done, as a line."""
    return json_line({"v": VERSION, "ok": True, "result": result})


def encode_error(code: str, message: str) -> bytes:
    """A reply to what was not done, as a line."""
    return json_line({"v": VERSION, "ok": False, "error": {"code": code, "message": message}})


def decode_reply(line: bytes) -> dict[str, Any]:
    """The result that a reply carries.

    Raises:
        ControlError: What the node answered instead, or for a line that is no reply.
    """
    reply = _object(line)
    result, error = reply.get("result"), reply.get("error")
    if reply.get("ok") is True and isinstance(result, dict):
        return result
    if isinstance(error, dict):
        raise ControlError(str(error.get("code", "")), str(error.get("message", "")))
    raise ControlError("BAD_REPLY", "the node's answer makes no sense; is it of another version?")


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise ControlError("BAD_REQUEST", "not a line of JSON") from None
    if not isinstance(value, dict):
        raise ControlError("BAD_REQUEST", "not a JSON object")
    return value


def json_line(value: dict[str, Any]) -> bytes:
    """A line of JSON; decimals as text, without an exponent."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain).encode() + b"\n"


def _plain(value: object) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)
