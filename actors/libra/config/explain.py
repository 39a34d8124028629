"""Turns what pydantic finds into problems with a place, and with words that say what to do."""

from __future__ import annotations

import difflib
from decimal import Decimal
from typing import TYPE_CHECKING

from libra.config.problems import Problems
from libra.config.schema import describe
from libra.config.secrecy import may_be_secret
from libra.config.tree import KeyPath, Tree

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_KINDS = {"market": '"synthetic", "replay", "gateway"', "gateway": '"paper", "python"'}


def explain(error: ValidationError, tree: Tree, problems: Problems) -> None:
    """Adds everything that a validation found.

    Args:
        error: What pydantic raised.
        tree: What was validated.
        problems: Takes the findings.
    """
    data = tree.plain()
    for detail in error.errors(include_url=False, include_context=True):
        path = _real_path(detail["loc"], tree)
        if detail["type"] == "union_tag_invalid":
            path = (*path, "kind")
        problems.at(tree, path, _message(detail, path, data, tree))


def _real_path(location: KeyPath, tree: Tree) -> KeyPath:
    """The way in the file: pydantic adds the `kind` of an alternative and marks of its own."""
    path: list[str | int] = []
    node: Tree | None = tree
    for key in location:
        if node is not None and node.child(key) is None:
            kind = node.get("kind")
            if (kind is not None and kind.value == key) or key == "[key]":
                continue
        path.append(key)
        node = node.child(key) if node is not None else None
    return tuple(path)


def _message(detail: ErrorDetails, path: KeyPath, data: object, tree: Tree) -> str:
    description, known = describe(path, data)
    kind = detail["type"]
    about = f". {description}" if description else ""
    if kind == "extra_forbidden":
        return _unknown_key(str(path[-1]), known)
    if kind == "missing":
        return f"is missing; add it{about}"
    if kind == "union_tag_not_found":
        return f"has no kind; add kind = one of {_KINDS.get(str(path[-1]), 'those of the schema')}"
    if kind == "union_tag_invalid":
        tag = detail.get("ctx", {}).get("tag")
        return f'has the unknown kind "{tag}"; write one of {_KINDS.get(str(path[-2]), "those of the schema")}'
    return f"{_wrong(detail)}{_given(tree, path)}{about}"


def _unknown_key(key: str, known: tuple[str, ...]) -> str:
    if key == "include":
        return "is not a known key; move it to the top of the file, before the first [table]"
    close = difflib.get_close_matches(key, known, n=1)
    if close:
        return f'is not a known key; did you mean "{close[0]}"?'
    return f"is not a known key; known here: {', '.join(known)}" if known else "is not a known key; take it out"


def _wrong(detail: ErrorDetails) -> str:
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "string_pattern_mismatch":
        return "is not written as it should be"
    if detail["type"] == "too_short":
        return "must not be empty"
    lowered = message[0].lower() + message[1:]
    return lowered.replace("input should be", "has to be").replace("'", '"').replace("a valid dictionary", "a table")


def _given(tree: Tree, path: KeyPath) -> str:
    """The value itself, unless it may hold a secret: what came by the environment, or is not plain."""
    node: Tree | None = tree
    for key in path:
        node = node.child(key) if node is not None else None
    if node is None or isinstance(node.value, (dict, list)) or node.place.line is None:
        return ""
    if may_be_secret(path, node.value):
        return ""
    value = f'"{node.value}"' if isinstance(node.value, str) else node.value
    if isinstance(value, bool):
        value = str(value).lower()
    return f", not {value if not isinstance(value, Decimal) else format(value, 'f')}"
