"""Settings from the environment and the command line, laid over a profile.

`LIBRA__NODE__SEED=7` and `--set node.seed=7` say the same; the command line wins. A value is read as TOML where it is
TOML, else as text. An entry of a list is named by its index or its name: `strategies.sma.params.fast=5`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from libra.config.problems import Problems
from libra.config.secrecy import may_be_secret
from libra.config.tree import Place, Tree, identity

ENVIRONMENT_PREFIX = "LIBRA__"

_SEGMENT = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^."=\s][^."=]*?))\s*(?=[.=]|$)')


def apply_environment(tree: Tree, environ: Mapping[str, str], problems: Problems) -> None:
    """Lays every `LIBRA__SECTION__KEY` over a tree, in the order of their names.

    Args:
        tree: What to change, in place.
        environ: The environment's variables.
        problems: Takes what cannot be applied.
    """
    for name in sorted(environ):
        if name.startswith(ENVIRONMENT_PREFIX):
            place = Place(f"environment variable {name}")
            segments = name.removeprefix(ENVIRONMENT_PREFIX).split("__")
            assign(tree, segments, parse_value(environ[name]), place, problems, ignore_case=True)


def apply_set(tree: Tree, argument: str, problems: Problems) -> None:
    """Lays one `section.key=value` of the command line over a tree.

    Args:
        tree: What to change, in place.
        argument: What was given after `--set`.
        problems: Takes what cannot be applied.
    """
    split = split_assignment(argument)
    key, _, value = argument.partition("=")
    is_secret = may_be_secret(split[0], split[1]) if split is not None else may_be_secret([key], value)
    place = Place(f"--set {key}=..." if is_secret else f"--set {argument}")
    if split is None:
        problems.add(place, "", "has to be section.key=value, for example node.seed=7")
        return
    segments, text = split
    assign(tree, segments, parse_value(text), place, problems)


def split_assignment(argument: str) -> tuple[list[str], str] | None:
    """Splits `a.b."c.d"=value` into its keys and the text of its value; None where it has no such form."""
    segments: list[str] = []
    position = 0
    while (match := _SEGMENT.match(argument, position)) is not None:
        quoted, bare = match.groups()
        segments.append(re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare)
        if match.end() == len(argument):
            return None
        position = match.end() + 1
        if argument[match.end()] == "=":
            return segments, argument[position:]
    return None


def parse_value(text: str) -> Any:  # noqa: ANN401 - whatever TOML holds
    """Reads a value as TOML where it is TOML, else as text."""
    try:
        parsed = tomllib.loads(f"value = {text}", parse_float=Decimal)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError):
        return text
    # A line break would let one value smuggle in a second key.
    return parsed["value"] if parsed.keys() == {"value"} else text


def assign(
    tree: Tree, segments: list[str], value: object, place: Place, problems: Problems, *, ignore_case: bool = False
) -> None:
    """Sets one value in a tree, making the tables on the way that are missing.

    Args:
        tree: What to change, in place.
        segments: Keys of tables; indexes or names of list entries.
        value: The plain value.
        place: Where the value comes from.
        problems: Takes what cannot be applied.
        ignore_case: Meet existing keys whatever their case, and write new ones in lower case.
    """
    node = tree
    for depth, segment in enumerate(segments):
        key = _find(node, segment, ignore_case=ignore_case)
        if key is None:
            walked = ".".join(segments[:depth])
            problems.add(place, walked, f"{_why_not(node, segment)}")
            return
        if depth == len(segments) - 1:
            node.value[key] = Tree.wrap(value, place)
            return
        if node.child(key) is None:
            node.value[key] = Tree({}, place)
        node = node.value[key]


def _find(node: Tree, segment: str, *, ignore_case: bool) -> str | int | None:
    if isinstance(node.value, dict):
        if segment in node.value or not ignore_case:
            return segment
        return next((key for key in node.value if key.casefold() == segment.casefold()), segment.lower())
    if isinstance(node.value, list):
        if segment.isascii() and segment.isdigit():
            return int(segment) if int(segment) < len(node.value) else None
        matching = [i for i, name in enumerate(_names(node)) if _same(name, segment, ignore_case=ignore_case)]
        return matching[0] if len(matching) == 1 else None
    return None


def _same(name: str, segment: str, *, ignore_case: bool) -> bool:
    return name == segment or (ignore_case and name.casefold() == segment.casefold())


def _names(node: Tree) -> list[str]:
    return ["@".join(identity(entry) or ()) for entry in node.items()]


def _why_not(node: Tree, segment: str) -> str:
    if not isinstance(node.value, list):
        return f'is a single value and has no "{segment}" in it'
    named = [name for name in _names(node) if name]
    known = ", ".join(named) if named else f"0 to {len(node.value) - 1}" if node.value else "none, the list is empty"
    return f'has no single entry "{segment}"; entries are {known}'
