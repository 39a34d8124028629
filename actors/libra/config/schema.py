"""The JSON schema of a profile, for editors and for error messages."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from libra.config.plugins import settings_model
from libra.config.tree import KeyPath

_INCLUDE = {
    "description": "Files whose content comes first, in this order, relative to this file; its own content wins.",
    "items": {"type": "string"},
    "title": "Include",
    "type": "array",
}


@cache
def json_schema() -> dict[str, Any]:
    """The schema of a profile file, with the sections of the plug-ins. It is committed as `config/schema.json`."""
    schema = settings_model().model_json_schema(by_alias=True)
    # A file may leave out what another one gives, so a single file requires nothing.
    schema.pop("required", None)
    properties = {"include": _INCLUDE, **schema["properties"]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "properties": properties}


def describe(path: KeyPath, data: object) -> tuple[str, tuple[str, ...]]:
    """What the schema says about a path.

    Args:
        path: The way to a value.
        data: The plain configuration; its `kind` keys tell which alternative of the schema holds.

    Returns:
        The description of the value, empty where the path leads nowhere, and the keys known in the table around it.
    """
    node: dict[str, Any] = json_schema()
    known: tuple[str, ...] = ()
    for key in path:
        node = _resolve(node, data)
        known = tuple(node.get("properties", ()))
        node = _step(node, key)
        data = _step_data(data, key)
    return str(node.get("description", "")), known


def _step(node: dict[str, Any], key: str | int) -> dict[str, Any]:
    step: Any = node.get("items") if isinstance(key, int) else node.get("properties", {}).get(key)
    if step is None and isinstance(key, str):
        patterns = node.get("patternProperties", {}).items()
        named = (entry for pattern, entry in patterns if re.search(pattern, key))
        step = next(named, node.get("additionalProperties"))
    return step if isinstance(step, dict) else {}


def _step_data(data: object, key: str | int) -> object:
    if isinstance(data, dict):
        return data.get(key)
    if isinstance(data, list) and isinstance(key, int) and key < len(data):
        return data[key]
    return None


def _resolve(node: dict[str, Any], data: object) -> dict[str, Any]:
    """Follows references and picks the alternative that the data's `kind` names."""
    if "$ref" in node:
        target: dict[str, Any] = json_schema()["$defs"][node["$ref"].rpartition("/")[2]]
        return _resolve(target, data)
    mapping = node.get("discriminator", {}).get("mapping", {})
    kind = data.get("kind") if isinstance(data, dict) else None
    if isinstance(kind, str) and kind in mapping:
        return _resolve({"$ref": mapping[kind]}, data)
    return node
