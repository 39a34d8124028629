"""`libra exchange-sim`: a simulated exchange that speaks Binance's protocols, as a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from libra import exit_codes
from libra.errors import ConfigError, GatewayError

if TYPE_CHECKING:
    from libra.exchange_sim import SimSettings

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def main(arguments: list[str]) -> int:
    """Runs the verb.

    Args:
        arguments: What stands behind `libra exchange-sim`.

    Returns:
        The exit code.
    """
    if arguments[:1] == ["fault"]:
        from libra.cli.exchange_sim_fault import main as fault

        return fault(arguments[1:])
    return _serve(_parser().parse_args(arguments))


def _serve(options: argparse.Namespace) -> int:
    import msgspec

    from libra.exchange_sim import load_settings

    try:
        from libra.exchange_sim.server import serve
        from libra.exchange_sim.venue import Venue
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{error.name} is missing: a simulated exchange needs `pip install libra[exchange-sim]`"
        ) from error
    settings = load_settings(options.config)
    given = {name: getattr(options, name) for name in ("host", "port", "seed") if getattr(options, name) is not None}
    settings = msgspec.structs.replace(settings, **given)
    if settings.host not in LOOPBACK and not options.listen_anywhere:
        raise ConfigError(f"{settings.host} can be reached from elsewhere: say --listen-anywhere where that is meant")
    venue = Venue(settings)
    ready = _Ready(settings, as_json=options.json)
    try:
        if sys.platform == "win32":
            asyncio.run(serve(venue, ready.tell, until_eof=options.until_eof))
        else:
            import uvloop

            uvloop.run(serve(venue, ready.tell, until_eof=options.until_eof))
    except OSError as error:
        raise GatewayError(f"{settings.host}:{settings.port}: {error.strerror or error}") from error
    return exit_codes.OK


@dataclass(frozen=True)
class _Ready:
    """Says where the exchange listens."""

    settings: SimSettings
    as_json: bool

    def tell(self, host: str, port: int) -> None:
        """Prints it, as one line for machines or as a few for people."""
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        accounts = [{"name": account.name, "api_key": account.api_key} for account in self.settings.accounts]
        if self.as_json:
            line = {"event": "ready", "url": f"http://{place}", "ws": f"ws://{place}", "accounts": accounts}
            print(json.dumps(line), flush=True)
            return
        symbols = ", ".join(market.symbol for market in self.settings.markets)
        print(f"The simulated exchange listens on http://{place} (Ctrl-C ends it).")
        print(f"  markets   {symbols}")
        for account in accounts:
            print(f"  account   {account['name']} (key {account['api_key']})")
        sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="libra exchange-sim",
        description="A simulated exchange that speaks Binance's protocols, spot and USD-M, to unmodified clients.",
        epilog="libra exchange-sim fault ... breaks something at one that runs; "
        "exit codes: 0 ended by Ctrl-C, SIGTERM or SIGHUP, 1 failed, 2 usage or configuration",
        allow_abbrev=False,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="markets, accounts and limits (TOML)")
    parser.add_argument("--host", metavar="ADDRESS", help="where to listen (default 127.0.0.1)")
    parser.add_argument("--port", type=int, metavar="N", help="the port (default: any that is free)")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of the synthetic markets")
    parser.add_argument("--listen-anywhere", action="store_true", help="allow an address that others can reach")
    parser.add_argument("--json", action="store_true", help="one line of JSON when it listens")
    parser.add_argument(
        "--until-eof", action="store_true", help="end with the standard input, as a child of a run does"
    )
    return parser
