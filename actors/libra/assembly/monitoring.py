"""What a node shows over HTTP where `[telemetry] metrics` says where: its metrics, its health, its status.

Everything is answered from threads of the endpoint's own, beside the loop and without it. See `libra.telemetry.metrics`
for the metrics, `libra.assembly.conditions` for what readiness is.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

import libra
from libra.assembly.conditions import Conditions
from libra.config.addresses import split_address
from libra.config.live import key_names
from libra.config.secrets import environment
from libra.control.messages import json_line
from libra.core.actor import ActorState
from libra.errors import ConfigError
from libra.gateways.ccxt.credentials import read_secret
from libra.telemetry.beside import read_beside
from libra.telemetry.endpoint import Answer, Endpoint
from libra.telemetry.metrics import accounts, bridge, venues
from libra.telemetry.metrics import node as metrics_of_node
from libra.telemetry.metrics.collector import NodeCollector
from libra.telemetry.pulse import Pulse

if TYPE_CHECKING:
    from libra.assembly.trading_node import TradingNode
    from libra.config import Settings
    from libra.telemetry.metrics.declared import Row

__all__ = ["Monitoring"]

_log = logging.getLogger(__name__)

_PRIVATE: Final = frozenset({"latch", "path", "profile"})
"""Keys of a status that others have no use for: what a resume names, and paths of this host."""
_HIDDEN = "***"
_SHORTEST_SECRET = 6


class Monitoring:
    """Listens from its making on, so that an address that is taken is known before anything trades.

    Args:
        node: The node.
        settings: What it runs; `telemetry.metrics` says where to listen.

    Raises:
        ConfigError: When the address cannot be had.
    """

    def __init__(self, node: TradingNode, settings: Settings) -> None:
        host, port = split_address(settings.telemetry.metrics or "")
        self._node = node
        self._pulse = Pulse(0.0 if node.options.simulated else node.options.handler_timeout_s)
        self._conditions = Conditions(node, self._pulse)
        self._status: Callable[[], dict[str, Any]] = dict
        self._secrets = _secrets(settings)
        self._named = _named(settings)
        self._settled_in = {name: instrument.settle for name, instrument in node.instruments.items()}
        self._collector = NodeCollector(
            [
                ("the node", metrics_of_node.METRICS, self._node_rows),
                ("accounts", accounts.METRICS, self._account_rows),
                ("the bridge", bridge.METRICS, self._bridge_rows),
                ("venues", venues.METRICS, lambda: venues.venue_rows(node.venue_rows())),
            ]
        )
        self._native_restarts = 0
        routes: dict[str, Callable[[str], Answer]] = {
            "/metrics": self._metrics,
            "/livez": lambda _: self._health("live", self._conditions.missing_to_live),
            "/readyz": lambda _: self._health("ready", self._conditions.missing_to_be_ready),
            "/startupz": lambda _: self._health("started", self._conditions.missing_to_start),
            "/status": self._tell_status,
        }
        try:
            self._endpoint = Endpoint(host, port, routes)
        except OSError as error:
            raise ConfigError(
                f"telemetry.metrics: {host}:{port} cannot be had: {error.strerror or error}. Where another node or"
                " program has it name another address, or port 0 for any free one"
            ) from None

    @property
    def url(self) -> str:
        """Where the metrics are."""
        return f"{self._endpoint.url}/metrics"

    def start(self, status: Callable[[], dict[str, Any]]) -> None:
        """Begin to answer; on the node's loop.

        Args:
            status: Where the node stands, as `libra status` tells it.
        """
        self._status = status
        self._pulse.start(asyncio.get_running_loop())
        self._endpoint.start()
        _log.info("metrics: %s", self.url)
        if not _is_loopback(self._endpoint.url):
            _log.warning("metrics: %s is open to other hosts: positions and profits can be read there", self.url)

    def close(self, timeout_s: float = 1.0) -> None:
        """Answer no more; whoever is being answered has so long."""
        self._pulse.stop()
        self._endpoint.close(timeout_s)

    # What is answered ------------------------------------------------------------------------------------------------

    def _metrics(self, accept: str) -> Answer:
        body, content_type = self._collector.text(accept)
        return Answer(HTTPStatus.OK, body, content_type)

    def _tell_status(self, _accept: str) -> Answer:
        return self._hide(Answer(HTTPStatus.OK, json_line(_public(read_beside(self._status)))))

    def _health(self, what: str, missing_to_be_so: Callable[[], list[str]]) -> Answer:
        missing = read_beside(missing_to_be_so)
        status = HTTPStatus.SERVICE_UNAVAILABLE if missing else HTTPStatus.OK
        return self._hide(Answer(status, json_line({what: not missing, "missing": missing})))

    def _hide(self, answer: Answer) -> Answer:
        """Texts of others, of a venue or a server, stand in here."""
        body = answer.body
        for secret in self._secrets:
            body = body.replace(secret, _HIDDEN.encode())
        return answer._replace(body=body)

    # What is read ----------------------------------------------------------------------------------------------------

    def _node_rows(self) -> Iterator[Row]:
        node = self._node
        states = node.actor_states()
        # While sources are being stopped the feed is out of reach, and its count with it.
        self._native_restarts = max(self._native_restarts, node.core.native_restarts)
        yield from metrics_of_node.node_rows(
            node.options.name,
            libra.__version__,
            is_ready=not self._conditions.missing_to_be_ready(),
            is_draining=node.is_draining,
            strategies={
                entry.name: (entry.account, states[entry.name] is ActorState.RUNNING) for entry in node.strategies
            },
            errors=node.errors,
            snapshot_errors=node.snapshot_errors,
            native_restarts=self._native_restarts,
        )
        yield from metrics_of_node.lane_rows(node.core.counts()["lanes"])
        yield from metrics_of_node.actor_rows(
            {name: str(state) for name, state in states.items()},
            node.failed,
            node.core.waiting_s(),
            node.actor_loads(),
            dict(node.blocking.counts),
        )
        yield from metrics_of_node.letter_rows(node.core.dead_letter_counts(), states)
        yield from metrics_of_node.loop_rows(self._pulse.age_s, self._pulse.lag())

    def _account_rows(self) -> Iterator[Row]:
        for account in list(self._node.accounts.values()):
            yield from accounts.account_rows(
                account, self._named, self._settled_in, self._node.journals.row(account.name)
            )

    def _bridge_rows(self) -> Iterator[Row]:
        stats, row = self._node.bridge_stats()
        yield from bridge.bridge_rows(stats, row, time.time_ns())


def _public(value: Any) -> Any:  # noqa: ANN401 - a JSON tree
    if isinstance(value, dict):
        return {key: _public(item) for key, item in value.items() if key not in _PRIVATE}
    return [_public(item) for item in value] if isinstance(value, (list, tuple)) else value


def _named(settings: Settings) -> frozenset[str]:
    keys = settings.telemetry.metrics_symbols
    return frozenset(entry.id for key in keys if (entry := settings.instrument(key)) is not None)


def _secrets(settings: Settings) -> list[bytes]:
    """The values of the accounts' keys, as they would stand in an answer."""
    known = environment()
    values = []
    for name in sorted(key_names(settings)):
        # Where it cannot be had there is nothing to hide: whoever needs it says so.
        with contextlib.suppress(ConfigError):
            values.append(read_secret(name, known))
    return [json.dumps(value, ensure_ascii=False)[1:-1].encode() for value in values if len(value) >= _SHORTEST_SECRET]


def _is_loopback(url: str) -> bool:
    host = url.removeprefix("http://").rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
