"""The entry point: finds the verb, runs it, and turns whatever it raises into a message and an exit code.

A package plugs in a verb by an entry point in the group `libra.commands`: its name is the verb, its value a function
that takes the list of arguments behind the verb and returns an exit code; the first line of its docstring stands in
the help. It is loaded only when it, or the help, is asked for.
"""

from __future__ import annotations

import argparse
import difflib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module, metadata

from libra import early_kill, exit_codes
from libra.cli.descriptors import open_missing
from libra.cli.faults import report_fault, silence_stdout
from libra.cli.leaving import run_and_leave
from libra.errors import ConfigError, LibraError

COMMANDS_GROUP = "libra.commands"

Verb = Callable[[list[str]], int]

_VERBS = {
    "run": ("libra.cli.run:main", "run strategies on a synthetic market, recordings or a gateway"),
    "status": ("libra.cli.status:main", "show the nodes that run here, their accounts, orders and positions"),
    "kill-switch": ("libra.cli.kill_switch:main", "stop new orders at once and cancel open ones"),
    "resume": ("libra.cli.resume:main", "let orders leave again after the kill switch"),
    "limits": ("libra.cli.limits:main", "show or change the risk limits of a running account"),
    "stop": ("libra.cli.stop:main", "end a running node, or one of its strategies, in an orderly way"),
    "trace": ("libra.cli.trace:main", "show the path of an order, or of any trace, over the nodes that run here"),
    "journal": ("libra.cli.journal:main", "show, export or verify what an account did, from its journal"),
    "exchange-sim": ("libra.cli.exchange_sim:main", "run a simulated exchange for clients of Binance's protocols"),
    "config": ("libra.cli.config_verb:main", "check a profile, show what holds, print the schema"),
    "new-strategy": ("libra.cli.new_strategy:main", "write a strategy to start from, with a profile that runs"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: The arguments behind the program's name, those of the process where left out.

    Returns:
        0 ok, 1 failed, 2 usage or configuration, 3 an account ended stopped.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["run"]:
        # Before anything else: until a node takes it, the signal would end a process that comes to trade.
        early_kill.hold()
    open_missing()
    return run_and_leave(lambda: _run_verb(arguments))


def _run_verb(arguments: list[str]) -> int:
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        silence_stdout()
        return exit_codes.FAILED
    except SystemExit as stop:  # argparse has said what was wrong
        return stop.code if isinstance(stop.code, int) else exit_codes.USAGE
    except ConfigError as error:
        _say(error)
        return exit_codes.USAGE
    except LibraError as error:
        _say(error)
        return exit_codes.FAILED
    except KeyboardInterrupt:
        print("libra: interrupted", file=sys.stderr)
        return exit_codes.FAILED
    except Exception as error:
        report_fault(error)
        return exit_codes.FAILED
    except BaseException as error:
        # A panic of the native core; its class is not known without loading that.
        if type(error).__name__ != "PanicException":
            raise
        report_fault(error)
        return exit_codes.FAILED
    return code


def _say(error: LibraError) -> None:
    if os.environ.get("LIBRA_DEBUG") == "1":
        report_fault(error)
    else:
        print(f"libra: {error}", file=sys.stderr)


def _dispatch(arguments: list[str]) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.verb is None:
        parser.print_help(sys.stderr)
        return exit_codes.USAGE
    return _find_verb(options.verb)(options.arguments)


def _find_verb(name: str) -> Verb:
    if name in _VERBS:
        module, _, function = _VERBS[name][0].partition(":")
        verb: Verb = getattr(import_module(module), function)
        return verb
    plugged = _plugged_verbs()
    if name in plugged:
        return _load(plugged[name])
    close = difflib.get_close_matches(name, [*_VERBS, *plugged], n=1)
    hint = f'; did you mean "{close[0]}"?' if close else f"; verbs are {', '.join([*_VERBS, *plugged])}"
    raise ConfigError(f'there is no verb "{name}"{hint}')


def _load(entry: metadata.EntryPoint) -> Verb:
    try:
        verb: Verb = entry.load()
    except ImportError as error:
        origin = entry.dist.name if entry.dist is not None else entry.value
        raise LibraError(f'the verb "{entry.name}" of {origin} cannot be loaded: {error}') from error
    return verb


def _plugged_verbs() -> dict[str, metadata.EntryPoint]:
    return {entry.name: entry for entry in metadata.entry_points(group=COMMANDS_GROUP) if entry.name not in _VERBS}


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"libra {_version()}")
        parser.exit()


def _version() -> str:
    try:
        return metadata.version("libra")
    except metadata.PackageNotFoundError:
        return "(not installed)"


class _Parser(argparse.ArgumentParser):
    """Lists the verbs, those plugged in among them, only when help is asked for."""

    def format_help(self) -> str:
        rows = {name: text for name, (_, text) in _VERBS.items()}
        rows.update({name: _origin(entry) for name, entry in _plugged_verbs().items()})
        width = max(map(len, rows))
        self.epilog = "verbs:\n" + "\n".join(f"  {name:<{width}}  {text}" for name, text in rows.items())
        return super().format_help()


def _origin(entry: metadata.EntryPoint) -> str:
    """What its first line says of it, or whose it is."""
    try:
        said = inspect.getdoc(entry.load()) or ""
    except (Exception, SystemExit):  # a package that is broken breaks nobody's help
        said = ""
    first = said.partition("\n")[0]
    return (
        first[:1].lower() + first[1:].rstrip(".")
        or f"from {entry.dist.name if entry.dist is not None else entry.value}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="libra",
        description="Trading strategies as isolated actors, on one laptop or on many hosts.",
        usage="libra VERB [ARGUMENTS]   (libra VERB --help says more)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and leave")
    parser.add_argument("verb", nargs="?", metavar="VERB", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
