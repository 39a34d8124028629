"""Which signals ask a process of ours to end in order, beside Ctrl-C. Imports nothing of ours."""

from __future__ import annotations

import signal

__all__ = ["stop_signals"]


def stop_signals() -> tuple[signal.Signals, ...]:
    """SIGTERM, and SIGHUP: the terminal is closed. Where that is ignored, as `nohup` has it, it stays so."""
    closed: signal.Signals | None = getattr(signal, "SIGHUP", None)
    if closed is None or signal.getsignal(closed) is signal.SIG_IGN:
        return (signal.SIGTERM,)
    return (signal.SIGTERM, closed)
