"""The errors of Libra: one tree.

```
LibraError                 everything that Libra raises on purpose; its message is fit for a user
├── ConfigError            a profile, a setting or an argument is wrong; found before anything starts
├── GatewayError           a venue could not be reached, or said something that makes no sense
├── OrderError             an order's way was left: an id used twice, a move that its life cycle has not
│   └── RiskRejected       the order gate refused an order; carries code, limit and value
├── BridgeError            the way between nodes is broken
├── ControlError           a running node could not be asked, or refused what an operator wanted
├── CodecError             a payload cannot be encoded, or data cannot be decoded
├── StrategyError          a user's strategy could not be loaded, or keeps failing
└── StorageError           a log, a recording or an output file could not be read or written
```

A message says what was wrong, where, and what to do. This module imports nothing, so anyone may import it.
"""

from __future__ import annotations

__all__ = [
    "BridgeError",
    "CodecError",
    "ConfigError",
    "ControlError",
    "GatewayError",
    "LibraError",
    "OrderError",
    "RiskRejected",
    "StorageError",
    "StrategyError",
]


class LibraError(Exception):
    """The root: catch it to catch whatever Libra raises on purpose."""


class ConfigError(LibraError):
    """A profile, a setting or an argument is wrong.

    Args:
        message: What was wrong, in full.
        problems: The single findings, one line each, where there are several.
    """

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__("\n".join([message, *(f"  {problem}" for problem in problems)]))
        self.problems = problems


class GatewayError(LibraError):
    """A venue could not be reached, or said something that makes no sense."""


class OrderError(LibraError):
    """An order's way was left."""


class RiskRejected(OrderError):  # noqa: N818 - a verdict, named as the field names it
    """The order gate refused an order.

    Args:
        code: The reason, such as `POSITION_LIMIT`.
        limit: The limit that was hit, as text.
        value: The value that hit it, as text.
    """

    def __init__(self, code: str, limit: str = "", value: str = "") -> None:
        detail = f": {value} against a limit of {limit}" if limit else ""
        super().__init__(f"{code}{detail}")
        self.code = code
        self.limit = limit
        self.value = value


class BridgeError(LibraError):
    """The way between nodes is broken."""


class ControlError(LibraError):
    """A running node could not be asked, or refused what an operator wanted.

    Args:
        code: A stable code, as in docs/operating.md.
        text: What was wrong, and what to do.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class CodecError(LibraError):
    """A payload cannot be encoded, or data cannot be decoded."""


class TooManyError(LibraError):
    """An actor has more of something, a task or a timer, than one may have at a time."""


class StrategyError(LibraError):
    """A user's strategy could not be loaded, or keeps failing."""


class StorageError(LibraError):
    """A log, a recording or an output file could not be read or written."""
