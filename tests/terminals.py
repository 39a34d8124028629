"""Terminals that tests close."""

from __future__ import annotations

import fcntl
import os
import pty
import subprocess
import termios
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["on_a_terminal"]


def on_a_terminal(command: Sequence[str], folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A process in a folder that leads the session of a terminal, and that terminal's other end."""
    ours, terminal = pty.openpty()
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(terminal)
    return process, ours
