"""Which signals ask a process of ours to end in order, beside Ctrl-C, and when two are one. Imports nothing of ours."""

from __future__ import annotations

import signal

__all__ = ["SAME_STOP_S", "stop_signals"]

SAME_STOP_S = 0.5
"""A signal that comes again so soon is the same one: `uv run` hands a Ctrl-C on that its group has had."""


def stop_signals() -> tuple[signal.Signals, ...]:
    """SIGTERM, and SIGHUP: the terminal is closed. Where that is ignored, as `nohup` has it, it stays so."""
    closed: signal.Signals | None = getattr(signal, "SIGHUP", None)
    if closed is None or signal.getsignal(closed) is signal.SIG_IGN:
        return (signal.SIGTERM,)
    return (signal.SIGTERM, closed)
