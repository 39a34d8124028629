"""Nodes of this process over a real server, driven by hand: for what has to happen in an order."""

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.chaos.topology import Server, wait_until

from libra.core.events import Event, EventType
from libra_core import Bridge, NodeCore

NEWS = ("BRIDGE_CONNECTED", "BRIDGE_DISCONNECTED", "BRIDGE_GAP", "BRIDGE_OVERFLOW", "NODE_UP", "NODE_DOWN")

N = TypeVar("N", bound="Driven")


class Driven:
    """The native side of a node, with one actor that takes some types, and one that hears the bridge's news."""

    def __init__(self, settings: dict[str, Any], name: str, *event_types: EventType) -> None:
        self.core = NodeCore(simulated=False, lane_capacity=65_536)
        self.handled: list[tuple[str, Any]] = []
        self.news: list[Any] = []
        self.slot = self.core.add_actor("worker")
        for event_type in event_types:
            self.core.subscribe(self.slot, event_type, self._handle)
        hears = self.core.add_actor("news")
        for told in NEWS:
            self.core.subscribe(hears, EventType[told], lambda event: self.news.append(event.payload))
        self.bridge = Bridge(self.core, settings | {"node": name})

    def _handle(self, event: Event) -> None:
        self.handled.append((event.event_type.name, event.payload))

    def start(self) -> Self:
        self.bridge.start()
        return self

    def turn(self) -> int:
        """Takes in what came and runs handlers; how much that was."""
        self.core.unpark()
        return self.core.ingest() + self.core.drain(256, 1_000_000)[0]

    def publish(self, event_type: EventType, payload: Any) -> bool:
        return self.core.emit(self.slot, event_type, payload)

    def link(self) -> dict[str, Any]:
        return self.bridge.stats()["link"]

    def outboxes(self) -> dict[str, Any]:
        return self.link()["outboxes"]

    def told(self, kind: str) -> list[Any]:
        return [news for news in self.news if news.kind == kind]


class Place:
    """A server, which runs unless it is to be started later, and nodes that are stopped with it."""

    def __init__(self, nodes: Sequence[str], serving: bool = True, **settings: Any) -> None:
        self._serving = serving
        self.folder = Path(tempfile.mkdtemp(prefix="dr-"))
        self.server = Server(self.folder)
        self.settings = {"environment": "driven", "nodes": list(nodes), "url": self.server.url} | settings
        self.nodes: list[Driven] = []

    def node(self, name: str, *event_types: EventType) -> Driven:
        """Starts a node."""
        return self.join(Driven(self.settings, name, *event_types))

    def join(self, node: N) -> N:
        """Starts a node that was made for it."""
        self.nodes.append(node)
        return node.start()

    def leave(self, node: Driven, patience_s: float = 1.0) -> Mapping[str, Any]:
        """A node ends, and what it applied is acknowledged; its last figures."""
        self.nodes.remove(node)
        return node.bridge.stop(patience_s)

    def until(self, holds: Callable[[], object]) -> None:
        """Lets the nodes get on until something has come about."""

        def has_come() -> object:
            while sum(node.turn() for node in self.nodes):
                pass
            return holds()

        wait_until(has_come, lambda: str([(node.handled[-5:], node.news[-5:], node.link()) for node in self.nodes]))

    def __enter__(self) -> Self:
        if self._serving:
            self.server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for node in self.nodes:
            node.bridge.stop(0.0)
        self.server.close()
        shutil.rmtree(self.folder, ignore_errors=True)
