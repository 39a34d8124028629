"""Finds a profile by name or path.

With `.toml` or a slash it is a path. A bare name is looked for in `./config`, then among the profiles that Libra
carries: `libra/profiles` in a wheel, the repository's `config` folder in a checkout.
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path

from libra.config.files import display
from libra.errors import ConfigError


def find_profile(name: str) -> Path:
    """Finds a profile.

    Args:
        name: A name such as `paper`, or a path; in a name `-` is as good as `_`.

    Returns:
        The file. A path is not tested: reading it tells what is wrong with it.

    Raises:
        ConfigError: If no profile has this name; the message lists those that exist.
    """
    if name.endswith(".toml") or "/" in name:
        return Path(name)
    for spelled in dict.fromkeys((name, name.replace("-", "_"))):
        for folder in profile_folders():
            path = folder / f"{spelled}.toml"
            if path.is_file():
                return path
    raise ConfigError(_unknown(name))


def profile_folders() -> list[Path]:
    """Folders that profiles are looked for in, the first one first."""
    return [Path("config"), carried_folder()]


def carried_folder() -> Path:
    """Where the profiles are that Libra carries."""
    package = Path(__file__).resolve().parents[1]
    installed, checkout = package / "profiles", package.parents[1] / "config"
    return installed if installed.is_dir() else checkout


def list_profiles() -> dict[str, Path]:
    """Profiles by name: those with a `[market]` of their own or included, not the parts that others include."""
    found: dict[str, Path] = {}
    for folder in profile_folders():
        for path in sorted(folder.glob("*.toml")):
            if path.stem not in found and _is_profile(path):
                found[path.stem] = path
    return found


def _is_profile(path: Path) -> bool:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return "market" in data or "include" in data


def _unknown(name: str) -> str:
    known = list_profiles()
    close = difflib.get_close_matches(name, known, n=1)
    hint = f'; did you mean "{close[0]}"?' if close else ""
    rows = "".join(f"\n  {known_name}  ({display(path)})" for known_name, path in known.items())
    return f'there is no profile "{name}"{hint} A path needs a slash or .toml. Profiles found:{rows or " none"}'
