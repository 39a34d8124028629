"""`libra exchange-sim fault`: breaks something at a simulated exchange that runs, from the shell."""

from __future__ import annotations

import argparse
import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from libra import exit_codes
from libra.errors import ConfigError, GatewayError

_TEXTS = ("account", "side", "stream", "symbol", "method", "path", "event", "ip")


def main(arguments: list[str]) -> int:
    """Runs the verb.

    Args:
        arguments: What stands behind `libra exchange-sim fault`.

    Returns:
        The exit code.
    """
    options = _parser().parse_args(arguments)
    if options.kind == "list":
        answer = _ask(options.url, "GET", "faults")
    elif options.kind == "clear":
        answer = _ask(options.url, "DELETE", "faults")
    else:
        wanted = {"kind": options.kind, "count": options.count, "for_s": options.for_s, "seconds": options.seconds}
        wanted |= {"status": options.status, **{name: getattr(options, name) for name in _TEXTS}}
        wanted = {name: value for name, value in wanted.items() if value is not None}
        answer = _ask(options.url, "POST", "faults", wanted)
    print(json.dumps(answer, ensure_ascii=False) if options.json else _text(options.kind, answer))
    return exit_codes.OK


def _ask(url: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - any JSON
    place = urlsplit(url)
    if place.scheme != "http" or not place.hostname:
        raise ConfigError(f'"{url}" is no address of a simulated exchange, as http://127.0.0.1:9000')
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=10)
    try:
        connection.request(method, f"/control/{path}", json.dumps(body) if body is not None else None)
        answer = connection.getresponse()
        said = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise GatewayError(f"{url} does not answer as a simulated exchange: {error}") from error
    finally:
        connection.close()
    if answer.status >= 400:
        raise ConfigError(str(said.get("msg", said)))
    return said


def _text(kind: str, answer: Any) -> str:  # noqa: ANN401 - any JSON
    if kind == "clear":
        return f"{answer['cleared']} faults cleared"
    rows = answer if isinstance(answer, list) else [answer]
    lines = []
    for row in rows:
        terms = (f"{name}={value}" for name, value in row.items() if name not in {"id", "kind", "hits"} and value)
        lines.append(f"{row['id']}  {row['kind']}  {' '.join(terms)}  (hits {row['hits']})")
    return "\n".join(lines) or "no faults"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="libra exchange-sim fault",
        description="Sets a fault at a simulated exchange: KIND is one of docs/guides/exchange-sim.md; or list, clear.",
        epilog="exit codes: 0 ok, 1 it does not answer, 2 usage",
        allow_abbrev=False,
    )
    parser.add_argument("kind", metavar="KIND|list|clear")
    parser.add_argument("--url", required=True, metavar="URL", help="where the exchange listens")
    parser.add_argument("--account", help="whose")
    parser.add_argument("--side", choices=("spot", "linear"), help="on which side of the venue")
    parser.add_argument("--stream", metavar="PATTERN", help="streams by name; user or api for those connections")
    parser.add_argument("--symbol", help="of which symbol")
    parser.add_argument("--method", help="requests of this method")
    parser.add_argument("--path", metavar="PATTERN", help="requests to this path, as order")
    parser.add_argument("--event", metavar="PATTERN", help="user events of this kind")
    parser.add_argument("--ip", metavar="ADDRESS", help="who is banned (default 127.0.0.1)")
    parser.add_argument("--count", type=int, metavar="N", help="so often")
    parser.add_argument("--for", type=float, dest="for_s", metavar="S", help="for so many seconds")
    parser.add_argument("--seconds", type=float, metavar="S", help="how late, how long, how much ahead")
    parser.add_argument("--status", type=int, metavar="CODE", help="the HTTP status of errors")
    parser.add_argument("--json", action="store_true", help="JSON for machines")
    return parser
