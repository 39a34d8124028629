"""Values that are not repeated: a mistake in a setting must not carry a secret into a terminal or a log."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SECRET = re.compile(r"passw|secret|token|credential|api_?key|private_?key", re.IGNORECASE)
_NAMES_ONE = ("_env", "_file")
"""Ends of settings that say where a secret is, and hold none."""


def may_be_secret(path: Iterable[str | int], value: object) -> bool:
    """Whether a value may hold a secret: by the names of its keys, or as a URL with a user in it."""
    keys = [key.lower() for key in path if isinstance(key, str)]
    if any(_SECRET.search(key) and not key.endswith(_NAMES_ONE) for key in keys):
        return True
    return isinstance(value, str) and "://" in value and "@" in value
