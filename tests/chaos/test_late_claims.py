"""A claim that is run after its client has given up takes nothing from the life that was claimed since."""

import contextlib
import socket
import threading
from collections.abc import Iterator

from tests.chaos.driven import Place
from tests.chaos.topology import Server

from libra.core.events import EventType


class Between:
    """Passes bytes on between nodes and a server. The first claim waits to be let through, as behind a partition."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.claim: tuple[socket.socket, bytes] | None = None
        self.answer = b""
        self._sockets = [self._listener]
        self._threads = [self._start(self._accept)]

    def _start(self, work: object, *args: object) -> threading.Thread:
        thread = threading.Thread(target=work, args=args, daemon=True)  # type: ignore[arg-type]
        thread.start()
        return thread

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                node, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
                self._sockets += [node, server]
                self._threads += [self._start(self._pass, node, server), self._start(self._pass, server, node)]

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := one.recv(1 << 16):
                if self.claim is None and b"$12\r\nlibra1_claim" in piece:
                    self.claim = (other, piece)
                    return
                if self.claim is not None and one is self.claim[0]:
                    self.answer += piece
                other.sendall(piece)
            if self.claim is None or other is not self.claim[0]:
                other.shutdown(socket.SHUT_RDWR)

    def let_through(self) -> None:
        assert self.claim is not None
        server, piece = self.claim
        server.sendall(piece)

    def close(self) -> None:
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join()


@contextlib.contextmanager
def place_behind() -> Iterator[tuple[Place, Between]]:
    with Place(["pub", "con"], serving=False) as place:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        place.server = Server(place.folder, port=port)
        place.server.start()
        between = Between(port)
        place.settings["url"] = f"redis://127.0.0.1:{between.port}"
        try:
            yield place, between
        finally:
            for node in place.nodes:
                node.bridge.stop(0.0)
            between.close()


def test_a_claim_that_is_run_late_does_not_end_its_own_node():
    with place_behind() as (place, between):
        pub = place.node("pub")
        place.until(lambda: pub.told("connected"))
        assert between.claim is not None, "the first one waits"
        epoch = pub.link()["epoch"]
        between.let_through()
        place.until(lambda: between.answer)
        assert f"\r\n{epoch}\r\n" in place.server.ask("HGETALL libra:driven:epochs")
        # Whoever is connected anew opens its channels with the life that it claimed.
        before = pub.link()["connections"]["calls"]["connects"]
        [calls] = [number for name, number in place.server.connections().items() if name.endswith("calls")]
        place.server.ask(f"CLIENT KILL ID {calls}")
        place.until(lambda: pub.link()["connections"]["calls"]["connects"] > before)
        assert pub.publish(EventType.ORDER_FILLED, 1)
        place.until(lambda: pub.outboxes()["ORDERS"]["confirmed"] == 1 or pub.link()["fenced"])
        assert pub.link()["fenced"] is False, pub.news
