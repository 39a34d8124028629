"""Findings about a configuration: collected, each with its place, and raised together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from libra.config.tree import KeyPath, Place, Tree, dotted
from libra.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding.

    Attributes:
        place: Where it was written.
        path: What it is about, as a dotted path; empty for a whole file.
        message: What was wrong and what to do.
    """

    place: Place
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.path}: {self.message}" if self.path else f"{self.place}: {self.message}"


@dataclass(slots=True)
class Problems:
    """All findings about one configuration."""

    found: list[Problem] = field(default_factory=list)

    def add(self, place: Place, path: str, message: str) -> None:
        """Notes a finding, unless the same was noted for the same place: an inherited value is reported once."""
        if not any(known.place == place and known.message == message for known in self.found):
            self.found.append(Problem(place, path, message))

    def at(self, tree: Tree, path: KeyPath, message: str) -> None:
        """Notes a finding about the value at `path`."""
        self.add(tree.place_of(path), dotted(tree, path), message)

    def raise_if_any(self, more: Callable[[], Sequence[str]] = tuple) -> None:
        """Raises everything that was found, in the order of the places.

        Args:
            more: What else is missing, where anything is; findings that have no place.

        Raises:
            ConfigError: If anything was found.
        """
        if not self.found:
            return
        ordered = sorted(self.found, key=lambda problem: (problem.place.source, problem.place.line or 0))
        said = (*(str(problem) for problem in ordered), *more())
        count = "1 problem" if len(said) == 1 else f"{len(said)} problems"
        raise ConfigError(f"the configuration has {count}:", said)
