"""Which journal a verb is about: named as a file, by a profile, or that of a running node."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from libra.cli.nodes import running_nodes
from libra.errors import ConfigError, ControlError

__all__ = ["JournalFiles", "add_file_arguments", "chosen_journal"]


@dataclass(frozen=True, slots=True)
class JournalFiles:
    """A journal, and the log that it is made of where that was named, too; else the journal names it."""

    journal: Path
    log: Path | None = None


def add_file_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds --file, --log, --profile and --account."""
    parser.add_argument("--file", type=Path, metavar="FILE", help="the journal (else: that of the node that runs here)")
    parser.add_argument("--log", type=Path, metavar="FILE", help="its log, where the journal cannot tell")
    parser.add_argument("--profile", metavar="PROFILE", help="the journal of this profile")
    parser.add_argument("--account", metavar="NAME", help="the account, where there are several")


def chosen_journal(options: argparse.Namespace) -> JournalFiles:
    """The journal that is meant.

    Raises:
        ConfigError: When none is, or more than one may be.
    """
    if options.file is not None and options.profile is not None:
        raise ConfigError("name the journal by --file or by --profile, not by both")
    if options.file is not None:
        return JournalFiles(options.file, options.log)
    found = _of_profile(options.profile) if options.profile is not None else _of_nodes()
    chosen = [(account, files) for account, files in found if options.account in (None, account)]
    if len(chosen) == 1:
        files = chosen[0][1]
        return JournalFiles(files.journal, options.log or files.log)
    where = f"the profile {options.profile}" if options.profile is not None else "a node that runs here"
    if not chosen:
        named = f" of account {options.account}" if options.account else ""
        raise ConfigError(f"{where} keeps no journal{named}: name one by --file FILE or --profile PROFILE")
    listed = "\n".join(f"  --account {account}  {files.journal}" for account, files in chosen)
    raise ConfigError(f"there are several journals; choose one by --account, or by --file:\n{listed}")


def _of_profile(profile: str) -> list[tuple[str, JournalFiles]]:
    from libra.config import load

    groups = load(profile).account_groups
    return [
        (group.name, JournalFiles(path, Path(group.log.path)))
        for group in groups
        if (path := group.journal_path) is not None and group.log.path is not None
    ]


def _of_nodes() -> list[tuple[str, JournalFiles]]:
    found = []
    for client in running_nodes():
        try:
            accounts = client.ask("status")["accounts"]
        except ControlError as error:
            raise ConfigError(f"{client.node.name} does not say where its journals are: {error.text}") from error
        found += [
            (account["name"], JournalFiles(Path(account["journal"]["path"])))
            for account in accounts
            if account.get("journal") is not None
        ]
    return found
