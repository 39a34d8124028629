"""One node of a topology, as a process: `python -m libra_cluster.member DESCRIPTOR`.

Its supervisor hands it one end of a pair of sockets (see `libra_cluster.wire`): what to build comes from there, and
what there is to tell goes there. A signal that ends it is told to the supervisor, which ends the run in order: a node
with accounts waits for its turn. When the supervisor is gone, it drains too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from libra import early_kill, exit_codes
from libra.cli.faults import report_fault
from libra.cli.leaving import run_and_leave
from libra.cli.logs import configure_logging
from libra.config import NodePart, settings_model
from libra.config.secrets import hand_over, seclude
from libra.errors import ConfigError, LibraError
from libra.stop_signals import stop_signals
from libra_cluster.bridge.settings import BridgeSettings
from libra_cluster.wire import LineReader, decode, encode
from libra_core import PrivateDescriptor, end_forks_by

if TYPE_CHECKING:
    from libra.assembly import RunResult, TradingNode
    from libra.assembly.bridge import NodeBridge
    from libra_cluster.server.membership import ServerMembership

__all__ = ["main"]

_PROGRESS_INTERVAL_S = 0.25


class _Teller:
    """Sends to the supervisor from a thread of its own: a supervisor that does not read must not hold up trading."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._news = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._status: dict[str, Any] | None = None
        self._is_over = False
        self._thread = threading.Thread(target=self._send, name="libra-teller", daemon=True)
        self._thread.start()

    def tell(self, message: dict[str, Any]) -> None:
        """Send a message behind those that wait."""
        line = encode(message)
        with self._news:
            self._waiting.append(line)
            self._news.notify()

    def show(self, status: dict[str, Any]) -> None:
        """Send a status; only the latest one waits."""
        with self._news:
            self._status = status
            self._news.notify()

    def close(self) -> None:
        """Send what waits, and end."""
        with self._news:
            self._is_over = True
            self._news.notify()
        self._thread.join()

    def _send(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._waiting or self._status is not None or self._is_over)
                lines, self._waiting = self._waiting, deque()
                status, self._status = self._status, None
                is_over = self._is_over
            if status is not None:
                lines.append(encode({"type": "status", "status": status}))
            for line in lines:
                try:
                    self._connection.sendall(line)
                except OSError:
                    # The supervisor is gone; `_follow` ends the node.
                    return
            if is_over:
                return


def main(arguments: list[str]) -> int:
    """The process.

    Args:
        arguments: The number of the descriptor to the supervisor; behind it ``secluded``, where keys will come by it.

    Returns:
        The exit code, as `libra run` has them.
    """
    # Our supervisor may pass the kill switch on at any time: it is kept until the node takes it.
    early_kill.hold()
    # Behind this the supervisor knows how the run went.
    return run_and_leave(lambda: _serve(arguments))


def _serve(arguments: list[str]) -> int:
    with socket.socket(fileno=int(arguments[0])) as connection, PrivateDescriptor(connection.fileno()):
        connection.set_inheritable(False)
        if "secluded" in arguments[1:]:
            seclude()
        reader = _Commands(connection)
        order = reader.next()
        if order is None:
            return exit_codes.FAILED
        hand_over(order.pop("keys", {}))
        teller = _Teller(connection)
        try:
            return _run(order, reader, teller)
        except Exception as error:
            if not isinstance(error, LibraError):
                report_fault(error)
            code = exit_codes.USAGE if isinstance(error, ConfigError) else exit_codes.FAILED
            text = str(error) if isinstance(error, LibraError) else f"{type(error).__name__}: {error}"
            teller.tell({"type": "error", "text": text, "exit_code": code})
            return code
        finally:
            teller.close()


