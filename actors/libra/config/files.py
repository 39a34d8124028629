"""Reads profile files and what they include."""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from pathlib import Path

from libra.config.lines import key_lines
from libra.config.problems import Problems
from libra.config.tree import Place, Tree

_AT_LINE = re.compile(r"\s*\(at line (\d+), column (\d+)\)$")


def read_profile(path: Path, problems: Problems) -> Tree:
    """Reads a profile: what its `include` names comes first, in that order, then its own content over it.

    Args:
        path: The file.
        problems: Takes what is wrong with the files.

    Returns:
        The merged tree, without `include`; empty where a file could not be read.
    """
    return _read(path, problems, chain=(), included_at=None)


def display(path: Path) -> str:
    """A path as short as it can be said from the current folder."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _read(path: Path, problems: Problems, chain: tuple[Path, ...], included_at: Place | None) -> Tree:
    resolved = path.resolve()
    place = Place(display(path), None, path.parent)
    if resolved in chain:
        names = " -> ".join(display(link) for link in [*chain[chain.index(resolved) :], resolved])
        problems.add(included_at or place, "include", f"the files include each other: {names}; take one of them out")
        return Tree({}, place)
    data, text = _parse(path, problems, place, included_at)
    tree = Tree.wrap(data, place, key_lines(text) if data else {})
    include = tree.value.pop("include", None)
    merged = Tree({}, place)
    for entry in _included(include, problems):
        merged = _read(path.parent / entry.value, problems, (*chain, resolved), entry.place).over(merged)
    return tree.over(merged)


def _included(include: Tree | None, problems: Problems) -> list[Tree]:
    if include is None:
        return []
    if not isinstance(include.value, list) or not all(isinstance(entry.value, str) for entry in include.value):
        problems.add(include.place, "include", 'has to be a list of files: include = ["risk_limits.toml"]')
        return []
    return list(include.value)


def _parse(path: Path, problems: Problems, place: Place, included_at: Place | None) -> tuple[dict[str, object], str]:
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text, parse_float=Decimal), text
    except FileNotFoundError:
        at, key = (included_at, "include") if included_at else (place, "")
        problems.add(at, key, f"there is no file {display(path)}; create it or correct the name")
    except IsADirectoryError:
        problems.add(included_at or place, "", f"{display(path)} is a directory; name a .toml file in it")
    except OSError as error:
        problems.add(included_at or place, "", f"{display(path)} cannot be read: {error.strerror or error}")
    except UnicodeDecodeError as error:
        problems.add(place, "", f"is not UTF-8 text (byte {error.start}); save it as UTF-8")
    except tomllib.TOMLDecodeError as error:
        problems.add(*_syntax_error(str(error), place))
    except (ValueError, RecursionError) as error:
        problems.add(place, "", f"is not TOML: {error}")
    return {}, ""


def _syntax_error(text: str, place: Place) -> tuple[Place, str, str]:
    match = _AT_LINE.search(text)
    line = int(match.group(1)) if match else None
    column = f" at column {match.group(2)}" if match else ""
    said = _AT_LINE.sub("", text)
    hint = '; text needs quotes: key = "value"' if said == "Invalid value" else ""
    return Place(place.source, line, place.directory), "", f"is not TOML{column}: {said}{hint}"
