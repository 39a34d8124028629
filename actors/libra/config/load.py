"""From a profile to validated settings: read, lay over, check, and report everything that is wrong at once.

Later wins: included files in their order, the profile itself, the environment, `--set`, the command line's own flags.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from libra.config.checks import check
from libra.config.draft import Draft
from libra.config.explain import explain
from libra.config.files import read_profile
from libra.config.live import missing_to_trade
from libra.config.many import write_out
from libra.config.overrides import apply_environment, apply_set, assign
from libra.config.plugins import SECTION_OWNERS, Plugin, plugins, settings_model
from libra.config.problems import Problems
from libra.config.profiles import find_profile
from libra.config.resolve import resolve_paths
from libra.config.settings import Settings
from libra.config.tree import Place, Tree

DEFAULT_PROFILE = "paper"
DEFAULT_REPLAY_PROFILE = "replay"


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line gave beside the profile.

    Attributes:
        data: Recordings to replay.
        speed: `"max"` or a factor; implies a simulated clock.
        duration_s: How long to run, seconds.
        seed: Seed of the random generators.
        sets: `section.key=value` texts, in the order given.
    """

    data: tuple[str, ...] = ()
    speed: float | str | None = None
    duration_s: float | None = None
    seed: int | None = None
    sets: tuple[str, ...] = ()


def load(
    profile: str | Path | None = None,
    *,
    flags: Flags = Flags(),
    environ: Mapping[str, str] | None = None,
    live: bool | None = None,
) -> Settings:
    """Loads a profile.

    Args:
        profile: A name or a path; without it `paper`, or `replay` where recordings are given.
        flags: What the command line gave.
        environ: The environment, `os.environ` where left out.
        live: For a run, whether real money was asked for: what that lacks is said beside all else that is wrong.

    Returns:
        The settings, with data files and class files as absolute paths.

    Raises:
        ConfigError: If anything is wrong, with every problem, its place, and what to do about it.
    """
    problems = Problems()
    name = str(profile) if profile is not None else DEFAULT_REPLAY_PROFILE if flags.data else DEFAULT_PROFILE
    tree = read_profile(find_profile(name), problems)
    problems.raise_if_any()
    if flags.data:
        _turn_into_replay(tree)
    apply_environment(tree, os.environ if environ is None else environ, problems)
    for argument in flags.sets:
        apply_set(tree, argument, problems)
    _apply_flags(tree, flags, problems)
    _inherit_risk(tree)
    return _validate(tree, problems, live=live, environ=environ)


def _validate(tree: Tree, problems: Problems, *, live: bool | None, environ: Mapping[str, str] | None) -> Settings:
    write_out(tree, problems)
    resolve_paths(tree, problems)
    plugged = _plugins_for(tree, problems)
    for plugin in plugged:
        plugin.resolve(tree, problems)
    model = settings_model() if plugged else Settings
    settings = None
    try:
        settings = model.model_validate(tree.plain(), by_alias=True, by_name=False)
    except ValidationError as error:
        explain(error, tree, problems)
    draft = Draft.of(tree, problems)
    check(draft)
    for plugin in plugged:
        plugin.check(draft)
    asked = settings if live is not None else None
    problems.raise_if_any(lambda: missing_to_trade(asked, live=bool(live), environ=environ) if asked else ())
    if settings is None:
        raise AssertionError("a validation that failed has at least one problem")
    return settings


def _plugins_for(tree: Tree, problems: Problems) -> tuple[Plugin, ...]:
    """The plug-ins, where the profile has a section that this package does not know."""
    beyond = tree.value.keys() - Settings.model_fields.keys()
    if not beyond:
        return ()
    found = plugins()
    known = {name for plugin in found for name in plugin.sections}
    for name in sorted(beyond & SECTION_OWNERS.keys() - known):
        problems.at(
            tree,
            (name,),
            f"is read by {SECTION_OWNERS[name]}, which is not installed; install it, or take [{name}] out",
        )
        del tree.value[name]
    return found


def _turn_into_replay(tree: Tree) -> None:
    """`--data` on a profile with another market: recordings take its place, as fast as they go."""
    kind = tree.get("market", "kind")
    if kind is None or kind.value != "replay":
        place = Place("--data")
        problems = Problems()
        assign(tree, ["market"], {"kind": "replay"}, place, problems)
        assign(tree, ["node", "clock"], "simulated", place, problems)
        assign(tree, ["node", "speed"], "max", place, problems)


def _apply_flags(tree: Tree, flags: Flags, problems: Problems) -> None:
    if flags.data:
        assign(tree, ["market", "files"], list(flags.data), Place("--data"), problems)
    if flags.speed is not None:
        place = Place(f"--speed {flags.speed}")
        assign(tree, ["node", "speed"], flags.speed, place, problems)
        assign(tree, ["node", "clock"], "simulated", place, problems)
    if flags.duration_s is not None:
        assign(tree, ["node", "duration_s"], flags.duration_s, Place(f"--duration {flags.duration_s}"), problems)
    if flags.seed is not None:
        assign(tree, ["node", "seed"], flags.seed, Place(f"--seed {flags.seed}"), problems)


def _inherit_risk(tree: Tree) -> None:
    """Lays each account group's `risk` over the top-level `[risk]`."""
    shared = tree.get("risk")
    groups = tree.get("account_groups")
    if shared is None or not isinstance(shared.value, dict):
        return
    for group in groups.items() if groups is not None else ():
        if isinstance(group.value, dict):
            own = group.get("risk")
            group.value["risk"] = own.over(shared) if own is not None else shared
