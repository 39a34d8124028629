"""An environment of its own for redis-py, which Libra itself does not need: fetched once into .build/redis-py."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["interpreter"]

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".build" / "redis-py"
REQUIREMENTS = ("redis==7.4.0", "msgspec>=0.22")


def interpreter(say: Callable[[str], None]) -> tuple[str | None, str]:
    """The Python that has redis-py, or none and the reason."""
    python = ENVIRONMENT / "bin" / "python"
    if _imports(python):
        return str(python), ""
    uv = shutil.which("uv") or str(ROOT / ".build" / "uv" / "bin" / "uv")
    say(f"fetching {REQUIREMENTS[0]} into .build/redis-py (once)")
    try:
        for command in (
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(ENVIRONMENT)],
            [uv, "pip", "install", "--quiet", "--python", str(python), *REQUIREMENTS],
        ):
            subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.SubprocessError) as error:
        lines = (getattr(error, "stderr", None) or str(error)).strip().splitlines() or ["no message"]
        return None, f"{REQUIREMENTS[0]} could not be installed: {lines[-1].strip()}"
    return str(python), ""


def _imports(python: Path) -> bool:
    if not python.exists():
        return False
    return subprocess.run([python, "-c", "import redis, msgspec"], capture_output=True).returncode == 0
