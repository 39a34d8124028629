"""`libra new-strategy NAME`: a commented strategy to start from, and a profile that runs it at once."""

from __future__ import annotations

import argparse
import keyword
import re
from pathlib import Path

from libra import exit_codes
from libra.cli.strategy_template import PROFILE, STRATEGY
from libra.errors import ConfigError, StorageError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")


def main(arguments: list[str]) -> int:
    """Runs the verb.

    Args:
        arguments: What stands behind `libra new-strategy`.

    Returns:
        The exit code.
    """
    name = _parser().parse_args(arguments).name
    _check_name(name)
    class_name = "".join(part.capitalize() for part in name.split("_"))
    strategy, profile = Path("strategies", f"{name}.py"), Path("config", f"{name}.toml")
    _write({strategy: _fill(STRATEGY, name, class_name), profile: _fill(PROFILE, name, class_name)})
    print(
        f"{strategy}  the strategy; every step is commented\n"
        f"{profile}  a profile that runs it on a synthetic market:\n\n"
        f"    libra run {profile}\n\n"
        "To run it under a profile of yours, add to that:\n\n"
        "    [[strategies]]\n"
        f'    name = "{name}"\n'
        f'    class = "{strategy}:{class_name}"\n'
        '    account = "paper"            # one of the profile\'s account groups\n'
        '    symbols = ["BTC/USDT:USDT"]  # among its instruments'
    )
    return exit_codes.OK


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) and not keyword.iskeyword(name) and not name.endswith("_"):
        return
    tidy = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip("_")
    usable = _NAME.fullmatch(tidy) is not None and not keyword.iskeyword(tidy)
    hint = f'; how about "{tidy}"?' if usable else ""
    raise ConfigError(f'"{name}" cannot name a strategy: use small letters, digits and "_", a letter first{hint}')


def _fill(template: str, name: str, class_name: str) -> str:
    return template.replace("@NAME@", name).replace("@CLASS@", class_name)


def _write(files: dict[Path, str]) -> None:
    taken = [str(path) for path in files if path.exists()]
    taken += [str(path) for path in _hidden(files)]
    if taken:
        raise ConfigError(f"{' and '.join(taken)} exist already and stay as they are; choose another name")
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error


def _hidden(files: dict[Path, str]) -> list[Path]:
    """Profiles that come with Libra and that a new file would hide."""
    from libra.config.profiles import profile_folders

    carried = [folder / path.name for folder in profile_folders()[1:] for path in files if path.suffix == ".toml"]
    return [path for path in carried if path.exists() and not any(path.samefile(p) for p in files if p.exists())]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="libra new-strategy",
        description="Writes strategies/NAME.py, a strategy to start from, and config/NAME.toml, which runs it.",
        allow_abbrev=False,
    )
    parser.add_argument("name", metavar="NAME", help='small letters, digits and "_": my_idea')
    return parser
