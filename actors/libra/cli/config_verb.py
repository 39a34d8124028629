"""`libra config check|show|schema`: what a profile says, without running it."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from libra import exit_codes
from libra.cli.arguments import add_profile_arguments, flags_of

if TYPE_CHECKING:
    from libra.config import Settings


def main(arguments: list[str]) -> int:
    """Runs the verb.

    Args:
        arguments: What stands behind `libra config`.

    Returns:
        The exit code.
    """
    parser = _parser()
    options = parser.parse_intermixed_args(arguments)
    if options.action == "schema":
        from libra.config import json_schema

        print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
        return exit_codes.OK
    from libra.config import load

    settings = load(options.profile, flags=flags_of(options))
    if options.action == "show":
        _show(settings, as_json=options.json)
        return exit_codes.OK
    from libra.config.sharing import limits_without_parts

    warnings = limits_without_parts(settings, settings.account_groups)
    if options.json:
        print(json.dumps({"ok": True, **_counts(settings), "warnings": warnings}, ensure_ascii=False))
    else:
        for warning in warnings:
            print(f"warning: {warning}", file=sys.stderr)
        print("ok: " + ", ".join(_counted(count, what) for what, count in _counts(settings).items()))
    return exit_codes.OK


def _show(settings: Settings, *, as_json: bool) -> None:
    from libra.config.toml_text import plain_settings, to_toml

    data = plain_settings(settings)
    print(json.dumps(data, indent=2, default=str, ensure_ascii=False) if as_json else to_toml(data), end="")
    if as_json:
        print()


def _counts(settings: Settings) -> dict[str, int]:
    return {
        "instruments": len(settings.instruments),
        "account_groups": len(settings.account_groups),
        "strategies": len(settings.strategies),
    }


def _counted(count: int, what: str) -> str:
    """A number of things in words: their names end in "s" or "ies"."""
    words = what.replace("_", " ")
    if count == 1:
        words = words[:-3] + "y" if words.endswith("ies") else words[:-1]
    return f"{count} {words}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="libra config",
        description="check: report every mistake of a profile at once. show: print the settings that hold in the end. "
        "schema: print the JSON schema of profiles.",
        allow_abbrev=False,
    )
    parser.add_argument("action", choices=("check", "show", "schema"), metavar="check|show|schema")
    add_profile_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser
