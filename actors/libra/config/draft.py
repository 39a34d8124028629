"""What of a configuration can be checked although other parts of it are wrong.

All problems are reported at once, so the checks across sections must not wait until every field is right. A draft holds
each section and list entry that is valid by itself, and the names of those that are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from libra.config.accounts import AccountGroupSettings
from libra.config.instruments import InstrumentSettings
from libra.config.market import MarketSettings
from libra.config.node import NodeSettings
from libra.config.problems import Problems
from libra.config.strategies import StrategySettings
from libra.config.tree import Tree

__all__ = ["Draft", "valid_tables"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Draft:
    """The valid parts, each list entry with its index in the profile."""

    tree: Tree
    problems: Problems
    node: NodeSettings | None
    market: Any
    instruments: Sequence[tuple[int, InstrumentSettings]]
    accounts: Sequence[tuple[int, AccountGroupSettings]]
    strategies: Sequence[tuple[int, StrategySettings]]

    @staticmethod
    def of(tree: Tree, problems: Problems) -> Draft:
        """Validates each part of a tree by itself."""
        return Draft(
            tree=tree,
            problems=problems,
            node=_mostly_valid(TypeAdapter(NodeSettings), tree.get("node") or Tree({})),
            market=_mostly_valid(TypeAdapter[Any](MarketSettings), tree.get("market")),
            instruments=_valid_entries(InstrumentSettings, tree.get("instruments")),
            accounts=_valid_entries(AccountGroupSettings, tree.get("account_groups")),
            strategies=_valid_entries(StrategySettings, tree.get("strategies")),
        )

    def report(self, message: str, *path: str | int) -> None:
        """Notes a problem at a path."""
        self.problems.at(self.tree, path, message)

    def names(self, section: str, key: str = "name") -> list[tuple[int, str]]:
        """The value of one key of each entry of a list, valid or not."""
        entries = self.tree.get(section)
        found = [(i, entry.get(key)) for i, entry in enumerate(entries.items() if entries is not None else ())]
        return [(i, node.value) for i, node in found if node is not None and isinstance(node.value, str)]

    def instrument_keys(self) -> dict[str, list[str]]:
        """By symbol and by SYMBOL@VENUE, which instruments are meant; listed, be they valid or not."""
        venues = dict(self.names("instruments", "venue"))
        keys: dict[str, list[str]] = {}
        for index, symbol in self.names("instruments", "symbol"):
            instrument_id = f"{symbol}@{venues.get(index, '')}"
            for key in (symbol, instrument_id):
                if instrument_id not in keys.setdefault(key, []):
                    keys[key].append(instrument_id)
        return keys

    def instruments_of(self, account: str) -> list[InstrumentSettings]:
        """The valid instruments that an account's strategies name."""
        keys = {symbol for _, entry in self.strategies if entry.account == account for symbol in entry.symbols}
        return [entry for _, entry in self.instruments if entry.id in keys or entry.symbol in keys]


def valid_tables(tree: Tree, section: str, name: TypeAdapter[str], model: type[T]) -> dict[str, T]:
    """The tables `[SECTION.NAME]` of a configuration that are valid by themselves.

    Args:
        tree: The configuration.
        section: The section.
        name: What a name must be.
        model: What a table must be.
    """
    tables, adapter = tree.get(section), TypeAdapter(model)
    if tables is None or not isinstance(tables.value, dict):
        return {}
    found = {key: _valid(adapter, table) for key, table in tables.value.items()}
    return {key: table for key, table in found.items() if table is not None and _valid(name, Tree(key)) is not None}


def _valid(adapter: TypeAdapter[T], tree: Tree | None) -> T | None:
    if tree is None:
        return None
    try:
        return adapter.validate_python(tree.plain())
    except ValidationError:
        return None


def _mostly_valid(adapter: TypeAdapter[T], tree: Tree | None) -> T | None:
    """The section without its wrong keys, where it can do without them."""
    if tree is None or not isinstance(tree.value, dict):
        return None
    try:
        return adapter.validate_python(tree.plain())
    except ValidationError as error:
        # The first part of a location may be the kind of an alternative instead of a key.
        wrong = {next((part for part in found["loc"] if part in tree.value), None) for found in error.errors()}
        return _valid(adapter, Tree({key: item for key, item in tree.value.items() if key not in wrong}, tree.place))


def _valid_entries(model: type[T], tree: Tree | None) -> list[tuple[int, T]]:
    adapter = TypeAdapter(model)
    found = [(i, _valid(adapter, entry)) for i, entry in enumerate(tree.items() if tree is not None else ())]
    return [(i, entry) for i, entry in found if entry is not None]
