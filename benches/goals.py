"""A goal of the design, and how far it is met."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Budget"]


@dataclass(frozen=True)
class Budget:
    """One goal: what was measured, in its unit, and how far over it is (1 is the goal itself, below is better)."""

    name: str
    measured: float
    goal: float
    unit: str
    at_least: bool = False

    @property
    def over(self) -> float:
        """Measured against the goal."""
        return self.goal / self.measured if self.at_least else self.measured / self.goal

    @property
    def verdict(self) -> str:
        """In a word."""
        return f"MISSED by {self.over:.2f}x" if self.over > 1 else "met"

    def row(self) -> list[str]:
        """For a table."""
        bound = "at least" if self.at_least else "at most"
        return [self.name, f"{self.measured:.4g} {self.unit}", f"{bound} {self.goal:.4g} {self.unit}", self.verdict]
