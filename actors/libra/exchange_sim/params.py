"""The parameters of a request, read as what they have to be."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from libra.exchange_sim.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Params"]


class Params:
    """Names and texts.

    Args:
        values: What was sent.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values

    @classmethod
    def of_query(cls, *parts: str) -> Params:
        """Those of a query and a form; of a name that comes twice, the last."""
        values: dict[str, str] = {}
        for part in parts:
            values.update(parse_qsl(part, keep_blank_values=True))
        return cls(values)

    def get(self, name: str) -> str | None:
        """A text; None where it was not sent, or empty."""
        return self.values.get(name) or None

    def text(self, name: str) -> str:
        """A text that has to be there."""
        value = self.get(name)
        if value is None:
            raise ApiError.missing(name)
        return value

    def integer(self, name: str) -> int | None:
        """A whole number."""
        value = self.get(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and len(value) <= 20):
            raise ApiError.illegal(name, "^[0-9]{1,20}$")
        return int(value)

    def limit(self, default: int, most: int) -> int:
        """How many rows are wanted."""
        limit = self.integer("limit")
        return default if limit is None else max(min(limit, most), 1)

    def flag(self, name: str) -> bool:
        """A yes or no; no where it was not sent."""
        value = (self.get(name) or "false").lower()
        if value not in {"true", "false"}:
            raise ApiError.illegal(name, "^(true|false)$")
        return value == "true"

    def choice(self, name: str, allowed: frozenset[str], error: ApiError) -> str:
        """One of a few words."""
        value = self.text(name)
        if value not in allowed:
            raise error
        return value
