"""Keys of a venue account: read from where a profile says, shown nowhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from libra.errors import ConfigError

__all__ = ["Credentials", "read_secret"]

_HIDDEN = "***"
_SHORTEST = 6
"""Shorter texts are no keys, and taking them out of a message would leave it unreadable."""


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """An API key with what belongs to it. Its `repr` shows none of it.

    Attributes:
        api_key: The key.
        secret: Its secret, or a private key in PEM.
        password: The passphrase that some venues want, empty elsewhere.
    """

    api_key: str = ""
    secret: str = field(default="")
    password: str = ""

    def __repr__(self) -> str:
        return "Credentials(***)"

    def __bool__(self) -> bool:
        return bool(self.api_key)

    def hide(self, text: str) -> str:
        """The text without anything of the keys."""
        for value in (self.api_key, self.secret, self.password):
            if len(value) >= _SHORTEST:
                text = text.replace(value, _HIDDEN)
        return text


def read_secret(name: str, environ: Mapping[str, str] | None = None) -> str:
    """A secret by the name of the environment variable that holds it, or, with ``_FILE`` behind it, names its file.

    Raises:
        ConfigError: When neither is set, or the file cannot be read. The message names the variable, never its value.
    """
    known = os.environ if environ is None else environ
    value = known.get(name, "")
    path = known.get(f"{name}_FILE", "")
    if value and path:
        raise ConfigError(f"{name} and {name}_FILE are both set in the environment: keep one of them")
    if path:
        try:
            value = Path(path).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "no text"
            raise ConfigError(f"the file that {name}_FILE names cannot be read: {why}") from None
    value = value.strip()
    if not value:
        raise ConfigError(f"the environment has neither {name} nor {name}_FILE: set one of them")
    return value
