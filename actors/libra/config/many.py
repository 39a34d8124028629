"""One entry for many: numbered symbols, and patterns of them.

`{0000..0999}` in the symbol of `[[instruments]]` or `[[market.symbols]]` stands for as many entries, which differ in
that number alone. In the symbols of a strategy `*` stands for any characters and `?` for one, of those that have an
entry in `[[instruments]]`. Both are written out before anything is checked: what holds in the end has each by its name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from fnmatch import translate

from libra.config.base import NUMBERS
from libra.config.problems import Problems
from libra.config.tree import Tree

__all__ = ["write_out"]

_RANGE = re.compile(NUMBERS)
_MOST = 100_000
"""More entries than this are a mistake of whoever wrote the numbers."""
_NUMBERED_LISTS = (("instruments",), ("market", "symbols"))


def write_out(tree: Tree, problems: Problems) -> None:
    """Writes out in place what stands for many.

    Args:
        tree: The merged configuration.
        problems: Takes ranges that count backwards or too far, and patterns that fit nothing.
    """
    for path in _NUMBERED_LISTS:
        entries = tree.get(*path)
        if entries is not None and isinstance(entries.value, list):
            entries.value = [one for entry in entries.value for one in _numbered(entry, ".".join(path), problems)]
    strategies, names = tree.get("strategies"), _names(tree)
    for strategy in strategies.items() if strategies is not None else ():
        symbols = strategy.get("symbols")
        if symbols is not None and isinstance(symbols.value, list):
            symbols.value = list(_fitting(symbols, names, problems))


def _numbered(entry: Tree, where: str, problems: Problems) -> Iterator[Tree]:
    symbol = entry.get("symbol")
    found = _RANGE.search(symbol.value) if symbol is not None and isinstance(symbol.value, str) else None
    if symbol is None or found is None:
        yield entry
        return
    first, last = found.groups()
    count = int(last) - int(first) + 1
    if not 1 <= count <= _MOST:
        told = "counts backwards" if count < 1 else f"stands for {count:,} symbols, and {_MOST:,} are the most"
        problems.add(symbol.place, f"{where}.symbol", f"{found[0]} {told}")
        return
    for number in range(int(first), int(last) + 1):
        name = symbol.value.replace(found[0], f"{number:0{len(first)}d}")
        yield Tree({**entry.value, "symbol": Tree(name, symbol.place)}, entry.place)


def _names(tree: Tree) -> dict[str, list[str]]:
    """What a strategy may name, and what that stands for: SYMBOL@VENUE, or SYMBOL, which may be of several venues."""
    entries = tree.get("instruments")
    pairs: list[tuple[str, str]] = []
    for entry in entries.items() if entries is not None else ():
        symbol, venue = entry.get("symbol"), entry.get("venue")
        if symbol is not None and isinstance(symbol.value, str):
            pairs.append((symbol.value, str(venue.value) if venue is not None else ""))
    venues = Counter(short for short, _ in pairs)
    names: dict[str, list[str]] = {}
    for short, at in pairs:
        name = f"{short}@{at}"
        names[name] = [name]
        names.setdefault(short, []).append(short if venues[short] == 1 else name)
    return names


def _fitting(symbols: Tree, names: dict[str, list[str]], problems: Problems) -> Iterator[Tree]:
    """The symbols as they stand, and patterns as what fits them: of that each once, whatever else names it."""
    seen = {entry.value for entry in symbols.items() if isinstance(entry.value, str)}
    for entry in symbols.items():
        if not _is_pattern(entry.value):
            yield entry
            continue
        fits = re.compile(translate(entry.value.replace("[", "[[]"))).match
        # A pattern is of SYMBOL@VENUE where it says so itself.
        found = [each for name in names if ("@" in name) == ("@" in entry.value) and fits(name) for each in names[name]]
        if not found:
            problems.add(entry.place, "strategies.symbols", f"{entry.value} fits no symbol of [[instruments]]")
        for each in found:
            if each not in seen:
                seen.add(each)
                yield Tree(each, entry.place)


def _is_pattern(symbol: object) -> bool:
    return isinstance(symbol, str) and ("*" in symbol or "?" in symbol)
