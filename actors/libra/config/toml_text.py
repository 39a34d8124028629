"""Writes plain settings as TOML that reads back to the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from libra.config.settings import Settings

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SECRET = re.compile(r"(^|_)(key|secret|password|passphrase|token)$", re.IGNORECASE)


def plain_settings(settings: Settings) -> dict[str, Any]:
    """Settings as plain data under the names that a profile has; secrets of gateways' options are masked.

    Args:
        settings: What to show.

    Returns:
        Tables, lists, text, numbers and `Decimal`; nothing that is unset.
    """
    data = settings.model_dump(by_alias=True, exclude_none=True)
    for table in (data["market"], *(group["gateway"] for group in data["account_groups"])):
        if "options" in table:
            table["options"] = _masked(table["options"])
    return data


def _masked(options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _masked(value) if isinstance(value, Mapping) else "***" if _SECRET.search(key) else value
        for key, value in options.items()
    }


def to_toml(data: Mapping[str, Any]) -> str:
    """Writes a document.

    Args:
        data: Tables, lists, text, numbers, truth values, dates.

    Returns:
        TOML text.
    """
    return "\n".join(_table(data, ())).strip() + "\n"


def to_toml_value(value: object) -> str:
    """Writes one value on one line.

    Raises:
        TypeError: If TOML has no such value.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for DEL, which TOML wants escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return json.dumps(format(value, "f"))
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(to_toml_value(item) for item in value)}]"
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{to_toml_key(key)} = {to_toml_value(item)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    raise TypeError(f"TOML has no {type(value).__name__}")


def to_toml_key(key: str) -> str:
    """Writes a key, quoted where it has to be."""
    return key if _BARE.fullmatch(key) else to_toml_value(key)


def _table(data: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    nested = {key: value for key, value in data.items() if _is_table(value) or _is_table_list(value)}
    for key, value in data.items():
        if key not in nested:
            yield f"{to_toml_key(key)} = {to_toml_value(value)}"
    for key, value in nested.items():
        name = ".".join(to_toml_key(part) for part in (*path, key))
        for entry in [value] if isinstance(value, Mapping) else value:
            yield ""
            yield f"[{name}]" if isinstance(value, Mapping) else f"[[{name}]]"
            yield from _table(entry, (*path, key))


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_table_list(value: object) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(isinstance(item, Mapping) for item in value)