def _run(order: dict[str, Any], reader: _Commands, teller: _Teller) -> int:
    settings = settings_model().model_validate(order["settings"], by_alias=True, by_name=False)
    early_kill.is_about(settings.account_logs)
    configure_logging(settings.node.log_level, settings.node.log_format)
    from libra.assembly import build
    from libra.assembly.turn import Turn
    from libra.assembly.vanished import vanished_status

    part = order["part"]
    elsewhere = {name: tuple(strategies) for name, strategies in part["elsewhere"].items()}
    part = NodePart(**{**part, "strategies": tuple(part["strategies"]), "elsewhere": elsewhere})
    membership, bridge = _join(order, settings.node.handler_timeout_s)
    try:
        resume = order["resume"] if part.accounts else ()
        node = build(settings, profile=order["profile"], resume=resume, part=part, bridge=bridge, live=order["live"])
        node.turn = Turn(
            node.core,
            lambda: teller.tell({"type": "asks", "signalled": node.core.stop_signal() is not None}),
            drain_timeout_s=node.options.drain_timeout_s,
            patience_s=order["patience_s"],
        )
        # From here on a stop is an orderly one, also when it comes before the node has taken the signal for itself.
        for number in stop_signals():
            signal.signal(number, lambda *_, name=number.name: node.stop(name))
            # What a strategy forks is no node.
            end_forks_by(number)
        teller.tell({"type": "built"})
        if reader.next() is None:
            return exit_codes.FAILED
        threading.Thread(target=_follow, args=(reader, node), name="libra-supervisor", daemon=True).start()

        def show(status: dict[str, Any]) -> None:
            teller.show({**status, **vanished_status(node.accounts), "vanished": node.ended.rows()})

        result = node.run(on_progress=show, progress_interval_s=_PROGRESS_INTERVAL_S)
        teller.tell(_result(node, result))
        return result.exit_code
    finally:
        if membership is not None:
            membership.close()


def _join(order: dict[str, Any], handler_timeout_s: float) -> tuple[ServerMembership | None, NodeBridge | None]:
    """The bridge, where the topology has one, and our share in its server, where that is the topology's own."""
    if not order["joined"]:
        return None, None
    from libra_cluster.bridge.native import open_bridge
    from libra_cluster.server.membership import ServerMembership

    bridge = BridgeSettings.model_validate(order["bridge"], by_alias=True, by_name=False)
    membership = ServerMembership(bridge.environment, appendonly=bridge.appendonly) if bridge.url is None else None
    url = bridge.url if membership is None else membership.url
    return membership, open_bridge(
        bridge,
        url=url or "",
        node=order["name"],
        nodes=order["nodes"],
        accounts=order["accounts"],
        handler_timeout_s=handler_timeout_s,
    )


def _result(node: TradingNode, result: RunResult) -> dict[str, Any]:
    return {
        "type": "result",
        "summary": result.summary,
        "exit_code": result.exit_code,
        "orders": result.orders,
        "fills": result.fills,
        "equity": result.equity,
        "bridge": node.bridge_end.stats,
    }


def _follow(reader: _Commands, node: TradingNode) -> None:
    """Listens while the node runs; what ends that is the supervisor's death."""
    turn = node.turn
    if turn is None:
        raise AssertionError("a member has one")
    while (message := reader.next()) is not None:
        if message["type"] == "vanished":
            node.strategies_are_gone(message["strategies"])
        elif message["type"] == "drain":
            turn.come()
    # Nobody reads our output either, and who writes there must not wait.
    void = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(void, descriptor)
    os.close(void)
    # Nobody keeps the order any more.
    turn.come()
    if node.core.stop_signal() is None:
        # A second signal would end it at once.
        os.kill(os.getpid(), signal.SIGTERM)


class _Commands:
    """What the supervisor says."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = LineReader()
        self._ready: deque[bytes] = deque()

    def next(self) -> dict[str, Any] | None:
        """The next message; None when the supervisor is gone."""
        while not self._ready:
            piece = b""
            with contextlib.suppress(OSError):
                piece = self._connection.recv(1 << 16)
            if not piece:
                return None
            self._ready.extend(self._lines.feed(piece))
        return decode(self._ready.popleft())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
