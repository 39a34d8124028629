"""`libra run`: loads a profile, runs the node, and tells how it went."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, redirect_stdout
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from libra import early_kill
from libra.cli.arguments import add_profile_arguments, flags_of
from libra.cli.beside import with_exchange
from libra.cli.display import SafeDisplay, open_display
from libra.cli.faults import is_reader_gone, not_told, silence_stdout
from libra.cli.logs import configure_logging
from libra.cli.outlet import unhurried_output
from libra.cli.results import Rows, prepare_folder, write_results
from libra.cli.terminal import readers_that_may_go
from libra.errors import ConfigError, LibraError

if TYPE_CHECKING:
    from libra.config import Settings

PROGRESS_INTERVAL_S = 0.25


class RunResult(Protocol):
    """What a node gives back at the end of a run."""

    summary: Mapping[str, Any]
    exit_code: int
    orders: Rows
    fills: Rows
    equity: Rows


class RunningNode(Protocol):
    """A node that was built from settings."""

    def run(
        self, on_progress: Callable[[dict[str, Any]], None] | None = None, progress_interval_s: float = 0.25
    ) -> RunResult:
        """Runs to the end."""


def main(arguments: list[str]) -> int:
    """Runs the verb.

    Args:
        arguments: What stands behind `libra run`.

    Returns:
        The exit code.
    """
    options = _parser().parse_intermixed_args(arguments)
    from libra.config import load

    settings = load(options.profile, flags=flags_of(options), live=options.live)
    early_kill.is_about(settings.account_logs)
    _require_data(settings)
    if options.out is not None:
        options.out = options.out.absolute()
        prepare_folder(options.out)
    configure_logging(settings.node.log_level, settings.node.log_format)
    with ExitStack() as stack:
        stack.enter_context(readers_that_may_go())
        # One process writes for several nodes, and stops them: no reader may hold that up.
        outlets = stack.enter_context(unhurried_output()) if getattr(settings, "nodes", None) else None
        with with_exchange(settings) as settings:
            result = _run(settings, options)
        if outlets is not None:
            # The nodes are gone, and our end may wait for a reader: from here on the switch is the next start's.
            early_kill.give_up(interrupts=False)
            outlets.keep_all()
        try:
            if options.out is not None:
                write_results(options.out, {"orders": result.orders, "fills": result.fills, "equity": result.equity})
        finally:  # a full disk must not hide what was traded
            _tell(result, as_json=options.json, out=options.out)
    return result.exit_code


def _require_data(settings: Settings) -> None:
    if settings.market.kind == "replay" and not settings.market.files:
        raise ConfigError("there is nothing to replay: name recordings with --data FILE..., or in market.files")


def _run(settings: Settings, options: argparse.Namespace) -> RunResult:
    as_json: bool = options.json
    node = _build(settings, profile=options.profile or settings.node.name, resume=options.resume, live=options.live)
    with ExitStack() as stack:
        display = stack.enter_context(open_display(settings.node.name, as_json=as_json))
        if as_json:  # what a strategy prints must not get into the object's way
            stack.enter_context(redirect_stdout(sys.stderr))
        try:
            return node.run(on_progress=SafeDisplay(display).show, progress_interval_s=PROGRESS_INTERVAL_S)
        except SystemExit as error:
            # Its code is not the run's, which has no summary to stand behind one.
            raise LibraError("the run ended in the middle: somebody's code asked the process to exit") from error


def _build(settings: Settings, *, profile: str, resume: list[str], live: bool) -> RunningNode:
    from libra.config import Settings as PlainSettings

    try:
        if type(settings) is not PlainSettings:
            from libra.config import plugins

            for plugin in plugins():
                if plugin.takes(settings):
                    taken: RunningNode = plugin.build(settings, profile=profile, resume=resume, live=live)
                    return taken
        assembly = import_module("libra.assembly")
    except ImportError as error:
        if error.name is not None and error.name.partition(".")[0] == "libra_core":
            raise LibraError(f"the native core cannot be loaded ({error}); build it with: uv sync") from error
        raise
    node: RunningNode = assembly.build(settings, profile=profile, resume=resume, live=live)
    return node


def _tell(result: RunResult, *, as_json: bool, out: Path | None) -> None:
    try:
        _print_result(result, as_json=as_json, out=out)
        sys.stdout.flush()
    except OSError as error:
        is_gone = is_reader_gone(error, sys.stdout)
        silence_stdout()
        if not is_gone:  # how the run ended matters more than a reader who left
            raise not_told(error) from error


def _print_result(result: RunResult, *, as_json: bool, out: Path | None) -> None:
    if as_json:
        print(json.dumps(_json_ready(result.summary), allow_nan=False, ensure_ascii=False))
        return
    from libra.cli.summary import open_console, print_summary

    console = open_console()
    print_summary(result.summary, result.exit_code, console)
    if out is not None:
        console.print(f"orders, fills and equity: {out}", soft_wrap=True, markup=False)
    for why in result.summary.get("failures", ()):
        console.print(why, soft_wrap=True, markup=False)
    for account, why in result.summary.get("stopped", {}).items():
        told = f"account {account} ended stopped: {why}.{_stays(account, why)}"
        console.print(told, soft_wrap=True, markup=False)


def _stays(account: str, why: str) -> str:
    if why.startswith("KILL_SWITCH"):
        return f" With a log it stays so: start with --resume {account}."
    lasts = any(code in why for code in ("INCIDENT: ", "DRAWDOWN: "))
    return f" With a log it stays so, until libra resume --account {account} while it runs." if lasts else ""


def _json_ready(value: Any) -> Any:  # noqa: ANN401 - a JSON tree
    """Decimals as text, everything else as JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): _json_ready(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_ready(item) for item in value]
    return format(value, "f") if isinstance(value, Decimal) else value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="libra run",
        description="Runs the strategies of a profile. Ctrl-C drains and ends with a summary.",
        epilog="exit codes: 0 ok, 1 failed, 2 usage or configuration, 3 an account ended stopped "
        "(kill switch, loss limit, incident)",
        allow_abbrev=False,
    )
    add_profile_arguments(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="write orders, fills and equity there, as Parquet")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end, and nothing else")
    parser.add_argument(
        "--resume",
        action="append",
        default=[],
        metavar="ACCOUNT",
        help="take back the kill latch that an earlier run left in the account's log; may be repeated",
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="trade with real money, where the profile names a venue that is no test network",
    )
    return parser
