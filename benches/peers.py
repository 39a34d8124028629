"""Where the peers live: an environment of its own for nautilus_trader, and a floor in Python.

Nothing here is a dependency of Libra. The environment is made once, in `.build/peers`, with the Python that the peer
asks for; where that is not found or the packages cannot be fetched, the peer is left out and the reason is printed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["DictBus", "Nautilus"]

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".build" / "peers"
REQUIREMENT = "nautilus_trader==1.231.0"
TESTED = (3, 12)


class DictBus:
    """The floor: a dict of lists, handlers called on the spot. No queue, no order between types, no isolation."""

    def __init__(self) -> None:
        self._handlers: dict[Any, list[Callable[[Any], Any]]] = {}

    def subscribe(self, event_type: object, handler: Callable[[Any], Any]) -> None:
        """Adds a handler."""
        self._handlers.setdefault(event_type, []).append(handler)

    def emit(self, event: Any) -> bool:  # noqa: ANN401
        """Calls the handlers."""
        for handler in self._handlers.get(event.event_type, ()):
            handler(event)
        return True


class Nautilus:
    """nautilus_trader's message bus in its own interpreter; `reason` says why it is not there."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.reason: str | None = None
        self._python = ENVIRONMENT / "bin" / "python"
        try:
            self._prepare(say)
        except (OSError, subprocess.CalledProcessError) as error:
            output = getattr(error, "stderr", None) or str(error)
            lines = output.strip().splitlines() or ["no message"]
            self.reason = f"{REQUIREMENT} could not be installed: {lines[-1].strip()}"

    def _prepare(self, say: Callable[[str], None]) -> None:
        if self._python.exists() and not _failed(self._python, "import nautilus_trader"):
            return
        interpreter = find_interpreter()
        uv = shutil.which("uv") or str(ROOT / ".build" / "uv" / "bin" / "uv")
        if interpreter is None:
            self.reason = "nautilus_trader needs Python 3.12, and none is found"
            return
        say(f"fetching {REQUIREMENT} into .build/peers (once, some 200 MB)")
        for command in (
            [uv, "venv", "--quiet", "--clear", "--python", str(interpreter), str(ENVIRONMENT)],
            [uv, "pip", "install", "--quiet", "--python", str(self._python), REQUIREMENT],
        ):
            subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=900)

    def measure(self, events: int) -> dict[str, float]:
        """Nanoseconds an event of its `publish` and its `send`."""
        command = [str(self._python), str(ROOT / "benches" / "nautilus_peer.py"), str(events)]
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=300)
        return {name: float(value) for name, value in json.loads(out.stdout).items()}


def find_interpreter() -> Path | None:
    """A Python 3.12 that runs."""
    for candidate in _candidates():
        if candidate.exists() and not _failed(candidate, f"import sys; sys.exit(sys.version_info[:2] != {TESTED})"):
            return candidate
    return None


def _candidates() -> Iterator[Path]:
    name = "python3.12"
    if sys.version_info[:2] == TESTED:
        yield Path(sys.executable)
    if found := shutil.which(name):
        yield Path(found)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted((pyenv / "versions").glob("3.12*/bin/python3.12"))
    yield from sorted((Path.home() / ".local/share/uv/python").glob("cpython-3.12*/bin/python3.12"))


def _failed(python: Path, program: str) -> bool:
    return subprocess.run([python, "-c", program], capture_output=True, timeout=60).returncode != 0
