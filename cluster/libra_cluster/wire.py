"""What a supervisor and its members say to each other, over a pair of sockets: JSON, one message a line.

JSON has no exact decimals and no dates, and both stand in settings and in rows of orders; they travel as `{"$decimal":
"0.10"}` and so on. A table of a user's own whose keys begin with `$` travels as a list of pairs.

| message | from | says |
| --- | --- | --- |
| `build` | supervisor | settings, and what this node is to build of them |
| `built` | member | all of its classes are loaded and its settings make sense |
| `go` | supervisor | run |
| `status` | member | progress, as a run shows it, and strategies that vanished; the first one says that it runs |
| `vanished` | supervisor | strategies whose node died |
| `asks` | member | somebody asks it to end, by a signal or otherwise: the run is to end, in its order |
| `drain` | supervisor | it is this member's turn; a signal comes with it, unless the member has had one |
| `result` | member | summary, rows and exit code of its run |
| `error` | member | what it raised instead, fit for a user |
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

__all__ = ["LineReader", "decode", "encode"]

_READERS: dict[str, Callable[[Any], Any]] = {
    "$decimal": Decimal,
    "$datetime": datetime.fromisoformat,
    "$date": date.fromisoformat,
    "$time": time.fromisoformat,
    "$pairs": lambda pairs: {key: _plain(item) for key, item in pairs},
}


def encode(message: Mapping[str, Any]) -> bytes:
    """A message as its line.

    Raises:
        TypeError: For a value that neither JSON nor the tags know.
    """
    return json.dumps(_tagged(message), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """A line's message."""
    message: dict[str, Any] = _plain(json.loads(line))
    return message


class LineReader:
    """Puts lines together from what arrives in pieces.

    Args:
        longest: A line is given in parts, of which none is longer than that by more than a piece; None for no end.
    """

    def __init__(self, longest: int | None = None) -> None:
        self._longest = longest
        self._rest: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that a piece completes, without their ends."""
        self._rest.append(piece)
        self._size += len(piece)
        is_long = self._longest is not None and self._size > self._longest
        if b"\n" not in piece and not is_long:
            return []
        *lines, rest = b"".join(self._rest).split(b"\n")
        if self._longest is not None and len(rest) > self._longest:
            lines.append(rest)
            rest = b""
        self._rest, self._size = [rest], len(rest)
        return lines

    def end(self) -> bytes:
        """What is left without an end of line."""
        rest, self._rest, self._size = b"".join(self._rest), [], 0
        return rest


def _tagged(value: Any) -> Any:  # noqa: ANN401 - a JSON tree
    if isinstance(value, Mapping):
        if any(not isinstance(key, str) or key.startswith("$") for key in value):
            return {"$pairs": [[key, _tagged(item)] for key, item in value.items()]}
        return {key: _tagged(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_tagged(item) for item in value]
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, datetime):
        return {"$datetime": value.isoformat()}
    if isinstance(value, date):
        return {"$date": value.isoformat()}
    if isinstance(value, time):
        return {"$time": value.isoformat()}
    return value


def _plain(value: Any) -> Any:  # noqa: ANN401 - a JSON tree
    if isinstance(value, dict):
        if len(value) == 1:
            [(tag, content)] = value.items()
            if tag in _READERS:
                return _READERS[tag](content)
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
