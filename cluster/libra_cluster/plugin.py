"""What this package adds to `libra`, by the entry point `cluster` in the group `libra.plugins`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from pydantic import Field

from libra.config.settings import Settings
from libra_cluster.bridge.settings import TLS_SCHEMES, BridgeSettings
from libra_cluster.pools import PoolName, PoolSettings, write_out_pools
from libra_cluster.topology import NodeName, NodePlacement, Topology, check_topology

if TYPE_CHECKING:
    from libra.config.draft import Draft
    from libra.config.problems import Problems
    from libra.config.tree import Tree
    from libra_cluster.supervision.supervisor import Supervisor

__all__ = ["PLUGIN", "ClusterPlugin"]

_FILES = ("ca_file", "password_file")
_PASSWORDS = ("password_env", "password_file")
_IN_URL = {
    "username": ("user",),
    "password_env": _PASSWORDS,
    "password_file": _PASSWORDS,
    "ca_file": ("ca_file",),
}
"""Keys of `[bridge]`, each with the options of a url that say the same."""


class ClusterPlugin:
    """Reads `[bridge]`, `[nodes]` and `[pools]`, and runs profiles with nodes. See `libra.config.plugins.Plugin`."""

    sections: Mapping[str, tuple[Any, Any]] = {
        "bridge": (
            BridgeSettings | None,
            Field(default=None, description="The server that joins the nodes of a topology."),
        ),
        "nodes": (
            dict[NodeName, NodePlacement],
            Field(
                default_factory=dict, description="Processes that share this profile, by name, with what each builds."
            ),
        ),
        "pools": (
            dict[PoolName, PoolSettings],
            Field(default_factory=dict, description="Strategies that run over several nodes, by the pool's name."),
        ),
    }

    def resolve(self, tree: Tree, problems: Problems) -> None:
        """Files of `[bridge]` are named relative to the profile, or to the current folder; pools are written out."""
        write_out_pools(tree, problems)
        for key in _FILES:
            entry = tree.get("bridge", key)
            if entry is None or not isinstance(entry.value, str):
                continue
            beside = entry.place.directory / entry.value if entry.place.directory is not None else Path(entry.value)
            path = beside if beside.exists() else Path(entry.value)
            if path.is_file():
                entry.value = str(path.resolve())
            else:
                problems.add(entry.place, f"bridge.{key}", f"{entry.value} is no file; correct the path")

    def check(self, draft: Draft) -> None:
        """Everything has one place, and the server can be reached by what is said."""
        check_topology(draft)
        bridge = draft.tree.get("bridge")
        given: set[str] = set(bridge.value) if bridge is not None and isinstance(bridge.value, dict) else set()
        if {"password_env", "password_file"} <= given:
            draft.report("is given beside password_file; keep one of them", "bridge", "password_env")
        if "username" in given and not given & {"password_env", "password_file"}:
            draft.report("needs a password: add password_env or password_file", "bridge", "username")
        if "url" not in given:
            for key in sorted(given & {"username", "password_env", "password_file", "ca_file"}):
                draft.report("is for a server of your own; add url, or take it out", "bridge", key)
            return
        if "appendonly" in given:
            draft.report("is for the server that the topology starts; take it out, or url", "bridge", "appendonly")
        url = draft.tree.get("bridge", "url")
        in_url = parse_qs(urlsplit(str(url.value)).query) if url is not None else {}
        for key, options in _IN_URL.items():
            if key in given and (twice := [option for option in options if option in in_url]):
                draft.report(f"is given beside {twice[0]} in url; keep one of them", "bridge", key)
        if "ca_file" in given and url is not None and not str(url.value).startswith(TLS_SCHEMES):
            draft.report(
                "needs a url with TLS: rediss:// or rediss+sentinel://; what goes another way is neither encrypted "
                "nor checked",
                "bridge",
                "ca_file",
            )

    def takes(self, settings: Settings) -> bool:
        """True for a profile with `[nodes]`."""
        return bool(Topology.of(settings).members)

    def build(
        self, settings: Settings, *, profile: str = "", resume: Sequence[str] = (), live: bool = False
    ) -> Supervisor:
        """What starts the nodes of a profile."""
        from libra_cluster.supervision.supervisor import Supervisor

        return Supervisor(settings, profile=profile, resume=resume, live=live)


PLUGIN = ClusterPlugin()
