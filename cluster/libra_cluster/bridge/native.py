"""The native bridge behind the seam of `libra.assembly.bridge.NodeBridge`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import libra_core
from libra.errors import BridgeError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from libra.assembly.bridge import NodeBridge
    from libra_cluster.bridge.settings import BridgeSettings
    from libra_core import BridgeNews, NodeCore

__all__ = ["open_bridge", "read_password", "require_bridge"]

_CHOSEN = "PERSISTENCE_"
"""Findings about the topology's own server that a profile has chosen."""

_ENDING_S = 1.0
"""What it takes at most until a handler that is ended has let go of the loop."""


def require_bridge() -> Any:  # noqa: ANN401 - a class of the native core, once it has one
    """The native class.

    Raises:
        BridgeError: When this build of the native core has none.
    """
    found = getattr(libra_core, "Bridge", None)
    if found is None:
        raise BridgeError("this build of libra_core has no bridge, so nodes of several processes cannot be joined")
    return found


def open_bridge(
    settings: BridgeSettings,
    *,
    url: str,
    node: str,
    nodes: Sequence[str],
    accounts: Sequence[str] | None = None,
    handler_timeout_s: float = 0.0,
) -> NodeBridge:
    """A bridge that is started with its node.

    Args:
        settings: Its section of the profile.
        url: The server: that of the settings, or the topology's own.
        node: The name of this node.
        nodes: The names of all nodes of the topology.
        accounts: The name of the one that has accounts, at most one: only for it a signal has to find room. Without it
            all may have some.
        handler_timeout_s: For so long a handler may hold the node's loop until the node ends it: it says that it lives
            meanwhile. 0, and it falls silent with its loop.

    Raises:
        BridgeError: When this build of the native core has none.
        ConfigError: When the password cannot be had.
    """
    options = settings.native() | {
        "url": url,
        "node": node,
        "nodes": list(nodes),
        "accounts": None if accounts is None else list(accounts),
        **_password(settings),
        "started_ns": time.time_ns(),
        "loop_patience_ms": round((handler_timeout_s + _ENDING_S) * 1_000) if handler_timeout_s else 0,
    }
    return _NativeBridge(require_bridge(), options, is_own=settings.url is None)


def _password(settings: BridgeSettings) -> dict[str, str | None]:
    """What the native bridge is told of the password: that of a file is looked up at each connection.

    Raises:
        ConfigError: When it is not there, so that a start says so before anything is connected.
    """
    password = read_password(settings)
    if settings.password_file is not None:
        return {"password_file": settings.password_file}
    return {"password": password}


def read_password(settings: BridgeSettings) -> str | None:
    """The password, from where the settings say.

    Raises:
        ConfigError: When it is not there.
    """
    if settings.password_env is not None:
        password = os.environ.get(settings.password_env)
        if not password:
            raise ConfigError(f"bridge.password_env: the environment has no {settings.password_env}; set it")
        return password
    if settings.password_file is not None:
        try:
            # As the native bridge reads it later.
            line = Path(settings.password_file).read_text(encoding="utf-8").split("\n", 1)[0]
        except (OSError, ValueError) as error:
            raise ConfigError(f"bridge.password_file: {settings.password_file} cannot be read: {error}") from None
        if not line:
            raise ConfigError(f"bridge.password_file: {settings.password_file} holds no password on its first line")
        return line
    return None


class _NativeBridge:
    """`NodeBridge` over the native class.

    Args:
        native: The class.
        options: What it is made with.
        is_own: The server is the topology's own. What it keeps is `appendonly`'s choice, and no finding.
    """

    def __init__(self, native: Any, options: dict[str, Any], *, is_own: bool) -> None:  # noqa: ANN401 - as `require_bridge`
        self._class = native
        self._options = options
        self._is_own = is_own
        self.life: int = options["started_ns"]
        self._accounts = frozenset(options["nodes"] if options["accounts"] is None else options["accounts"])
        self._is_settled = False
        self._native: Any = None

    def start(self, core: NodeCore) -> None:
        self._native = self._class(core, self._options)
        # A password is kept no longer than it is needed.
        self._options = {}
        try:
            self._native.start()
        except ConnectionRefusedError as error:
            raise ConfigError(f"bridge: {error}") from None

    def flush(self) -> None:
        if self._native is not None:
            self._native.flush()

    def awaits(self) -> bool:
        stats = self.stats()
        unheard = {name for name, node in stats.get("link", {}).get("nodes", {}).items() if not node["epoch"]}
        return self._is_own and bool(unheard & self._accounts) and bool(stats["credits_in_use"])

    def leave(self, timeout_s: float) -> None:
        if self._native is not None:
            until = time.monotonic() + timeout_s
            self._native.leave(timeout_s)
            # Those that are there have read everything, or there was no time for it.
            self._is_settled = time.monotonic() < until

    def keeps(self) -> bool:
        if not self._is_own:
            return True
        # News are not to be had here: they come by the loop, which takes in no more.
        nodes = self.stats().get("link", {}).get("nodes", {})
        return self._is_settled and all(
            node["up"] or (node["left"] and name not in self._accounts) for name, node in nodes.items()
        )

    def life_of(self, node: str) -> int | None:
        told = self.stats().get("link", {}).get("nodes", {}).get(node)
        return None if told is None or not told["epoch"] else int(told["started_ns"])

    def stop(self, timeout_s: float) -> dict[str, Any]:
        return {} if self._native is None else self._shown(self._native.stop(timeout_s))

    def stats(self) -> dict[str, Any]:
        return {} if self._native is None else self._shown(self._native.stats())

    def _shown(self, counted: Mapping[str, Any]) -> dict[str, Any]:
        stats = dict(counted)
        if self._is_own and "link" in stats:
            found = stats["link"].get("findings", [])
            kept = [finding for finding in found if not finding["code"].startswith(_CHOSEN)]
            stats["link"] = stats["link"] | {"findings": kept}
        return stats

    def news(self) -> Sequence[BridgeNews]:
        news: Sequence[BridgeNews] = () if self._native is None else self._native.news()
        return [told for told in news if not self._is_chosen(told)]

    def _is_chosen(self, told: BridgeNews) -> bool:
        return self._is_own and told.kind in ("server_finding", "server_note") and told.detail.startswith(_CHOSEN)
