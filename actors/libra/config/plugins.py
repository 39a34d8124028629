"""Packages above this one that add sections to profiles: found by entry point, loaded only when a profile needs them.

A package plugs in by an entry point in the group `libra.plugins`; its value is a `Plugin`. A profile without a section
of a plug-in loads none of them and pays nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import create_model

from libra.config.settings import Settings

if TYPE_CHECKING:
    from libra.config.draft import Draft
    from libra.config.problems import Problems
    from libra.config.tree import Tree

__all__ = ["PLUGINS_GROUP", "SECTION_OWNERS", "Plugin", "plugins", "settings_model"]

PLUGINS_GROUP = "libra.plugins"

SECTION_OWNERS = {"bridge": "libra_cluster", "nodes": "libra_cluster", "pools": "libra_cluster"}
"""Sections that are read by a package of their own, for those who have not installed it."""


class Plugin(Protocol):
    """What a package adds to profiles, and to the run of a profile that has its sections."""

    @property
    def sections(self) -> Mapping[str, tuple[Any, Any]]:
        """By the name of a section, its type and its `pydantic.Field`: it is optional, and described."""

    def resolve(self, tree: Tree, problems: Problems) -> None:
        """Makes paths in its sections absolute, in place."""

    def check(self, draft: Draft) -> None:
        """Reports what does not fit together, within its sections and with the rest."""

    def takes(self, settings: Settings) -> bool:
        """True when it runs a profile in place of `libra.assembly`."""

    def build(self, settings: Settings, *, profile: str = "", resume: Sequence[str] = (), live: bool = False) -> Any:  # noqa: ANN401
        """What runs the profile, as `libra.assembly.build` gives it."""


@cache
def plugins() -> tuple[Plugin, ...]:
    """All plug-ins that are installed, by their names."""
    entries = sorted(metadata.entry_points(group=PLUGINS_GROUP), key=lambda entry: entry.name)
    return tuple(entry.load() for entry in entries)


@cache
def settings_model() -> type[Settings]:
    """`Settings` with the sections of all plug-ins."""
    sections: dict[str, Any] = {name: field for plugin in plugins() for name, field in plugin.sections.items()}
    if not sections:
        return Settings
    model: type[Settings] = create_model("Settings", __base__=Settings, __doc__=Settings.__doc__, **sections)
    return model
