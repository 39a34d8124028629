"""What makes a simulated run the run that it is, beside its input: its parameters and its seed.

Paths are left out, so that a run is the same on every machine; so are speed and logging, which change nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from libra.config import Settings

__all__ = ["run_identity"]


def run_identity(settings: Settings) -> bytes:
    """Canonical bytes of everything that decides what a run does."""
    tree = settings.model_dump(mode="json")
    node = tree["node"]
    identity: dict[str, Any] = {
        "seed": node["seed"],
        "supervision": node["supervision"],
        "max_events_per_s": node["max_events_per_s"],
        "instruments": tree["instruments"],
        "market": {key: value for key, value in tree["market"].items() if key != "files"},
        "accounts": [{key: value for key, value in group.items() if key != "log"} for group in tree["account_groups"]],
        "strategies": tree["strategies"],
    }
    return json.dumps(_without_folders(identity), sort_keys=True, separators=(",", ":")).encode()


def _without_folders(value: Any) -> Any:  # noqa: ANN401 - a JSON tree
    if isinstance(value, dict):
        return {
            key: Path(item).name if key in ("class", "class_path") and isinstance(item, str) else _without_folders(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_without_folders(item) for item in value]
    return value
