"""A configuration as a tree in which every value knows where it was written.

Files, the environment and the command line are laid over each other here, before anything is validated. Lists of tables
(`[[strategies]]`) are laid over each other by name, every other list is replaced whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from libra.config import lines

KeyPath = lines.Path


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value was written.

    Attributes:
        source: A file as the user knows it, or the argument or variable that holds the value.
        line: The line, in a file.
        directory: The folder that relative paths at this place start from; None for the current one.
    """

    source: str
    line: int | None = None
    directory: Path | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


@dataclass(slots=True)
class Tree:
    """A value of a configuration and its place."""

    value: Any
    place: Place = field(default_factory=lambda: Place("the defaults"))

    @staticmethod
    def wrap(value: object, place: Place, line_of: dict[KeyPath, int] | None = None, path: KeyPath = ()) -> Tree:
        """Makes a tree of plain data, all of it at `place` or on the lines that `line_of` gives."""
        if line_of is not None:
            place = Place(place.source, line_of.get(path, place.line), place.directory)
        if isinstance(value, dict):
            return Tree({key: Tree.wrap(item, place, line_of, (*path, key)) for key, item in value.items()}, place)
        if isinstance(value, list):
            return Tree([Tree.wrap(item, place, line_of, (*path, i)) for i, item in enumerate(value)], place)
        return Tree(value, place)

    def plain(self) -> Any:  # noqa: ANN401 - whatever TOML holds
        """The data without its places."""
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        return self.value

    def get(self, *keys: str) -> Tree | None:
        """The value behind some keys of tables, if it is there."""
        node: Tree | None = self
        for key in keys:
            node = node.value.get(key) if node is not None and isinstance(node.value, dict) else None
        return node

    def items(self) -> Iterator[Tree]:
        """The elements, if this is a list."""
        return iter(self.value if isinstance(self.value, list) else ())

    def over(self, base: Tree | None) -> Tree:
        """This tree laid over another: tables key by key, lists of tables by name, all else replaced."""
        if base is None:
            return self
        if isinstance(self.value, dict) and isinstance(base.value, dict):
            if _kind(self) not in (None, _kind(base)):
                return self  # another kind of market, gateway or sizing: its keys have nothing to do with the old ones
            merged = {key: item for key, item in base.value.items() if key not in self.value}
            return Tree({**merged, **{k: item.over(base.value.get(k)) for k, item in self.value.items()}}, self.place)
        if _is_table_list(self) and _is_table_list(base):
            return Tree(_merge_by_name(base.value, self.value), self.place)
        return self

    def place_of(self, path: KeyPath) -> Place:
        """The place of the value at `path`, or of the nearest table around it."""
        node = self
        for key in path:
            child = node.child(key)
            if child is not None:
                node = child
        return node.place

    def child(self, key: str | int) -> Tree | None:
        """One step down, if there is one."""
        if isinstance(self.value, dict):
            return self.value.get(key)
        if isinstance(self.value, list) and isinstance(key, int) and 0 <= key < len(self.value):
            child: Tree = self.value[key]
            return child
        return None


def identity(entry: Tree) -> tuple[Any, ...] | None:
    """What tells an entry of a list of tables from the others: its name, or its symbol and venue."""
    for keys in (("name",), ("symbol", "venue"), ("symbol",)):
        found = [entry.get(key) for key in keys]
        if all(item is not None for item in found):
            return tuple(str(item.value) for item in found if item is not None)
    return None


def dotted(tree: Tree, path: Iterable[str | int]) -> str:
    """A path as users write it after `--set`: `strategies.sma.params.fast`."""
    parts: list[str] = []
    node: Tree | None = tree
    for key in path:
        child = node.child(key) if node is not None else None
        parts.append(_part(node, key, child))
        node = child
    return ".".join(parts)


def _part(parent: Tree | None, key: str | int, child: Tree | None) -> str:
    if isinstance(key, str):
        return key if key.replace("_", "").replace("-", "").isalnum() else f'"{key}"'
    name = child.get("name") if child is not None else None
    siblings = [other.get("name") for other in parent.items()] if parent is not None else []
    is_unique = name is not None and sum(other is not None and other.value == name.value for other in siblings) == 1
    is_plain = name is not None and isinstance(name.value, str) and name.value.replace("_", "").isalnum()
    return str(name.value) if name is not None and is_unique and is_plain else str(key)


def _kind(tree: Tree) -> object:
    kind = tree.get("kind")
    return None if kind is None else kind.value


def _is_table_list(tree: Tree) -> bool:
    return isinstance(tree.value, list) and bool(tree.value) and all(isinstance(e.value, dict) for e in tree.value)


def _merge_by_name(base: list[Tree], over: list[Tree]) -> list[Tree]:
    merged = list(base)
    free = {name: index for index, entry in reversed(list(enumerate(base))) if (name := identity(entry)) is not None}
    for entry in over:
        # Each entry below is met once: a name that a file gives twice stays twice, and is reported.
        name = identity(entry)
        index = free.pop(name, None) if name is not None else None
        if index is None:
            merged.append(entry)
        else:
            merged[index] = entry.over(merged[index])
    return merged
