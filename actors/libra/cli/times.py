"""Times as people give them: a date, a date with a time, or how long ago."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

from libra.errors import ConfigError

_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_AGO = re.compile(r"(\d+)([smhd])")


def time_ns(given: str | None, name: str) -> int | None:
    """Nanoseconds since the epoch; None for None. What names no zone is UTC.

    Args:
        given: `2026-01-31`, `2026-01-31T12:00:00`, or `90s`, `15m`, `2h`, `7d` for so long ago.
        name: The argument, for the message.

    Raises:
        ConfigError: For what is none of these.
    """
    if given is None:
        return None
    if (ago := _AGO.fullmatch(given)) is not None:
        return time.time_ns() - int(ago[1]) * _UNITS_S[ago[2]] * 1_000_000_000
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        raise ConfigError(f"{name} {given}: write 2026-01-31, 2026-01-31T12:00:00, or 2h for two hours ago") from None
    found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    since = found - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000
